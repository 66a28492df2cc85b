"""What can happen to an object of a cluster after it was applied: a table. Each row is tried on a copy of the object of its own."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.observability.stack.plugins.module_utils.cluster import Cluster, ClusterError
from ansible_collections.observability.stack.plugins.module_utils.engine.comparison import FIELD_MANAGER
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND, path_of
from ansible_collections.observability.stack.plugins.module_utils.stack.labels import COMPONENT, INSTANCE, NAME

Item = dict[str, Any]
# Does something to a desired object on the cluster.
Mutation = Callable[[Cluster, Item], None]
# Changes an object in place; what it returns does not matter.
Change = Callable[[Item], Any]


@dataclass(frozen=True)
class Case:
    """A mutation of one object (`StatefulSet mimir`); `differs`: whether applying the desired object changes something, or cannot."""

    target: str
    title: str
    differs: bool
    mutation: Mutation

    @property
    def name(self) -> str:
        """Return the name of the test."""
        return f"{self.target}: {self.title}"


def sent(
    cluster: Cluster,
    method: str,
    item: Item,
    content: Any = None,
    by: str = "",
    kind: str = "application/json",
    below: str = "",
    **query: str,
) -> Item:
    """Send a request about an object; return the answer. Raises ClusterError when it is rejected, so that no mutation goes missing."""
    parameters = [*([("fieldManager", by)] if by else []), *query.items()]
    body = None if content is None else json.dumps(content).encode()
    path = path_of(item).rpartition("/")[0] if method == "POST" else path_of(item) + below
    answer = cluster.request(method, path, parameters, {"content-type": kind}, body)
    if answer.status >= 300:
        raise ClusterError(answer.reason())
    found: Item = answer.json()
    return found


def edited(change: Change, by: str = "kubectl-edit", below: str = "") -> Mutation:
    """Read, change, and write the whole object, as `kubectl edit` and most controllers do."""

    def mutation(cluster: Cluster, item: Item) -> None:
        found = sent(cluster, "GET", item)
        before = copy.deepcopy(found)
        change(found)
        assert found != before, "this edit changes nothing"
        sent(cluster, "PUT", item, found, by, below=below)

    return mutation


def patched(content: Item, by: str = "kubectl-patch", below: str = "") -> Mutation:
    """Send a merge patch."""

    def mutation(cluster: Cluster, item: Item) -> None:
        sent(cluster, "PATCH", item, content, by, "application/merge-patch+json", below)

    return mutation


def applied(change: Change, by: str, force: str = "true", below: str = "") -> Mutation:
    """Apply the desired object on the server's side with a change."""

    def mutation(cluster: Cluster, item: Item) -> None:
        other = copy.deepcopy(item)
        change(other)
        sent(cluster, "PATCH", item, other, by, "application/apply-patch+yaml", below, force=force)

    return mutation


def only(content: Item) -> Change:
    """Change an object into one with nothing but its identity and this."""

    def change(item: Item) -> None:
        metadata = {key: item["metadata"][key] for key in ("name", "namespace") if key in item["metadata"]}
        identity = {"apiVersion": item["apiVersion"], "kind": item["kind"]}
        item.clear()
        item.update(identity | content | {"metadata": metadata | content.get("metadata", {})})

    return change


def same_labels(item: Item) -> None:
    """Leave nothing of an object but its labels: the whole of one conflicts with itself once an atomic list holds defaults."""
    only({"metadata": {"labels": item["metadata"]["labels"]}})(item)


def in_turn(*mutations: Mutation) -> Mutation:
    """Return several mutations as one."""

    def mutation(cluster: Cluster, item: Item) -> None:
        for each in mutations:
            each(cluster, item)

    return mutation


def removed(cluster: Cluster, item: Item) -> None:
    """Remove an object at once."""
    sent(cluster, "DELETE", item, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})


def created(by: str) -> Mutation:
    """Create the desired object by a POST."""

    def mutation(cluster: Cluster, item: Item) -> None:
        sent(cluster, "POST", item, item, by)

    return mutation


def nothing(_cluster: Cluster, _item: Item) -> None:
    """Leave the object alone."""


def unchanged(_item: Item) -> None:
    """Leave the content alone."""


def spec(**values: Any) -> Item:
    """Return a patch of the spec."""
    return {"spec": values}


def pod(item: Item) -> Item:
    """Return the pod's spec in a workload."""
    found: Item = item["spec"]["template"]["spec"]
    return found


def container(item: Item) -> Item:
    """Return the first container of a workload."""
    found: Item = pod(item)["containers"][0]
    return found


