"""Which Services of a stack a pod without labels can connect to, from one namespace.

`python -m tests.molecule.connections NAMESPACE STACK` starts the pod in NAMESPACE; STACK is the stack's namespace. It reads
build/provider.yml and prints JSON: the ports, as SERVICE:PORT NAME, to which a TCP connection was established, and the others with
the reason. The pod is removed. Headless Services are left out: they stand for no address.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError

from tests.inventories import load

POD = "connections"
# Until the policies of a pod that has just started are in force everywhere, and how long a connection may take.
DELAY, TIMEOUT = "3s", "5s"


def addresses(services: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return SERVICE:PORT NAME -> host:port for every TCP port of the Services that have an address."""
    return {
        f"{service['metadata']['name']}:{port['name']}": f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}"
        for service in services
        if (ip := service["spec"].get("clusterIP", "None")) not in ("", "None")
        for port in service["spec"]["ports"]
        if port.get("protocol", "TCP") == "TCP"
    }


def results(targets: Mapping[str, str], log: Iterable[str]) -> dict[str, Any]:
    """Return what was established and what was not, from the lines that the pod has written.

    Raises ClusterError when it does not have a line for each address.
    """
    lines = {line["address"]: line for line in map(json.loads, log)}
    if missing := set(targets.values()) - lines.keys():
        raise ClusterError(f"the pod has written no line for {', '.join(sorted(missing))}")
    return {
        "established": sorted(name for name, address in targets.items() if lines[address]["established"]),
        "others": {name: lines[address]["error"] for name, address in sorted(targets.items()) if not lines[address]["established"]},
    }


def pod(targets: Mapping[str, str]) -> dict[str, Any]:
    """Return the pod that tries the connections and ends; the sample application's program can do that."""
    image = load("versions.yml")["sample_application"]
    restricted = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    program = {
        "name": "program",
        "image": f"{image['image']}:{image['tag']}",
        "imagePullPolicy": "IfNotPresent",
        "args": [f"--connect={','.join(targets.values())}", f"--connect-delay={DELAY}", f"--connect-timeout={TIMEOUT}"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "securityContext": restricted, "containers": [program]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec}


def attempt(cluster: Cluster, targets: Mapping[str, str], seconds: float = 90) -> dict[str, Any]:
    """Run the pod and return the results; raises ClusterError when it has not succeeded after that time."""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{POD}"
    cluster.create_pod(pod(targets))
    try:
        deadline = time.monotonic() + seconds
        while (phase := cluster.object("GET", path)["status"].get("phase")) != "Succeeded":
            if phase == "Failed" or time.monotonic() > deadline:
                raise ClusterError(f"the pod {cluster.namespace}/{POD} is {phase}, not Succeeded")
            time.sleep(0.5)
        return results(targets, cluster.pod_log(POD))
    finally:
        cluster.delete_pods([POD], 0)


def main() -> int:
    """Try all connections from one namespace; return 1 after a message for people when that was not possible."""
    namespace, stack = sys.argv[1:]
    access = load("build/provider.yml")
    cluster = Cluster(access["observability_kubeconfig"], access["observability_context"], namespace)
    try:
        services = cluster.object("GET", f"/api/v1/namespaces/{stack}/services")["items"]
        print(json.dumps(attempt(cluster, addresses(services))))
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
