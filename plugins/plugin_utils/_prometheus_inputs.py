"""Scrape jobs and rule files of the inventory, as Prometheus takes them. Pure Python; expressions with promql-parser where it is installed.

Prometheus rejects a whole configuration for one wrong key, and a replica that restarts with it does not come back. The names of keys are
those of its configuration reference 3.13, "scrape_config", "relabel_config" and "Recording rules".
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _wiring
from ._sentences import nearest, shown, wrong
from ._stack import Stack

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
_GROUP_KEYS = ("name", "interval", "query_offset", "limit", "rules", "labels")
_RULE_KEYS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_ALERT_KEYS = ("for", "keep_firing_for", "annotations")
_FILE_NAME = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,198}[A-Za-z0-9])?")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Prometheus' own duration: years and weeks too, and milliseconds.
_DURATION = re.compile(r"0|(?=.)(\d{1,9}y)?(\d{1,9}w)?(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}s)?(\d{1,9}ms)?")
_UNITS = {"y": 31536000.0, "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
# A scraped or recorded series with one of these would end in the wrong queue, or in another HA group.
_WIRED_LABELS = (_wiring.PUSHED_LABEL, _wiring.HA_GROUP_LABEL, _wiring.HA_REPLICA_LABEL)
# The parser recurses; what is longer is only looked over.
_LONGEST_PARSED = 5000
OWN_RULE_FILES = ("high-availability",)

JOBS = "prometheus_scrape_configs"
RULES = "prometheus_rules"


def _duration(value: Any) -> float | None:
    """Return the seconds of a duration; None for what is none."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[ywdhms])", value))


def _strings(name: str, path: str, mapping: Any) -> Iterator[str]:
    """Return the sentences about labels or annotations: names of labels, and strings."""
    if not isinstance(mapping, Mapping):
        yield wrong(name, path, mapping, "it should be a mapping of names to strings")
        return
    for key, value in mapping.items():
        if not isinstance(key, str) or not _LABEL.fullmatch(key):
            yield wrong(name, f"{path}.{key}", value, "a label has letters, digits and '_' in its name, and does not start with a digit")
        elif not isinstance(value, str):
            yield wrong(name, f"{path}.{key}", value, "it should be a string; quote it")


# --- scrape jobs --------------------------------------------------------------------------------------------------------


def scrape_problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each scrape job of the inventory that Prometheus would reject, or that takes the place of another one."""
    jobs = values[JOBS]
    taken = {job["job_name"]: "a job of the stack itself" for job in _wiring.scrape_jobs(stack)}
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


def global_problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each duration in the section `global` of `prometheus_config` that Prometheus would reject."""
    name = "prometheus_config"
    section = values[name].get("global") if isinstance(values[name], Mapping) else None
    for key, value in section.items() if isinstance(section, Mapping) else ():
        if key in ("scrape_timeout", "evaluation_interval", "rule_query_offset"):
            found = _duration(value)
            if found is None:
                yield wrong(name, f"global.{key}", value, "it should be a duration like 10s or 1m")
            elif key == "scrape_timeout" and 0 < stack.scrape_interval < found:
                right = f"it should be at most prometheus_scrape_interval ({values['prometheus_scrape_interval']})"
                yield wrong(name, f"global.{key}", value, right)


def _job(title: str, job: Mapping[Any, Any], stack: Stack) -> Iterator[str]:
    for key, value in job.items():
        if key not in _JOB_KEYS and key not in _DISCOVERY:
            yield wrong(JOBS, f"{title}.{key}", value, f"a scrape job has no such key{nearest(key, (*_DISCOVERY, *sorted(_JOB_KEYS)))}")
    if not any(job.get(key) for key in _DISCOVERY):
        yield f"{JOBS} has {title} without targets; it needs static_configs or another list of *_configs that finds some"
    times = {}
    for key in ("scrape_interval", "scrape_timeout"):
        if key in job:
            times[key] = _duration(job[key])
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
            yield from _strings(JOBS, f"{path}.labels", group["labels"])
            yield from _wired(JOBS, f"{path}.labels", group["labels"])


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
        if step.get("target_label") in _WIRED_LABELS:
            yield wrong(JOBS, f"{path}.target_label", step["target_label"], "that label belongs to the wiring; take another one")


