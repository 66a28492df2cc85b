"""Faults between a run and its API server: the run waits, or ends with a sentence, and the next one converges."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import apply, lease, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND
from ansible_collections.observability.stack.plugins.module_utils.stack.kubernetes import CHECKSUM
from ansible_collections.observability.stack.plugins.module_utils.survey import survey

from tests import playbooks
from tests.engine import faults, ready
from tests.engine.faults import Asked, Fault, Proxy
from tests.engine.installations import Installation
from tests.inventories import ROOT
from tools.lab.loopback import ControlPlane

# A stack that is small and has a wave, a ClusterRole, policies, and volumes nevertheless.
SMALL = {f"{component}_enabled": False for component in ("loki", "alloy", "otel_collector", "grafana", "ingress")}
# The fields that differ between two stacks with the same inventory.
OTHER = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")
LEASE = BY_KIND["Lease"]


@pytest.fixture
def proxy(api_server: ControlPlane, tmp_path: Path) -> Iterator[Proxy]:
    with faults.proxy(api_server, tmp_path) as made:
        yield made


def behind(proxy: Proxy, namespace: str, **variables: Any) -> Installation:
    """Return a stack in a namespace of its own, not installed yet, whose runs go through the proxy."""
    access = {"observability_kubeconfig": str(proxy.kubeconfig), "observability_context": proxy.context}
    return Installation(proxy.server, namespace, {**SMALL, **access, **variables})


def content(stack: Installation) -> dict[str, Any]:
    """Return what the stack consists of, as far as it does not say when and where; of the record and the Lease only that they are there."""
    found = {}
    for key, item in stack.objects().items():
        state = item["metadata"]["name"].startswith("observability-stack-")
        kept = {} if state else {name: value for name, value in item.items() if name not in ("status", "metadata")}
        metadata = {name: value for name, value in item["metadata"].items() if name not in OTHER}
        for given in ("clusterIP", "clusterIPs"):
            if kept.get("spec", {}).get(given, "None") not in ("None", ["None"]):
                del kept["spec"][given]
        text = json.dumps([kept, metadata], sort_keys=True).replace(stack.namespace, "N")
        # The configuration has the names of the stack in it.
        found[key.replace(stack.namespace, "N")] = re.sub(rf'"{CHECKSUM}": "\w+"', "", text)
    return found


@pytest.fixture(scope="module")
def expected(api_server: ControlPlane) -> dict[str, Any]:
    """Return what a run without any fault makes."""
    stack = Installation(api_server, "no-faults", SMALL)
    run = stack.play()
    assert run.code == 0, run.output
    return content(stack)


def is_write(asked: Asked, resource: str = "") -> bool:
    return asked.method != "GET" and "reviews" not in asked.path and resource in asked.path


# --- an API server that is unavailable for a moment ---


def test_a_run_waits_for_an_api_server_that_is_unavailable_or_busy_for_a_moment(proxy: Proxy, expected: dict[str, Any]) -> None:
    stack = behind(proxy, "busy")
    status = {"kind": "Status", "message": "for now", "metadata": {}}
    once = {
        ("PATCH", "services/mimir?"): Fault(429, json.dumps(status).encode(), {"Retry-After": "1"}),
        ("GET", "statefulsets/prometheus"): Fault(503, b"no endpoints available"),
        ("PATCH", "configmaps/observability-stack-state"): Fault(504, json.dumps(status).encode()),
        ("GET", "poddisruptionbudgets"): Fault(502, b"<html>bad gateway</html>"),
    }
    asked_at: dict[str, list[float]] = {}
    lost: list[float] = []

    def fault(asked: Asked) -> Fault | None:
        asked_at.setdefault(f"{asked.method} {asked.path}", []).append(time.monotonic())
        return next((once.pop(key) for key in list(once) if key[0] == asked.method and key[1] in asked.path), None)

    def seen(asked: Asked, _status: int) -> None:
        if not lost and asked.method == "PATCH" and "configmaps/prometheus" in asked.path:
            lost.append(time.monotonic())
            proxy.unavailable(3)

    proxy.fault, proxy.seen = fault, seen
    run = stack.play()
    assert run.code == 0, run.output
    assert lost
    assert not once
    said = [line for line in run.lines if line.startswith("waiting up to 60 s: ")]
    for part in ("for now (HTTP 429)", "HTTP 503: no endpoints available", "for now (HTTP 504)", "HTTP 502", "does not answer"):
        assert len([line for line in said if part in line]) >= 1, (part, said)
    (times,) = (times for asked, times in asked_at.items() if "PATCH" in asked and "services/mimir?" in asked)
    assert times[1] - times[0] >= 1, "Retry-After"
    assert content(stack) == expected
    assert stack.play().settled


def test_an_address_that_never_answers_is_known_at_once(proxy: Proxy) -> None:
    proxy.stop()
    start = time.monotonic()
    cluster = Cluster(str(proxy.kubeconfig), proxy.context, "any", 5, 60, known=False)
    with pytest.raises(ClusterError, match="does not answer: Connection refused"):  # the text of the system
        survey(cluster, ["any"])
    assert time.monotonic() - start < 5


# --- an answer that is none ---

PART = b'{"kind":"List","apiVersion":"v1","metadata":{},"items":[{"data":{"password":"aHVudGVyMg=='
UNREADABLE = {
    "cut off": Fault(body=PART),
    "a page of a proxy": Fault(body=b"<html><title>Sign in</title></html>", headers={"content-type": "text/html"}),
    "nothing": Fault(),
    "another type": Fault(body=b"[]"),
    "null": Fault(body=b"null"),
    "items of another type": Fault(body=b'{"metadata":{},"items":{"a":1}}'),
    "no items": Fault(body=b'{"metadata":{}}'),
    "items without names": Fault(body=b'{"metadata":{},"items":[{"spec":{}},null]}'),
    "metadata of another type": Fault(body=b'{"metadata":[],"items":[{"metadata":"x"}]}'),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_half_readable_answer_is_an_error_with_the_address_and_without_content(proxy: Proxy, what: str) -> None:
    proxy.fault = lambda _asked: UNREADABLE[what]
    cluster = Cluster(str(proxy.kubeconfig), proxy.context, "any")
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "any"}}
    calls: dict[str, Callable[[], object]] = {
        "snapshot": lambda: snapshot.read(cluster, ["any"], {"a": "b"}),
        "lists": lambda: cluster.pods({"a": "b"}),
        "lease": lambda: lease.RunLease(cluster, "any", "me", {}).hold(1, print),
        "apply": lambda: apply.apply(cluster, [item], {}, dry=False, always=True),
    }
    # These are objects, as far as one can see.
    for name, call in calls.items():
        if what in ("no items", "items of another type", "items without names") and name in ("lease", "apply"):
            continue
        with pytest.raises(ClusterError, match=rf"from [A-Z]+ http://127.0.0.1:{proxy.port}/api\S*, got HTTP 200") as error:
            call()
        assert "aHVudGVyMg" not in str(error.value)


def test_an_answer_that_ends_early_counts_as_none(proxy: Proxy) -> None:
    proxy.fault = lambda _asked: Fault(body=PART, length=len(PART) + 10)
    with pytest.raises(ClusterError, match="does not answer"):
        Cluster(str(proxy.kubeconfig), proxy.context, "any").nodes()


def test_a_list_whose_items_are_null_has_none(proxy: Proxy) -> None:
    proxy.fault = lambda _asked: Fault(body=b'{"metadata":{},"items":null}')
    assert not snapshot.read(Cluster(str(proxy.kubeconfig), proxy.context, "any"), ["any"], {"a": "b"}).objects


@pytest.fixture(scope="module")
def stack_with_faults(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Installation]]:
    """Yield an installed stack behind a proxy; each test leaves it installed."""
    with faults.proxy(api_server, tmp_path_factory.mktemp("faults")) as made:
        stack = behind(made, "faults")
        run = stack.play()
        assert run.code == 0, run.output
        yield made, stack


@pytest.mark.parametrize(
    ("method", "resource", "what"),
    [("GET", "statefulsets?", "cut off"), ("PATCH", "configmaps/prometheus", "a page of a proxy"), ("PATCH", "services/mimir?", "nothing")],
)
def test_after_a_half_readable_answer_the_next_run_converges(
    stack_with_faults: tuple[Proxy, Installation], expected: dict[str, Any], method: str, resource: str, what: str
) -> None:
    proxy, stack = stack_with_faults
    # Otherwise nothing would be sent.
    drift(stack)
    proxy.fault = lambda asked: UNREADABLE[what] if asked.method == method and resource in asked.path else None
    run = stack.play()
    proxy.fault = lambda _asked: None
    assert run.code != 0
    assert f"from {method} http://127.0.0.1:{proxy.port}/" in run.output
    run = stack.play()
    assert run.code == 0, run.output
    assert content(stack) == expected


def drift(stack: Installation) -> None:
    """Change what a run has to put right: the ConfigMap of Prometheus, and the Service of Mimir."""
    for kind, name, change in (
        ("ConfigMap", "prometheus", {"data": {"prometheus.yaml": "no"}}),
        ("Service", "mimir", {"spec": {"ports": None}}),
    ):
        if kind == "Service":
            stack.cluster.object("DELETE", BY_KIND[kind].path(stack.namespace, name))
        else:
            stack.cluster.object("PATCH", BY_KIND[kind].path(stack.namespace, name), body=change)


# --- an object that is rejected ---

POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-mimir-service}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [services]}]
  validations: [{expression: "object.metadata.namespace != 'faults' || object.metadata.name != 'mimir'", message: "the house has rules"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-mimir-service}
spec: {policyName: no-mimir-service, validationActions: [Deny]}
"""


