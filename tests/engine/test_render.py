"""What is rendered and applied with kubectl is what the playbook applies; the Secrets that it lists are those that the playbook makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import visible
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, key_of, title_of

from tests.engine.installations import Installation
from tools.lab.loopback import ControlPlane

WAVES = ["1-namespace", "3-backends", "4-agents", "5-network-policies"]
# Objects of the engine itself, which no role has. A run that only makes Secrets has nothing to record.
RECORD, LEASE = "ConfigMap observability-stack-state", "Lease observability-stack-run"


def render(made: Installation, place: Path, style: str = "plain", **changes: Any) -> list[str]:
    """Render an installation's inventory into a directory; return what was said about files."""
    done = made.play("render.yml", "--extra-vars", f"render_directory={place} render_format={style}", **changes)
    assert done.code == 0, done.output
    return [line for line in done.lines if "files of objects are in" not in line]


def apply(server: ControlPlane, place: Path) -> None:
    """Apply a rendered directory, wave by wave."""
    for wave in WAVES:
        server.kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", str(place / wave))


def contents(place: Path) -> dict[str, str]:
    """Return the text of every file below a directory, by path."""
    return {path.relative_to(place).as_posix(): path.read_text() for path in sorted(place.rglob("*")) if path.is_file()}


def objects(made: Installation) -> dict[str, dict[str, Any]]:
    """Return what can be seen of every object of a stack; of what only a run of the playbook makes, nothing."""
    found = {key: item for key, item in made.objects().items() if item["kind"] != "Secret"}
    return {key: visible(item) for key, item in found.items() if title_of(item) not in (RECORD, LEASE)}


def table(place: Path) -> dict[str, tuple[str, list[str], str]]:
    """Return type, keys and maker of each Secret in the list, by name."""
    rows = [line.strip("| ").split(" | ") for line in (place / "secrets.md").read_text().splitlines() if line.startswith("| `")]
    return {
        name.strip("`"): (kind.strip("`"), re.findall("`([^`]+)`", keys), maker.strip("`"))
        for name, _where, kind, keys, _for, maker in rows
    }


@pytest.fixture(scope="module")
def applied(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, Path]:
    """Return a stack that was rendered and applied with kubectl, and the directory."""
    made, place = Installation(api_server, "rendered", {"ingress_class": "rendered"}), tmp_path_factory.mktemp("rendered")
    render(made, place)
    apply(api_server, place)
    return made, place


def test_the_playbook_changes_nothing_but_the_ownership_of_what_kubectl_has_applied(applied: tuple[Installation, Path]) -> None:
    made, _place = applied
    before = objects(made)
    assert before
    checked = made.play("site.yml", "--check")
    assert checked.code == 0, checked.output
    changed = [line for line in checked.lines if re.search(r": (created|changed|removed)", line) and not line.startswith("Secret ")]
    assert changed
    assert {line.partition(": ")[2] for line in changed} == {"changed (fields of it belonged to another manager)"}
    done = made.play()
    assert done.code == 0, done.output
    assert objects(made) == before
    assert made.play().settled


def test_kubectl_changes_nothing_of_what_the_playbook_has_applied(api_server: ControlPlane, tmp_path: Path) -> None:
    installation = Installation(api_server, "applied", {"ingress_class": "applied"})
    assert installation.play().code == 0
    before = objects(installation)
    render(installation, tmp_path)
    rendered = [
        item for path in tmp_path.glob("*/*.yaml") if path.name != "kustomization.yaml" for item in yaml.safe_load_all(path.read_text())
    ]
    assert {key_of(item) for item in rendered} == before.keys()
    apply(api_server, tmp_path)
    assert objects(installation) == before


def test_the_list_of_secrets_is_what_the_playbook_makes(installation: Installation, tmp_path: Path) -> None:
    render(installation, tmp_path)
    made = {
        item["metadata"]["name"]: (item["type"], sorted(item["data"]))
        for item in installation.objects().values()
        if item["kind"] == "Secret"
    }
    assert made
    assert {name: (kind, sorted(keys)) for name, (kind, keys, _maker) in table(tmp_path).items()} == made
    assert {maker for _kind, _keys, maker in table(tmp_path).values()} == {"secrets.yml"}


def test_the_playbook_of_secrets_makes_them_and_nothing_else(api_server: ControlPlane, tmp_path: Path) -> None:
    made = Installation(api_server, "secrets", {"ingress_class": "secrets"})
    checked = made.play("secrets.yml", "--check")
    assert checked.code == 0, checked.output
    assert not made.objects()
    done = made.play("secrets.yml")
    assert done.code == 0, done.output
    found = made.objects()
    render(made, tmp_path)
    assert {item["metadata"]["name"] for item in found.values() if item["kind"] == "Secret"} == table(tmp_path).keys()
    rest = {title_of(item) for item in found.values() if item["kind"] != "Secret"}
    assert rest == {"Namespace secrets", LEASE}
    lease = found[f"Lease.coordination.k8s.io secrets/{LEASE.split()[1]}"]
    assert not lease["spec"]["holderIdentity"]
    # Values stay as they are, also once the objects are there.
    apply(api_server, tmp_path)
    assert made.play("secrets.yml").code == 0
    again = {key: item["metadata"]["resourceVersion"] for key, item in made.objects().items() if item["kind"] == "Secret"}
    assert again == {key: item["metadata"]["resourceVersion"] for key, item in found.items() if item["kind"] == "Secret"}


def test_rendering_again_writes_nothing_and_what_the_inventory_no_longer_has_is_removed(
    applied: tuple[Installation, Path], tmp_path: Path
) -> None:
    made, place = applied
    assert render(made, tmp_path)
    assert contents(tmp_path) == contents(place)
    (tmp_path / "4-agents/own.yaml").write_text("kind: ConfigMap\n")
    before = contents(tmp_path)
    assert render(made, tmp_path) == []
    assert contents(tmp_path) == before
    said = render(made, tmp_path, grafana_enabled=False, observability_network_policies=False)
    assert {line.partition(":")[0] for line in said if line.endswith(": removed")} == {
        "4-agents/grafana.yaml",
        "5-network-policies/kustomization.yaml",
        "5-network-policies/network_policies.yaml",
    }
    after = contents(tmp_path)
    assert after.keys() == before.keys() - {line.partition(":")[0] for line in said if line.endswith(": removed")}
    assert after["4-agents/own.yaml"] == before["4-agents/own.yaml"]
    assert yaml.safe_load(after["kustomization.yaml"])["resources"] == WAVES[:3]
    assert "grafana.yaml" not in yaml.safe_load(after["4-agents/kustomization.yaml"])["resources"]
    assert "grafana-admin" not in table(tmp_path)


@pytest.mark.parametrize("style", ["argocd", "flux"])
def test_a_format_adds_annotations_to_objects_and_nothing_else(
    style: str, applied: tuple[Installation, Path], api_server: ControlPlane, tmp_path: Path
) -> None:
    made, place = applied
    render(made, tmp_path, style)
    for wave in WAVES:
        plain, other = (list(yaml.safe_load_all(api_server.kubectl("kustomize", str(each / wave)))) for each in (place, tmp_path))
        for before, after in zip(plain, other, strict=True):
            wanted = {"argocd.argoproj.io/sync-wave": wave[0]} if style == "argocd" else {}
            if BY_KIND[before["kind"]].data:
                wanted |= (
                    {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}
                    if style == "argocd"
                    else {"kustomize.toolkit.fluxcd.io/prune": "disabled"}
                )
            if wanted:
                before["metadata"]["annotations"] = {**before["metadata"].get("annotations", {}), **wanted}
            assert after == before
