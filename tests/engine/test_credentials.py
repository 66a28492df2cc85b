"""Credentials of every sort that a kubeconfig can name, and such as end during a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError

from tests.engine.faults import Asked, Fault, Proxy
from tools.lab.loopback import ControlPlane, LoopbackError

NAMESPACE = "with-tokens"
# As a plugin of a cloud does it: it prints what there is at the moment.
PLUGIN = """
import json, pathlib, sys
token = pathlib.Path(sys.argv[1])
if not token.exists():
    sys.exit("log in first: cloud login")
status = {"token": token.read_text().strip()}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


@pytest.fixture(scope="module")
def tokens(api_server: ControlPlane) -> list[str]:
    """Return two tokens of an account that may read pods."""
    api_server.kubectl("create", "namespace", NAMESPACE)
    api_server.kubectl("create", "serviceaccount", "reader", f"--namespace={NAMESPACE}")
    api_server.kubectl("create", "clusterrole", NAMESPACE, "--verb=list", "--resource=pods")
    api_server.kubectl("create", "clusterrolebinding", NAMESPACE, f"--clusterrole={NAMESPACE}", f"--serviceaccount={NAMESPACE}:reader")

    def known() -> bool:
        try:
            api_server.kubectl("get", "pods", f"--namespace={NAMESPACE}", f"--as=system:serviceaccount:{NAMESPACE}:reader")
        except LoopbackError:
            return False
        return True

    api_server.wait(known, "the role is known to the authorizer")
    return [api_server.kubectl("create", "token", "reader", f"--namespace={NAMESPACE}", f"--duration={n}h").strip() for n in (1, 2)]


def users(directory: Path) -> dict[str, dict[str, Any]]:
    """Return the users of kubeconfigs that find their token in a file, by the sort of credentials."""
    token, plugin = directory / "token", directory / "plugin.py"
    plugin.write_text(PLUGIN)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(plugin), str(token)]}
    return {"a token file": {"tokenFile": str(token)}, "an exec plugin": {"exec": {**command, "interactiveMode": "Never"}}}


@pytest.mark.parametrize("sort", ["a token file", "an exec plugin"])
def test_a_token_that_ends_during_a_run_is_replaced(proxy: Proxy, tokens: list[str], tmp_path: Path, sort: str) -> None:
    old, new = tokens
    (tmp_path / "token").write_text(old)
    cluster = Cluster(str(proxy.kubeconfig_for(users(tmp_path)[sort])), proxy.context, NAMESPACE)
    assert cluster.pods({}) == []
    assert proxy.requests[-1].headers["authorization"] == f"Bearer {old}"

    def ended(asked: Asked) -> Fault | None:
        return Fault(401, b'{"message": "Unauthorized"}') if asked.headers["authorization"] == f"Bearer {old}" else None

    proxy.fault = ended
    with pytest.raises(ClusterError, match="Unauthorized"):
        cluster.pods({})
    (tmp_path / "token").write_text(new)
    assert cluster.pods({}) == []
    assert proxy.requests[-1].headers["authorization"] == f"Bearer {new}"


def test_a_plugin_that_fails_is_quoted(proxy: Proxy, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no usable kubeconfig.*log in first: cloud login"):
        Cluster(str(proxy.kubeconfig_for(users(tmp_path)["an exec plugin"])), proxy.context, NAMESPACE)
    assert not proxy.requests, "nothing is asked without credentials"


@pytest.mark.parametrize("text", ["", "[]", "clusters: 1", "{", "apiVersion: v1\nclusters: [{name: a}]", "a: !!binary x"])
def test_a_damaged_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ClusterError, match=rf"no usable kubeconfig.*{path}"):
        Cluster(str(path), "", NAMESPACE)
