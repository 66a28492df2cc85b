"""What an inventory may not do: one row for each wrong one, with the variable that is named and the words that say what would be right.

All of them go through the whole check of an inventory, except for the reading of its files; some through a real `ansible-playbook`.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.observability.stack.plugins.action.check_inventory import computed
from ansible_collections.observability.stack.plugins.module_utils.stack import components, overrides
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE
from ansible_collections.observability.stack.plugins.module_utils.stack.components.prometheus import expressions
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError, Stack
from ansible_collections.observability.stack.plugins.plugin_utils import inventory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import playbooks
from tests.inventories import ROOT, stack

_LOADER = DataLoader()
_EVALUATE = computed(Templar(loader=_LOADER), _LOADER, {})
_EVALUATED: dict[str, Any] = {}


def compute(role: str, values: Mapping[str, Any], model: Stack) -> Any:
    """Return what a role computes; evaluated once for equal inputs."""
    key = repr((role, model, sorted((name, value) for name, value in values.items() if name.startswith(role) and name != f"{role}_config")))
    if key not in _EVALUATED:
        _EVALUATED[key] = _EVALUATE(role, values, model)
    return _EVALUATED[key]


def checked(**changes: Any) -> tuple[list[str], list[str]]:
    """Return problems and warnings of an inventory that names its cluster and says `changes`."""
    problems, warnings = inventory.unknown(changes)
    ours = {name: value for name, value in changes.items() if name in inventory.known().names}
    try:
        _, more = inventory.check({"observability_cluster_name": "test", **ours}, compute)
    except InventoryError as error:
        return problems + error.problems, warnings
    return problems, warnings + more


def job(**changes: Any) -> dict[str, Any]:
    return {"job_name": "gateway", "static_configs": [{"targets": ["gateway.example.org:9100"]}], **changes}


def jobs(*listed: Any) -> dict[str, Any]:
    return {"prometheus_scrape_configs": list(listed)}


def rule(**changes: Any) -> dict[str, Any]:
    return {"record": "job:up:sum", "expr": "sum by (job) (up)", **changes}


def rules(*listed: Any, **group: Any) -> dict[str, Any]:
    return {"prometheus_rules": {"site": {"groups": [{"name": "site", "rules": list(listed), **group}]}}}


def resources(requests: Any = None, limits: Any = None, **more: Any) -> dict[str, Any]:
    given = {kind: value for kind, value in (("requests", requests), ("limits", limits)) if value is not None}
    return {"mimir_resources": {**given, **more}}


def peers(*listed: Any, **changes: Any) -> dict[str, Any]:
    return {"ingress_from": list(listed), **changes}


# (what the inventory says, the variable that the sentence begins with, what else it says)
WRONG: list[tuple[dict[str, Any], str, str]] = [
    # resources
    (resources(request={"cpu": "1"}), "mimir_resources", "did you mean requests?"),
    (resources(limit={"cpu": "1"}), "mimir_resources", "did you mean limits?"),
    (resources(claims=[{"name": "gpu"}]), "mimir_resources", "no resource claims"),
    (resources(requests={"mem": "1Gi"}), "mimir_resources", "cpu, memory, ephemeral-storage"),
    (resources(requests={"memroy": "1Gi"}), "mimir_resources", "did you mean memory?"),
    (resources(limits={"CPU": "1"}), "mimir_resources", "a resource is cpu"),
    (resources(limits={"ephemeral_storage": "1Gi"}), "mimir_resources", "did you mean ephemeral-storage?"),
    (resources(limits={"memory": "4GB"}), "mimir_resources", "limits.memory: '4GB'; it should be 4Gi or 4G"),
    (resources(limits={"memory": "512MB"}), "mimir_resources", "512Mi or 512M"),
    (resources(limits={"memory": "4gi"}), "mimir_resources", "a quantity"),
    (resources(limits={"memory": "4 Gi"}), "mimir_resources", "a quantity"),
    (resources(limits={"memory": "lots"}), "mimir_resources", "a quantity"),
    (resources(limits={"memory": True}), "mimir_resources", "a quantity"),
    (resources(limits={"memory": None}), "mimir_resources", "a quantity"),
    (resources(limits={"memory": ["1Gi"]}), "mimir_resources", "a quantity"),
    (resources(limits={"memory": "-1Gi"}), "mimir_resources", "a quantity"),
    (resources(limits={"memory": 4}), "mimir_resources", "that is 4 bytes; write it like 512Mi"),
    (resources(limits={"memory": "512m"}), "mimir_resources", "that is 0.512 bytes"),
    (resources(limits={"cpu": "0"}), "mimir_resources", "0 processors"),
    (resources(limits={"cpu": "500"}, requests={"cpu": 1000}), "mimir_resources", "1000 processors; write it like 500m"),
    (resources(limits={"cpu": "0.0001"}), "mimir_resources", "processors"),
    (resources(limits={"cpu": "2 cores"}), "mimir_resources", "a quantity"),
    (resources(requests={"memory": "8Gi"}, limits={"memory": "4Gi"}), "mimir_resources", "at most as much as limits.memory, '4Gi'"),
    (resources(requests={"cpu": "3"}, limits={"cpu": "2500m"}), "mimir_resources", "at most as much as limits.cpu"),
    (resources(requests={"example.com/gpu": 1}, limits={"example.com/gpu": 2}), "mimir_resources", "as much as limits.example.com/gpu"),
    (resources(limits={"example.com/gpu": "1.5"}), "mimir_resources", "a whole number"),
    (resources(limits="4Gi"), "mimir_resources", "a mapping like {cpu: 500m"),
    (resources(requests=[]), "mimir_resources", "a mapping like"),
    ({"alloy_resources": "small"}, "alloy_resources", "it should be a mapping"),
    ({"grafana_resources": {"limits": {"memory": "1GB"}}}, "grafana_resources", "1Gi or 1G"),
    ({"otel_collector_resources": {"limits": {"cpu": "1"}}}, "otel_collector_resources", "has no limits.memory"),
    ({"otel_collector_resources": {}}, "otel_collector_resources", "has no limits.memory"),
    ({"ingress_resources": None}, "ingress_resources", "give it a mapping, or leave the line out"),
    ({"sample_application_resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1m"}}}, "sample_application_resources", "at most"),
    # labels and quotas
    ({"namespaces_labels": "team"}, "namespaces_labels", "it should be a mapping"),
    ({"namespaces_labels": ["team"]}, "namespaces_labels", "it should be a mapping"),
    ({"namespaces_labels": {"team": 5}}, "namespaces_labels", "quote it"),
    ({"namespaces_labels": {"team": True}}, "namespaces_labels", "quote it"),
    ({"namespaces_labels": {"team": "a b"}}, "namespaces_labels", "the value of a label"),
    ({"namespaces_labels": {"team": "x" * 64}}, "namespaces_labels", "63"),
    ({"namespaces_labels": {"team": {"name": "a"}}}, "namespaces_labels", "the value of a label"),
    ({"namespaces_labels": {"my team": "a"}}, "namespaces_labels", "the key of a label"),
    ({"namespaces_labels": {"Example.com/team": "a"}}, "namespaces_labels", "the key of a label"),
    ({"namespaces_labels": {5: "a"}}, "namespaces_labels", "the key of a label"),
    ({"namespaces_labels": {"app.kubernetes.io/part-of": "mine"}}, "namespaces_labels", "leave it out"),
    ({"namespaces_labels": {"pod-security.kubernetes.io/enforce": "baseline"}}, "namespaces_labels", "leave it out"),
    ({"namespaces_quota": {"pod": "5"}}, "namespaces_quota", "did you mean pods?"),
    ({"namespaces_quota": {"request.cpu": "5"}}, "namespaces_quota", "did you mean requests.cpu?"),
    ({"namespaces_quota": {"pods": "many"}}, "namespaces_quota", "a quantity"),
    ({"namespaces_quota": {"pods": 5.5}}, "namespaces_quota", "a whole number"),
    ({"namespaces_quota": {"limits.memory": "20GB"}}, "namespaces_quota", "20Gi or 20G"),
    ({"namespaces_quota": 50}, "namespaces_quota", "it should be a mapping"),
    ({"prometheus_external_labels": {"region": 5}}, "prometheus_external_labels", "its value is a string"),
    ({"prometheus_external_labels": {"cluster": "x"}}, "prometheus_external_labels", "leave it out"),
    ({"prometheus_external_labels": "region=x"}, "prometheus_external_labels", "it should be a mapping"),
    ({"ingress_config": {"proxy-connect-timeout": 10}}, "ingress_config", "quote it"),
    ({"ingress_config": {"a b": "c"}}, "ingress_config", "a key of a ConfigMap"),
    # scrape jobs
    ({"prometheus_scrape_configs": "gateway"}, "prometheus_scrape_configs", "it should be a list"),
    ({"prometheus_scrape_configs": job()}, "prometheus_scrape_configs", "it should be a list"),
    (jobs("gateway"), "prometheus_scrape_configs", ""),
    (jobs(job(job_name="")), "prometheus_scrape_configs", "every job needs a name"),
    (jobs({"static_configs": [{"targets": ["a:1"]}]}), "prometheus_scrape_configs", "every job needs a name"),
    (jobs(job(job_name=5)), "prometheus_scrape_configs", "every job needs a name"),
    (jobs(job(), job()), "prometheus_scrape_configs", "that is the name of job 1"),
    (jobs(job(job_name="kubernetes-pods")), "prometheus_scrape_configs", "a job of the stack itself"),
    (jobs({"job_name": "gateway"}), "prometheus_scrape_configs", "without targets"),
    (jobs(job(static_config=[])), "prometheus_scrape_configs", "did you mean static_configs?"),
    (jobs(job(kuberntes_sd_configs=[{"role": "pod"}])), "prometheus_scrape_configs", "did you mean kubernetes_sd_configs?"),
    (jobs(job(metric_path="/m")), "prometheus_scrape_configs", "did you mean metrics_path?"),
    (jobs(job(scrape_interval="15")), "prometheus_scrape_configs", "gateway.scrape_interval: '15'; it should be a duration"),
    (jobs(job(scrape_interval=15)), "prometheus_scrape_configs", "a duration"),
    (jobs(job(scrape_timeout="20s")), "prometheus_scrape_configs", "at most the interval of the job, 15s"),
    (jobs(job(scrape_interval="5s", scrape_timeout="10s")), "prometheus_scrape_configs", "at most the interval of the job, 5s"),
    (jobs(job(scheme="HTTPS")), "prometheus_scrape_configs", "http or https"),
    (jobs(job(static_configs=[{"targets": "gateway:9100"}])), "prometheus_scrape_configs", "a list of addresses"),
    (
        jobs(job(static_configs=[{"targets": ["http://gateway:9100"]}])),
        "prometheus_scrape_configs",
        "scheme and path have keys of their own",
    ),
    (jobs(job(static_configs=[{"target": ["gateway:9100"]}])), "prometheus_scrape_configs", "did you mean targets?"),
    (jobs(job(static_configs={"targets": ["a:1"]})), "prometheus_scrape_configs", "a list of mappings"),
    (jobs(job(static_configs=[{"targets": ["a:1"], "labels": {"team": 5}}])), "prometheus_scrape_configs", "quote it"),
    (
        jobs(job(static_configs=[{"targets": ["a:1"], "labels": {"collector": "x"}}])),
        "prometheus_scrape_configs",
        "the stack sets that label itself",
    ),
    (jobs(job(relabel_configs={"action": "keep"})), "prometheus_scrape_configs", "a list of mappings"),
    (jobs(job(metric_relabel_configs="drop")), "prometheus_scrape_configs", "a list of mappings"),
    (jobs(job(metric_relabel_configs=None)), "prometheus_scrape_configs", "a list of mappings"),
    (jobs(job(relabel_configs=[{"action": "dorp"}])), "prometheus_scrape_configs", "it should be one of replace"),
    (jobs(job(relabel_configs=[{"source_label": ["a"]}])), "prometheus_scrape_configs", "did you mean source_labels?"),
    (jobs(job(relabel_configs=[{"source_labels": "a"}])), "prometheus_scrape_configs", "a list of labels"),
    (
        jobs(job(relabel_configs=[{"target_label": "prom_ha_group", "replacement": "x"}])),
        "prometheus_scrape_configs",
        "the stack sets that label itself",
    ),
    ({"prometheus_config": {"global": {"scrape_timeout": "30s"}}}, "prometheus_config", "at most prometheus_scrape_interval (15s)"),
    ({"prometheus_config": {"global": {"evaluation_interval": "fast"}}}, "prometheus_config", "a duration"),
    # rule files
    ({"prometheus_rules": []}, "prometheus_rules", "it should be a mapping"),
    ({"prometheus_rules": None}, "prometheus_rules", "give it a mapping"),
    ({"prometheus_rules": {"site": "groups: []"}}, "prometheus_rules", "from_yaml"),
    ({"prometheus_rules": {"site": {}}}, "prometheus_rules", "a list of groups"),
    ({"prometheus_rules": {"site": {"group": []}}}, "prometheus_rules", "a list of groups"),
    ({"prometheus_rules": {"site": {"groups": {"name": "a"}}}}, "prometheus_rules", "a list of groups"),
    ({"prometheus_rules": {"site": {"groups": [], "spec": {}}}}, "prometheus_rules", "groups only"),
    ({"prometheus_rules": {"a/b": {"groups": []}}}, "prometheus_rules", "a file is named"),
    ({"prometheus_rules": {"../x": {"groups": []}}}, "prometheus_rules", "a file is named"),
    ({"prometheus_rules": {"my rules": {"groups": []}}}, "prometheus_rules", "a file is named"),
    ({"prometheus_rules": {5: {"groups": []}}}, "prometheus_rules", "a file is named"),
    ({"prometheus_rules": {"high-availability": {"groups": []}}}, "prometheus_rules", "would be replaced"),
    ({"prometheus_rules": {"site": {"groups": ["a"]}}}, "prometheus_rules", "a group is a mapping"),
    (rules(rule(), name=""), "prometheus_rules", "every group needs a name"),
    (rules(rule(), interval="often"), "prometheus_rules", "a duration"),
    (rules(rule(), intervall="1m"), "prometheus_rules", "did you mean interval?"),
    ({"prometheus_rules": {"site": {"groups": [{"name": "a", "rules": []}] * 2}}}, "prometheus_rules", "a group of that name already"),
    ({"prometheus_rules": {"site": {"groups": [{"name": "a"}]}}}, "prometheus_rules", "a list of rules"),
    (rules("up"), "prometheus_rules", "a rule is a mapping"),
    (rules({"expr": "up"}), "prometheus_rules", "neither record nor alert"),
    (rules(rule(alert="Down")), "prometheus_rules", "record and alert; a rule has one of the two"),
    (rules(rule(record="job-up")), "prometheus_rules", "the name of a metric"),
    (rules(rule(**{"for": "5m"})), "prometheus_rules", "only an alert has it"),
    (rules(rule(annotations={"summary": "x"})), "prometheus_rules", "only an alert has it"),
    (rules({"alert": "Down", "expr": "up == 0", "for": "soon"}), "prometheus_rules", "a duration like 5m"),
    (rules({"alert": "Down", "exp": "up == 0"}), "prometheus_rules", "did you mean expr?"),
    (rules({"alert": "Down", "expr": "up == 0", "labels": {"severity": 1}}), "prometheus_rules", "quote it"),
    (rules({"alert": "Down", "expr": "up == 0", "labels": "critical"}), "prometheus_rules", "a mapping of names to strings"),
    (rules(rule(labels={"collector": "otel"})), "prometheus_rules", "the stack sets that label itself"),
    (rules(rule(labels={"__replica__": "x"})), "prometheus_rules", "the stack sets that label itself"),
    (rules(rule(record="observability:prometheus_heartbeat")), "prometheus_rules", "the stack records that itself"),
    (rules(rule(expr=1)), "prometheus_rules", "as a string"),
    (rules(rule(expr="")), "prometheus_rules", "as a string"),
    (rules(rule(expr="sum(up")), "prometheus_rules", "PromQL"),
    (rules(rule(expr="up ==")), "prometheus_rules", "PromQL"),
    (rules(rule(expr="rate(up)")), "prometheus_rules", "PromQL"),
    (rules(rule(expr="summ(up)")), "prometheus_rules", "PromQL"),
    (rules(rule(expr="up{job=~gateway}")), "prometheus_rules", "PromQL"),
    # what belongs to the stack
    ({"prometheus_config": {"remote_write": [{"url": "http://elsewhere"}]}}, "prometheus_config", "remote_write"),
    ({"prometheus_config": {"remote_write": []}}, "prometheus_config", "prometheus_pushed_dedup"),
    ({"prometheus_config": {"global": {"scrape_interval": "1m"}}}, "prometheus_config", "say it with prometheus_scrape_interval"),
    ({"prometheus_config": {"global": {"external_labels": {"cluster": "x"}}}}, "prometheus_config", "prometheus_external_labels"),
    ({"prometheus_config": {"global": {"external_labels": {"region": "x"}}}}, "prometheus_config", "prometheus_external_labels"),
    ({"prometheus_config": {"scrape_configs": [job()]}}, "prometheus_config", "say it with prometheus_scrape_configs"),
    ({"prometheus_config": {"rule_files": ["/x.yaml"]}}, "prometheus_config", "say it with prometheus_rules"),
    (
        {"prometheus_config": {"storage": {"tsdb": {"out_of_order_time_window": "5m"}}}},
        "prometheus_config",
        "prometheus_out_of_order_window",
    ),
    ({"prometheus_config": {"storage": {"tsdb": {"retention": {"time": "1d"}}}}}, "prometheus_config", "prometheus_retention"),
    ({"prometheus_config": {"otlp": {"promote_resource_attributes": ["service.name"]}}}, "prometheus_config", "leave it out"),
    ({"prometheus_config": {"alerting": {"alert_relabel_configs": []}}}, "prometheus_config", "leave it out"),
    ({"mimir_config": {"target": "ingester"}}, "mimir_config", "other components rely on it"),
    ({"mimir_config": {"multitenancy_enabled": True}}, "mimir_config", "say it with observability_tenant"),
    ({"mimir_config": {"server": {"http_listen_port": 9009}}}, "mimir_config", "server.http_listen_port: 9009"),
    ({"mimir_config": {"server": {"http_path_prefix": "/mimir"}}}, "mimir_config", "other components rely on it"),
    ({"mimir_config": {"api": {"prometheus_http_prefix": "/p"}}}, "mimir_config", "other components rely on it"),
    ({"mimir_config": {"limits": {"accept_ha_samples": False}}}, "mimir_config", "limits.accept_ha_samples: False"),
    ({"mimir_config": {"limits": {"ha_replica_label": "replica"}}}, "mimir_config", "leave it out"),
    ({"mimir_config": {"limits": {"ha_tracker_failover_timeout": "1m"}}}, "mimir_config", "prometheus_scrape_interval"),
    ({"mimir_config": {"limits": {"out_of_order_time_window": "0s"}}}, "mimir_config", "prometheus_out_of_order_window"),
    ({"mimir_config": {"limits": {"compactor_blocks_retention_period": "1y"}}}, "mimir_config", "say it with mimir_retention"),
    ({"mimir_config": {"limits": {"ingestion_rate": 100}}}, "mimir_config", "observability_samples_per_second"),
    ({"mimir_config": {"distributor": {"ha_tracker": {"enable_ha_tracker": False}}}}, "mimir_config", "leave it out"),
    ({"mimir_config": {"distributor": {"ha_tracker": {"kvstore": {"store": "consul"}}}}}, "mimir_config", "leave it out"),
    ({"mimir_config": {"ingester": {"ring": {"replication_factor": 3}}}}, "mimir_config", "say it with mimir_replicas"),
    ({"mimir_config": {"common": {"storage": {"backend": "s3"}}}}, "mimir_config", "say it with observability_object_storage"),
    ({"loki_config": {"common": {"replication_factor": 3}}}, "loki_config", "say it with loki_replicas"),
    ({"loki_config": {"storage_config": {"use_thanos_objstore": True}}}, "loki_config", "say it with observability_object_storage"),
    ({"loki_config": {"compactor": {"horizontal_scaling_mode": "main"}}}, "loki_config", "leave it out"),
    ({"grafana_config": {"database": {"type": "postgres"}}}, "grafana_config", "say it with grafana_database"),
    ({"mimir_pod": {"extra_env": [{"name": "AWS_ACCESS_KEY_ID", "value": "x"}]}}, "mimir_pod", "the role sets it itself"),
    ({"observability_profile": "ha", "grafana_enabled": False}, "observability_object_storage", "share their data through it"),
    ({"observability_profile": "ha", "object_storage_enabled": True}, "grafana_database", "SQLite has one writer"),
    ({"observability_object_storage": {"type": "s3", "bucket": "x"}}, "observability_object_storage", "did you mean buckets?"),
    ({"mimir_config": {"memberlist": {"join_members": ["elsewhere"]}}}, "mimir_config", "leave it out"),
    ({"mimir_config": {"blocks_storage": {"tsdb": {"dir": "/elsewhere"}}}}, "mimir_config", "leave it out"),
    ({"mimir_config": {"limits": None}}, "mimir_config", "it should be a mapping"),
    ({"mimir_config": {"server": 8080}}, "mimir_config", "it should be a mapping"),
    ({"loki_config": {"auth_enabled": True}}, "loki_config", "say it with observability_tenant"),
    ({"loki_config": {"limits_config": {"retention_period": "1d"}}}, "loki_config", "say it with loki_retention"),
    ({"loki_config": {"limits_config": {"ingestion_rate_mb": 1}}}, "loki_config", "observability_log_bytes_per_second"),
    (
        {"loki_config": {"limits_config": {"max_line_size_truncate": "a", "allow_structured_metadata": False}}},
        "loki_config",
        "leave it out",
    ),
    ({"loki_config": {"compactor": {"retention_enabled": False}}}, "loki_config", "leave it out"),
    ({"loki_config": {"common": {"path_prefix": "/elsewhere"}}}, "loki_config", "leave it out"),
    ({"loki_config": {"schema_config": {"configs": [{"from": "2025-01-01"}]}}}, "loki_config", "leave it out"),
    ({"loki_config": {"ingester": {"wal": {"flush_on_shutdown": False}}}}, "loki_config", "leave it out"),
    ({"loki_config": {"server": {"http_listen_port": 80}}}, "loki_config", "leave it out"),
    (
        {"otel_collector_config": {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "x"}}}}}},
        "otel_collector_config",
        "leave it out",
    ),
    ({"otel_collector_config": {"processors": {"resource": {"attributes": []}}}}, "otel_collector_config", "leave it out"),
    ({"otel_collector_config": {"exporters": {"otlp_http/prometheus-0": {"endpoint": "http://x"}}}}, "otel_collector_config", "exporters"),
    (
        {"otel_collector_config": {"service": {"pipelines": {"metrics": {"exporters": ["otlp_http/loki"]}}}}},
        "otel_collector_config",
        "service.pipelines.metrics.exporters",
    ),
    ({"otel_collector_config": {"service": {"extensions": []}}}, "otel_collector_config", "leave it out"),
    (
        {"otel_collector_config": {"service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp/tempo"]}}}}},
        "otel_collector_config",
        "the configuration has none of that name",
    ),
    (
        {"otel_collector_config": {"service": {"pipelines": {"traces": {"receivers": ["otpl"], "exporters": ["otlp_http/loki"]}}}}},
        "otel_collector_config",
        "did you mean otlp?",
    ),
    ({"otel_collector_config": {"service": {"pipelines": {"traces": ["otlp"]}}}}, "otel_collector_config", "a mapping with receivers"),
    (
        {"otel_collector_config": {"service": {"extensions": ["health_check", "file_storage", "pprof"]}}},
        "otel_collector_config",
        "no extension of that name",
    ),
    ({"grafana_config": {"server": {"root_url": "http://x"}}}, "grafana_config", "grafana_host or observability_domain"),
    ({"grafana_config": {"server": {"serve_from_sub_path": True}}}, "grafana_config", "leave it out"),
    ({"grafana_config": {"auth": {"generic_oauth": {"enabled": True}}}}, "grafana_config", '"auth.generic_oauth": {…}'),
    ({"grafana_config": {"users": ["a"]}}, "grafana_config", "no mapping for users"),
    ({"grafana_config": {"paths": {"data": "/data"}}}, "grafana_config", "leave it out"),
    ({"grafana_config": {"security": {"admin_user": "x"}}}, "grafana_config", "grafana_admin_user"),
    ({"grafana_config": {"users": {"default_theme": None}}}, "grafana_config", "a string, a number, true or false"),
    # sections that are none
    ({"prometheus_config": {"globals": {}}}, "prometheus_config", "did you mean global?"),
    ({"prometheus_config": {"global": "15s"}}, "prometheus_config", "it should be a mapping"),
    ({"prometheus_config": ["global"]}, "prometheus_config", "it should be a mapping"),
    ({"prometheus_config": None}, "prometheus_config", "give it a mapping"),
    ({"mimir_config": {"limit": {"ingestion_rate": 1}}}, "mimir_config", "did you mean limits?"),
    ({"mimir_config": {"limits": {"max_global_series_per_users": 5}}}, "mimir_config", "did you mean max_global_series_per_user?"),
    ({"loki_config": {"limits_config": {"max_query_serie": 5}}}, "loki_config", "did you mean max_query_series?"),
    ({"prometheus_config": {"global": {"scrape_timout": "5s"}}}, "prometheus_config", "did you mean scrape_timeout?"),
    ({"mimir_config": {"block_storage": {}}}, "mimir_config", "did you mean blocks_storage?"),
    ({"mimir_config": {"limits_config": {}}}, "mimir_config", "no such section"),
    ({"mimir_config": "limits"}, "mimir_config", "it should be a mapping"),
    ({"mimir_config": {5: {}}}, "mimir_config", "no such section"),
    ({"loki_config": {"limits": {}}}, "loki_config", "no such section"),
    ({"loki_config": {"limit_config": {}}}, "loki_config", "did you mean limits_config?"),
    ({"loki_config": {"querier": True}}, "loki_config", "it should be a mapping"),
    ({"otel_collector_config": {"reciever": {}}}, "otel_collector_config", "did you mean receivers?"),
    ({"otel_collector_config": {"exporters": ["debug"]}}, "otel_collector_config", "it should be a mapping"),
    # retention and volumes
    ({"prometheus_retention": "forever"}, "prometheus_retention", "a duration"),
    ({"prometheus_retention": "1y"}, "prometheus_retention", "a duration"),
    ({"mimir_retention": 30}, "mimir_retention", "a duration"),
    ({"loki_retention": "12h"}, "loki_retention", "at least 1d"),
    ({"mimir_retention": "200000d"}, "mimir_retention", "at most 36500d"),
    ({"loki_retention": "999999999d"}, "loki_retention", "at most 36500d"),
    ({"prometheus_retention": "10m"}, "prometheus_retention", "longer than prometheus_out_of_order_window (30m)"),
    ({"mimir_retention": "30m"}, "mimir_retention", "longer than prometheus_out_of_order_window"),
    ({"prometheus_retention": "90d"}, "prometheus_storage_size", "prometheus_retention 90d"),
    ({"prometheus_storage_size": "2Gi"}, "prometheus_storage_size", "at least"),
    ({"mimir_retention": "365d"}, "mimir_storage_size", "mimir_retention 365d"),
    ({"mimir_storage_size": "10Gi"}, "mimir_storage_size", "2 bytes a sample"),
    ({"loki_retention": "90d"}, "loki_storage_size", "loki_retention 90d"),
    ({"observability_log_bytes_per_second": 2**20}, "loki_storage_size", "observability_log_bytes_per_second"),
    ({"observability_outage_horizon": "30m"}, "otel_collector_storage_size", "observability_outage_horizon"),
    ({"mimir_storage_size": "50GB"}, "mimir_storage_size", "10Gi"),
    # names
    ({"promtheus_replicas": 2}, "promtheus_replicas", "did you mean prometheus_replicas?"),
    ({"prometheus_replica": 2}, "prometheus_replica", "did you mean prometheus_replicas?"),
    ({"observability_domian": "x.org"}, "observability_domian", "did you mean observability_domain?"),
    ({"loki_retension": "7d"}, "loki_retension", "did you mean loki_retention?"),
    ({"mimir_enable": False}, "mimir_enable", "did you mean mimir_enabled?"),
    ({"ingress_tls_secrets": "x"}, "ingress_tls_secrets", "did you mean ingress_tls_secret?"),
    ({"otelcollector_replicas": 3}, "otelcollector_replicas", "did you mean otel_collector_replicas?"),
    # where it goes, and what it may use there
    ({"observability_namespace": "kube-system"}, "observability_namespace", "a namespace of the stack's own"),
    ({"observability_namespace": "default"}, "observability_namespace", "a namespace of the stack's own"),
    ({"sample_application_namespace": "kube-public"}, "sample_application_namespace", "a namespace of the stack's own"),
    ({"observability_spread": "always"}, "observability_spread", "preferred"),
    ({"observability_pod": {"node_selectors": {}}}, "observability_pod", "node_selector"),
    ({"prometheus_pod": {"tolerations": {"key": "a"}}}, "prometheus_pod", ""),
    ({"alloy_max_unavailable": "many"}, "alloy_max_unavailable", ""),
    # network policies
    ({"observability_network_policies": "false"}, "observability_network_policies", "without quotes"),
    ({"observability_network_policies": 1}, "observability_network_policies", "true or false"),
    ({"ingress_install": False}, "ingress_from", "kubernetes.io/metadata.name: ingress-nginx"),
    (peers("ingress-nginx"), "ingress_from", "unable to convert to dict"),
    ({"ingress_from": {"namespaceSelector": {}}}, "ingress_from", "it should be a list"),
    (peers({}), "ingress_from", "podSelector, namespaceSelector, ipBlock"),
    (peers({"namespace": "ingress-nginx"}), "ingress_from", "podSelector, namespaceSelector, ipBlock"),
    (peers({"namespaceSelector": "ingress-nginx"}), "ingress_from", "as a peer of a NetworkPolicy"),
    (peers({"namespaceSelector": {"kubernetes.io/metadata.name": "x"}}), "ingress_from", "as a peer of a NetworkPolicy"),
    (peers({"namespaceSelector": {"matchLabels": {"team": 5}}}), "ingress_from", "as a peer of a NetworkPolicy"),
    (peers({"podSelector": {"matchExpressions": [{"operator": "Exists"}]}}), "ingress_from", "as a peer of a NetworkPolicy"),
    (peers({"ipBlock": {"cidr": "192.0.2.1"}}), "ingress_from", "as a peer of a NetworkPolicy"),
    (peers({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["198.51.100.0/25"]}}), "ingress_from", "as a peer of a NetworkPolicy"),
    (peers({"ipBlock": {"cidr": "192.0.2.0/24", "except": "192.0.2.0/25"}}), "ingress_from", "as a peer of a NetworkPolicy"),
    (peers({"ipBlock": {"cidr": "192.0.2.0/24"}, "podSelector": {}}), "ingress_from", "ipBlock alone"),
    # values
    ({"observability_allow_overrides": "yes"}, "observability_allow_overrides", "true or false"),
    ({"observability_images": None}, "observability_images", "give it a value"),
    ({"observability_kubeconfig": 5}, "observability_kubeconfig", "a string"),
    ({"observability_storage_check": "false"}, "observability_storage_check", "without quotes"),
    ({"ingress_install": "no"}, "ingress_install", "without quotes"),
    ({"prometheus_replicas": "two"}, "prometheus_replicas", "int"),
    ({"verify_timeout": float("inf")}, "verify_timeout", "a whole number"),
    ({"ingress_service_type": "Loadbalancer"}, "ingress_service_type", "LoadBalancer"),
    ({"sample_application_interval": "1"}, "sample_application_interval", "as Go writes it"),
    ({"sample_application_interval": "0s"}, "sample_application_interval", "as Go writes it"),
    ({"verify_timeout": 0}, "verify_timeout", "1 or more"),
    ({"verify_max_nodes": -1}, "verify_max_nodes", "1 or more"),
    ({"verify_depth": "deep"}, "verify_depth", "quick, full"),
    ({"verify_absent": {"graphana": "none here"}}, "verify_absent", "did you mean grafana?"),
    ({"verify_absent": {"grafana": ""}}, "verify_absent", "say the reason"),
    ({"grafana_admin_user": " "}, "grafana_admin_user", "the name of a user"),
]

# Accepted on purpose, each with its reason.
ACCEPTED: list[tuple[dict[str, Any], str]] = [
    (resources(), "without requests and limits Kubernetes, or a LimitRange of the namespace, decides"),
    (resources(requests={"cpu": 1, "memory": "1e9"}, limits={"cpu": 1.5, "memory": "2G"}), "numbers, exponents, decimal suffixes"),
    (resources(limits={"memory": "4Gi", "hugepages-2Mi": "64Mi", "example.com/gpu": 1}), "resources beyond the usual ones"),
    (
        {
            "namespaces_labels": {
                "istio-injection": "disabled",
                "example.com/team": "",
                "pod-security.kubernetes.io/enforce-version": "v1.36",
            }
        },
        "",
    ),
    ({"namespaces_quota": {"pods": 50, "requests.cpu": "2500m", "count/jobs.batch": 5, "limits.memory": "64Gi"}}, "numbers and quantities"),
    (jobs(job(), job(job_name="other", honor_labels=True, scrape_interval="1m30s", scrape_timeout="1m")), "two jobs"),
    (jobs({"job_name": "dns", "dns_sd_configs": [{"names": ["a.example.org"]}]}), "discovery instead of addresses"),
    (jobs(job(scrape_timeout="10s", relabel_configs=[{"action": "Keep", "source_labels": ["a"], "regex": "b"}])), "actions in any case"),
    (rules(rule(), rule(record="a:b", expr="histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))")), "rules"),
    (rules({"alert": "Down", "expr": "up == 0", "for": "1d12h", "labels": {"severity": "page"}, "annotations": {"a": "b"}}), "an alert"),
    ({"prometheus_rules": {"site": {"groups": []}}}, "an empty file does nothing"),
    ({"prometheus_config": {"global": {"evaluation_interval": "1m"}}}, "computed, but a matter of taste"),
    ({"prometheus_config": {"global": {"scrape_interval": "15s"}}}, "the same value as the computed one changes nothing"),
    ({"prometheus_config": {"remote_read": [{"url": "http://elsewhere"}]}}, "not computed, and nothing relies on it"),
    ({"prometheus_config": {"rule_files": ["/etc/prometheus/rules-*.yaml", "/more/*.yaml"]}}, "a list that keeps what is computed"),
    (
        {"mimir_config": {"limits": {"max_label_names_per_series": 40, "ingestion_rate": 10**6, "max_fetched_series_per_query": 1}}},
        "limits",
    ),
    (
        {"loki_config": {"limits_config": {"max_query_series": 1000}, "query_range": {"parallelise_shardable_queries": True}}},
        "a section more",
    ),
    ({"mimir_config": {"limits": {"a_limit_of_the_next_version": 1}}}, "a key that is near to none may be newer than the list of keys"),
    ({"loki_config": {"pattern_ingester": {"enabled": True}}}, "computed, but a matter of taste"),
    (
        {
            "otel_collector_config": {
                "exporters": {"debug": {}},
                "service": {
                    "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}},
                    "telemetry": {"logs": {"level": "debug"}},
                },
            }
        },
        "a pipeline of one's own beside ours",
    ),
    ({"otel_collector_config": {"processors": {"memory_limiter": {"limit_percentage": 70}}}}, "computed, but a matter of taste"),
    ({"grafana_config": {"auth.generic_oauth": {"enabled": True, "name": "SSO", "scopes": "openid email"}}}, "sections of grafana.ini"),
    ({"grafana_api_token": "glsa_x", "verify_ssl": False, "mimir_account": "acme"}, "variables of the user's own"),
    ({"prometheus_port": 9091, "loki_url": "http://x", "alloy_version": "1"}, "variables of the user's own"),
    ({"some_other_role_variable": 1, "http_proxy": "x"}, "nobody's business here"),
    ({"ingress_install": False, "observability_network_policies": False}, "no policy, so nobody has to be named"),
    ({"ingress_install": False, "ingress_enabled": False}, "no hosts, so nobody reaches them"),
    (
        peers({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}, ingress_install=False),
        "a controller",
    ),
    (peers({"podSelector": {}}, {"namespaceSelector": {}, "podSelector": {}}), "peers that nobody needs yet"),
    (peers({"ipBlock": {"cidr": "2001:db8::/32", "except": ["2001:db8:1::/48"]}}), "a load balancer outside of the cluster"),
    ({"observability_storage_check": False}, "volumes that no StorageClass makes"),
    ({"prometheus_enabled": "true"}, "as `-e` gives it; the model has the converted value"),
    ({"prometheus_replicas": "3"}, "as `-e` gives it; the model has the converted value"),
    ({"mimir_retention": "365d", "mimir_storage_size": "310Gi"}, "the volume fits what is kept in it"),
    ({"mimir_enabled": False, "mimir_storage_size": "1Gi"}, "no volume without its component"),
]


def title(row: Any) -> str:
    return json.dumps(row, default=str)[:70] if isinstance(row, dict) else ""


def test_the_table_is_as_long_as_promised() -> None:
    assert len(WRONG) >= 120
    assert len({json.dumps(changes, default=str) for changes, _, _ in WRONG}) == len(WRONG)


@pytest.mark.parametrize(("changes", "variable", "words"), WRONG, ids=title)
def test_a_wrong_inventory_ends_in_a_sentence_within_seconds(changes: dict[str, Any], variable: str, words: str) -> None:
    start = time.monotonic()
    problems, _ = checked(**changes)
    assert time.monotonic() - start < 5
    assert any(text.split()[0] == variable and words in text for text in problems), problems
    # What is right is not named with it.
    assert {text.split()[0] for text in problems} <= {variable, *changes}, problems
    assert all("\n" not in text for text in problems)


@pytest.mark.parametrize(("changes", "reason"), ACCEPTED, ids=title)
def test_what_is_unusual_and_right_is_accepted(changes: dict[str, Any], reason: str) -> None:
    problems, _ = checked(**changes)
    assert problems == [], reason


# --- all of them, and nothing else ------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(range(len(WRONG))), min_size=2, max_size=6, unique=True))
@settings(max_examples=60)
def test_all_problems_are_told_at_once(chosen: list[int]) -> None:
    changes: dict[str, Any] = {}
    expected = set()
    for row in chosen:
        given_here, variable, _ = WRONG[row]
        # A variable has one value; a volume depends on more than one variable.
        if not changes.keys() & given_here.keys() and not variable.endswith("_storage_size"):
            changes |= given_here
            expected.add(variable)
    problems, _ = checked(**changes)
    assert expected <= {text.split()[0] for text in problems}


def test_volumes_and_overrides_are_told_with_what_the_model_rejects() -> None:
    problems, _ = checked(
        observability_cluster_name="North",
        mimir_storage_size="1Gi",
        loki_storage_size="1Gi",
        prometheus_scrape_interval="often",
        mimir_config={"multitenancy_enabled": True},
        loki_config={"server": {"http_listen_port": 80}},
    )
    assert [text.split()[0] for text in problems] == [
        "observability_cluster_name",
        "prometheus_scrape_interval",
        "mimir_storage_size",
        "loki_storage_size",
        "mimir_config",
        "loki_config",
    ]


def test_a_rejected_rate_has_no_volume_problem_of_its_own() -> None:
    problems, _ = checked(observability_samples_per_second="many", mimir_storage_size="1Gi")
    assert [text.split()[0] for text in problems] == ["observability_samples_per_second"]


def test_a_secret_is_not_in_a_sentence() -> None:
    for changes in (
        jobs(job(basic_auth={"username": "a", "password": "hunter2"}, scheme="ftp")),
        jobs(job(basic_aut={"username": "a", "password": "hunter2"})),
        {"prometheus_scrape_configs": job(basic_auth={"password": "hunter2"})},
        {"mimir_config": {"comon": {"storage": {"s3": {"secret_access_key": "hunter2"}}}}},
        {"grafana_config": {"auth.generic_oauth": {"client_secret": ["hunter2"]}}},
    ):
        problems, _ = checked(**changes)
        assert problems
        assert "hunter2" not in "".join(problems)


# Whatever YAML makes of a slip: any type, and the words that the checks look for at any depth.
_WORDS = st.sampled_from(
    ["", " ", "a", "A", "15s", "0s", "9" * 30 + "d", "10Gi", "4GB", "1e9", "9" * 400, "500m", "{{ x }}", "ü", "\n", "a\n", "up", "sum(",
     "x" * 300, "replace", "https", "127.0.0.1:80", "otlp", "memory", "true", "1" * 5000]
)  # fmt: skip
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _WORDS
_KNOWN_KEYS = (
    "requests", "limits", "cpu", "memory", "job_name", "static_configs", "targets", "labels", "relabel_configs", "action", "source_labels",
    "scrape_timeout", "groups", "name", "rules", "record", "alert", "expr", "for", "annotations", "interval", "site", "high-availability",
    "global", "external_labels", "storage", "tsdb", "remote_write", "server", "limits_config", "ring", "memberlist", "service", "pipelines",
    "metrics", "exporters", "receivers", "extensions", "processors", "grafana", "users", "security", "team", "pods",
)  # fmt: skip
_KEYS = st.sampled_from(_KNOWN_KEYS) | st.text(max_size=5) | st.integers() | st.booleans() | st.none()
_JUNK = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=10)
_NAMES = sorted(inventory.known().names)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(_NAMES), _JUNK, min_size=1, max_size=4))
def test_junk_gives_a_model_or_sentences_that_name_variables(changes: dict[str, Any]) -> None:
    problems, warnings = checked(**changes)
    assert all(text.split()[0] in _NAMES for text in problems + warnings)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "prometheus_scrape_configs": st.lists(st.dictionaries(_KEYS, _JUNK), max_size=3),
            "prometheus_rules": st.dictionaries(
                _KEYS, st.fixed_dictionaries({"groups": st.lists(st.dictionaries(_KEYS, _JUNK))}), max_size=2
            ),
            "otel_collector_config": st.dictionaries(_KEYS, st.dictionaries(_KEYS, _JUNK)),
            "mimir_config": st.dictionaries(_KEYS, _JUNK),
            "mimir_resources": st.dictionaries(_KEYS, st.dictionaries(_KEYS, _SCALARS)),
            "namespaces_quota": st.dictionaries(_KEYS, _SCALARS),
        },
    )
)
def test_structures_that_are_nearly_right_give_a_model_or_sentences(changes: dict[str, Any]) -> None:
    problems, warnings = checked(**changes)
    assert all(text.split()[0] in _NAMES for text in problems + warnings)


# --- slips and variables of one's own ---------------------------------------------------------------------------------


def test_variables_of_the_user_are_mentioned_in_one_warning() -> None:
    own = {"grafana_api_token": "glsa_x", "verify_ssl": False, "mimir_account": "acme", "alloy_config": {}, "unrelated": 1}
    problems, warnings = checked(**own)
    assert problems == []
    (warning,) = warnings
    assert "nothing here reads them: alloy_config (not " in warning
    assert all(name in warning for name in ("grafana_api_token", "mimir_account", "verify_ssl"))
    assert "glsa_x" not in warning
    assert "unrelated" not in warning


@given(st.sampled_from(_NAMES), st.data())
def test_a_dropped_or_swapped_letter_is_a_slip(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(min_value=len(name.split("_", maxsplit=1)[0]) + 1, max_value=len(name) - 2))
    wrong = data.draw(st.sampled_from([name[:place] + name[place + 1 :], name[:place] + name[place + 1] + name[place] + name[place + 2 :]]))
    if len(name.split("_", 1)[1]) > 5 and wrong not in _NAMES:
        problems, _ = inventory.unknown([wrong])
        assert problems, f"{wrong} for {name}"


# --- what belongs to the stack ---------------------------------------------------------------------------------------------

CONFIGURED = [name for name in CATALOGUE if hasattr(components.module(name), "CONFIGURATION")]
VALUES = {**inventory.known().defaults, "observability_cluster_name": "test"}


def leaves(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(data, dict) and data:
        return [leaf for key, value in data.items() for leaf in leaves(value, (*path, key))]
    return [(path, data)]


@functools.cache
def computed_of(role: str) -> dict[str, Any]:
    found: dict[str, Any] = compute(role, VALUES, stack())
    return found


@pytest.mark.parametrize("role", CONFIGURED)
def test_everything_that_a_role_computes_is_guarded_unless_it_is_free(role: str) -> None:
    owned = components.module(role).CONFIGURATION
    for path, value in leaves(computed_of(role)):
        change: Any = [] if isinstance(value, list) else f"not {value}"
        for key in reversed(path):
            change = {key: change}
        dotted = ".".join(map(str, path))
        free = any(dotted == other or dotted.startswith(f"{other}.") for other in owned.free)
        found = list(overrides.override_problems(role, change, computed_of(role), owned))
        assert bool(found) != free, dotted


@pytest.mark.parametrize("role", CONFIGURED)
def test_the_table_of_owned_keys_names_what_there_is(role: str) -> None:
    owned = components.module(role).CONFIGURATION
    paths = {".".join(map(str, path)) for path, _ in leaves(computed_of(role))}
    for listed in (*owned.free, *owned.at_least, *owned.instead):
        there = any(path == listed or path.startswith(f"{listed}.") for path in paths) or listed in owned.also
        assert there, f"{role}: {listed} is not computed any more"
    words = {word.strip(",") for text in owned.instead.values() for word in text.split()} - {"and", "or"}
    assert words <= inventory.known().names
    assert owned.sections is None or computed_of(role).keys() <= {*owned.sections, *owned.others}


def test_the_wrong_pipelines_of_the_failover_scenario_are_rejected_without_the_switch() -> None:
    (play,) = yaml.safe_load((ROOT / "molecule/failover/control_metrics.yml").read_text())
    problems, warnings = checked(**play["vars"])
    assert problems == []
    problems, _ = checked(**{**play["vars"], "observability_allow_overrides": False})
    assert problems == warnings
    assert "service.pipelines.metrics.exporters" in "".join(problems)


def test_with_the_switch_an_override_is_a_warning() -> None:
    changes: dict[str, Any] = {
        "prometheus_config": {"remote_write": []},
        "mimir_config": {"new_section": {}},
        **rules(rule(expr="x[$__rate_interval]")),
    }
    problems, _ = checked(**changes)
    assert len(problems) == 3
    problems, warnings = checked(**changes, observability_allow_overrides=True)
    assert problems == []
    assert len(warnings) == 3
    # What no component could take is still rejected.
    problems, _ = checked(prometheus_rules={"site": {}}, observability_allow_overrides=True)
    assert problems


# --- PromQL -----------------------------------------------------------------------------------------------------------


def test_without_the_parser_expressions_are_looked_over_and_the_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "parser", lambda: None)
    for wrong in ("sum(up", "up)", "up{job='a}", "up[5m", "sum(up]", "(", "'"):
        problems, _ = checked(**rules(rule(expr=wrong)))
        assert any("PromQL" in text for text in problems), wrong
    for right in ("sum by (job) (rate(up{job=~'a)|\"b'}[5m])) # (", "label_replace(up, 'a', '$1', 'b', \"(.*)\\\"\")", "up{a=`\\`}"):
        problems, warnings = checked(**rules(rule(expr=right)))
        assert problems == []
        assert any("pip install promql-parser" in text for text in warnings)


@given(st.text(alphabet="up(){}[]\"'`,=~!+-*/ 0123456789smhd\\#\n", max_size=60) | st.text(max_size=30))
@settings(max_examples=300)
def test_any_text_is_an_expression_or_has_a_sentence(text: str) -> None:
    problems, _ = checked(**rules(rule(expr=text)))
    assert all(problem.split()[0] == "prometheus_rules" for problem in problems)


@pytest.mark.parametrize("text", ["(" * 100000, "-" * 100000 + "x", "sum(" * 50000 + "x" + ")" * 50000])
def test_an_expression_that_is_too_deep_ends_nothing_but_the_check(text: str) -> None:
    checked(**rules(rule(expr=text)))


# --- through Ansible --------------------------------------------------------------------------------------------------


CHECK = """
- name: Check the inventory
  hosts: observability
  gather_facts: false
  tasks:
    - name: Check
      observability.stack.check_inventory:
