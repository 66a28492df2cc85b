"""Volumes that grow, and pods that are replaced, on a cluster with real controllers and a real scheduler; only its nodes are simulated."""

from __future__ import annotations

import contextlib
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import lease
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, Kind

from tests import playbooks
from tests.engine import faults
from tests.engine.faults import Asked, Fault, Proxy
from tests.engine.installations import Installation, Run
from tests.inventories import ROOT
from tools.bench import bed
from tools.lab.loopback import ControlPlane

CLAIMS, SETS = BY_KIND["PersistentVolumeClaim"], BY_KIND["StatefulSet"]
# Mimir alone, as the profile `ha` has it.
HA: dict[str, Any] = {
    **{f"{component}_enabled": False for component in ("loki", "alloy", "otel_collector", "grafana", "ingress")},
    "observability_profile": "ha",
    "observability_object_storage": {
        "type": "s3", "endpoint": "s3.example.com", "secret": "credentials", "buckets": {"mimir": "acme-mimir"},
    },
    "observability_storage_check": True,
    "observability_wait_timeout": 120,
    "mimir_storage_size": "50Gi",
    "prometheus_storage_size": "50Gi",
}  # fmt: skip
NAMES = ["mimir-0", "mimir-1", "mimir-2"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with bed.running(3, print) as running:
        yield running


def installed(cluster: ControlPlane, namespace: str, **more: Any) -> Installation:
    found = Installation(cluster, namespace, {**HA, **more}, controllers=True)
    run = found.play()
    assert run.code == 0, run.output
    return found


@pytest.fixture(scope="module")
def stack(cluster: ControlPlane) -> Installation:
    """Return a stack that is installed; a test leaves every pod of it ready."""
    return installed(cluster, "volumes")


def pods(stack: Installation, component: str = "mimir") -> dict[str, dict[str, Any]]:
    selector = [("labelSelector", f"app.kubernetes.io/name={component}")]
    found = stack.cluster.items(Kind("v1", "Pod").path(stack.namespace), selector)
    return {pod["metadata"]["name"]: pod for pod in sorted(found, key=lambda pod: pod["metadata"]["name"])}


def uids(stack: Installation, component: str = "mimir") -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in pods(stack, component).items()}


def claims(stack: Installation, component: str = "mimir") -> dict[str, tuple[str, str]]:
    """Return what each claim asks for, and what it has."""
    found = stack.cluster.items(CLAIMS.path(stack.namespace), [("labelSelector", f"app.kubernetes.io/name={component}")])
    return {
        item["metadata"]["name"]: (item["spec"]["resources"]["requests"]["storage"], item["status"]["capacity"]["storage"])
        for item in found
    }


def stateful_set(stack: Installation, name: str = "mimir") -> dict[str, Any]:
    return stack.cluster.object("GET", SETS.path(stack.namespace, name))


def until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def changed(run: Run, kind: str = "StatefulSet") -> list[str]:
    return [line for line in run.lines if line.startswith(f"{kind} ")]


