"""The claims of the inventory's hosts: evaluated once, whichever host asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible.errors import AnsibleError
from ansible_collections.observability.stack.plugins.plugin_utils.claims import claims

NAMES = [f"host{number}" for number in range(20)]


class Hosts(dict[str, Any]):
    """Variables of hosts that count how often they were evaluated."""

    def __init__(self, *names: str) -> None:
        super().__init__({name: {"observability_cluster_name": name, "observability_context": "north"} for name in names})
        self.evaluated: Counter[str] = Counter()

    def __getitem__(self, name: str) -> Any:
        self.evaluated[name] += 1
        return super().__getitem__(name)


class Broken(dict[str, Any]):
    """Variables of which one cannot be evaluated."""

    def get(self, name: str, default: Any = None) -> Any:
        if name == "observability_context":
            raise AnsibleError("undefined")
        return super().get(name, default)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the temporary directory of a run."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


def variables(hosts: Mapping[str, Any], host: str) -> dict[str, Any]:
    return {"inventory_hostname": host, "hostvars": hosts, "groups": {"observability": [name for name in hosts if name != "outside"]}}


def test_each_host_is_evaluated_once_for_all() -> None:
    hosts = Hosts(*NAMES)
    found = [claims(variables(hosts, host)) for host in NAMES]
    assert all(each == found[0] for each in found)
    place = {"kubeconfig": "", "context": "north", "namespace": "observability"}
    assert found[0]["host3"] == {"cluster_name": "host3", "object_storage": {}, **place}
    assert hosts.evaluated == Counter(NAMES)


def test_a_host_outside_the_group_has_claims_too() -> None:
    hosts = Hosts(*NAMES, "outside")
    assert "outside" not in claims(variables(hosts, "host0"))
    assert claims(variables(hosts, "outside"))["outside"]["cluster_name"] == "outside"


def test_what_cannot_be_evaluated_is_left_out() -> None:
    found = claims(variables({"host0": Broken(observability_cluster_name="a"), "host1": {}}, "host0"))
    assert found["host0"] == {"cluster_name": "a", "kubeconfig": "", "namespace": "observability", "object_storage": {}}


def test_without_a_directory_it_is_evaluated_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", "/nonexistent")
    hosts = Hosts("host0", "host1")
    assert claims(variables(hosts, "host0")) == claims(variables(hosts, "host1"))
