"""Labels of objects: valid, telling components and stacks apart."""

from __future__ import annotations

import re

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import labels
from ansible_collections.observability.stack.plugins.module_utils.stack.catalogue import CATALOGUE

from tests.inventories import stack

DEFAULT = stack()
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@pytest.mark.parametrize("component", sorted(CATALOGUE))
def test_labels_are_valid_and_the_selector_is_part_of_them(component: str) -> None:
    model = stack(observability_cluster_name="n" * 40)
    found = labels.labels(model, component)
    assert all(LABEL_VALUE.fullmatch(value) for value in found.values())
    assert labels.selector(model, component).items() <= found.items()
    assert labels.ownership(model).items() <= found.items()
    # What selects pods must not change when a site renames its cluster.
    assert labels.selector(model, component) == labels.selector(DEFAULT, component)


def test_selectors_tell_components_apart() -> None:
    selectors = [tuple(labels.selector(DEFAULT, component).items()) for component in CATALOGUE]
    assert len(set(selectors)) == len(selectors)


def test_ownership_tells_stacks_apart() -> None:
    owned = {
        tuple(labels.ownership(stack(observability_namespace=namespace, observability_cluster_name=cluster)).items())
        for namespace in ("a", "b")
        for cluster in ("x", "y")
    }
    assert len(owned) == 4