def test_volumes_grow_under_pods_that_stay(stack: Installation) -> None:
    kubectl, space = stack.server.kubectl, f"--namespace={stack.namespace}"
    # Of others, and without it every pod would be replaced.
    kubectl("rollout", "restart", space, "statefulset/mimir")
    kubectl("rollout", "status", space, "statefulset/mimir", "--timeout=180s")
    kubectl("label", space, "statefulset/mimir", "example.test/team=a")
    before, there = uids(stack), stateful_set(stack)
    assert list(before) == NAMES
    larger: dict[str, Any] = {"mimir_storage_size": "60Gi"}
    line = "StatefulSet mimir: volumes grow from 50Gi to 60Gi; re-created, its pods stay"

    checked = stack.play("site.yml", "--check", "--diff", **larger)
    assert checked.code == 0, checked.output
    assert changed(checked) == [line]
    assert re.search(r"^- +storage: 50Gi$", checked.output, re.MULTILINE), checked.output
    assert re.search(r"^\+ +storage: 60Gi$", checked.output, re.MULTILINE)
    compared = stack.play("diff.yml", **larger)
    assert compared.code == 2, compared.output
    reason = re.escape("the next run re-creates it (volumes grow from 50Gi to 60Gi; re-created, its pods stay)")
    assert any(re.fullmatch(rf"changed +StatefulSet.apps volumes/mimir +{reason}", text) for text in compared.lines), compared.lines
    assert stateful_set(stack)["metadata"]["uid"] == there["metadata"]["uid"]
    assert set(claims(stack).values()) == {("50Gi", "50Gi")}

    done = stack.play(**larger)
    assert done.code == 0, done.output
    assert changed(done) == [line]
    made = stateful_set(stack)
    assert made["metadata"]["uid"] != there["metadata"]["uid"]
    assert made["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "60Gi"
    until(lambda: set(claims(stack).values()) == {("60Gi", "60Gi")})
    until(lambda: stateful_set(stack)["status"].get("availableReplicas") == 3)
    assert uids(stack) == before
    found = {owner["uid"] for pod in pods(stack).values() for owner in pod["metadata"]["ownerReferences"]}
    assert found == {made["metadata"]["uid"]}
    assert stateful_set(stack)["status"]["updatedReplicas"] == 3
    # What others have added is there, and still theirs.
    assert made["metadata"]["labels"]["example.test/team"] == "a"
    assert made["spec"]["template"] == there["spec"]["template"]
    managers = {entry["manager"] for entry in made["metadata"]["managedFields"] if entry.get("subresource") != "status"}
    assert managers == {"observability.stack", "kubectl-rollout", "kubectl-label"}
    assert stack.play(**larger).settled
    # A replica that comes later has the new size.
    more = stack.play(**larger, mimir_replicas=4)
    assert more.code == 0, more.output
    until(lambda: claims(stack).get("data-mimir-3") == ("60Gi", "60Gi"))
    fewer = stack.play(**larger)
    assert fewer.code == 0, fewer.output


def killed(stack: Installation, proxy: Proxy, at: Callable[[Asked], bool], **changes: Any) -> None:
    """Run the playbook through a proxy, and kill it with all of its processes instead of the first request that `at` is true of."""
    done = threading.Event()

    def fault(asked: Asked) -> Fault | None:
        if done.is_set() or not at(asked):
            return None
        done.set()
        playbooks.kill(started)
        return Fault(503)

    proxy.fault = fault
    access = {"observability_kubeconfig": str(proxy.kubeconfig), "observability_context": proxy.context}
    with tempfile.TemporaryDirectory() as directory:
        given = stack.inventory(**access, **changes)
        started = playbooks.start(Path(directory), ROOT / "playbooks/site.yml", "--skip-tags=verify", **given)
        started.communicate(timeout=300)
    assert done.is_set()
    assert started.returncode == -signal.SIGKILL
    stack.cluster.request("DELETE", BY_KIND["Lease"].path(stack.namespace, lease.NAME))


@pytest.fixture
def before_it(cluster: ControlPlane, tmp_path: Path) -> Iterator[Proxy]:
    with faults.proxy(cluster, tmp_path) as made:
        yield made


def is_creation(asked: Asked) -> bool:
    return asked.method == "PATCH" and "statefulsets/mimir?" in asked.path and "dryRun" not in asked.path


def test_after_a_run_that_was_killed_before_the_creation_the_next_one_creates_it(stack: Installation, before_it: Proxy) -> None:
    before = uids(stack)
    larger: dict[str, Any] = {"mimir_storage_size": "70Gi"}
    killed(stack, before_it, is_creation, **larger)
    assert stack.cluster.request("GET", SETS.path(stack.namespace, "mimir")).status == 404
    assert uids(stack) == before
    # With the inventory from before the run would be rejected: the volumes have grown.
    run = stack.play()
    assert run.code != 0
    assert "no volume gets smaller: take 70Gi or more" in run.output
    run = stack.play(**larger)
    assert run.code == 0, run.output
    assert changed(run) == ["StatefulSet mimir: created"], run.output
    until(lambda: stateful_set(stack)["status"].get("availableReplicas") == 3)
    # What others had added is gone with the old one, and one annotation was part of the template.
    assert stack.play(**larger).settled


def test_after_a_run_that_was_killed_during_the_deletion_the_next_one_waits_for_it(stack: Installation, before_it: Proxy) -> None:
    before = uids(stack)
    larger: dict[str, Any] = {"mimir_storage_size": "80Gi"}
    # Nobody ends the deletion.
    stack.server.stop("kube-controller-manager")
    deleted: list[Asked] = []

    def at(asked: Asked) -> bool:
        deleted.extend([asked] if asked.method == "DELETE" and "statefulsets/mimir" in asked.path else [])
        return bool(deleted) and asked.method == "GET" and asked.path.endswith("statefulsets/mimir")

    killed(stack, before_it, at, **larger)
    assert stateful_set(stack)["metadata"]["finalizers"] == ["orphan"]
    checked = stack.play("site.yml", "--check", **larger)
    assert checked.code == 0, checked.output
    assert changed(checked) == ["StatefulSet mimir: created"]
    compared = stack.play("diff.yml", **larger)
    assert "its pods stay" in compared.output
    stack.server.start("kube-controller-manager")
    run = stack.play(**larger)
    assert run.code == 0, run.output
    assert changed(run) == ["StatefulSet mimir: created"], run.output
    until(lambda: stateful_set(stack)["status"].get("availableReplicas") == 3)
    assert uids(stack) == before
    assert stack.play(**larger).settled
    assert set(claims(stack).values()) >= {("80Gi", "80Gi")}


# --- pods that are replaced ---


@pytest.fixture(scope="module")
def pair(cluster: ControlPlane) -> Installation:
    return installed(cluster, "roll-outs")


def set_ready(stack: Installation, pod: str, *, ready: bool) -> None:
    """Write into the status of a pod what a kubelet would."""
    where = f"{Kind('v1', 'Pod').path(stack.namespace, pod)}/status"
    found = stack.cluster.object("GET", where)
    conditions = [
        {**item, "status": str(ready), "message": "the disk is full"} if item["type"] in ("Ready", "ContainersReady") else item
        for item in found["status"]["conditions"]
    ]
    stack.cluster.object("PATCH", where, body={"status": {"conditions": conditions}})


@contextlib.contextmanager
def watched(stack: Installation, component: str = "mimir") -> Iterator[list[set[str]]]:
    """Yield what is filled, while the block runs, with each set of pods of a component that were not ready at the same time."""
    names = set(NAMES) if component == "mimir" else set(pods(stack, component))
    end, found = threading.Event(), [set[str]()]

    def loop() -> None:
        while not end.wait(0.1):
            ready = {
                name
                for name, pod in pods(stack, component).items()
                if not pod["metadata"].get("deletionTimestamp")
                and any(item["type"] == "Ready" and item["status"] == "True" for item in (pod.get("status") or {}).get("conditions") or [])
            }
            found.append(names - ready)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()


CHANGES: list[dict[str, Any]] = [{"mimir_config": {"limits": {"max_label_names_per_series": number}}} for number in range(40, 50)]


def test_pods_are_not_replaced_while_another_one_is_not_ready(pair: Installation) -> None:
    before = uids(pair)
    set_ready(pair, "mimir-0", ready=False)
    until(lambda: stateful_set(pair)["status"]["readyReplicas"] == 2)
    checked = pair.play("site.yml", "--check", **CHANGES[0])
    assert "StatefulSet mimir: a run would wait with the replacement of its pods; mimir-0: the disk is full" in checked.lines
    configuration = pair.versions()[f"ConfigMap {pair.namespace}/mimir"]
    run = pair.play(observability_wait_timeout=5, **CHANGES[0])
    assert run.code != 0
    for part in ("mimir-0: the disk is full", "within 5 s (observability_wait_timeout)", "observability_allow_unready_replicas"):
        assert part in run.output, run.output
    assert uids(pair) == before
    # It would be read by a pod that starts again.
    assert pair.versions()[f"ConfigMap {pair.namespace}/mimir"] == configuration
    # It becomes ready while the run waits.
    thread = threading.Timer(20, lambda: set_ready(pair, "mimir-0", ready=True))
    thread.start()
    with watched(pair) as missing:
        run = pair.play(**CHANGES[0])
    thread.join()
    assert run.code == 0, run.output
    assert "StatefulSet mimir: its pods are replaced when all of them are ready; mimir-0: the disk is full" in run.lines
    assert max(len(names) for names in missing) == 1, missing
    assert not set(uids(pair).values()) & set(before.values())


def test_a_run_goes_on_in_spite_of_it_where_the_inventory_says_so(pair: Installation) -> None:
    before = uids(pair)
    set_ready(pair, "mimir-0", ready=False)
    until(lambda: stateful_set(pair)["status"]["readyReplicas"] == 2)
    with watched(pair) as missing:
        run = pair.play(observability_allow_unready_replicas=True, **CHANGES[1])
    assert run.code == 0, run.output
    # Which is why a run waits otherwise: Kubernetes does not.
    assert max(len(names) for names in missing) == 2, missing
    assert not set(uids(pair).values()) & set(before.values())


def test_the_pod_that_is_replaced_first_may_be_the_one_that_is_not_ready(pair: Installation) -> None:
    before = uids(pair)
    set_ready(pair, "mimir-2", ready=False)
    until(lambda: stateful_set(pair)["status"]["readyReplicas"] == 2)
    with watched(pair) as missing:
        run = pair.play(**CHANGES[2])
    assert run.code == 0, run.output
    assert max(len(names) for names in missing) == 1, missing
    assert not set(uids(pair).values()) & set(before.values())


def test_larger_volumes_and_other_configurations_of_several_components_replace_one_pod_of_each_at_a_time(pair: Installation) -> None:
    before = uids(pair) | uids(pair, "prometheus")
    sizes = {"mimir_storage_size": "60Gi", "prometheus_storage_size": "60Gi"}
    both: dict[str, Any] = {**sizes, "prometheus_config": {"global": {"evaluation_interval": "20s"}}, **CHANGES[3]}
    with watched(pair) as missing, watched(pair, "prometheus") as missing_too:
        run = pair.play(**both)
    assert run.code == 0, run.output
    note = "volumes grow from 50Gi to 60Gi; re-created, its pods stay until each is replaced; changed (spec.template."
    assert [line.partition(note)[0] for line in changed(run)] == ["StatefulSet mimir: ", "StatefulSet prometheus: "]
    assert max(len(names) for names in missing) == 1, missing
    assert max(len(names) for names in missing_too) == 1, missing_too
    assert not set((uids(pair) | uids(pair, "prometheus")).values()) & set(before.values())
    assert set((claims(pair) | claims(pair, "prometheus")).values()) == {("60Gi", "60Gi")}


def test_a_replica_less_goes_before_others_are_replaced(pair: Installation) -> None:
    size: dict[str, Any] = {"mimir_storage_size": "60Gi", "prometheus_storage_size": "60Gi"}
    more = pair.play(**size, **CHANGES[3], mimir_replicas=4)
    assert more.code == 0, more.output
    before = uids(pair)
    assert len(before) == 4
    with watched(pair) as missing:
        run = pair.play(**size, **CHANGES[4])
    assert run.code == 0, run.output
    assert list(uids(pair)) == NAMES
    assert max(len(names) for names in missing) == 1, missing
