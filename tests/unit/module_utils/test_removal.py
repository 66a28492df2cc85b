"""What a removal takes, in which order, and what it leaves; on a real cluster it runs in the scenario `stack`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.filter.stack import removal_plan
from ansible_collections.observability.stack.plugins.module_utils import removal, survey
from ansible_collections.observability.stack.plugins.module_utils.cluster import METADATA, Answer, Cluster, ClusterError, Query
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, KINDS, path
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT, instance, labels

from tests.inventories import stack

PLAN = removal_plan(stack())
OURS = {**PLAN["selector"], "app.kubernetes.io/name": "prometheus"}


# As `kubectl api-resources` shows them.
RESOURCES = {
    "Certificate": "certificates", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "ConfigMap": "configmaps",
    "DaemonSet": "daemonsets", "Deployment": "deployments", "Ingress": "ingresses", "IngressClass": "ingressclasses", "Lease": "leases",
    "Namespace": "namespaces", "NetworkPolicy": "networkpolicies", "PersistentVolumeClaim": "persistentvolumeclaims", "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets", "ResourceQuota": "resourcequotas", "Role": "roles", "RoleBinding": "rolebindings",
    "Secret": "secrets", "Service": "services", "ServiceAccount": "serviceaccounts", "StatefulSet": "statefulsets", "Gateway": "gateways",
}  # fmt: skip


def test_the_resource_of_every_kind_that_is_removed_is_known() -> None:
    assert {*BY_KIND, *(row["kind"] for row in PLAN["unlabelled"])} <= RESOURCES.keys()


@pytest.mark.parametrize(("kind", "resource"), RESOURCES.items())
def test_the_path_of_a_kind(kind: str, resource: str) -> None:
    assert path("v1", kind, "shop").startswith(f"/api/v1/namespaces/shop/{resource}")
    assert path("networking.k8s.io/v1", kind, name="a") == f"/apis/networking.k8s.io/v1/{resource}/a"


def test_a_removal_selects_by_the_instance_and_not_by_the_collection_alone() -> None:
    assert PLAN["selector"]["app.kubernetes.io/instance"] == instance(stack())
    others = [
        labels(stack(observability_namespace="second"), "prometheus"),
        labels(stack(observability_cluster_name="b"), "loki"),
    ]
    assert all(not PLAN["selector"].items() <= labels.items() for labels in others)
    assert PLAN["selector"].items() <= labels(stack(), "prometheus").items()


# kind, metadata, whether it keeps the namespace
OBJECTS: list[tuple[str, dict[str, Any], bool]] = [
    ("StatefulSet", {"name": "database"}, True),
    ("PersistentVolumeClaim", {"name": "data-database-0", "labels": {"app": "database"}}, True),
    ("Secret", {"name": "observability-tls"}, True),
    ("ConfigMap", {"name": "prometheus", "labels": {**OURS, "app.kubernetes.io/instance": "observability.other"}}, True),
    ("Widget", {"name": "of-an-operator"}, True),
    ("ConfigMap", {"name": "prometheus", "labels": OURS}, False),
    ("Pod", {"name": "database-0", "ownerReferences": [{"kind": "StatefulSet"}]}, False),
    ("Event", {"name": "prometheus-0.17"}, False),
    ("EndpointSlice", {"name": "prometheus-x7"}, False),
    ("ConfigMap", {"name": "kube-root-ca.crt"}, False),
    ("ServiceAccount", {"name": "default"}, False),
    ("ServiceAccount", {"name": "kube-root-ca.crt"}, True),
    ("Secret", {"name": "default-token-x", "annotations": {"kubernetes.io/service-account.name": "default"}}, False),
]


@pytest.mark.parametrize(("kind", "metadata", "keeps"), OBJECTS)
def test_what_others_have_keeps_a_namespace(kind: str, metadata: dict[str, Any], keeps: bool) -> None:
    assert removal.is_foreign(kind, metadata, PLAN["selector"]) is keeps


def test_nodes_are_touched_only_where_alloy_has_written() -> None:
    assert removal_plan(stack(alloy_log_source="api"))["host"] is None
    assert removal_plan(stack(alloy_enabled=False))["host"] is None


def test_what_components_make_without_labels_is_known() -> None:
    assert [(row["kind"], row["name"]) for row in PLAN["unlabelled"]] == [("Lease", "ingress")]
    assert removal_plan(stack(ingress_enabled=False))["unlabelled"] == []


def test_data_goes_only_with_the_data() -> None:
    assert {row.kind for row in KINDS if row.data} == {"Secret", "PersistentVolumeClaim", "Namespace"}
    assert KINDS[-1].kind == "Namespace"


class Null:
    """A cluster whose lists are empty, and null, as the API server writes a list of metadata without any."""

    server = "https://192.0.2.1:6443"

    def request(self, *_: Any, **__: Any) -> Answer:
        return Answer(200, '{"items": null, "groups": [], "resources": [], "metadata": {"name": "observability"}}', {})


def test_a_list_without_items_is_an_empty_one() -> None:
    found = survey.survey(Null(), ["observability"])  # type: ignore[arg-type]
    assert (found["storage_classes"], found["ingress_classes"], found["unreadable"]) == ([], [], [])
    gone = removal.Removal(Null(), {**PLAN, "unlabelled": [], "host": None}, True, 1.0)  # type: ignore[arg-type]
    gone.run()
    assert gone.removed == []
    assert gone.kept == [f"the namespace {name}: it was there before this stack" for name in PLAN["namespaces"]]


# --- a removal from a simulated API server ----------------------------------------------------------------------------


class ApiServer(Cluster):
    """Objects by path. A workload is listed for a while after its deletion; `log` has in order what was deleted and what was gone."""

    server = "https://192.0.2.1:6443"
    # How often a workload is still listed after its deletion.
    ENDING = 2

    def __init__(self, objects: Mapping[str, Mapping[str, Any]]) -> None:
        self.objects = {path: dict(metadata) for path, metadata in objects.items()}
        self.log: list[str] = []

    def request(
        self, method: str, path: str, query: Query = (), headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        if method == "DELETE":
            return self._delete(path, json.loads(body or b""))
        single = path in self.objects
        # As API servers have it: a list of metadata is none of a single object.
        if single and "PartialObjectMetadataList" in (headers or {}).get("accept", ""):
            return Answer(406, '{"message": "only the following media types are accepted: application/json"}', {})
        if single:
            return Answer(200, json.dumps({"metadata": self.objects[path]}), {})
        if path in ("/apis", "/api/v1"):
            return Answer(200, '{"groups": [], "resources": []}', {})
        found = [
            metadata
            for name, metadata in list(self.objects.items())
            if name.rpartition("/")[0] == path and selected(metadata.get("labels", {}), dict(query).get("labelSelector", ""))
        ]
        for metadata in found:
            self._age(path, metadata)
        if path.rpartition("/")[2] not in RESOURCES.values():
            return Answer(404, '{"message": "not found"}', {})
        return Answer(200, json.dumps({"items": [{"metadata": metadata} for metadata in found] or None}), {})

    def _age(self, path: str, metadata: dict[str, Any]) -> None:
        if metadata.get("listed", 0) and metadata["listed"] >= self.ENDING:
            del self.objects[f"{path}/{metadata['name']}"]
            self.log.append(f"gone {path.rpartition('/')[2]}/{metadata['name']}")
        elif "listed" in metadata:
            metadata["listed"] += 1

    def _delete(self, path: str, options: dict[str, Any]) -> Answer:
        metadata = self.objects.get(path)
        if metadata is None:
            return Answer(404, "{}", {})
        assert options["preconditions"] == {"uid": metadata["uid"]}
        assert options["propagationPolicy"] == "Foreground"
        self.log.append(f"delete {'/'.join(path.split('/')[-2:])}")
        if "/apps/v1/" in path:
            metadata.setdefault("listed", 1)
        else:
            del self.objects[path]
        return Answer(200, "{}", {})


def selected(found: Mapping[str, str], selector: str) -> bool:
    """Whether labels satisfy a selector of the forms `name=value,…` and `name in (value,…)` at the end."""
    equal, _, among = selector.partition(f",{COMPONENT} in (")
    if any(found.get(part.partition("=")[0]) != part.partition("=")[2] for part in filter(None, equal.split(","))):
        return False
    return not among or found.get(COMPONENT) in among.rstrip(")").split(",")


def stored(kind: str, component: str, name: str = "", **metadata: Any) -> dict[str, dict[str, Any]]:
    """Return an object of the stack by its path."""
    name = name or component
    where = BY_KIND[kind].path("observability", name)
    labelled = {**PLAN["selector"], COMPONENT: component}
    return {where: {"name": name, "uid": f"{kind}-{name}", "labels": labelled, **metadata}}


WORKLOADS = {
    "grafana": "Deployment", "ingress": "Deployment", "alloy": "DaemonSet", "otel-collector": "StatefulSet", "loki": "StatefulSet",
    "prometheus": "StatefulSet", "mimir": "StatefulSet", "object-storage": "StatefulSet", "postgresql": "StatefulSet",
    "of-an-older-version": "Deployment",
}  # fmt: skip
STORED = {
    path: metadata
    for found in [
        *(stored(kind, component) for component, kind in WORKLOADS.items()),
        stored("Ingress", "grafana"),
        stored("Service", "mimir"),
        stored("NetworkPolicy", "mimir", "default-deny"),
        stored("ClusterRole", "alloy"),
        stored("Secret", "grafana", "grafana-admin"),
        stored("Lease", "ingress", labels={}),
        stored("ConfigMap", "loki", "of-another-stack", labels={**PLAN["selector"], "app.kubernetes.io/instance": "other.test"}),
    ]
    for path, metadata in found.items()
}
KEPT = {"grafana-admin", "of-another-stack"}


def removed_from(server: ApiServer, *, dry: bool = False) -> removal.Removal:
    found = removal.Removal(server, PLAN, data=False, timeout=5.0, dry=dry)
    found.run()
    return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    monkeypatch.setattr(removal, "PAUSE", 0.01)
    return ApiServer(STORED)


def test_workloads_go_wave_by_wave_and_each_wave_waits_for_the_one_before(server: ApiServer) -> None:
    removed_from(server)
    at = {line: number for number, line in enumerate(server.log)}
    waves = [[name for name in wave if name in WORKLOADS] for wave in PLAN["waves"]] + [["of-an-older-version"]]
    assert {name for wave in waves for name in wave} == set(WORKLOADS)
    waves = [[f"{RESOURCES[WORKLOADS[name]]}/{name}" for name in wave] for wave in waves]
    for before, after in itertools.pairwise(waves):
        assert max(at[f"gone {name}"] for name in before) < min(at[f"delete {name}"] for name in after)
    # All of a wave at once: none waits for another of its wave.
    for wave in waves:
        assert max(at[f"delete {name}"] for name in wave) < min(at[f"gone {name}"] for name in wave)


def test_what_lets_traffic_in_goes_first_and_what_connects_goes_after_the_workloads(server: ApiServer) -> None:
    removed_from(server)
    assert server.log[0] == "delete ingresses/grafana"
    last = max(number for number, line in enumerate(server.log) if line.startswith("gone"))
    assert {"delete networkpolicies/default-deny", "delete services/mimir"} <= set(server.log[last:])


def test_everything_of_the_stack_goes_and_nothing_else(server: ApiServer) -> None:
    gone = removed_from(server)
    assert {metadata["name"] for metadata in server.objects.values()} == KEPT
    assert len(gone.removed) == len(set(gone.removed)) == len(STORED) - len(KEPT)
    assert "Lease ingress" in gone.removed


def test_a_dry_run_lists_each_object_once_and_deletes_none(server: ApiServer) -> None:
    dry = removed_from(server, dry=True)
    assert server.log == []
    assert dry.removed == removed_from(ApiServer(STORED)).removed
    assert len(dry.removed) == len(set(dry.removed))


def test_a_single_object_is_not_asked_for_as_a_list(server: ApiServer) -> None:
    (where,) = stored("Lease", "ingress")
    assert server.request("GET", where, headers=METADATA).status == 406
    assert server.request("GET", where).status == 200
    # Fails when it is read in that way.
    removed_from(server)
    assert where not in server.objects


def test_workloads_that_do_not_end_fail_the_removal_with_their_names(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiServer, "ENDING", 10**6)
    monkeypatch.setattr(ApiServer, "nodes", lambda _self: [])
    with pytest.raises(ClusterError, match=r"still there after 0 s \(observability_wait_timeout\): grafana"):
        removal.Removal(server, PLAN, data=False, timeout=0.05).run()
    assert "delete daemonsets/alloy" not in server.log
