"""What the inventory says, typed and checked. Pure Python: nothing here imports Ansible.

`parse` turns the variables of an inventory (a flat mapping, defaults of the roles included) into a `Stack`, or raises
`InventoryError` with every problem it found. A `Stack` travels through Ansible as the plain dict of `to_dict`.
What *follows* from it (addresses, ports, queues, routes) is in `_wiring.py`.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _edge_inventory, _placing

# Stack-wide variables and their defaults; those of a component are in its role's defaults/main.yml.
STACK_DEFAULTS: dict[str, Any] = {
    "observability_cluster_name": "",
    "observability_namespace": "observability",
    "observability_domain": "example.com",
    "observability_profile": "single",
    "observability_tenant": "",
    "observability_storage_class": "",
    "observability_pod": {},
    "observability_spread": "preferred",
    "observability_cluster_domain": "cluster.local",
    "observability_image_registry": "",
    "observability_images": {},
    "observability_kubeconfig": "",
    "observability_context": "",
    "observability_current_context": False,
    "observability_output_directory": "",
    "observability_outage_horizon": "10m",
    "observability_samples_per_second": 5000,
    "observability_log_bytes_per_second": 262144,
    "observability_allow_overrides": False,
}

# Order of the playbook; a component and those without which it has nothing to do.
NEEDS: dict[str, tuple[str, ...]] = {
    "mimir": (),
    "loki": (),
    "prometheus": (),
    "alloy": (),
    "otel_collector": (),
    "grafana": (),
    "ingress_nginx": (),
    "sample_application": ("prometheus", "otel_collector"),
}
# A component that has at least one of these to serve; without any it would run for nothing.
NEEDS_ONE_OF: dict[str, tuple[str, ...]] = {
    "mimir": ("prometheus",),
    "loki": ("alloy", "otel_collector"),
    "alloy": ("prometheus", "loki"),
    "otel_collector": ("prometheus", "loki"),
    "grafana": ("prometheus", "mimir", "loki"),
    "ingress_nginx": ("grafana", "prometheus", "mimir", "loki"),
}
HOSTS = ("grafana", "prometheus", "loki", "mimir")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TENANT = re.compile(r"[A-Za-z0-9!_.*'()-]{1,150}")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# At most nine digits each: more is a slip, and more than a machine can count.
_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_SIZE = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti)")
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9_.~-]+)*/?")
_IMAGE = re.compile(r"(?=.*[a-z])[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")
_TAG = re.compile(r"(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
# Words that YAML takes for something else than a string; manifests write names without quotes.
_YAML_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
_CLUSTER_NAME_LENGTH = 40
# They belong to the cluster itself, or to everybody.
RESERVED_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_LABEL_VALUE_LENGTH = 63
# Set by the wiring on every scraped or forwarded sample; a site must not set them as well.
RESERVED_LABELS = ("cluster", "prom_ha_group", "__replica__", "collector")


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

    Durations are seconds, sizes Kubernetes quantities, rates per second over the whole cluster. `images` maps a component to its full
    reference, `hosts` a component to its public host name, `replicas` a component to its number of pods (Alloy runs one per node
    and has none), `enabled` is the set of components that are switched on, `pods` what a site adds to the pods of each (see `_placing`).
    `output_directory` is an absolute path on the machine that runs Ansible. `namespace_state` is what preflight has found (`absent`,
    `ours` or `foreign`), and empty before.
    """

    cluster_name: str
    namespace: str
    profile: str
    tenant: str
    storage_class: str
    spread: str
    pods: dict[str, dict[str, Any]]
    cluster_domain: str
    enabled: tuple[str, ...]
    replicas: dict[str, int]
    images: dict[str, str]
    hosts: dict[str, str]
    scrape_interval: int
    pushed_dedup: str
    external_labels: dict[str, str]
    out_of_order_window: int
    outage_horizon: int
    samples_per_second: int
    log_bytes_per_second: int
    log_source: str
    log_queue: int
    ingress_dialect: str
    ingress_class: str
    ingress_open_paths: dict[str, tuple[str, ...]]
    ingress_install: bool
    tls_source: str
    tls_secret: str
    sample_namespace: str
    adopt_namespace: bool
    storage_check: bool
    current_context: bool
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
        values["enabled"] = tuple(values["enabled"])
        values["ingress_open_paths"] = {host: tuple(paths) for host, paths in values["ingress_open_paths"].items()}
        return cls(**values)

    def has(self, component: str) -> bool:
        """Whether a component is switched on."""
        return component in self.enabled


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def seconds(duration: str) -> int:
    """Return the seconds in a duration as Prometheus writes it (`1d`, `1h30m`, `15s`). Raises ValueError for anything else."""
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if not match or not any(match.groups()):
        raise ValueError(f"{duration!r} is no duration; write it like 15s, 10m, 1h30m or 30d")
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


