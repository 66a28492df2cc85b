"""Log lines on their way from the files of a node to Loki: queue, batches, labels, and the limits at which Loki takes them.

Pure functions from a checked `Stack`. All sizes are bytes.
"""

from __future__ import annotations

import math
from typing import Any

from ._stack import Stack

# The labels of a line that Alloy reads. They travel as attributes of an OTLP resource; Loki makes stream labels of them.
LABELS = ("namespace", "pod", "container", "node", "app", "cluster", "stream")

# The longest line in Loki (its default, configuration reference 3.7, `max_line_size`). The container runtime writes long lines in parts of
# 16 KiB; Alloy joins as many as fit and begins another line with the rest.
LINE = 2**18
_CRI_PART = 2**14
# Requests to Loki. The largest line fits into one with room for its labels: one that does not fit is dropped with all that is beside it.
SMALLEST_BATCH = 2**18
LARGEST_BATCH = 2**20

# Room above the expected rate: for what was queued during an outage and arrives after it, and for growth.
_HEADROOM = 5
# A queued line on disk: its labels, its time, the frames of OTLP.
_QUEUE_OVERHEAD = 2
# A burst of 20 MB/s for a minute fits, whatever the sizing says.
_SMALLEST_QUEUE = 2**30
# Pages of the database that are partly empty, and the offsets of the files.
_DISK_OVERHEAD = 1.5
# One stream without shards has carried as much (tests/failover, log-rotation). Above it Loki has to share a stream out.
_ONE_STREAM = 20 * 10**6


def queue(stack: Stack) -> dict[str, int]:
    """Return the queue for Loki on the disk of each node.

    `bytes`: what it holds; `disk`: what has to be free for it under /var/lib/observability-stack. Pods may end up on any node, so the queue
    of each holds what the whole cluster writes in `observability_outage_horizon`, unless `alloy_log_queue_size` says otherwise.
    """
    whole = max(stack.log_bytes_per_second * stack.outage_horizon * _QUEUE_OVERHEAD, _SMALLEST_QUEUE)
    size = stack.log_queue or whole
    return {"bytes": size, "disk": math.ceil(size * _DISK_OVERHEAD)}


def settings(stack: Stack) -> dict[str, Any]:
    """Return what the configuration of Alloy takes for log lines; see `queue`.

    `line`: at what length a line is cut; `smallest_batch`, `largest_batch`: of requests; `labels`: the attributes that Loki gets.
    """
    return {
        "queue": queue(stack)["bytes"],
        "line": LINE - _CRI_PART,
        "smallest_batch": SMALLEST_BATCH,
        "largest_batch": LARGEST_BATCH,
        # Loki names a stream's service after it; it is a label by default.
        "labels": [*LABELS, "service.name"],
    }


def loki_limits(stack: Stack, largest_request: int) -> dict[str, Any]:
    """Return the part of Loki's `limits_config` that decides how lines are taken: a burst is delayed (429, and sent again), never dropped.

    One stream may carry the whole rate. A burst holds two of the largest requests of any sender (`largest_request`): one
    that is larger would be rejected for ever.
    """
    rate = max(stack.log_bytes_per_second * _HEADROOM / 2**20, 4)
    burst = 2 * rate + 2 * max(largest_request, LARGEST_BATCH) / 2**20
    return {
        "ingestion_rate_mb": rate,
        "ingestion_burst_size_mb": burst,
        "per_stream_rate_limit": f"{math.ceil(rate)}MB",
        "per_stream_rate_limit_burst": f"{math.ceil(burst)}MB",
        # The shards of a stream are streams: a line that is sent again can end in another one, and then both stay.
        "shard_streams": {"enabled": stack.log_bytes_per_second > _ONE_STREAM},
        "otlp_config": {"resource_attributes": {"attributes_config": [{"action": "index_label", "attributes": list(LABELS)}]}},
        # Longer lines lose their end; by default all of the line is lost.
        "max_line_size": f"{LINE // 2**10}KB",
        "max_line_size_truncate": True,
    }