def _wired(name: str, path: str, labels: Any) -> Iterator[str]:
    for label in _WIRED_LABELS if isinstance(labels, Mapping) else ():
        if label in labels:
            yield wrong(name, f"{path}.{label}", labels[label], "that label belongs to the wiring; take another one")


# --- rules --------------------------------------------------------------------------------------------------------------


def rule_problems(values: Mapping[str, Any], stack: Stack) -> Iterator[str]:
    """Return a sentence for each rule file of the inventory that Prometheus would reject, or that takes the place of one of the stack."""
    files = values[RULES]
    own = {rule.get("record") for group in _wiring.heartbeat_rules(stack)["groups"] for rule in group["rules"]}
    for file, content in files.items() if isinstance(files, Mapping) else ():
        if not isinstance(file, str) or not _FILE_NAME.fullmatch(file):
            yield wrong(RULES, str(file), content, "a file is named with letters, digits and - . _ (without a directory)")
        elif file in OWN_RULE_FILES:
            yield wrong(RULES, file, content, "the stack has a file of that name, which would be replaced; take another one")
        if not isinstance(content, Mapping) or not isinstance(content.get("groups"), list):
            hint = "; read a text with lookup('ansible.builtin.file', …) | from_yaml" if isinstance(content, str) else ""
            yield wrong(
                RULES, str(file), content, f"a file is a mapping with a list of groups, {{groups: [{{name: …, rules: […]}}]}}{hint}"
            )
            continue
        for key in content.keys() - {"groups"}:
            yield wrong(RULES, f"{file}.{key}", content[key], f"a file of rules has groups only{nearest(key, ('groups',))}")
        yield from _groups(str(file), content["groups"])
    for path, rule in _rules(files):
        if isinstance(rule.get("record"), str) and rule["record"] in own:
            yield wrong(RULES, f"{path}, record", rule["record"], "the stack records that itself; take another name")


def _groups(file: str, groups: list[Any]) -> Iterator[str]:
    names: set[str] = set()
    for number, group in enumerate(groups, start=1):
        if not isinstance(group, Mapping):
            yield wrong(RULES, f"{file}, group {number}", group, "a group is a mapping with name and rules")
            continue
        title = group.get("name")
        if not isinstance(title, str) or not title:
            yield wrong(RULES, f"{file}, name of group {number}", title, "every group needs a name, a string")
            title = f"group {number}"
        elif title in names:
            yield wrong(RULES, f"{file}, name of group {number}", title, "the file has a group of that name already")
        names.add(title)
        path = f"{file}.{title}"
        for key in group.keys() - set(_GROUP_KEYS):
            yield wrong(RULES, f"{path}.{key}", group[key], f"a group has {', '.join(_GROUP_KEYS)}{nearest(key, _GROUP_KEYS)}")
        for key in ("interval", "query_offset"):
            if key in group and _duration(group[key]) is None:
                yield wrong(RULES, f"{path}.{key}", group[key], "it should be a duration like 30s or 1m")
        if "labels" in group:
            yield from _strings(RULES, f"{path}.labels", group["labels"])
            yield from _wired(RULES, f"{path}.labels", group["labels"])
        rules = group.get("rules")
        if not isinstance(rules, list):
            yield wrong(RULES, f"{path}.rules", rules, "it should be a list of rules")
        for place, rule in enumerate(rules if isinstance(rules, list) else (), start=1):
            yield from _rule(f"{path}, rule {place}", rule)


