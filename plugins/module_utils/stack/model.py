"""The checked model of an inventory. `validation` makes it, everything else reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import catalogue
from .catalogue import CATALOGUE


class InventoryError(ValueError):
    """The inventory cannot work. `problems` holds one sentence for each thing that is wrong.

    `model` is what could be read of it all the same, with 0 for a number or a duration that was rejected.
    """

    def __init__(self, problems: list[str], model: Stack | None = None) -> None:
        self.problems = problems
        self.model = model
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"the inventory has {count}; nothing has been touched:\n" + "\n".join(f"  - {text}" for text in problems))


@dataclass(frozen=True)
class Stack:
    """One observability stack on one cluster, as its inventory describes it, checked.

    Durations are seconds, sizes bytes, rates per second over the whole cluster. `images` maps a component to its full reference, `hosts`
    a component to its public host name, `replicas` a component to its number of pods (a DaemonSet runs one per node and has none),
    `namespaces` a component to its own namespace where it has one, `pods` to what a site adds to its pods (see `placing`). `enabled` are
    the components that are switched on, `provided` those of them that the cluster has already, so that nothing is installed.
    `ingress_from` are the peers, as a NetworkPolicy has them, from which such a controller reaches the stack. `output_directory` is an
    absolute path on the machine that runs Ansible. `storage` and `database` are where replicas share their data, empty where they do not
    (see `object_storage` and `databases`). `outside` has the parties outside of the stack that the inventory names, each with its ports by
    name. `storage_sizes` maps a component to the size of its volumes. `kubeconfig` and `context` are empty for the usual ones,
    `wait_timeout` has seconds. `namespace_state` is what preflight has found (`absent`, `ours` or `foreign`), and empty before.
    """

    cluster_name: str
    namespace: str
    domain: str
    profile: str
    tenant: str
    storage_class: str
    spread: str
    pods: dict[str, dict[str, Any]]
    cluster_domain: str
    enabled: tuple[str, ...]
    provided: tuple[str, ...]
    replicas: dict[str, int]
    images: dict[str, str]
    hosts: dict[str, str]
    namespaces: dict[str, str]
    scrape_interval: int
    pushed_dedup: str
    external_labels: dict[str, str]
    out_of_order_window: int
    outage_horizon: int
    samples_per_second: int
    log_bytes_per_second: int
    log_source: str
    log_queue: int
    storage: dict[str, Any]
    database: dict[str, Any]
    outside: dict[str, dict[str, int]]
    storage_sizes: dict[str, str]
    allow_storage_change: bool
    allow_downgrade: bool
    allow_unready_replicas: bool
    network_policies: bool
    ingress_controller: str
    ingress_class: str
    ingress_open_paths: dict[str, tuple[str, ...]]
    ingress_from: list[dict[str, Any]]
    tls_source: str
    tls_secret: str
    adopt_namespace: bool
    storage_check: bool
    current_context: bool
    always_render: bool
    kubeconfig: str
    context: str
    wait_timeout: int
    output_directory: str
    namespace_state: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plain dict (of dicts, lists and scalars) in which the model travels through Ansible."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, model: Mapping[str, Any]) -> Stack:
        """Return the model of such a dict. Raises ValueError when it is not one (a filter was given something else)."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(model, Mapping) or set(model) != names:
            raise ValueError(
                "expected the checked model `observability_stack`, which observability.stack.check_inventory makes of the inventory"
            )
        values = dict(model)
        values |= {name: tuple(values[name]) for name in ("enabled", "provided")}
        values["ingress_open_paths"] = {host: tuple(paths) for host, paths in values["ingress_open_paths"].items()}
        return cls(**values)

    def has(self, component: str) -> bool:
        """Whether a component is switched on."""
        return component in self.enabled

    def installs(self, component: str) -> bool:
        """Whether a component is switched on, and this stack's own."""
        return component in self.enabled and component not in self.provided

    def shares(self, component: str) -> bool:
        """Whether a component keeps its data where several replicas reach it, and not on a volume."""
        row = CATALOGUE[component]
        return bool(row.shared and getattr(self, row.shared))

    def claims(self, component: str) -> bool:
        """Whether the pods of a component claim volumes."""
        row = CATALOGUE[component]
        return row.volume and not (row.volume_instead and self.shares(component))

    def port(self, end: str, name: str) -> int:
        """Return the number of a port of an end of a connection. Raises ValueError for one that does not exist."""
        return self.outside.get(end, {}).get(name) or catalogue.port(end, name)

    def namespace_of(self, component: str) -> str:
        """Return the namespace that a component runs in."""
        return self.namespaces.get(component, self.namespace)

    def installed(self) -> list[str]:
        """Return the components that this stack installs, in the order of the catalogue."""
        return [component for component in CATALOGUE if self.installs(component)]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
