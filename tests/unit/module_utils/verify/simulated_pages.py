"""The pages with metrics of a simulated stack's pods."""

from __future__ import annotations

import time

from ansible_collections.observability.stack.plugins.module_utils.stack.high_availability import SCRAPED_QUEUE

# The faults that a counter shows.
_COUNTED = (
    "failed samples",
    "discarded",
    "discarded lines",
    "delayed lines",
    "exporter fails",
    "exporter of lines fails",
    "receiver of lines fails",
)


def page(pod: str, fault: str, group: str, looks: int, accepted: int) -> str:
    """Return the metrics of a pod.

    Counters that rise do so with the number of `looks`; `group` is that of the HA tracker, `accepted` what a collector has accepted.
    """
    n = looks * 1000
    rising = {name: n if fault == name else 0 for name in _COUNTED}
    deduped = 0 if fault == "one replica" else n
    started = time.time() - (48 * 3600 if fault == "compactor is idle" else 60)
    failed = 3 if fault == "retention fails" else 0
    uncleaned = 2 if fault == "blocks stay" else 0
    without = n * 50 if fault == "without replica" else n // 10
    text = {
        "prometheus": [
            f'prometheus_remote_storage_samples_total{{remote_name="{SCRAPED_QUEUE}",url="x"}} {n}',
            f'prometheus_remote_storage_samples_total{{remote_name="mimir-pushed",url="x"}} {n}',
            f'prometheus_remote_storage_samples_failed_total{{remote_name="{SCRAPED_QUEUE}"}} {rising["failed samples"]}',
            f'prometheus_remote_storage_samples_pending{{remote_name="{SCRAPED_QUEUE}"}} {10**9 if fault == "stuck queue" else 3}',
        ],
        "mimir": [
            f'cortex_distributor_deduped_samples_total{{cluster="{group}",user="anonymous"}} {deduped}',
            f'cortex_distributor_non_ha_samples_received_total{{user="anonymous"}} {without}',
            f'cortex_discarded_samples_total{{reason="rate_limited",user="anonymous"}} {rising["discarded"]}',
            f"process_start_time_seconds {started:e}",
            "cortex_compactor_last_successful_run_timestamp_seconds 0",
            'cortex_compactor_runs_failed_total{reason="shutdown"} 1',
            f"cortex_compactor_block_cleanup_last_successful_run_timestamp_seconds {time.time():e}",
            "cortex_compactor_block_cleanup_failed_total 1",
            "cortex_compactor_blocks_cleaned_total 0",
            f"cortex_compactor_block_cleanup_failures_total {uncleaned}",
        ],
        "loki": [
            f'loki_discarded_samples_total{{reason="x"}} {rising["discarded lines"]}',
            f'loki_discarded_samples_total{{reason="rate_limited"}} {rising["delayed lines"]}',
            f"process_start_time_seconds {time.time() - 60:e}",
            "loki_compactor_apply_retention_last_successful_run_timestamp_seconds 0",
            f'loki_compactor_apply_retention_operation_total{{status="failure"}} {failed}',
        ],
        "otel": [
            f'otelcol_receiver_accepted_metric_points{{receiver="otlp"}} {accepted}',
            f'otelcol_exporter_send_failed_metric_points{{exporter="p"}} {rising["exporter fails"]}',
            f'otelcol_exporter_queue_size{{exporter="p"}} {900 if fault == "full queue of the collectors" else 10}',
            'otelcol_exporter_queue_capacity{exporter="p"} 1000',
        ],
        "alloy": [
            f'otelcol_receiver_accepted_log_records_total{{receiver="filelog"}} {7 if fault == "not tailed" else n}',
            f'otelcol_receiver_failed_log_records_total{{receiver="filelog"}} {rising["receiver of lines fails"]}',
            f'otelcol_exporter_send_failed_log_records_total{{exporter="otlphttp"}} {rising["exporter of lines fails"]}',
            f'otelcol_exporter_queue_size{{exporter="otlphttp"}} {900 if fault == "full queue" else 10}',
            'otelcol_exporter_queue_capacity{exporter="otlphttp"} 1000',
            f'otelcol_fileconsumer_reading_files{{receiver="filelog"}} {int(fault == "reading is behind")}',
        ],
    }
    return "\n".join(["# TYPE some_metric counter", *text[pod.partition("-")[0]], ""])
