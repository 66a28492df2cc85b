"""Faults between a run and its API server: the run waits, or ends with a sentence, and the next one converges."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine import apply, lease, snapshot
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND
from ansible_collections.observability.stack.plugins.module_utils.survey import survey

from tests.engine.faults import Asked, Fault, Proxy
from tests.engine.installations import Installation
from tests.engine.small import behind, content, drift, said

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
        # After all the others: an outage loses an answer that has not arrived yet.
        if not lost and asked.method == "PATCH" and "networkpolicies/default-deny" in asked.path:
            lost.append(time.monotonic())
            proxy.unavailable(3)

    proxy.fault, proxy.seen = fault, seen
    run = stack.play()
    assert run.code == 0, run.output
    assert lost
    assert not once
    lines = [line for line in run.lines if line.startswith("waiting up to 60 s: ")]
    for part in ("for now (HTTP 429)", "HTTP 503: no endpoints available", "for now (HTTP 504)", "HTTP 502", "does not answer"):
        assert len([line for line in lines if part in line]) >= 1, (part, lines)
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
    assert "Service faults/mimir was rejected by the cluster" in said(run)
    assert "ValidatingAdmissionPolicy 'no-mimir-service'" in said(run)
    assert "the house has rules" in said(run)
    # Nobody has to wait until its Lease expires, and nobody takes the run for a success.
    assert "the run has ended at the task 'Apply Mimir'" in said(run)
    held = stack.cluster.object("GET", BY_KIND["Lease"].path(stack.namespace, lease.NAME))
    assert not held["spec"]["holderIdentity"]
    run = stack.play()
    assert run.code == 0, run.output
    assert content(stack) == expected