def test_an_object_that_a_policy_rejects_is_named_with_the_policy_and_the_reason(
    stack_with_faults: tuple[Proxy, Installation], expected: dict[str, Any]
) -> None:
    proxy, stack = stack_with_faults
    proxy.server.kubectl("apply", "-f", "-", given=POLICY)
    probe = json.dumps(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mimir", "namespace": "faults"}, "spec": {"ports": [{"port": 1}]}}
    )
    drift(stack)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        answer = stack.cluster.request(
            "POST", f"{BY_KIND['Service'].path('faults')}?dryRun=All", headers={"content-type": "application/json"}, body=probe.encode()
        )
        if answer.status == 422:
            break
        time.sleep(0.1)
    try:
        run = stack.play()
    finally:
        proxy.server.kubectl("delete", "-f", "-", given=POLICY)
    assert run.code != 0
    assert "Service faults/mimir was rejected by the cluster" in run.output
    assert "ValidatingAdmissionPolicy 'no-mimir-service'" in run.output
    assert "the house has rules" in run.output
    run = stack.play()
    assert run.code == 0, run.output
    assert content(stack) == expected


# --- several runs, and runs that end early ---


def test_of_two_runs_at_the_same_time_the_second_waits_for_the_first(proxy: Proxy, expected: dict[str, Any]) -> None:
    stack = behind(proxy, "twice")
    first_is_busy, second_waits = threading.Event(), threading.Event()
    reads: list[str] = []

    def seen(asked: Asked, _status: int) -> None:
        # The first run, in the middle of its changes, gets no answer before the second one has looked at the Lease twice.
        if asked.method == "GET" and "statefulsets/prometheus" in asked.path and not second_waits.is_set():
            first_is_busy.set()
            second_waits.wait(60)
        if first_is_busy.is_set() and asked.method == "GET" and asked.path.endswith(lease.NAME):
            reads.append(asked.path)
            if len(reads) > 1:
                second_waits.set()

    proxy.seen = seen
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(stack.play)
        assert first_is_busy.wait(200)
        second = pool.submit(stack.play)
        runs = [first.result(), second.result()]
    assert [run.code for run in runs] == [0, 0], runs
    assert not any("another run" in line for line in runs[0].lines)
    assert any(
        f" on {os.uname().nodename}, process " in line for line in runs[1].lines if "waiting for another run on this stack: " in line
    )
    assert content(stack) == expected
    assert stack.play().settled


