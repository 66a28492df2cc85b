"""The rights that a run needs, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import rights
from ansible_collections.observability.stack.plugins.module_utils.engine.rights import Right
from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import stack

names = st.sampled_from(["a", "b", "c/d"])


@given(st.sets(st.builds(Right, st.just("n"), names, names, names, st.sampled_from(["", "x"]))))
def test_rules_give_the_rights_that_they_were_made_of_and_no_other(wanted: set[Right]) -> None:
    rules = rights.rules_of(wanted)
    assert set(rights.rights_in(rules, "n")) == wanted
    assert all(right.given_by(rules) for right in wanted)


@pytest.mark.parametrize(
    ("rule", "gives"),
    [
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, True),
        ({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}, True),
        ({"apiGroups": [""], "resources": ["*/log"], "verbs": ["get"]}, True),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, False),
        ({"apiGroups": ["apps"], "resources": ["pods/log"], "verbs": ["get"]}, False),
        ({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["list"]}, False),
        ({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"], "resourceNames": ["one"]}, False),
        ({"apiGroups": None, "resources": ["pods/log"], "verbs": ["get"]}, False),
    ],
)
def test_what_a_rule_gives(rule: dict[str, Any], gives: bool) -> None:
    assert Right("n", "", "pods/log", "get").given_by([rule]) is gives


def verbs(resource: str, purpose: str = "apply", **given: Any) -> set[str]:
    """Return the verbs that are needed for a resource."""
    dry, found = given.pop("dry", False), given.pop("found", ())
    return {right.verb for right in rights.needed(stack(**given), purpose, dry=dry, found=found).must if right.resource == resource}


def test_what_a_stack_cannot_have_is_only_looked_for() -> None:
    assert verbs("ingresses") == {"get", "list", "patch", "create", "delete"}
    assert verbs("ingresses", ingress_enabled=False) == {"list"}
    assert verbs("certificates") == {"list"}
    # It may have to go.
    assert "delete" in verbs("ingresses", ingress_enabled=False, found=["Ingress"])


def test_volumes_grow_with_rights_that_a_run_has_anyway() -> None:
    assert {"list", "patch"} <= verbs("persistentvolumeclaims")
    assert {"get", "delete", "patch", "create"} <= verbs("statefulsets")
    # A dry run asks the API server whether the claims may grow.
    assert {"list", "patch"} <= verbs("persistentvolumeclaims", dry=True)
    assert "delete" not in verbs("statefulsets", dry=True)


def test_data_is_never_removed_by_a_run_and_nothing_by_one_that_only_compares() -> None:
    for resource in ("secrets", "persistentvolumeclaims", "namespaces"):
        assert "delete" not in verbs(resource)
    for purpose, dry in (("apply", True), ("diff", False)):
        assert verbs("services", purpose, dry=dry) == {"get", "list", "patch", "create"}
        assert "update" not in verbs("leases", purpose, dry=dry)
