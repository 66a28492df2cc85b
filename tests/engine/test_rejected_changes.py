"""A change that cannot be made is rejected before anything is applied: on a real API server, which would reject it half-way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.installations import Installation
from tools.lab.loopback import ControlPlane

NAMESPACE = "changes"
VARIABLES: dict[str, Any] = {
    "loki_retention": "1d", "mimir_enabled": False, "prometheus_enabled": False, "otel_collector_enabled": False, "ingress_enabled": False,
}  # fmt: skip
BUCKETS = {"type": "s3", "endpoint": "s3.example.com", "buckets": {"loki": "acme-loki"}}


@pytest.fixture(scope="module")
def installed(api_server: ControlPlane) -> Installation:
    """Return a stack with Loki, Alloy and Grafana, and with the volume that a controller would have made for Loki."""
    found = Installation(api_server, NAMESPACE, VARIABLES)
    done = found.play()
    assert done.code == 0, done.output
    labels = found.objects()[f"StatefulSet.apps {NAMESPACE}/loki"]["metadata"]["labels"]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-loki-0", "namespace": NAMESPACE, "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}},
    }
    found.cluster.object("POST", f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims", body=volume)
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loki_storage_size": "40Gi"}, "loki_storage_size is '40Gi'; the volume data-loki-0 has 50Gi, and no volume gets smaller"),
        ({"loki_pod": {"storage_class": "fast"}}, "loki_pod.storage_class is 'fast'; the volumes of Loki have ''"),
        ({"observability_images": {"loki": {"tag": "3.6.0"}}}, "observability_images has loki 3.6; the cluster runs 3.7"),
        ({"observability_object_storage": BUCKETS}, "observability_object_storage puts the data of Loki into another place"),
        ({"grafana_database": {"host": "db.example.com", "secret": "x"}}, "grafana_database puts the data of Grafana into another place"),
    ],
)
def test_nothing_is_changed_by_a_run_that_is_rejected(installed: Installation, change: dict[str, Any], words: str) -> None:
    before = installed.versions()
    done = installed.play(**change)
    assert done.code != 0
    assert words in done.output
    assert installed.versions() == before


def test_a_volume_that_the_cluster_does_not_enlarge_costs_no_stateful_set(installed: Installation) -> None:
    before = installed.objects()[f"StatefulSet.apps {NAMESPACE}/loki"]["metadata"]["uid"]
    for arguments in (["--check"], []):
        done = installed.play("site.yml", *arguments, loki_storage_size="60Gi")
        assert done.code != 0
        assert "PersistentVolumeClaim data-loki-0 cannot grow from 50Gi to 60Gi: " in done.output
        assert "it has no volume yet" in done.output
        assert installed.objects()[f"StatefulSet.apps {NAMESPACE}/loki"]["metadata"]["uid"] == before


def test_a_change_of_the_place_that_was_accepted_is_made_and_noted(installed: Installation) -> None:
    done = installed.play(observability_object_storage=BUCKETS, observability_allow_storage_change=True)
    assert done.code == 0, done.output
    metadata = installed.objects()[f"StatefulSet.apps {NAMESPACE}/loki"]["metadata"]
    assert metadata["annotations"]["observability.stack/data"] == "s3 acme-loki at s3.example.com"
    # From now on that is where it is.
    done = installed.play(observability_object_storage=BUCKETS)
    assert done.code == 0, done.output
    done = installed.play()
    assert "observability_object_storage puts the data of Loki into another place (volume)" in done.output