def test_a_run_that_does_not_want_to_wait_names_the_holder_of_the_lease(
    stack_with_faults: tuple[Proxy, Installation], expected: dict[str, Any]
) -> None:
    _proxy, stack = stack_with_faults
    other = lease.RunLease(stack.cluster, stack.namespace, "ana on laptop, process 7", {})
    other.hold(0, print)
    drift(stack)
    before = stack.versions()
    run = stack.play(common_wait_timeout=1)
    assert run.code != 0
    assert "another run changes this stack: ana on laptop, process 7, since " in run.output
    assert "it has not ended within 1 s (common_wait_timeout)" in run.output
    assert stack.versions() == before
    other.release()
    run = stack.play()
    assert run.code == 0, run.output
    assert content(stack) == expected


def killed(stack: Installation, proxy: Proxy, number: int) -> None:
    """Run the playbook, and kill it with all of its processes as soon as the API server has done its write of that number."""
    done = threading.Event()
    writes = 0

    def seen(asked: Asked, _status: int) -> None:
        nonlocal writes
        writes += is_write(asked)
        if writes == number and not done.is_set():
            os.killpg(started.pid, signal.SIGKILL)
            done.set()

    proxy.seen = seen
    with tempfile.TemporaryDirectory() as directory, ready.workloads(stack.cluster, stack.namespace):
        started = playbooks.start(Path(directory), ROOT / "playbooks/site.yml", "--skip-tags=verify", **stack.inventory())
        started.communicate(timeout=300)
    proxy.seen = lambda _asked, _status: None
    assert done.is_set()
    assert started.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8, 12, 16, 20, 25, 30])
def test_after_a_run_that_was_killed_the_next_one_converges(proxy: Proxy, expected: dict[str, Any], number: int) -> None:
    stack = behind(proxy, f"killed-{number}")
    killed(stack, proxy, number)
    # Nobody waits in a test for the Lease to end; that it ends is tested below.
    stack.cluster.request("DELETE", LEASE.path(stack.namespace, lease.NAME))
    run = stack.play()
    assert run.code == 0, run.output
    assert content(stack) == expected


def test_the_lease_of_a_run_that_was_killed_ends(stack_with_faults: tuple[Proxy, Installation]) -> None:
    _proxy, stack = stack_with_faults
    dead, next_run = (lease.RunLease(stack.cluster, stack.namespace, holder, {}) for holder in ("dead", "next"))
    dead.hold(0, print)
    stack.cluster.object("PATCH", LEASE.path(stack.namespace, lease.NAME), body={"spec": {"leaseDurationSeconds": 2}})
    said: list[str] = []
    with pytest.raises(ClusterError, match="another run changes this stack: dead, since "):
        next_run.hold(0, said.append)
    start = time.monotonic()
    next_run.hold(30, said.append)
    assert 2 <= time.monotonic() - start < 10
    assert "waiting for another run on this stack: dead" in said[0]
    next_run.release()
