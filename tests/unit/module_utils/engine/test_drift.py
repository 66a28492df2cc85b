"""What differs between an object and its inventory, and who has made it so, over objects as an API server returns them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import drift, ownership
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import FIELD_MANAGER
from ansible_collections.observability.stack.plugins.module_utils.engine.snapshot import Snapshot

Item = dict[str, Any]
CONTAINER = 'k:{"name":"loki"}'
OURS: Item = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    CONTAINER: {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:ports": {'k:{"containerPort":3100,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                    }
                }
            }
        },
    },
}
KEY = "StatefulSet.apps observability/loki"


def entry(manager: str, fields: Item, operation: str = "Update", subresource: str = "", time: str = "2026-01-01T00:00:00Z") -> Item:
    more = {"subresource": subresource} if subresource else {}
    return {"manager": manager, "operation": operation, "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def workload(*entries: Item, ours: Item = OURS, **spec: Any) -> Item:
    """Return an object with our fields, those of others, and a changed specification."""
    container = {
        "name": "loki",
        "image": "loki:1",
        "args": ["-config=x"],
        "ports": [{"containerPort": 3100, "protocol": "TCP"}],
        **spec.pop("container", {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": "loki",
            "namespace": "observability",
            "uid": "1",
            "labels": {"app": "loki"},
            "managedFields": [entry(FIELD_MANAGER, ours, "Apply"), *entries],
        },
        "spec": {"replicas": 2, "template": {"spec": {"containers": [container, *spec.pop("more", [])]}}, **spec},
    }


def found(before: Item | None, after: Item | None = None, *, inventory_changed: bool = False) -> list[drift.Finding]:
    after = after or workload()
    return drift.compared(after, before, after, inventory_changed=inventory_changed)


def fields(findings: list[drift.Finding]) -> list[tuple[str, str, str, str]]:
    return [(each["path"], each["change"], each["cause"], each["manager"]) for one in findings for each in one["fields"]]


def without(path: str) -> Item:
    """Return our fields without one directly below `spec`."""
    ours = copy.deepcopy(OURS)
    del ours["f:spec"][f"f:{path}"]
    return ours


def test_the_same_object_is_no_finding() -> None:
    assert found(workload()) == []


def test_the_status_is_nobodys_drift() -> None:
    status = entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}, subresource="status")
    assert found(workload(status), workload(status)) == []


def test_an_object_that_is_not_there_or_goes_is_missing() -> None:
    going = workload()
    going["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    for before, next_run in ((None, "creates it"), (going, "fails")):
        (finding,) = found(before)
        assert (finding["difference"], finding["object"], finding["next_run"]) == ("missing", KEY, next_run)
    assert "2026-01-02" in found(going)[0]["reason"]


@pytest.mark.parametrize(
    ("kind", "finalizers", "next_run"),
    [("StatefulSet", ["orphan"], "creates it"), ("StatefulSet", ["orphan", "x"], "fails"), ("Deployment", ["orphan"], "fails")],
)
def test_a_stateful_set_that_a_run_was_making_anew_is_created_by_the_next_one(kind: str, finalizers: list[str], next_run: str) -> None:
    going = workload()
    going["kind"] = kind
    going["metadata"] |= {"deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": finalizers}
    (finding,) = drift.compared(going, going, going, inventory_changed=False)
    assert (finding["difference"], finding["next_run"]) == ("missing", next_run)


def test_a_changed_field_has_its_manager_the_time_and_both_numbers() -> None:
    scaled = entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    (finding,) = found(workload(scaled, ours=without("replicas"), replicas=5))
    assert (finding["difference"], finding["next_run"]) == ("changed", "changes it")
    assert finding["fields"] == [
        {
            "path": "spec.replicas",
            "change": "different",
            "cluster": 5,
            "inventory": 2,
            "cause": "manager",
            "manager": "kubectl",
            "subresource": "scale",
            "time": "2026-01-01T00:00:00Z",
        }
    ]


def test_of_several_managers_the_last_one_has_changed_it() -> None:
    path: Item = {"f:spec": {"f:replicas": {}}}
    entries = [entry("second", path, time="2026-01-02T00:00:00Z"), entry("first", path), entry("timeless", path, time="")]
    assert fields(found(workload(*entries, ours=without("replicas"), replicas=5))) == [("spec.replicas", "different", "manager", "second")]


def test_a_field_that_is_still_ours_was_changed_by_the_inventory() -> None:
    assert fields(found(workload(), workload(replicas=3))) == [("spec.replicas", "different", "inventory", "")]


def test_a_field_that_the_inventory_no_longer_has_is_its_change() -> None:
    after = workload(ours=without("replicas"))
    del after["spec"]["replicas"]
    assert fields(found(workload(), after)) == [("spec.replicas", "surplus", "inventory", "")]


@pytest.mark.parametrize(("inventory_changed", "cause"), [(False, "unknown"), (True, "inventory")])
def test_nobody_is_noted_for_a_field_that_is_gone(cause: str, *, inventory_changed: bool) -> None:
    before = workload(ours=without("replicas"))
    del before["spec"]["replicas"]
    assert fields(found(before, inventory_changed=inventory_changed)) == [("spec.replicas", "missing", cause, "")]


def test_fields_that_only_belong_to_another_manager_now_are_named() -> None:
    taken = entry("other", {"f:spec": {"f:replicas": {}}}, "Apply")
    assert fields(found(workload(taken, ours=without("replicas")))) == [("spec.replicas", "ownership", "manager", "other")]


def test_items_of_a_list_are_named_by_their_keys() -> None:
    fields_of_other: Item = {"f:spec": {"f:template": {"f:spec": {"f:containers": {CONTAINER: {"f:image": {}}}}}}}
    ours = copy.deepcopy(OURS)
    del ours["f:spec"]["f:template"]["f:spec"]["f:containers"][CONTAINER]["f:image"]
    (finding,) = found(workload(entry("kubectl-set", fields_of_other), ours=ours, container={"image": "evil:2"}))
    (field,) = finding["fields"]
    assert field["path"] == "spec.template.spec.containers[loki].image"
    assert (field["cluster"], field["inventory"], field["manager"]) == ("evil:2", "loki:1", "kubectl-set")


def test_the_order_of_a_list_is_a_difference_that_nobody_is_noted_for() -> None:
    ports = [{"containerPort": number, "protocol": "TCP"} for number in (3100, 9095)]
    ours = copy.deepcopy(OURS)
    owned = ours["f:spec"]["f:template"]["f:spec"]["f:containers"][CONTAINER]["f:ports"]
    owned['k:{"containerPort":9095,"protocol":"TCP"}'] = {".": {}, "f:containerPort": {}}
    before = workload(ours=ours, container={"ports": ports[::-1]})
    assert fields(found(before, workload(ours=ours, container={"ports": ports}))) == [
        ("spec.template.spec.containers[loki].ports", "order", "unknown", "")
    ]


def test_other_values_than_numbers_and_images_are_not_shown() -> None:
    fields_of_other: Item = {"f:spec": {"f:template": {"f:spec": {"f:containers": {CONTAINER: {"f:args": {}}}}}}}
    (finding,) = found(workload(entry("kubectl-edit", fields_of_other), container={"args": ["-password=secret"]}))
    assert finding["fields"][0]["path"] == "spec.template.spec.containers[loki].args"
    assert "secret" not in str(finding)


@pytest.mark.parametrize(
    ("added", "path"),
    [
        ({"f:metadata": {"f:annotations": {".": {}, "f:example.com/by": {}}}}, "metadata.annotations[example.com/by]"),
        ({"f:metadata": {"f:labels": {"f:team": {}}}}, "metadata.labels.team"),
        (
            {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"sidecar"}': {".": {}, "f:image": {}, "f:name": {}}}}}}},
            "spec.template.spec.containers[sidecar]",
        ),
        (
            {
                "f:spec": {
                    "f:template": {
                        "f:spec": {
                            "f:containers": {CONTAINER: {"f:ports": {'k:{"containerPort":1,"protocol":"UDP"}': {".": {}, "f:name": {}}}}}
                        }
                    }
                }
            },
            "spec.template.spec.containers[loki].ports[1/UDP]",
        ),
        ({"f:metadata": {"f:finalizers": {".": {}, 'v:"example.com/wait"': {}}}}, 'metadata.finalizers["example.com/wait"]'),
        (
            {"f:spec": {"f:template": {"f:spec": {"f:containers": {CONTAINER: {"f:resources": {"f:limits": {".": {}, "f:cpu": {}}}}}}}}},
            "spec.template.spec.containers[loki].resources.limits.cpu",
        ),
    ],
)
def test_what_others_add_is_named_with_their_name_and_stays(added: Item, path: str) -> None:
    item = workload(entry("other", added))
    (finding,) = found(item, item)
    assert (finding["difference"], finding["next_run"]) == ("added", "leaves it")
    assert fields([finding]) == [(path, "added", "manager", "other")]


def test_what_others_own_as_well_is_not_added() -> None:
    same: Item = {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {CONTAINER: {".": {}, "f:name": {}}}}}}}
    item = workload(entry("other", same, "Apply"))
    assert found(item, item) == []


def test_an_object_can_be_changed_and_have_additions() -> None:
    label = entry("labeller", {"f:metadata": {"f:labels": {"f:team": {}}}})
    scaled = entry("kubectl", {"f:spec": {"f:replicas": {}}})
    findings = found(workload(label, scaled, ours=without("replicas"), replicas=5), workload(label))
    assert [each["difference"] for each in findings] == ["changed", "added"]


# --- objects that the inventory does not produce ------------------------------------------------------------------------


def other(kind: str, name: str, *managers: Item, component: str = "loki", api_version: str = "v1", **metadata: Any) -> Item:
    labels = {"app.kubernetes.io/component": component}
    given = {"name": name, "namespace": "observability", "labels": labels, "managedFields": list(managers), **metadata}
    return {"apiVersion": api_version, "kind": kind, "metadata": given}


APPLIED = entry(FIELD_MANAGER, {"f:data": {}}, "Apply")


@pytest.mark.parametrize(
    ("item", "difference", "next_run"),
    [
        (other("ConfigMap", "old", APPLIED), "extra", "removes it"),
        (other("ConfigMap", "foreign", entry("kubectl-create", {"f:data": {}})), "extra", "leaves it"),
        (other("PersistentVolumeClaim", "data-alloy-0", component="alloy"), "kept", "leaves it"),
        (other("Secret", "old", component="alloy"), "kept", "leaves it"),
        (other("PersistentVolumeClaim", "data-loki-0"), "", ""),
        (other("ConfigMap", "observability-stack-state"), "", ""),
        (other("Lease", "observability-stack-run", api_version="coordination.k8s.io/v1"), "", ""),
        (other("ConfigMap", "made", entry("c", {}), ownerReferences=[{"controller": True}]), "", ""),
        (other("ConfigMap", "wanted", APPLIED), "", ""),
        (other("ConfigMap", "going", APPLIED, deletionTimestamp="2026-01-01T00:00:00Z"), "", ""),
    ],
    ids=lambda value: value["metadata"]["name"] if isinstance(value, dict) else None,
)
def test_objects_that_the_inventory_does_not_produce(item: Item, difference: str, next_run: str) -> None:
    key = f"{item['kind']} observability/{item['metadata']['name']}"
    findings = drift.not_produced(Snapshot({key: item}), {"ConfigMap observability/wanted"}, {"loki"})
    assert [(each["difference"], each["next_run"]) for each in findings] == ([(difference, next_run)] if difference else [])


# --- the report ---------------------------------------------------------------------------------------------------------


def test_an_ignored_manager_may_add_but_neither_change_nor_scale() -> None:
    label: Item = {"f:metadata": {"f:labels": {"f:team": {}}}}
    annotated = workload(entry("controller", label), entry("person", {"f:metadata": {"f:annotations": {"f:a": {}}}}))
    scaled = workload(entry("controller", {"f:spec": {"f:replicas": {}}}, subresource="scale"), ours=without("replicas"))
    changed = workload(entry("controller", {"f:spec": {"f:replicas": {}}}), ours=without("replicas"), replicas=5)
    findings = [*found(annotated, annotated), *found(scaled, scaled), *found(changed)]
    assert [(name, manager) for name, _change, _cause, manager in fields(drift.without(findings, ["controller"]))] == [
        ("metadata.annotations.a", "person"),
        ("spec.replicas", "controller"),
        ("spec.replicas", "controller"),
    ]
    only_added = workload(entry("controller", label))
    assert drift.without(found(only_added, only_added), ["controller"]) == []
    foreign = drift.not_produced(Snapshot({"ConfigMap x": other("ConfigMap", "x", entry("controller", {}))}), (), ())
    assert (len(foreign), drift.without(foreign, ["controller"])) == (1, [])


def test_what_is_kept_is_no_drift_and_everything_else_is() -> None:
    for difference, counts in drift.DIFFERENCES.items():
        findings = [drift.finding(difference, "Secret x", "leaves it")]
        assert drift.drifted(findings) is counts
        assert drift.summary(findings)[difference] == 1
    assert not drift.drifted([])
    assert [name for name, counts in drift.DIFFERENCES.items() if not counts] == ["kept"]


def test_the_order_of_the_report_does_not_depend_on_that_of_the_run() -> None:
    findings = [
        drift.missing("Secret b"),
        drift.missing("Secret a"),
        drift.rejected("Secret c", "no"),
        drift.finding("kept", "Secret a", ""),
    ]
    assert drift.ordered(findings) == drift.ordered(findings[::-1])
    assert [each["object"] for each in drift.ordered(findings)] == ["Secret c", "Secret a", "Secret b", "Secret a"]


def test_the_table_has_a_line_for_each_object_and_each_field() -> None:
    scaled = entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    findings = [drift.missing("Secret observability/a"), *found(workload(scaled, ours=without("replicas"), replicas=5))]
    assert drift.table(findings) == [
        "missing  Secret observability/a               the next run creates it",
        "changed  StatefulSet.apps observability/loki  the next run changes it",
        "           spec.replicas (cluster: 5, inventory: 2): by kubectl (scale), 2026-01-01T00:00:00Z",
    ]
    assert drift.table([]) == []


def test_a_path_inside_something_that_is_owned_as_a_whole_is_owned() -> None:
    assert ownership.node({"f:spec": {"f:args": {}}}, ("f:spec", "f:args", "i:0")) == {}
    assert ownership.node({"f:spec": {"f:args": {}}}, ("f:spec", "f:image")) is None