"""


def run(directory: Path, playbook: Path = ROOT / "playbooks/render.yml", **variables: Any) -> tuple[int, str]:
    """Run a playbook on an inventory of one cluster with these variables; return its code and its output."""
    named = {"observability_cluster_name": "north", **variables}
    return playbooks.run(directory, playbook, f"--extra-vars=render_directory={directory / 'rendered'}", **named)


def test_one_run_tells_mistakes_of_every_kind_and_renders_nothing(tmp_path: Path) -> None:
    code, output = run(
        tmp_path,
        mimir_resources={"limits": {"memory": "4GB"}},
        namespaces_labels={"team": 5},
        prometheus_config={"remote_write": []},
        prometheus_rules={"site": {"groups": [{"name": "a", "rules": [{"alert": "Down", "expr": "sum(up"}]}]}},
        prometheus_scrape_configs=[{"static_configs": []}],
        loki_config={"limit_config": {}},
        mimir_storage_size="1Gi",
        otel_collector_config=None,
        promtheus_replicas=2,
        mimir_account="mine",
    )
    assert code != 0
    for expected in (
        "mimir_resources has limits.memory: '4GB'; it should be 4Gi or 4G",
        "namespaces_labels has team: 5; ",
        "prometheus_config has remote_write: []; the stack sets it",
        "prometheus_rules has site.a, rule 1, expr: 'sum(up'; PromQL: ",
        "prometheus_scrape_configs has as job_name of job 1: None; every job needs a name",
        "loki_config has limit_config: {}; the configuration has no such section, did you mean limits_config?",
        "mimir_storage_size is '1Gi'; it should be at least ",
        "otel_collector_config is None; give it a mapping",
        "promtheus_replicas is not a variable of this collection; did you mean prometheus_replicas?",
        "nothing here reads them: mimir_account",
    ):
        assert expected in output
    assert not (tmp_path / "rendered").exists()


def test_templates_for_prometheus_in_a_rule_are_explained(tmp_path: Path) -> None:
    alert = {"alert": "Down", "expr": "up == 0", "annotations": {"summary": "{{ $labels.instance }} is down"}}
    code, output = run(tmp_path, prometheus_rules={"site": {"groups": [{"name": "a", "rules": [alert]}]}})
    assert code != 0
    assert "prometheus_rules cannot be evaluated" in output
    assert "!unsafe" in output


def test_a_variable_of_ones_own_and_an_allowed_override_are_warnings_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "check.yml").write_text(CHECK)
    config = {"limits": {"accept_ha_samples": False}}
    code, output = run(tmp_path, tmp_path / "check.yml", verify_ssl=False, observability_allow_overrides=True, mimir_config=config)
    assert code == 0, output
    assert "[WARNING]: not variables of this collection, nothing here reads them: verify_ssl" in output
    assert "[WARNING]: mimir_config has limits.accept_ha_samples: False; the stack sets it" in output
