"""From the variables of an inventory to the checked model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import databases, object_storage, peers, placing, selection
from .catalogue import CATALOGUE, PROFILES, public_components
from .fields import LABEL, Fields, is_host, is_word
from .high_availability import RESERVED_LABELS
from .images import images
from .model import InventoryError, Stack
from .units import size_bytes

# Stack-wide variables and their defaults; those of a component are in its role's defaults/main.yml.
STACK_DEFAULTS: dict[str, Any] = {
    "observability_cluster_name": "",
    "observability_namespace": "observability",
    "observability_domain": "example.com",
    "observability_profile": "single",
    "observability_tenant": "",
    "observability_object_storage": {},
    "observability_storage_class": "",
    "observability_pod": {},
    "observability_spread": "preferred",
    "observability_cluster_domain": "cluster.local",
    "observability_image_registry": "",
    "observability_images": {},
    "observability_kubeconfig": "",
    "observability_context": "",
    "observability_current_context": False,
    "observability_always_render": False,
    "observability_wait_timeout": 600,
    "observability_output_directory": "",
    "observability_outage_horizon": "10m",
    "observability_samples_per_second": 5000,
    "observability_log_bytes_per_second": 262144,
    "observability_allow_overrides": False,
    "observability_allow_storage_change": False,
    "observability_allow_downgrade": False,
    "observability_allow_unready_replicas": False,
    "observability_network_policies": True,
    "observability_storage_check": True,
}

_TENANT = re.compile(r"[A-Za-z0-9!_.*'()-]{1,150}")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9_.~-]+)*/?")
_CLUSTER_NAME_LENGTH = 40
_LABEL_VALUE_LENGTH = 63


def parse(values: Mapping[str, Any], versions: Mapping[str, Mapping[str, str]]) -> Stack:
    """Return the checked model of an inventory.

    `values` maps variable names to values, the defaults of the roles included; those of STACK_DEFAULTS may be missing. `versions` is the
    content of versions.yml: component -> image, tag, and optionally digest. Raises InventoryError with all problems at once.
    """
    values = {**STACK_DEFAULTS, **values}
    fields = Fields(values)

    cluster_name = values["observability_cluster_name"]
    if not isinstance(cluster_name, str) or not LABEL.fullmatch(cluster_name) or len(cluster_name) > _CLUSTER_NAME_LENGTH:
        fields.reject(
            "observability_cluster_name",
            f"give this cluster a name of its own, at most {_CLUSTER_NAME_LENGTH} lower-case letters, digits and '-': "
            "it is the label `cluster` of every sample and log line",
        )
    enabled = selection.enabled(fields)
    profile = fields.one_of("observability_profile", PROFILES)
    replicas = selection.replicas(fields, enabled, profile if profile in PROFILES else PROFILES[0])
    storage, database = object_storage.read(fields, enabled), databases.read(fields, enabled)
    selection.shared(fields, replicas, enabled, {"storage": storage, "database": database})
    hosts = selection.hosts(fields)
    tenant = values["observability_tenant"]
    if not isinstance(tenant, str) or (tenant and (not _TENANT.fullmatch(tenant) or tenant in (".", "..", "__mimir_cluster"))):
        fields.reject("observability_tenant", "it should be empty (no tenants) or up to 150 letters, digits and !-_.*'()")
    storage_class = values["observability_storage_class"]
    if storage_class != "" and not (is_host(storage_class) and is_word(storage_class)):
        fields.reject("observability_storage_class", "it should be empty (the cluster's default class) or the name of a StorageClass")
    pods, wrong = placing.pods(values)
    fields.problems += wrong
    # Below this an election of the HA tracker takes longer than a scrape interval (see `high_availability.timeouts`).
    interval = fields.duration("prometheus_scrape_interval", least=5)
    window = fields.duration("prometheus_out_of_order_window")
    horizon = fields.duration("observability_outage_horizon", least=60)
    if window and horizon and window < horizon:
        fields.reject(
            "prometheus_out_of_order_window",
            f"it should be at least observability_outage_horizon ({values['observability_outage_horizon']}), "
            "or samples that were queued during an outage are rejected after it",
        )
    fields.switch("observability_allow_overrides")
    stack = Stack(
        cluster_name=str(cluster_name),
        namespace=fields.namespace("observability_namespace"),
        domain=fields.host("observability_domain"),
        profile=profile,
        tenant=str(tenant),
        storage_class=str(storage_class),
        spread=fields.one_of("observability_spread", placing.SPREADS),
        pods=pods,
        cluster_domain=fields.host("observability_cluster_domain"),
        enabled=enabled,
        provided=selection.provided(fields, enabled),
        replicas=replicas,
        images=images(fields, versions),
        hosts=hosts,
        namespaces={name: fields.namespace(f"{name}_namespace") for name, row in CATALOGUE.items() if row.own_namespace},
        scrape_interval=interval,
        pushed_dedup=fields.one_of("prometheus_pushed_dedup", ("idempotent", "ha_tracker")),
        external_labels=_external_labels(fields),
        out_of_order_window=window,
        outage_horizon=horizon,
        samples_per_second=fields.number("observability_samples_per_second"),
        log_bytes_per_second=fields.number("observability_log_bytes_per_second"),
        log_source=fields.one_of("alloy_log_source", ("files", "api")),
        log_queue=fields.size("alloy_log_queue_size", least="64Mi"),
        storage=storage,
        database=database,
        outside={**object_storage.outside(storage), **databases.outside(database)},
        storage_sizes={name: str(values[f"{name}_storage_size"]) for name in CATALOGUE if f"{name}_storage_size" in values},
        allow_storage_change=fields.switch("observability_allow_storage_change"),
        allow_downgrade=fields.switch("observability_allow_downgrade"),
        allow_unready_replicas=fields.switch("observability_allow_unready_replicas"),
        network_policies=fields.switch("observability_network_policies"),
        ingress_controller=fields.one_of("ingress_controller", ("f5", "community")),
        ingress_class=fields.label("ingress_class"),
        ingress_open_paths=_open_paths(fields),
        ingress_from=peers.read(fields, "ingress_from"),
        tls_source=fields.one_of("ingress_tls_source", ("self_signed", "existing", "cert_manager")),
        tls_secret=fields.label("ingress_tls_secret"),
        adopt_namespace=fields.switch("namespaces_adopt"),
        storage_check=fields.switch("observability_storage_check"),
        current_context=fields.switch("observability_current_context"),
        always_render=fields.switch("observability_always_render"),
        kubeconfig=str(values["observability_kubeconfig"]),
        context=str(values["observability_context"]),
        wait_timeout=fields.number("observability_wait_timeout"),
        output_directory=_output_directory(fields),
        namespace_state="",
    )
    for name, namespace in stack.namespaces.items():
        if name in enabled and namespace == stack.namespace:
            fields.reject(f"{name}_namespace", "it should be another one than observability_namespace")
    isolated = values["observability_network_policies"] is not False
    if stack.provided and isolated and not stack.ingress_from and "ingress_from" not in fields.rejected:
        fields.reject("ingress_from", peers.NEEDED)
    both = {"observability_cluster_name", "observability_namespace"}
    if not both & fields.rejected and len(f"{stack.namespace}.{stack.cluster_name}") > _LABEL_VALUE_LENGTH:
        fields.reject(
            "observability_cluster_name",
            f"it and observability_namespace are the instance label of every object, which has at most {_LABEL_VALUE_LENGTH - 1} "
            "characters of them together",
        )
    _check_sizes(fields)
    if fields.problems:
        raise InventoryError(fields.problems, stack)
    return stack


def _output_directory(fields: Fields) -> str:
    found = fields.values["observability_output_directory"]
    if not isinstance(found, str):
        fields.reject("observability_output_directory", "it should be a directory, or empty: `build` in the working directory")
        return ""
    return str(Path(found or "build").expanduser().absolute())


def _external_labels(fields: Fields) -> dict[str, str]:
    name = "prometheus_external_labels"
    labels = fields.values[name]
    if not isinstance(labels, dict):
        fields.reject(name, "it should be a mapping of label names to values")
        return {}
    for label, value in labels.items():
        if label in RESERVED_LABELS:
            fields.reject(name, f"{label!r} is set by the stack itself; leave it out")
        elif not isinstance(label, str) or not _LABEL_NAME.fullmatch(label) or label.startswith("__") or not isinstance(value, str):
            fields.reject(name, f"{label!r}: a label name has letters, digits and '_', does not start with '__', and its value is a string")
    return dict(labels)


def _open_paths(fields: Fields) -> dict[str, tuple[str, ...]]:
    name = "ingress_open_paths"
    paths = fields.values[name]
    if not isinstance(paths, dict) or not all(isinstance(value, list) for value in paths.values()):
        fields.reject(name, "it should map a component to a list of paths, like {mimir: [/api/v1/push]}")
        return {}
    for component, opened in paths.items():
        if component not in public_components():
            fields.reject(name, f"{component!r} has no host; it should be one of {', '.join(public_components())}")
        for path in opened:
            if not isinstance(path, str) or not _PATH.fullmatch(path) or not path:
                fields.reject(
                    name, f"{path!r} of {component} should be a path: start with '/', and have letters, digits and _ . ~ - between slashes"
                )
    return {component: tuple(opened) for component, opened in paths.items()}


def _check_sizes(fields: Fields) -> None:
    for name, value in fields.values.items():
        if name.endswith("_storage_size"):
            try:
                size_bytes(value)
            except ValueError:
                fields.reject(name, "it should be a Kubernetes quantity like 10Gi")
        if name.endswith("_retention"):
            fields.duration(name)
