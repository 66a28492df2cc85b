"""No value of a Secret leaves the cluster: not in what a run prints or logs, not in a diff, a snapshot or the record."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import record, snapshot

from tests.engine.installations import Installation, Run
from tests.engine.test_pruning import LABELS

# Names of users and certificates are shown to everybody.
_PUBLIC = ("username", ".crt")


@pytest.fixture(scope="module")
def values(installation: Installation) -> dict[str, str]:
    """Return every secret text of the namespace, with the name of where it is from: plain, encoded, and line by line."""
    found: dict[str, str] = {}
    for secret in installation.cluster.object("GET", f"/api/v1/namespaces/{installation.namespace}/secrets")["items"]:
        for key, encoded in secret["data"].items():
            if key.endswith(_PUBLIC):
                continue
            name = f"{secret['metadata']['name']}/{key}"
            plain = base64.b64decode(encoded).decode()
            lines = [line for line in plain.splitlines() if len(line) > 20 and not line.startswith("-----")]
            found |= {encoded: f"{name}, encoded", plain: name} | dict.fromkeys(lines, f"a line of {name}")
    return found


def leaks(text: str, values: dict[str, str]) -> list[str]:
    """Return where the secrets in a text are from. A text in JSON has its lines in one."""
    return sorted({name for value, name in values.items() if value in text or json.dumps(value)[1:-1] in text})


def test_there_are_secrets_and_a_leak_would_show(values: dict[str, str]) -> None:
    sources = {name.partition(",")[0].removeprefix("a line of ") for name in values.values()}
    expected = {"grafana-admin/password", "grafana-secret-key/secret_key", "observability-basic-auth/password"}
    assert expected | {"observability-tls/tls.key", "observability-tls-authority/tls.key"} <= sources
    for value, name in values.items():
        assert name in leaks(f"before {value} after", values)
        assert name in leaks(json.dumps({"before": [value]}), values)


def test_a_first_installation_prints_and_logs_none(first_run: Run, first_log: Path, values: dict[str, str]) -> None:
    log = first_log.read_text(encoding="utf-8")
    for text in (first_run.output, log):
        # It is as verbose as was asked for, and about these Secrets.
        assert "task path: " in text
        assert "grafana-admin" in text
        assert "+++ after: StatefulSet.apps observability/mimir" in text
        assert not leaks(text, values)


def test_a_later_run_that_finds_something_to_do_prints_and_logs_none(
    installation: Installation, values: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "ansible.log"
    changes = {"observability_always_render": True, "ingress_tls_secret": "another-tls"}
    run = installation.play("site.yml", "-vvvv", "--check", "--diff", environment={"ANSIBLE_LOG_PATH": str(log)}, **changes)
    assert run.code == 0, run.output
    assert "another-tls" in run.output
    assert not leaks(run.output, values)
    assert not leaks(log.read_text(encoding="utf-8"), values)


def test_a_snapshot_and_the_record_hold_none(installation: Installation, values: dict[str, str]) -> None:
    found = snapshot.read(installation.cluster, [installation.namespace], LABELS)
    secrets = [item for key, item in found.objects.items() if key.startswith("Secret ")]
    assert len(secrets) >= 5
    assert all(item.keys() <= {"apiVersion", "kind", "metadata"} for item in secrets)
    assert not leaks(json.dumps(dict(found.objects)), values)
    kept = installation.cluster.object("GET", f"/api/v1/namespaces/{installation.namespace}/configmaps/{record.NAME}")
    assert "grafana-admin" in json.dumps(kept)
    assert not leaks(json.dumps(kept), values)