def swapped(items: list[Any], first: int = 0, second: int = 1) -> None:
    """Swap two items of a list."""
    items[first], items[second] = items[second], items[first]


def labelled(**values: str | None) -> Item:
    """Return a patch of labels."""
    return {"metadata": {"labels": values}}


def _there_and_back(cluster: Cluster, item: Item) -> None:
    right = item["metadata"]["labels"][NAME]
    patched(labelled(**{NAME: "other"}))(cluster, item)
    patched(labelled(**{NAME: right}))(cluster, item)


def _owned(cluster: Cluster, item: Item) -> None:
    # One that is there: the garbage collector removes what belongs to nothing.
    owner = cluster.object("GET", "/api/v1/namespaces/default")["metadata"]
    reference = {"apiVersion": "v1", "kind": "Namespace", "name": owner["name"], "uid": owner["uid"]}
    patched({"metadata": {"ownerReferences": [reference]}})(cluster, item)


_SIDECAR = {"name": "sidecar", "image": "example.test/sidecar:1"}
_RESTART = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}}}
_TERMINATING = in_turn(patched({"metadata": {"finalizers": ["example.test/kept"]}}), removed)
_LOST = labelled(**{NAME: None, INSTANCE: None, COMPONENT: None})


# What can happen to an object of any kind; tried on each.
_ANY: Sequence[tuple[str, bool, Mutation]] = (
    ("nothing", False, nothing),
    ("removed", True, removed),
    ("being deleted, kept by a finalizer", True, _TERMINATING),
    ("the labels by which it is found removed", True, patched(_LOST)),
    ("all labels removed", True, patched({"metadata": {"labels": None}})),
    ("an annotation added", False, patched({"metadata": {"annotations": {"example.test/note": "seen"}}})),
    ("the list of managers emptied", True, patched({"metadata": {"managedFields": [{}]}})),
    ("a label changed and changed back by another manager", True, _there_and_back),
)
# The same, tried on a few.
_METADATA: Sequence[tuple[str, bool, Mutation]] = (
    ("a label of ours changed", True, patched(labelled(**{COMPONENT: "other"}))),
    ("a label of ours removed", True, patched(labelled(**{NAME: None}))),
    ("a label added", False, patched(labelled(team="platform"))),
    ("a finalizer added", False, patched({"metadata": {"finalizers": ["example.test/kept"]}})),
    ("its labels applied by another manager as well, the same", False, applied(same_labels, "flux", force="false")),
    ("applied by another manager with another label", True, applied(lambda item: item["metadata"]["labels"].update({NAME: "x"}), "flux")),
    (
        "applied with our manager's name, with one label more",
        True,
        applied(lambda item: item["metadata"]["labels"].update(a="b"), FIELD_MANAGER),
    ),
    (
        "applied with our manager's name, with one label less",
        True,
        applied(lambda item: item["metadata"]["labels"].pop(NAME), FIELD_MANAGER),
    ),
    ("patched with our manager's name, a label added", False, patched(labelled(team="platform"), FIELD_MANAGER)),
    ("patched with our manager's name, a label of ours changed", True, patched(labelled(**{NAME: "x"}), FIELD_MANAGER)),
)
# Where the kind lets an object be made twice.
_MADE_AGAIN: Sequence[tuple[str, bool, Mutation]] = (
    ("removed, and made again by another manager", True, in_turn(removed, created("kubectl-create"))),
    ("removed, and applied again with our manager's name", False, in_turn(removed, applied(unchanged, FIELD_MANAGER))),
)