class _Check:
    """Collects the problems of an inventory, each a sentence with variable, value and what would be right."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.problems: list[str] = []

    @property
    def refused(self) -> set[str]:
        """The variables that have been refused so far."""
        return {text.split(" ", 1)[0] for text in self.problems}

    def refuse(self, name: str, right: str) -> None:
        self.problems.append(f"{name} is {self.values.get(name)!r}; {right}")

    def duration(self, name: str, least: int = 1) -> int:
        """Return the seconds of a duration; 0 when it is refused."""
        try:
            found = seconds(self.values[name])
        except ValueError:
            self.refuse(name, "it should be a duration like 15s, 10m, 1h30m or 30d")
            return 0
        if found < least:
            self.refuse(name, f"it should be at least {least}s")
            return 0
        return found

    def number(self, name: str, least: int = 1) -> int:
        found: Any = self.values[name]
        if isinstance(found, bool) or not isinstance(found, int) or found < least:
            self.refuse(name, f"it should be a whole number, {least} or more")
            return 0
        return int(found)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        if self.values[name] not in choices:
            self.refuse(name, f"it should be one of {', '.join(choices)}")
        return str(self.values[name])

    def size(self, name: str, least: str) -> int:
        """Return the bytes of a size; 0 when it is empty, or refused."""
        found = self.values[name]
        if found == "":
            return 0
        if not isinstance(found, str) or not _SIZE.fullmatch(found) or size_bytes(found) < size_bytes(least):
            self.refuse(name, f"it should be empty (computed from the sizing) or a size of {least} or more, like 4Gi")
            return 0
        return size_bytes(found)

    def label(self, name: str) -> str:
        found = self.values[name]
        if not isinstance(found, str) or not _LABEL.fullmatch(found):
            self.refuse(name, "Kubernetes takes at most 63 lower-case letters, digits and '-', with a letter or digit at both ends")
        elif not _is_word(found):
            self.refuse(name, "it should start with a letter and be no word that YAML takes for something else, like `on` or `no`")
        return str(found)

    def namespace(self, name: str) -> str:
        found = self.label(name)
        if found in RESERVED_NAMESPACES:
            self.refuse(name, "it should be a namespace of the stack's own; this one belongs to the cluster itself")
        return found

    def switch(self, name: str) -> bool:
        found = self.values[name]
        if not isinstance(found, bool):
            self.refuse(name, "it should be true or false")
        return found is True

    def host(self, name: str) -> str:
        found = self.values[name]
        if not is_host(found):
            self.refuse(name, "it should be a DNS name in lower case, like grafana.example.com")
        return str(found)


def _is_word(text: str) -> bool:
    """Whether a text stays one when a manifest has it without quotes."""
    return text[:1].isalpha() and text not in _YAML_WORDS


def size_bytes(quantity: str) -> int:
    """Return the bytes in a size as Kubernetes writes it (`10Gi`). Raises ValueError for anything else."""
    match = _SIZE.fullmatch(quantity)
    if not match:
        raise ValueError(f"{quantity!r} is no size; write it like 10Gi")
    unit = match.group(1)
    return int(quantity.removesuffix(unit)) << 10 * (1 + ("Ki", "Mi", "Gi", "Ti").index(unit))


def is_host(value: Any) -> bool:
    """Whether a value is a DNS name that an Ingress takes: lower case, at most 253 characters, not an IP address."""
    if not isinstance(value, str) or len(value) > 253 or not all(_LABEL.fullmatch(part) for part in value.split(".")):
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return True
    return False


def parse(values: Mapping[str, Any], versions: Mapping[str, Mapping[str, str]]) -> Stack:
    """Return the checked model of an inventory.

    `values` maps variable names to values, the defaults of the roles included; those of STACK_DEFAULTS may be missing. `versions` is the
    content of versions.yml: component -> image, tag, and optionally digest. Raises InventoryError with all problems at once.
    """
    values = {**STACK_DEFAULTS, **values}
    check = _Check(values)

    cluster_name = values["observability_cluster_name"]
    if not isinstance(cluster_name, str) or not _LABEL.fullmatch(cluster_name) or len(cluster_name) > _CLUSTER_NAME_LENGTH:
        check.refuse(
            "observability_cluster_name",
            f"give this cluster a name of its own, at most {_CLUSTER_NAME_LENGTH} lower-case letters, digits and '-': "
            "it is the label `cluster` of every sample and log line",
        )
    enabled = _enabled(check)
    replicas = _replicas(check, enabled)
    hosts = _hosts(check)
    tenant = values["observability_tenant"]
    if not isinstance(tenant, str) or (tenant and (not _TENANT.fullmatch(tenant) or tenant in (".", "..", "__mimir_cluster"))):
        check.refuse("observability_tenant", "it should be empty (no tenants) or up to 150 letters, digits and !-_.*'()")
    check.one_of("observability_profile", ("single", "ha"))
    if values["observability_profile"] == "ha":
        check.refuse(
            "observability_profile", "the ha profile keeps its data in object storage, which this version does not set up yet; use single"
        )
    storage_class = values["observability_storage_class"]
    if storage_class != "" and not (is_host(storage_class) and _is_word(storage_class)):
        check.refuse("observability_storage_class", "it should be empty (the cluster's default class) or the name of a StorageClass")
    pods, wrong = _placing.pods(values, tuple(NEEDS))
    if problem := _placing.max_unavailable_problem("alloy_max_unavailable", values["alloy_max_unavailable"]):
        wrong.append(problem)
    check.problems += wrong
    # Below this an election of the HA tracker takes longer than a scrape interval (see `ha_timeouts`).
    interval = check.duration("prometheus_scrape_interval", least=5)
    window = check.duration("prometheus_out_of_order_window")
    horizon = check.duration("observability_outage_horizon", least=60)
    if window and horizon and window < horizon:
        check.refuse(
            "prometheus_out_of_order_window",
            f"it should be at least observability_outage_horizon ({values['observability_outage_horizon']}), "
            "or samples that were queued during an outage are refused after it",
        )
    check.switch("observability_allow_overrides")
    check.host("observability_domain")
    stack = Stack(
        cluster_name=str(cluster_name),
        namespace=check.namespace("observability_namespace"),
        profile=str(values["observability_profile"]),
        tenant=str(tenant),
        storage_class=str(storage_class),
        spread=check.one_of("observability_spread", _placing.SPREADS),
        pods=pods,
        cluster_domain=check.host("observability_cluster_domain"),
        enabled=enabled,
        replicas=replicas,
        images=_images(check, versions),
        hosts=hosts,
        scrape_interval=interval,
        pushed_dedup=check.one_of("prometheus_pushed_dedup", ("idempotent", "ha_tracker")),
        external_labels=_external_labels(check),
        out_of_order_window=window,
        outage_horizon=horizon,
        samples_per_second=check.number("observability_samples_per_second"),
        log_bytes_per_second=check.number("observability_log_bytes_per_second"),
        log_source=check.one_of("alloy_log_source", ("files", "api")),
        log_queue=check.size("alloy_log_queue_size", least="64Mi"),
        ingress_dialect=check.one_of("ingress_nginx_dialect", ("f5", "community")),
        ingress_class=check.label("ingress_nginx_class"),
        ingress_open_paths=_open_paths(check),
        ingress_install=check.switch("ingress_nginx_install"),
        tls_source=check.one_of("ingress_nginx_tls_source", ("self_signed", "existing", "cert_manager")),
        tls_secret=check.label("ingress_nginx_tls_secret"),
        sample_namespace=check.namespace("sample_application_namespace"),
        adopt_namespace=check.switch("namespaces_adopt"),
        storage_check=check.switch("storage_check"),
        current_context=check.switch("observability_current_context"),
        output_directory=_output_directory(check),
        namespace_state="",
    )
    if "sample_application" in enabled and stack.sample_namespace == stack.namespace:
        check.refuse("sample_application_namespace", "it should be another one than observability_namespace")
    both = {"observability_cluster_name", "observability_namespace"}
    if not both & check.refused and len(f"{stack.namespace}.{stack.cluster_name}") > _LABEL_VALUE_LENGTH:
        check.refuse(
            "observability_cluster_name",
            f"it and observability_namespace are the instance label of every object, which has at most {_LABEL_VALUE_LENGTH - 1} "
            "characters of them together",
        )
    _check_sizes(check)
    check.problems += _edge_inventory.problems(values)
    if check.problems:
        raise InventoryError(check.problems, stack)
    return stack


def _output_directory(check: _Check) -> str:
    found = check.values["observability_output_directory"]
    if not isinstance(found, str):
        check.refuse("observability_output_directory", "it should be a directory, or empty: `build` in the working directory")
        return ""
    return str(Path(found or "build").expanduser().absolute())


def _enabled(check: _Check) -> tuple[str, ...]:
    enabled = []
    for component in NEEDS:
        name = f"{component}_enabled"
        if not isinstance(check.values[name], bool):
            check.refuse(name, "it should be true or false")
        if check.values[name] is not False:
            enabled.append(component)
    for component in enabled:
        missing = [f"{need}_enabled" for need in NEEDS[component] if need not in enabled]
        if missing:
            check.refuse(f"{component}_enabled", f"it needs {' and '.join(missing)} to be true as well")
        choices = NEEDS_ONE_OF.get(component, ())
        if choices and not any(choice in enabled for choice in choices):
            check.refuse(
                f"{component}_enabled",
                f"it needs at least one of {', '.join(f'{choice}_enabled' for choice in choices)}, or it would have nothing to do",
            )
    return tuple(enabled)


def _replicas(check: _Check, enabled: tuple[str, ...]) -> dict[str, int]:
    replicas = {component: check.number(f"{component}_replicas") for component in NEEDS if component != "alloy"}
    for component in ("mimir", "loki"):
        if component in enabled and replicas[component] > 1:
            why = (
                "two replicas stop at the first restart, because a replication factor of 3 needs two of three"
                if replicas[component] == 2
                else "three or more share their data through object storage, which this version does not set up yet"
            )
            check.refuse(f"{component}_replicas", f"it should be 1: {why}")
    for component in ("prometheus", "otel_collector"):
        if component in enabled and replicas[component] == 1:
            check.refuse(f"{component}_replicas", "it should be 2 or more: with one, its restart is an outage")
    if "grafana" in enabled and replicas["grafana"] > 1:
        check.refuse("grafana_replicas", "it should be 1: more need a shared database, which this version does not set up yet")
    return replicas


def _hosts(check: _Check) -> dict[str, str]:
    hosts: dict[str, str] = {}
    for component in HOSTS:
        name = f"{component}_host"
        given = check.values[name]
        host = f"{component}.{check.values['observability_domain']}" if given == "" else given
        if not is_host(host) and (given != "" or is_host(check.values["observability_domain"])):
            check.refuse(name, "it should be a DNS name in lower case, like grafana.example.com")
        for other, taken in hosts.items():
            if host == taken:
                check.refuse(name, f"{other}_host is {host!r} too; each component needs a host of its own")
        hosts[component] = str(host)
    return hosts


def _external_labels(check: _Check) -> dict[str, str]:
    name = "prometheus_external_labels"
    labels = check.values[name]
    if not isinstance(labels, dict):
        check.refuse(name, "it should be a mapping of label names to values")
        return {}
    for label, value in labels.items():
        if label in RESERVED_LABELS:
            check.refuse(name, f"{label!r} is set by the wiring; leave it out")
        elif not isinstance(label, str) or not _LABEL_NAME.fullmatch(label) or label.startswith("__") or not isinstance(value, str):
            check.refuse(name, f"{label!r}: a label name has letters, digits and '_', does not start with '__', and its value is a string")
    return dict(labels)


def _open_paths(check: _Check) -> dict[str, tuple[str, ...]]:
    name = "ingress_nginx_open_paths"
    paths = check.values[name]
    if not isinstance(paths, dict) or not all(isinstance(value, list) for value in paths.values()):
        check.refuse(name, "it should map a component to a list of paths, like {mimir: [/api/v1/push]}")
        return {}
    for component, opened in paths.items():
        if component not in HOSTS:
            check.refuse(name, f"{component!r} has no host; it should be one of {', '.join(HOSTS)}")
        for path in opened:
            if not isinstance(path, str) or not _PATH.fullmatch(path) or not path:
                check.refuse(
                    name, f"{path!r} of {component} should be a path: start with '/', and have letters, digits and _ . ~ - between slashes"
                )
    return {component: tuple(opened) for component, opened in paths.items()}


def _images(check: _Check, versions: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    name = "observability_images"
    replaced = check.values[name]
    if not isinstance(replaced, dict):
        check.refuse(name, "it should map a component to {image: …, tag: …, digest: …}")
        replaced = {}
    registry = check.values["observability_image_registry"]
    if not isinstance(registry, str) or (registry and not _IMAGE.fullmatch(registry.rstrip("/"))):
        check.refuse("observability_image_registry", "it should be empty or a registry without https://, like registry.example.com/mirror")
        registry = ""
    for component, entry in replaced.items():
        if component not in versions:
            check.refuse(name, f"{component!r} is no component; it should be one of {', '.join(versions)}")
        else:
            _check_image(check, name, component, entry)
    if name in check.refused:
        return {}
    images = {}
    for component, entry in versions.items():
        own = replaced.get(component, {})
        # A digest belongs to one image: with another one it is another image's.
        inherited = {key: value for key, value in entry.items() if key != "digest"} if own else entry
        images[component] = reference({**inherited, **own}, registry)
    return images


def _check_image(check: _Check, name: str, component: str, entry: Any) -> None:
    patterns = {"image": _IMAGE, "tag": _TAG, "digest": _DIGEST}
    if not isinstance(entry, dict) or not entry or set(entry) - set(patterns):
        check.refuse(name, f"{component} should have the keys image, tag or digest only")
        return
    wrong = [key for key, value in entry.items() if not isinstance(value, str) or not patterns[key].fullmatch(value)]
    if wrong:
        check.refuse(
            name,
            f"{' and '.join(wrong)} of {component}: an image is like quay.io/prometheus/prometheus, a tag is a quoted string, "
            "not `latest`, a digest is like sha256:… with 64 hexadecimal digits",
        )


def reference(entry: Mapping[str, str], registry: str) -> str:
    """Return an image reference: `image:tag@digest`, the registry's host replaced by the prefix `registry` when that is not empty."""
    image = entry["image"]
    if registry:
        host, slash, rest = image.partition("/")
        has_host = slash and (host == "localhost" or "." in host or ":" in host)
        image = f"{registry.rstrip('/')}/{rest if has_host else image}"
    digest = f"@{entry['digest']}" if entry.get("digest") else ""
    return f"{image}:{entry['tag']}{digest}"


def _check_sizes(check: _Check) -> None:
    for name, value in check.values.items():
        if name.endswith("_storage_size") and (not isinstance(value, str) or not _SIZE.fullmatch(value)):
            check.refuse(name, "it should be a Kubernetes quantity like 10Gi")
        if name.endswith("_retention"):
            # Loki's compactor works by the day (Loki documentation 3.7, "Log retention").
            check.duration(name, least=86400 if name == "loki_retention" else 1)
