"""How much has to be queued, kept and taken, from the rates of the inventory. All sizes are bytes, all times seconds."""

from __future__ import annotations

import math

from .model import Stack

# Room above the expected rate: for what was queued during an outage and arrives after it, and for growth.
HEADROOM = 5
# A queued sample on disk: OTLP as protobuf with its resource, uncompressed (assumed, generous).
_BYTES_PER_QUEUED_SAMPLE = 400
# What a queue on disk adds: labels, times, frames, and room that is not given back at once.
QUEUE_OVERHEAD = 2
# Pages of a node's queue that are partly empty, and the offsets of the files.
_DISK_OVERHEAD = 1.5
# A burst of 20 MB/s for a minute fits, whatever the sizing says.
_SMALLEST_LOG_QUEUE = 2**30
# One stream without shards has carried as much (`make failover`, log-rotation). Above it Loki has to share a stream out.
ONE_STREAM = 20 * 10**6

# The longest line in Loki (its default, configuration reference 3.7, `max_line_size`).
LINE = 2**18
# The largest request with logs that the collector sends; as much as it takes in one over gRPC.
COLLECTOR_LOG_BATCH = 2**22
# Requests of Alloy. The largest line fits into one with room for its labels: one that does not fit is dropped with all that is beside it.
SMALLEST_LOG_BATCH, LARGEST_LOG_BATCH = 2**18, 2**20


def queued_samples(stack: Stack) -> int:
    """Return how many samples a sender has to hold through an outage, as if it carried everything alone."""
    return stack.samples_per_second * stack.outage_horizon


def queued_log_bytes(stack: Stack) -> int:
    """Return how many bytes of logs a sender has to hold through an outage, as if it carried everything alone."""
    return stack.log_bytes_per_second * stack.outage_horizon


def collector_disk(stack: Stack) -> int:
    """Return the volume that a collector needs: a queue per Prometheus replica, and one for logs."""
    samples = queued_samples(stack) * _BYTES_PER_QUEUED_SAMPLE * stack.replicas["prometheus"]
    return (samples + queued_log_bytes(stack)) * QUEUE_OVERHEAD


def node_log_queue(stack: Stack) -> int:
    """Return the queue for logs on the disk of each node.

    Pods may end up on any node, so each holds what the whole cluster writes in an outage, unless `alloy_log_queue_size` says otherwise.
    """
    return stack.log_queue or max(queued_log_bytes(stack) * QUEUE_OVERHEAD, _SMALLEST_LOG_QUEUE)


def node_disk(stack: Stack) -> int:
    """Return how much has to be free on each node for that queue."""
    return math.ceil(node_log_queue(stack) * _DISK_OVERHEAD)


def sample_rate(stack: Stack) -> int:
    """Return the samples per second that a store has to take: pushed samples are written by both replicas, so the rate counts for each."""
    return stack.samples_per_second * stack.replicas["prometheus"] * HEADROOM


def log_rate(stack: Stack) -> float:
    """Return the rate of log lines that a store has to take, in MiB per second."""
    return max(stack.log_bytes_per_second * HEADROOM / 2**20, 4)
