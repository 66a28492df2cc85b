"""That roll-outs end, and never take two replicas of a component: what has to hold of the rendered objects, and of the order of a run."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue
from ansible_collections.observability.stack.plugins.module_utils.stack.objects import roles, waves

from tests.golden.test_render import VARIANTS, render
from tests.inventories import ROOT, stack
from tools import schemas

Object = dict[str, Any]
HA = yaml.safe_load((VARIANTS / "host_vars/ha.yml").read_text())
PROFILES: dict[str, Object] = {
    "single": yaml.safe_load((VARIANTS / "host_vars/minimal.yml").read_text()),
    "ha": HA,
    "ha-evaluation": yaml.safe_load((VARIANTS / "host_vars/ha_evaluation.yml").read_text()),
    "single-required": {"observability_cluster_name": "minimal", "observability_spread": "required"},
    "ha-required": {**HA, "observability_spread": "required"},
}
# What somebody changes, and the components whose pods are replaced for it.
CHANGES: dict[str, tuple[Object, set[str]]] = {
    "the labels of namespaces": ({"namespaces_labels": {"team": "platform"}}, set()),
    "a quota": ({"namespaces_quota": {"pods": "50"}}, set()),
    "network policies": ({"observability_network_policies": False}, set()),
    "the source of the certificate": ({"ingress_tls_source": "cert_manager", "ingress_issuer": {"name": "a"}}, set()),
    "another certificate": ({"ingress_tls_source": "existing", "ingress_tls_secret": "our-certificate"}, set()),
    "the size of volumes": ({f"{name}_storage_size": "900Gi" for name in ("mimir", "loki", "prometheus", "otel_collector")}, set()),
    "the configuration of Loki": ({"loki_config": {"limits_config": {"max_entries_limit_per_query": 4000}}}, {"loki"}),
    "the configuration of Grafana": ({"grafana_config": {"users": {"default_theme": "light"}}}, {"grafana"}),
    "an image": ({"observability_images": {"mimir": {"tag": "3.2.7"}}}, {"mimir"}),
    "the resources of a component": ({"prometheus_resources": {"limits": {"memory": "9Gi"}}}, {"prometheus"}),
}
# In the profile with the most that could be shared.
INVENTORIES = PROFILES | {f"change-{number}": HA | change for number, (change, _components) in enumerate(CHANGES.values())}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Object]]:
    """Return the objects of each inventory."""
    source, directory = tmp_path_factory.mktemp("inventory"), tmp_path_factory.mktemp("rendered")
    hosts = yaml.safe_load((VARIANTS / "hosts.yml").read_text())
    hosts["observability"]["hosts"] = INVENTORIES
    (source / "hosts.yml").write_text(yaml.safe_dump(hosts))
    render(source, directory)
    return {name: [item for _path, item in schemas.objects(directory / name)] for name in INVENTORIES}


def workloads(objects: list[Object]) -> Iterator[Object]:
    return (item for item in objects if item["kind"] in ("StatefulSet", "DaemonSet", "Deployment"))


# --- one pod at a time ---


@pytest.mark.parametrize("inventory", PROFILES)
def test_the_replicas_of_a_component_are_one_workload_that_replaces_one_at_a_time(
    inventory: str, rendered: dict[str, list[Object]]
) -> None:
    found = list(workloads(rendered[inventory]))
    names = Counter(item["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] for item in found)
    assert set(names.values()) == {1}
    sets = [item for item in found if item["kind"] == "StatefulSet"]
    assert {"mimir", "loki", "prometheus", "otel-collector"} <= {item["metadata"]["name"] for item in sets}
    for item in sets:
        # Kubernetes' default: the next one when the one before is available. `Parallel`: a pod that is not ready is replaced all the same.
        assert "updateStrategy" not in item["spec"]
        assert item["spec"]["podManagementPolicy"] == "Parallel"
        assert item["spec"]["replicas"] == 1 or item["spec"]["minReadySeconds"] >= 5
    budgets = [item["spec"] for item in rendered[inventory] if item["kind"] == "PodDisruptionBudget"]
    assert budgets
    assert {budget["maxUnavailable"] for budget in budgets} == {1}


def test_a_run_applies_each_component_once_and_waits_for_its_wave() -> None:
    for given in PROFILES.values():
        model = stack(**given)
        assert max(Counter(roles(model)).values()) == 1
        order = list(waves(model))
        assert order.index("storage") < order.index("backends") < order.index("agents")
        assert {name for name, row in catalogue.CATALOGUE.items() if row.backend and model.installs(name)} <= set(waves(model)["backends"])


def test_the_playbook_waits_after_each_wave_for_its_stateful_sets() -> None:
    (play,) = [play for play in yaml.safe_load((ROOT / "playbooks/site.yml").read_text()) if "observability.stack.preflight" in str(play)]
    tasks = next(task["block"] for task in play["tasks"] if "block" in task)
    steps = []
    for task in tasks:
        steps += [wave for wave in ("storage", "backends", "agents") if f"observability_waves.{wave} " in str(task.get("loop", ""))]
        steps += ["wait"] if "StatefulSet" in task.get("observability.stack.wait_ready", {}).get("kinds", []) else []
    assert steps == ["storage", "wait", "backends", "wait", "agents", "wait"]


# --- what replaces pods ---


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=list(CHANGES))
def test_a_change_replaces_the_pods_of_those_that_it_is_for(number: int, rendered: dict[str, list[Object]]) -> None:
    before, after = (
        {item["metadata"]["name"]: item["spec"]["template"] for item in workloads(rendered[name])} for name in ("ha", f"change-{number}")
    )
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == list(CHANGES.values())[number][1]
    assert rendered["ha"] != rendered[f"change-{number}"], "the change is none"


# --- an end on any number of nodes ---


@dataclass
class Nodes:
    """Nodes with room for any pod, on which only hard constraints keep pods out, as the scheduler has them (Kubernetes 1.36).

    `pods` has for each pod its node, and the value of the label that tells the pods of two templates apart.
    """

    zones: dict[str, str]
    pods: dict[str, tuple[str, str]] = field(default_factory=dict)

    def place(self, name: str, template: str, workload: Object, node: str = "") -> bool:
        """Place a pod on a node that has fewest of them (or on the one of its volume), and return whether there is one."""
        fitting = [each for each in self.zones if node in ("", each) and self._fits(each, template, workload)]
        if not fitting:
            return False
        self.pods[name] = (min(fitting, key=lambda each: sum(there == each for there, _template in self.pods.values())), template)
        return True

    def _fits(self, node: str, template: str, workload: Object) -> bool:
        spec = workload["spec"]["template"]["spec"]
        labels = workload["spec"]["template"]["metadata"]["labels"]
        taken = [there for there, _template in self.pods.values()]
        if any(port.get("hostPort") for container in spec["containers"] for port in container.get("ports") or []) and node in taken:
            return False
        for term in ((spec.get("affinity") or {}).get("podAntiAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or []:
            domain = self._domain(term["topologyKey"])
            if _selects(term["labelSelector"], labels) and domain[node] in {domain[there] for there in taken}:
                return False
        for constraint in spec.get("topologySpreadConstraints") or []:
            if constraint["whenUnsatisfiable"] != "DoNotSchedule" or not _selects(constraint["labelSelector"], labels):
                continue
            domain = self._domain(constraint["topologyKey"])
            own = "pod-template-hash" in constraint.get("matchLabelKeys", [])
            counted = Counter(domain[there] for there, other in self.pods.values() if other == template or not own)
            if counted[domain[node]] + 1 - min(counted[each] for each in domain.values()) > constraint["maxSkew"]:
                return False
        return True

    def _domain(self, key: str) -> Mapping[str, str]:
        return self.zones if key == "topology.kubernetes.io/zone" else {node: node for node in self.zones}


def _selects(selector: Object, labels: Object) -> bool:
    return bool(selector["matchLabels"].items() <= labels.items())


NODES = {
    "one node": {"a": "1"},
    "two nodes": {"a": "1", "b": "2"},
    "three nodes": {"a": "1", "b": "1", "c": "1"},
    "three zones": {"a": "1", "b": "2", "c": "3"},
    "two of three nodes in a zone": {"a": "1", "b": "1", "c": "2"},
}


def ends(workload: Object, zones: dict[str, str]) -> bool:
    """Whether all pods of a workload find a node, and all that replace them too, whichever old one goes first."""
    replicas = workload["spec"].get("replicas", 1)
    rolling = (workload["spec"].get("strategy") or {}).get("rollingUpdate")
    orders = list(itertools.permutations(range(replicas))) if rolling else [tuple(reversed(range(replicas)))]
    for order in orders:
        nodes = Nodes(zones)
        if not all(nodes.place(f"old-{number}", "old", workload) for number in range(replicas)):
            return False
        for number in order:
            if rolling:
                assert rolling == {"maxUnavailable": 0, "maxSurge": 1}
                if not nodes.place(f"new-{number}", "new", workload):
                    return False
                del nodes.pods[f"old-{number}"]
            else:
                # Its volume may keep it on its node.
                there, _template = nodes.pods.pop(f"old-{number}")
                if not nodes.place(f"new-{number}", "new", workload, there):
                    return False
    return True


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("inventory", PROFILES)
def test_every_roll_out_ends_on_any_number_of_nodes(inventory: str, nodes: str, rendered: dict[str, list[Object]]) -> None:
    found = [item for item in workloads(rendered[inventory]) if item["kind"] != "DaemonSet"]
    assert len(found) >= 6
    assert [item["metadata"]["name"] for item in found if not ends(item, NODES[nodes])] == []


def test_agents_replace_the_pod_of_a_node_before_there_is_another_one(rendered: dict[str, list[Object]]) -> None:
    for inventory in PROFILES:
        (agent,) = [item for item in rendered[inventory] if item["kind"] == "DaemonSet"]
        assert agent["spec"]["updateStrategy"]["rollingUpdate"].keys() == {"maxUnavailable"}


@pytest.mark.parametrize(
    ("pod", "nodes", "expected"),
    [
        ({}, "one node", True),
        # As many nodes as replicas, and no place for one more.
        ("kubernetes.io/hostname", "three nodes", False),
        ("topology.kubernetes.io/zone", "three zones", False),
        ({"containers": [{"name": "x", "ports": [{"hostPort": 80}]}]}, "three nodes", False),
        ({"containers": [{"name": "x", "ports": [{"hostPort": 80}]}]}, "two nodes", False),
    ],
)
def test_a_roll_out_that_does_not_end_is_noticed(pod: Any, nodes: str, expected: bool) -> None:
    if isinstance(pod, str):
        term = {"topologyKey": pod, "labelSelector": {"matchLabels": {"app": "x"}}}
        pod = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
    spec = {"containers": [{"name": "x"}], **pod}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": spec}
    strategy = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert ends({"spec": {"replicas": 3, "strategy": strategy, "template": template}}, NODES[nodes]) is expected
