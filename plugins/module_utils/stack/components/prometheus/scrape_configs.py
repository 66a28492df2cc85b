"""Scrape jobs of an inventory, as Prometheus takes them.

Prometheus rejects a whole configuration for one wrong key, and a replica that restarts with it does not come back. The names of keys are
those of its configuration reference 3.13, "scrape_config" and "relabel_config".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...messages import nearest, wrong
from ...model import Stack
from .values import SET_LABELS, duration, set_here, strings

_JOB_KEYS = frozenset({
    "job_name", "honor_labels", "honor_timestamps", "track_timestamps_staleness", "params", "scrape_interval", "scrape_timeout",
    "scrape_protocols", "fallback_scrape_protocol", "scrape_native_histograms", "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb", "scrape_failure_log_file", "metrics_path", "scheme", "enable_compression", "body_size_limit",
    "sample_limit", "target_limit", "label_limit", "label_name_length_limit", "label_value_length_limit", "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor", "keep_dropped_targets", "metric_name_validation_scheme", "metric_name_escaping_scheme",
    "extra_scrape_metrics", "relabel_configs", "metric_relabel_configs",
    "basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "tls_config", "follow_redirects", "enable_http2",
    "http_headers", "proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header",
})  # fmt: skip
_DISCOVERY = ("static_configs", *(f"{kind}_sd_configs" for kind in (
    "aws", "azure", "consul", "digitalocean", "dns", "docker", "dockerswarm", "ec2", "eureka", "file", "gce", "hetzner", "http", "ionos",
    "kubernetes", "kuma", "lightsail", "linode", "marathon", "nerve", "nomad", "openstack", "outscale", "ovhcloud", "puppetdb", "scaleway",
    "serverset", "stackit", "triton", "uyuni", "vultr",
)))  # fmt: skip
_RELABEL_KEYS = ("source_labels", "separator", "target_label", "regex", "modulus", "replacement", "action")
_RELABEL_ACTIONS = (
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase",
)  # fmt: skip
JOBS = "prometheus_scrape_configs"


def scrape_problems(values: Mapping[str, Any], stack: Stack, own: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return a sentence for each scrape job of the inventory that Prometheus would reject, or that takes the place of another one.

    `own` are the jobs of the stack itself.
    """
    jobs = values[JOBS]
    taken = {job["job_name"]: "a job of the stack itself" for job in own}
    for number, job in enumerate(jobs if isinstance(jobs, list) else (), start=1):
        if not isinstance(job, Mapping):
            yield wrong(JOBS, f"as job {number}", job, "a job is a mapping, as Prometheus' documentation of scrape_config has it")
            continue
        title = job.get("job_name")
        if not isinstance(title, str) or not title:
            yield wrong(JOBS, f"as job_name of job {number}", title, "every job needs a name, a string")
            title = f"job {number}"
        elif title in taken:
            yield wrong(JOBS, f"as job_name of job {number}", title, f"that is the name of {taken[title]}; each job needs one of its own")
        else:
            taken[title] = f"job {number}"
        yield from _job(title, job, stack)


def _job(title: str, job: Mapping[Any, Any], stack: Stack) -> Iterator[str]:
    for key, value in job.items():
        if key not in _JOB_KEYS and key not in _DISCOVERY:
            yield wrong(JOBS, f"{title}.{key}", value, f"a scrape job has no such key{nearest(key, (*_DISCOVERY, *sorted(_JOB_KEYS)))}")
    if not any(job.get(key) for key in _DISCOVERY):
        yield f"{JOBS} has {title} without targets; it needs static_configs or another list of *_configs that finds some"
    times = {}
    for key in ("scrape_interval", "scrape_timeout"):
        if key in job:
            times[key] = duration(job[key])
            if not times[key]:
                yield wrong(JOBS, f"{title}.{key}", job[key], "it should be a duration like 15s or 1m")
    timeout = times.get("scrape_timeout") or 0
    interval = times.get("scrape_interval") or stack.scrape_interval
    if interval and timeout > interval:
        yield wrong(JOBS, f"{title}.scrape_timeout", job["scrape_timeout"], f"it should be at most the interval of the job, {interval:g}s")
    if job.get("scheme", "http") not in ("http", "https"):
        yield wrong(JOBS, f"{title}.scheme", job["scheme"], "it should be http or https")
    for key in ("relabel_configs", "metric_relabel_configs"):
        if key in job:
            yield from _relabelling(f"{title}.{key}", job[key])
    for key, value in job.items():
        if key in _DISCOVERY:
            if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
                yield wrong(JOBS, f"{title}.{key}", value, "it should be a list of mappings")
            elif key == "static_configs":
                yield from _static(f"{title}.{key}", value)


def _static(path: str, groups: list[Mapping[Any, Any]]) -> Iterator[str]:
    for group in groups:
        for key in group.keys() - {"targets", "labels"}:
            yield wrong(JOBS, f"{path}.{key}", group[key], f"it has targets and labels only{nearest(key, ('targets', 'labels'))}")
        targets = group.get("targets")
        if not isinstance(targets, list) or not targets:
            yield wrong(JOBS, f"{path}.targets", targets, "it should be a list of addresses like gateway.example.org:9100")
        for target in targets if isinstance(targets, list) else ():
            if not isinstance(target, str) or not target or "/" in target or any(letter.isspace() for letter in target):
                yield wrong(
                    JOBS, f"{path}.targets", target, "an address is like gateway.example.org:9100; scheme and path have keys of their own"
                )
        if "labels" in group:
            yield from strings(JOBS, f"{path}.labels", group["labels"])
            yield from set_here(JOBS, f"{path}.labels", group["labels"])


def _relabelling(path: str, steps: Any) -> Iterator[str]:
    if not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
        yield wrong(JOBS, path, steps, "it should be a list of mappings, as Prometheus' documentation of relabel_config has it")
        return
    for step in steps:
        for key in step.keys() - set(_RELABEL_KEYS):
            yield wrong(JOBS, f"{path}.{key}", step[key], f"a step has {', '.join(_RELABEL_KEYS)}{nearest(key, _RELABEL_KEYS)}")
        if not isinstance(step.get("source_labels", []), list):
            yield wrong(JOBS, f"{path}.source_labels", step["source_labels"], "it should be a list of labels")
        action = step.get("action", "replace")
        if not isinstance(action, str) or action.lower() not in _RELABEL_ACTIONS:
            yield wrong(JOBS, f"{path}.action", action, f"it should be one of {', '.join(_RELABEL_ACTIONS)}")
        if step.get("target_label") in SET_LABELS:
            yield wrong(JOBS, f"{path}.target_label", step["target_label"], "the stack sets that label itself; take another one")
