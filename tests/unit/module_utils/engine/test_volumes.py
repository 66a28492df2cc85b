"""Which sizes of volumes differ, and what people read of it; the steps run on a real cluster in tests/engine/test_volumes.py."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import volumes


def stateful_set(**sizes: str) -> dict[str, Any]:
    templates = [{"metadata": {"name": name}, "spec": {"resources": {"requests": {"storage": size}}}} for name, size in sizes.items()]
    return {"kind": "StatefulSet", "metadata": {"name": "mimir"}, "spec": {"volumeClaimTemplates": templates}}


@pytest.mark.parametrize(
    ("before", "after", "found", "title"),
    [
        ({"data": "20Gi"}, {"data": "30Gi"}, {"data": ("20Gi", "30Gi")}, "volumes grow from 20Gi to 30Gi"),
        ({"data": "20Gi"}, {"data": "20480Mi"}, {}, ""),
        ({"data": "1Ti"}, {"data": "1100Gi"}, {"data": ("1Ti", "1100Gi")}, "volumes grow from 1Ti to 1100Gi"),
        # The volumes are smaller than their template, or preflight would have rejected it.
        ({"data": "50Gi"}, {"data": "30Gi"}, {"data": ("50Gi", "30Gi")}, "new volumes have 30Gi instead of 50Gi"),
        ({"data": "20Gi", "wal": "1Gi"}, {"data": "20Gi", "wal": "2Gi"}, {"wal": ("1Gi", "2Gi")}, "volumes grow from 1Gi to 2Gi"),
        # Another template is another change, which the API server rejects.
        ({"data": "20Gi"}, {"other": "30Gi"}, {}, ""),
        ({}, {"data": "30Gi"}, {}, ""),
    ],
)
def test_sizes_that_differ(before: dict[str, str], after: dict[str, str], found: dict[str, tuple[str, str]], title: str) -> None:
    there, wanted = stateful_set(**before), stateful_set(**after)
    sizes = volumes.resized(there, wanted)
    assert sizes == found
    assert volumes.title(sizes) == title
    assert volumes.with_sizes(there, {name: new for name, (_old, new) in sizes.items()}) == wanted or not found
    assert there == stateful_set(**before)


def test_what_is_no_stateful_set_has_no_such_volumes() -> None:
    assert volumes.resized(stateful_set(data="1Gi"), {"kind": "Deployment", "spec": {}}) == {}