_STATEFUL_SET: Sequence[tuple[str, bool, Mutation]] = (
    ("scaled", True, patched(spec(replicas=2), "kubectl-scale", "/scale")),
    ("scaled and scaled back", True, in_turn(patched(spec(replicas=2), below="/scale"), patched(spec(replicas=1), below="/scale"))),
    ("scaled to the same number", False, patched(spec(replicas=1), "kubectl-scale", "/scale")),
    ("replicas applied by another manager", True, applied(only(spec(replicas=5)), "autoscaler")),
    ("the same replicas applied by another manager", False, applied(only(spec(replicas=1)), "autoscaler", force="false")),
    (
        "replicas taken over by another manager, who then drops them",
        True,
        in_turn(applied(only(spec(replicas=5)), "autoscaler"), applied(only({}), "autoscaler")),
    ),
    ("a value of ours changed with our manager's name", True, patched(spec(replicas=4), FIELD_MANAGER)),
    (
        "an older release with our manager's name applied less",
        True,
        applied(lambda item: item["spec"]["template"]["metadata"].pop("annotations"), FIELD_MANAGER),
    ),
    ("image changed", True, edited(lambda item: container(item).update(image="docker.io/grafana/mimir:0.0.1"))),
    ("an argument added", True, edited(lambda item: container(item)["args"].append("-log.level=debug"))),
    ("an argument removed", True, edited(lambda item: container(item)["args"].pop())),
    ("arguments swapped", True, edited(lambda item: swapped(container(item)["args"]))),
    ("an argument changed", True, edited(lambda item: container(item)["args"].__setitem__(1, "-x"))),
    ("all arguments removed", True, edited(lambda item: container(item).pop("args"))),
    ("a command added", False, edited(lambda item: container(item).update(command=["/bin/mimir"]))),
    (
        "an environment variable of ours got a value",
        True,
        edited(lambda item: container(item)["env"].__setitem__(0, {"name": "POD_IP", "value": "::1"})),
    ),
    ("an environment variable added", False, edited(lambda item: container(item)["env"].append({"name": "DEBUG", "value": "1"}))),
    ("all environment variables removed", True, edited(lambda item: container(item).pop("env"))),
    ("a port of ours removed", True, edited(lambda item: container(item)["ports"].pop())),
    ("a port of ours renamed", True, edited(lambda item: container(item)["ports"][0].update(name="web"))),
    ("a port of ours has another number", True, edited(lambda item: container(item)["ports"][1].update(containerPort=9096))),
    ("a port added", False, edited(lambda item: container(item)["ports"].append({"name": "debug", "containerPort": 6060}))),
    ("a port of ours got a host port", False, edited(lambda item: container(item)["ports"][0].update(hostPort=8080))),
    ("a probe's period changed", True, edited(lambda item: container(item)["readinessProbe"].update(periodSeconds=30))),
    ("a probe removed", True, edited(lambda item: container(item).pop("livenessProbe"))),
    ("a probe of another sort", True, edited(lambda item: container(item).update(livenessProbe={"tcpSocket": {"port": 8080}}))),
    (
        "a probe's threshold that we leave open",
        False,
        edited(lambda item: container(item)["livenessProbe"].update(terminationGracePeriodSeconds=9)),
    ),
    ("a hook changed", True, edited(lambda item: container(item)["lifecycle"]["preStop"]["sleep"].update(seconds=6))),
    ("a hook removed", True, edited(lambda item: container(item).pop("lifecycle"))),
    ("a limit raised", True, edited(lambda item: container(item)["resources"]["limits"].update(memory="30Gi"))),
    ("a limit removed", True, edited(lambda item: container(item)["resources"]["limits"].pop("cpu"))),
    ("all resources removed", True, edited(lambda item: container(item).pop("resources"))),
    ("a request in another notation", False, edited(lambda item: container(item)["resources"]["requests"].update(cpu="0.1"))),
    ("a limit of another resource", False, edited(lambda item: container(item)["resources"]["limits"].update({"example.test/gpu": "1"}))),
    ("capabilities no longer dropped", True, edited(lambda item: container(item)["securityContext"].pop("capabilities"))),
    (
        "another capability dropped",
        True,
        edited(lambda item: container(item)["securityContext"]["capabilities"]["drop"].append("SYS_TIME")),
    ),
    ("a capability added", False, edited(lambda item: container(item)["securityContext"]["capabilities"].update(add=["SYS_TIME"]))),
    ("the root file system writable", True, edited(lambda item: container(item)["securityContext"].update(readOnlyRootFilesystem=False))),
    ("another user", True, edited(lambda item: pod(item)["securityContext"].update(runAsUser=0, runAsNonRoot=False))),
    ("further groups", False, edited(lambda item: pod(item)["securityContext"].update(supplementalGroups=[7]))),
    ("a mount no longer read-only", True, edited(lambda item: container(item)["volumeMounts"][0].update(readOnly=False))),
    ("a mount in another place", True, edited(lambda item: container(item)["volumeMounts"][0].update(mountPath="/etc/other"))),
    ("a mount of ours removed", True, edited(lambda item: container(item)["volumeMounts"].pop(0))),
    ("mounts swapped", True, edited(lambda item: swapped(container(item)["volumeMounts"]))),
    (
        "a volume added, and mounted",
        False,
        edited(
            lambda item: (
                pod(item)["volumes"].append({"name": "more", "emptyDir": {}}),
                container(item)["volumeMounts"].append({"name": "more", "mountPath": "/more"}),
            )
        ),
    ),
    ("a volume from another ConfigMap", True, edited(lambda item: pod(item)["volumes"][0]["configMap"].update(name="other"))),
    ("a volume of another sort", True, edited(lambda item: pod(item)["volumes"].__setitem__(0, {"name": "config", "emptyDir": {}}))),
    ("a volume's mode that we leave open", False, edited(lambda item: pod(item)["volumes"][0]["configMap"].update(defaultMode=256))),
    ("a volume's size changed", True, edited(lambda item: pod(item)["volumes"][1]["emptyDir"].update(sizeLimit="1Gi"))),
    ("volumes swapped", True, edited(lambda item: swapped(pod(item)["volumes"]))),
    ("a container added at the end", False, edited(lambda item: pod(item)["containers"].append(_SIDECAR))),
    ("a container added at the beginning", False, edited(lambda item: pod(item)["containers"].insert(0, _SIDECAR))),
    ("a container that runs before", False, edited(lambda item: pod(item).update(initContainers=[_SIDECAR]))),
    ("the container renamed", True, edited(lambda item: container(item).update(name="other"))),
    ("a toleration added", True, edited(lambda item: pod(item)["tolerations"].append({"operator": "Exists"}))),
    ("the tolerations removed", True, edited(lambda item: pod(item).pop("tolerations"))),
    ("a node selector added", True, edited(lambda item: pod(item)["nodeSelector"].update(zone="a"))),
    ("a node selector removed", True, edited(lambda item: pod(item)["nodeSelector"].pop("pool"))),
    ("all node selectors removed", True, edited(lambda item: pod(item).pop("nodeSelector"))),
    ("an affinity added", False, edited(lambda item: pod(item).update(affinity={"podAntiAffinity": {}}))),
    (
        "a spread added",
        False,
        edited(
            lambda item: pod(item).update(
                topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
            )
        ),
    ),
    ("host aliases added", False, edited(lambda item: pod(item).update(hostAliases=[{"ip": "::1", "hostnames": ["x"]}]))),
    ("a pull secret added", False, edited(lambda item: pod(item).update(imagePullSecrets=[{"name": "registry"}]))),
    ("another DNS policy, which we leave open", False, edited(lambda item: pod(item).update(dnsPolicy="Default"))),
    ("another scheduler, which we leave open", False, edited(lambda item: pod(item).update(schedulerName="other"))),
    ("another ServiceAccount", True, edited(lambda item: pod(item).update(serviceAccountName="default", serviceAccount="default"))),
    ("less time to end", True, edited(lambda item: pod(item).update(terminationGracePeriodSeconds=100))),
    ("the pods restarted by kubectl", False, patched(_RESTART, "kubectl-rollout")),
    (
        "an annotation of its pods changed",
        True,
        edited(lambda item: item["spec"]["template"]["metadata"]["annotations"].update({"prometheus.io/port": "1"})),
    ),
    (
        "an annotation of its pods removed",
        True,
        edited(lambda item: item["spec"]["template"]["metadata"]["annotations"].pop("prometheus.io/scrape")),
    ),
    ("all annotations of its pods removed", True, edited(lambda item: item["spec"]["template"]["metadata"].pop("annotations"))),
    ("a label of its pods added", False, edited(lambda item: item["spec"]["template"]["metadata"]["labels"].update(team="x"))),
    ("a label of its pods removed", True, edited(lambda item: item["spec"]["template"]["metadata"]["labels"].pop(COMPONENT))),
    ("its update strategy, which we leave open", False, edited(lambda item: item["spec"].update(updateStrategy={"type": "OnDelete"}))),
    ("a partition of its updates", False, edited(lambda item: item["spec"]["updateStrategy"]["rollingUpdate"].update(partition=1))),
    ("its history, which we leave open", False, edited(lambda item: item["spec"].update(revisionHistoryLimit=3))),
    ("its minimum of seconds", True, edited(lambda item: item["spec"].update(minReadySeconds=9))),
    ("its status written", False, patched({"status": {"replicas": 1, "readyReplicas": 1}}, "kube-controller-manager", "/status")),
    ("its status applied with our manager's name", False, applied(only({"status": {"replicas": 1}}), FIELD_MANAGER, below="/status")),
    ("owned by another object", False, _owned),
)
_ENVIRONMENT: Sequence[tuple[str, bool, Mutation]] = (
    ("environment variables swapped", True, edited(lambda item: swapped(container(item)["env"], 1, 2))),
    ("an environment variable of ours removed", True, edited(lambda item: container(item)["env"].pop(1))),
    ("an environment variable of ours renamed", True, edited(lambda item: container(item)["env"][1].update(name="OTHER"))),
    (
        "an environment variable added at the beginning",
        False,
        edited(lambda item: container(item)["env"].insert(0, {"name": "A", "value": "1"})),
    ),
    (
        "an environment variable added in the middle",
        False,
        edited(lambda item: container(item)["env"].insert(1, {"name": "A", "value": "1"})),
    ),
    (
        "an environment variable of ours a second time",
        True,
        edited(lambda item: container(item)["env"].append({"name": "GF_SECURITY_ADMIN_USER", "value": "x"})),
    ),
    ("a reference to another key", True, edited(lambda item: container(item)["env"][0]["valueFrom"]["secretKeyRef"].update(key="x"))),
    ("a reference made optional", True, edited(lambda item: container(item)["env"][0]["valueFrom"]["secretKeyRef"].update(optional=True))),
    ("another strategy", True, edited(lambda item: item["spec"].update(strategy={"type": "RollingUpdate"}))),
    ("paused", False, patched(spec(paused=True))),
    ("a deadline, which we leave open", False, patched(spec(progressDeadlineSeconds=7))),
    ("tolerations, which we leave open", False, edited(lambda item: pod(item).update(tolerations=[{"operator": "Exists"}]))),
    ("a token mounted", True, edited(lambda item: pod(item).update(automountServiceAccountToken=True))),
    ("another claim", True, edited(lambda item: pod(item)["volumes"][1]["persistentVolumeClaim"].update(claimName="other"))),
)
_ROLLING: Sequence[tuple[str, bool, Mutation]] = (
    ("more pods at once", True, edited(lambda item: item["spec"]["strategy"]["rollingUpdate"].update(maxSurge="50%"))),
    ("a spread changed", True, edited(lambda item: pod(item)["topologySpreadConstraints"][0].update(maxSkew=2))),
    (
        "the labels of a spread changed",
        True,
        edited(lambda item: pod(item)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].update(a="b")),
    ),
    (
        "a label of a spread removed",
        True,
        edited(lambda item: pod(item)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].pop(NAME)),
    ),
    ("a spread removed", True, edited(lambda item: pod(item).pop("topologySpreadConstraints"))),
    (
        "a spread added before ours",
        False,
        edited(
            lambda item: pod(item)["topologySpreadConstraints"].insert(
                0, {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
            )
        ),
    ),
    ("a container that runs before added at the beginning", False, edited(lambda item: pod(item)["initContainers"].insert(0, _SIDECAR))),
    ("a command changed", True, edited(lambda item: pod(item)["initContainers"][0]["command"].append("x"))),
)
_DAEMON_SET: Sequence[tuple[str, bool, Mutation]] = (
    ("fewer pods at once", True, edited(lambda item: item["spec"]["updateStrategy"]["rollingUpdate"].update(maxUnavailable=1))),
    ("a directory of the node changed", True, edited(lambda item: pod(item)["volumes"][1]["hostPath"].update(path="/tmp/x"))),  # noqa: S108
    ("a sort of a directory changed", True, edited(lambda item: pod(item)["volumes"][1]["hostPath"].update(type="Directory"))),
    ("the tolerations removed", True, edited(lambda item: pod(item).pop("tolerations"))),
    ("the tolerations narrowed", True, edited(lambda item: pod(item).update(tolerations=[{"key": "a", "operator": "Exists"}]))),
    (
        "the network of the node",
        False,
        edited(lambda item: (pod(item).update(hostNetwork=True), container(item)["ports"][0].update(hostPort=12345))),
    ),
    ("a mount's propagation changed", True, edited(lambda item: container(item)["volumeMounts"][4].update(mountPropagation="None"))),
    (
        "a capability added to ours",
        True,
        edited(lambda item: container(item)["securityContext"]["capabilities"]["add"].append("SYS_PTRACE")),
    ),
)
_SERVICE: Sequence[tuple[str, bool, Mutation]] = (
    ("a key of the selector removed", True, edited(lambda item: item["spec"]["selector"].pop(NAME))),
    ("a key of the selector removed by a patch", True, patched(spec(selector={NAME: None}))),
    ("a key of the selector added", True, edited(lambda item: item["spec"]["selector"].update(version="2"))),
    ("a key of the selector added by a patch", True, patched(spec(selector={"version": "2"}))),
    ("a value of the selector changed", True, edited(lambda item: item["spec"]["selector"].update({NAME: "other"}))),
    ("the selector removed", True, edited(lambda item: item["spec"].pop("selector"))),
    ("a port added", False, edited(lambda item: item["spec"]["ports"].append({"name": "debug", "port": 6060}))),
    ("a port added at the beginning", False, edited(lambda item: item["spec"]["ports"].insert(0, {"name": "debug", "port": 6060}))),
    ("a port of ours removed", True, edited(lambda item: item["spec"]["ports"].pop())),
    ("a port of ours has another number", True, edited(lambda item: item["spec"]["ports"][0].update(port=8081))),
    ("a port of ours has another target", True, edited(lambda item: item["spec"]["ports"][0].update(targetPort=1))),
    ("a port of ours renamed", True, edited(lambda item: item["spec"]["ports"][0].update(name="web"))),
    ("a port of ours for another protocol", True, edited(lambda item: item["spec"]["ports"][0].update(protocol="UDP"))),
    (
        "a port of ours for another protocol as well",
        False,
        edited(lambda item: item["spec"]["ports"].append({"name": "udp", "port": 8080, "protocol": "UDP"})),
    ),
    (
        "the application protocol of a port, which we leave open",
        False,
        edited(lambda item: item["spec"]["ports"][0].update(appProtocol="http")),
    ),
    ("ports swapped", True, edited(lambda item: swapped(item["spec"]["ports"]))),
    ("another type, which we leave open", False, edited(lambda item: item["spec"].update(type="NodePort"))),
    ("an address outside", False, edited(lambda item: item["spec"].update(externalIPs=["192.0.2.1"]))),
    ("sticky sessions", False, edited(lambda item: item["spec"].update(sessionAffinity="ClientIP"))),
    ("traffic inside a node only", False, edited(lambda item: item["spec"].update(internalTrafficPolicy="Local"))),
    ("one family of addresses", True, edited(lambda item: item["spec"].update(ipFamilyPolicy="SingleStack"))),
)
_HEADLESS: Sequence[tuple[str, bool, Mutation]] = (
    ("only ready addresses", True, edited(lambda item: item["spec"].update(publishNotReadyAddresses=False))),
)
_LOAD_BALANCER: Sequence[tuple[str, bool, Mutation]] = (
    ("an annotation added where ours are none", False, patched({"metadata": {"annotations": {"cloud.example.test/balancer": "7"}}})),
    ("a port of the nodes", False, edited(lambda item: item["spec"]["ports"][0].update(nodePort=30080))),
    (
        "the address of the load balancer",
        False,
        patched({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}, "cloud", "/status"),
    ),
    ("another policy for traffic from outside", True, edited(lambda item: item["spec"].update(externalTrafficPolicy="Local"))),
    ("another type", True, edited(lambda item: item["spec"].update(type="NodePort"))),
    ("sources limited", False, edited(lambda item: item["spec"].update(loadBalancerSourceRanges=["192.0.2.0/24"]))),
)
_CONFIG_MAP: Sequence[tuple[str, bool, Mutation]] = (
    ("a value changed", True, edited(lambda item: item["data"].update({"mimir.yaml": "other: true"}))),
    ("a line added to a value", True, edited(lambda item: item["data"].update({"mimir.yaml": item["data"]["mimir.yaml"] + "# edited\n"}))),
    ("a value emptied", True, edited(lambda item: item["data"].update({"mimir.yaml": ""}))),
    ("a key removed", True, edited(lambda item: item["data"].pop("mimir.yaml"))),
    ("all keys removed", True, edited(lambda item: item.pop("data"))),
    ("a key renamed", True, edited(lambda item: item["data"].update(other=item["data"].pop("mimir.yaml")))),
    ("a key added", False, edited(lambda item: item["data"].update(other="x"))),
    ("a binary key added", False, edited(lambda item: item.update(binaryData={"other": "AAAA"}))),
    ("made immutable", False, edited(lambda item: item.update(immutable=True))),
    ("a value applied by another manager", True, applied(lambda item: item["data"].update({"mimir.yaml": "x: 1"}), "argocd")),
    ("applied with our manager's name and without its key", True, applied(only({"data": {"other": "x"}}), FIELD_MANAGER)),
    (
        "changed, and immutable, so that nothing helps",
        True,
        edited(lambda item: (item["data"].update({"mimir.yaml": ""}), item.update(immutable=True))),
    ),
)
_NETWORK_POLICY: Sequence[tuple[str, bool, Mutation]] = (
    ("a label of its pods removed", True, edited(lambda item: item["spec"]["podSelector"]["matchLabels"].pop(NAME))),
    ("a label of its pods added", True, edited(lambda item: item["spec"]["podSelector"]["matchLabels"].update(a="b"))),
    (
        "an expression about its pods added",
        True,
        edited(lambda item: item["spec"]["podSelector"].update(matchExpressions=[{"key": "a", "operator": "Exists"}])),
    ),
    ("a rule added", True, edited(lambda item: item["spec"]["ingress"].append({}))),
    ("a rule removed", True, edited(lambda item: item["spec"]["ingress"].pop())),
    ("rules swapped", True, edited(lambda item: swapped(item["spec"]["ingress"]))),
    ("all rules for outgoing traffic removed", True, edited(lambda item: item["spec"].pop("egress"))),
    ("a peer added", True, edited(lambda item: item["spec"]["ingress"][0]["from"].append({"podSelector": {}}))),
    ("a peer removed", True, edited(lambda item: item["spec"]["ingress"][0]["from"].pop())),
    ("a label of a peer removed", True, edited(lambda item: item["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"].pop(NAME))),
    ("any peer", True, edited(lambda item: item["spec"]["ingress"][0].pop("from"))),
    ("a port changed", True, edited(lambda item: item["spec"]["ingress"][0]["ports"][0].update(port=1))),
    ("a range of ports", True, edited(lambda item: item["spec"]["ingress"][0]["ports"][0].update(endPort=9000))),
    ("a direction no longer controlled", True, edited(lambda item: item["spec"]["policyTypes"].pop())),
)
_DEFAULT_DENY: Sequence[tuple[str, bool, Mutation]] = (
    ("limited to some pods", True, edited(lambda item: item["spec"].update(podSelector={"matchLabels": {"a": "b"}}))),
    ("everything let in", True, edited(lambda item: item["spec"].update(ingress=[{}]))),
    ("the empty list of rules removed", True, edited(lambda item: item["spec"].update(policyTypes=["Ingress"]))),
)
_INGRESS: Sequence[tuple[str, bool, Mutation]] = (
    ("a path removed", True, edited(lambda item: item["spec"]["rules"][0]["http"]["paths"].pop())),
    (
        "a path added",
        True,
        edited(
            lambda item: item["spec"]["rules"][0]["http"]["paths"].append({**item["spec"]["rules"][0]["http"]["paths"][0], "path": "/more"})
        ),
    ),
    ("paths swapped", True, edited(lambda item: swapped(item["spec"]["rules"][0]["http"]["paths"]))),
    ("a path changed", True, edited(lambda item: item["spec"]["rules"][0]["http"]["paths"][0].update(path="/other"))),
    (
        "a path matched in another way",
        True,
        edited(lambda item: item["spec"]["rules"][0]["http"]["paths"][0].update(pathType="ImplementationSpecific")),
    ),
    (
        "another Service behind a path",
        True,
        edited(lambda item: item["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(name="other")),
    ),
    (
        "another port behind a path",
        True,
        edited(lambda item: item["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(port={"number": 1})),
    ),
    ("another host", True, edited(lambda item: item["spec"]["rules"][0].update(host="other.example.test"))),
    ("a rule added", True, edited(lambda item: item["spec"]["rules"].append({"host": "more.example.test"}))),
    ("the paths of a rule removed", True, edited(lambda item: item["spec"]["rules"][0].pop("http"))),
    ("another class", True, edited(lambda item: item["spec"].update(ingressClassName="other"))),
    (
        "a backend for all else",
        False,
        edited(lambda item: item["spec"].update(defaultBackend={"service": {"name": "x", "port": {"number": 1}}})),
    ),
    ("encryption added, which we leave open", False, edited(lambda item: item["spec"].update(tls=[{"hosts": ["a.example.test"]}]))),
    ("an annotation of ours changed", True, patched({"metadata": {"annotations": {"nginx.org/client-max-body-size": "1k"}}})),
    ("an annotation of ours removed", True, patched({"metadata": {"annotations": {"nginx.org/client-max-body-size": None}}})),
    ("all annotations removed", True, patched({"metadata": {"annotations": None}})),
    ("its address", False, patched({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}, "nginx", "/status")),
)
_HOST: Sequence[tuple[str, bool, Mutation]] = (
    ("encryption removed", True, edited(lambda item: item["spec"].pop("tls"))),
    ("another certificate", True, edited(lambda item: item["spec"]["tls"][0].update(secretName="other"))),
    ("another host in the certificate", True, edited(lambda item: item["spec"]["tls"][0]["hosts"].append("more.example.test"))),
)
_BUDGET: Sequence[tuple[str, bool, Mutation]] = (
    ("more pods unavailable", True, patched(spec(maxUnavailable=2))),
    ("more pods unavailable, in percent", True, patched(spec(maxUnavailable="100%"))),
    ("pods counted in another way, which excludes ours", True, patched(spec(maxUnavailable=None, minAvailable=1))),
    ("other pods", True, edited(lambda item: item["spec"]["selector"]["matchLabels"].update({NAME: "other"}))),
    ("a label of its pods removed", True, edited(lambda item: item["spec"]["selector"]["matchLabels"].pop(NAME))),
    ("a policy that we leave open", False, patched(spec(unhealthyPodEvictionPolicy="AlwaysAllow"))),
    (
        "its status",
        False,
        patched({"status": {"currentHealthy": 1, "desiredHealthy": 1, "disruptionsAllowed": 0, "expectedPods": 1}}, "kcm", "/status"),
    ),
)
_ACCOUNT: Sequence[tuple[str, bool, Mutation]] = (
    ("a token mounted", True, patched({"automountServiceAccountToken": True})),
    ("a setting removed", True, patched({"automountServiceAccountToken": None})),
    ("a pull secret added", False, patched({"imagePullSecrets": [{"name": "registry"}]})),
    ("a Secret added", False, patched({"secrets": [{"name": "token"}]})),
)
_RULES: Sequence[tuple[str, bool, Mutation]] = (
    ("a rule added", True, edited(lambda item: item["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}))),
    ("a rule removed", True, edited(lambda item: item["rules"].pop())),
    ("all rules removed", True, edited(lambda item: item.update(rules=[]))),
    ("a verb added", True, edited(lambda item: item["rules"][0]["verbs"].append("delete"))),
    ("a verb removed", True, edited(lambda item: item["rules"][0]["verbs"].pop())),
    ("verbs swapped", True, edited(lambda item: swapped(item["rules"][0]["verbs"]))),
)
_SUBJECTS: Sequence[tuple[str, bool, Mutation]] = (
    (
        "a subject added",
        True,
        edited(lambda item: item["subjects"].append({"kind": "ServiceAccount", "name": "x", "namespace": "default"})),
    ),
    ("the subjects removed", True, edited(lambda item: item.pop("subjects"))),
    ("another subject", True, edited(lambda item: item["subjects"][0].update(name="other"))),
)
_CLASS: Sequence[tuple[str, bool, Mutation]] = (
    ("made the default", False, patched({"metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}})),
    ("parameters, which we leave open", False, patched(spec(parameters={"kind": "X", "name": "x"}))),
)
_NAMESPACE: Sequence[tuple[str, bool, Mutation]] = (
    ("another level of Pod Security", True, patched(labelled(**{"pod-security.kubernetes.io/enforce": "restricted"}))),
    ("a level of Pod Security that we leave open", False, patched(labelled(**{"pod-security.kubernetes.io/enforce-version": "latest"}))),
)
# By the object that is mutated: the rows of its kind, beside those of all kinds.
TABLE: Mapping[str, Sequence[tuple[str, bool, Mutation]]] = {
    "StatefulSet mimir": (*_STATEFUL_SET, *_METADATA, *_MADE_AGAIN),
    "Deployment grafana": (*_ENVIRONMENT, *_MADE_AGAIN),
    "Deployment ingress": _ROLLING,
    "DaemonSet alloy": (*_DAEMON_SET, *_MADE_AGAIN),
    "Service mimir": (*_SERVICE, *_METADATA, *_MADE_AGAIN),
    "Service mimir-headless": _HEADLESS,
    "Service ingress": _LOAD_BALANCER,
    "ConfigMap mimir": (*_CONFIG_MAP, *_METADATA, *_MADE_AGAIN),
    "NetworkPolicy mimir": (*_NETWORK_POLICY, *_MADE_AGAIN),
    "NetworkPolicy default-deny": _DEFAULT_DENY,
    "Ingress mimir": (*_INGRESS, *_MADE_AGAIN),
    "Ingress mimir-host": _HOST,
    "PodDisruptionBudget prometheus": (*_BUDGET, *_MADE_AGAIN),
    "ServiceAccount loki": (*_ACCOUNT, *_MADE_AGAIN),
    "Role ingress": (*_RULES, *_MADE_AGAIN),
    "RoleBinding ingress": (*_SUBJECTS, *_MADE_AGAIN),
    "ClusterRole mutations-alloy": (*_RULES, *_METADATA, *_MADE_AGAIN),
    "ClusterRoleBinding mutations-alloy": (*_SUBJECTS, *_MADE_AGAIN),
    "IngressClass nginx": (*_CLASS, *_MADE_AGAIN),
    "PersistentVolumeClaim grafana": (),
    "Namespace mutations": _NAMESPACE,
}
# They stay until a controller has looked at them, and there is none.
_NEVER = {("Namespace mutations", "removed"), ("PersistentVolumeClaim grafana", "removed")}


def cases() -> Iterator[Case]:
    """Yield every mutation: those of all kinds once for each kind."""
    seen: set[str] = set()
    for target, rows in TABLE.items():
        kind = target.partition(" ")[0]
        assert kind in BY_KIND
        for title, differs, mutation in (*(() if kind in seen else _ANY), *rows):
            if (target, title) not in _NEVER:
                yield Case(target, title, differs, mutation)
        seen.add(kind)