def _rule(path: str, rule: Any) -> Iterator[str]:
    if not isinstance(rule, Mapping):
        yield wrong(RULES, path, rule, "a rule is a mapping with record or alert, and expr")
        return
    for key in rule.keys() - set(_RULE_KEYS):
        yield wrong(RULES, f"{path}, {key}", rule[key], f"a rule has {', '.join(_RULE_KEYS)}{nearest(key, _RULE_KEYS)}")
    if ("record" in rule) == ("alert" in rule):
        yield f"{RULES} has {path}: {'record and alert' if 'record' in rule else 'neither record nor alert'}; a rule has one of the two"
    if "record" in rule and (not isinstance(rule["record"], str) or not _METRIC.fullmatch(rule["record"])):
        yield wrong(RULES, f"{path}, record", rule["record"], "it should be the name of a metric: letters, digits, '_' and ':'")
    if "alert" in rule and (not isinstance(rule["alert"], str) or not rule["alert"]):
        yield wrong(RULES, f"{path}, alert", rule["alert"], "it should be the name of an alert")
    if "record" in rule:
        for key in rule.keys() & set(_ALERT_KEYS):
            yield wrong(RULES, f"{path}, {key}", rule[key], "only an alert has it")
    if not isinstance(rule.get("expr"), str) or not rule["expr"].strip():
        yield wrong(RULES, f"{path}, expr", rule.get("expr"), "it should be an expression in PromQL, as a string")
    for key in ("for", "keep_firing_for"):
        if key in rule and _duration(rule[key]) is None:
            yield wrong(RULES, f"{path}, {key}", rule[key], "it should be a duration like 5m")
    for key in ("labels", "annotations"):
        if key in rule:
            yield from _strings(RULES, f"{path}, {key}", rule[key])
    yield from _wired(RULES, f"{path}, labels", rule.get("labels"))


def _rules(files: Any) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Return place and content of every rule in the rule files of the inventory, those aside that `rule_problems` rejects as a whole."""
    for file, content in files.items() if isinstance(files, Mapping) else ():
        groups = content.get("groups") if isinstance(content, Mapping) else None
        for group in groups if isinstance(groups, list) else ():
            rules = group.get("rules") if isinstance(group, Mapping) else None
            for number, rule in enumerate(rules if isinstance(rules, list) else (), start=1):
                if isinstance(rule, Mapping):
                    yield f"{file}.{group.get('name')}, rule {number}", rule


def _expressions(files: Any) -> Iterator[tuple[str, str]]:
    for path, rule in _rules(files):
        if isinstance(rule.get("expr"), str) and rule["expr"].strip():
            yield f"{path}, expr", rule["expr"]


def expression_problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for each expression of the rule files that is no PromQL."""
    for path, text in _expressions(values[RULES]):
        try:
            _parse(text)
        except ValueError as error:
            yield f"{RULES} has {path}: {shown(text)}; PromQL: {' '.join(str(error).split())}"


@functools.cache
def parser() -> Callable[[str], Any] | None:
    """Return the function of promql-parser that raises ValueError for what is no PromQL; None where it is not installed."""
    try:
        found: Callable[[str], Any] = importlib.import_module("promql_parser").parse
    except ImportError:
        return None
    return found


def _parse(text: str) -> None:
    """Raise ValueError for a text that is no PromQL; without the parser only for one whose brackets or quotes do not match."""
    parse = parser()
    if parse and len(text) <= _LONGEST_PARSED:
        parse(text)
        return
    closing = {"(": ")", "[": "]", "{": "}"}
    expected: list[str] = []
    # Strings are looked over, with what they escape; a comment ends with its line.
    for token in re.findall(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*|[][(){}\"'`]", text):
        if token in closing:
            expected.append(closing[token])
        elif token in ("'", '"', "`"):
            raise ValueError(f"a quote {token} is not closed")
        elif token in closing.values() and (not expected or expected.pop() != token):
            raise ValueError(f"a bracket {token} was not opened")
    if expected:
        raise ValueError(f"a bracket {expected[-1]} is missing")


def unchecked_expressions(values: Mapping[str, Any]) -> Iterator[str]:
    """Return a warning where the inventory has expressions and nothing here can read them."""
    if parser() is None and any(_expressions(values[RULES])):
        yield f"the expressions of {RULES} were only looked over: `pip install promql-parser` to have them checked"
