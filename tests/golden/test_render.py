"""What an inventory renders to: compared with what is expected, and checked by those who have to take it.

`expected/minimal` holds whole manifests; of every other inventory there is only the difference to it, which shows what its variables do.
`pytest tests/golden --update-golden` writes both anew.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ansible_collections.observability.stack.plugins.module_utils.engine.kinds import BY_KIND
from ansible_collections.observability.stack.plugins.module_utils.stack import catalogue, changes, graph, placing
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import CONNECTIONS
from ansible_collections.observability.stack.plugins.module_utils.stack.units import size_bytes

from tests.inventories import ROOT, load, values
from tools import schemas
from tools.lab import build, images

EXPECTED = Path(__file__).parent / "expected"
VARIANTS = Path(__file__).parent / "inventories"


def clusters(source: Path) -> list[str]:
    """Return the clusters of an inventory: those with variables of their own, or the one that has the inventory's name."""
    own = source / "host_vars"
    return sorted(path.stem for path in own.iterdir()) if own.exists() else [source.name]


# A run of ansible-playbook each, and the clusters of its inventory.
SOURCES = {source: clusters(source) for source in (*sorted((ROOT / "inventories").iterdir()), VARIANTS)}
CLUSTERS = [cluster for clusters in SOURCES.values() for cluster in clusters]
BASE = "minimal"

Rendered = dict[str, dict[str, list[dict[str, Any]]]]


def render(source: Path, directory: Path) -> None:
    """Render the clusters of an inventory, each into a directory of its name."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "playbooks/render.yml",
            f"--inventory={source}",
            "--extra-vars",
            f'{{"render_directory": "{directory}/{{{{ inventory_hostname }}}}"}}',
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "KUBECONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-40:])


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Return cluster -> component -> objects, as playbooks/render.yml writes them."""
    directory = tmp_path_factory.mktemp("rendered")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda source: render(source, directory), SOURCES))
    return {
        cluster: {
            path.stem: [item for _, item in items]
            for path, items in itertools.groupby(schemas.objects(directory / cluster), key=lambda found: found[0])
        }
        for cluster in CLUSTERS
    }


# --- as expected ------------------------------------------------------------------------------------------------------


def readable(objects: list[dict[str, Any]]) -> str:
    """Return manifests in which every text of several lines stands as it is, line by line."""
    blocks: list[str] = []

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, *_: Any) -> bool:
            return True

    def represent(dumper: Dumper, text: str) -> yaml.Node:
        if "\n" not in text:
            return dumper.represent_str(text)
        blocks.append(text)
        return dumper.represent_str(f"<block {len(blocks) - 1}>")

    def block(match: re.Match[str]) -> str:
        text = blocks[int(match["number"])]
        lines = [f"{match['indent']}  {line}" if line else "" for line in text.rstrip("\n").split("\n")]
        return "\n".join([f"{match['indent']}{match['key']}: |", *lines])

    Dumper.add_representer(str, represent)
    dumped = "---\n".join(yaml.dump(item, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000) for item in objects)
    return re.sub(r"(?m)^(?P<indent> *)(?P<key>\S+): <block (?P<number>\d+)>$", block, dumped)


def difference(base: str, other: str) -> str:
    """Return a unified diff without line numbers, so that a change further up leaves it alone."""
    lines = difflib.unified_diff(base.splitlines(), other.splitlines(), lineterm="", n=2)
    return "\n".join("@@" if line.startswith("@@") else line for line in lines if not line.startswith(("--- ", "+++ "))) + "\n"


def expected_files(cluster: str, rendered: Rendered) -> dict[str, str]:
    """Return the names and contents of the golden files of a cluster."""
    base = {component: readable(objects) for component, objects in rendered[BASE].items()}
    if cluster == BASE:
        return {f"{component}.yaml": text for component, text in base.items()}
    files = {}
    for component, objects in rendered[cluster].items():
        text = readable(objects)
        files[f"{component}.yaml" if component not in base else f"{component}.diff"] = (
            text if component not in base else difference(base[component], text)
        )
    # A component that is switched off renders nothing, and says so.
    return files | {f"{component}.diff": "not rendered\n" for component in base.keys() - rendered[cluster].keys()}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_an_inventory_renders_to_what_is_expected(cluster: str, rendered: Rendered, request: pytest.FixtureRequest) -> None:
    files = expected_files(cluster, rendered)
    directory = EXPECTED / cluster
    if request.config.getoption("--update-golden"):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name, text in files.items():
            (directory / name).write_text(text)
    found = {path.name: path.read_text() for path in directory.iterdir()} if directory.exists() else {}
    for name in sorted(files.keys() | found.keys()):
        assert files.get(name) == found.get(name), f"{cluster}/{name} differs; if that is meant, write it with --update-golden"


def test_the_variant_with_most_variables_has_all_of_them() -> None:
    known = {name for name in values() if not name.startswith("__")}
    # Read as text: a value may be one that only Ansible can read.
    given = re.findall(r"(?m)^(\w+):", (VARIANTS / "host_vars/most_variables.yml").read_text())
    assert set(given) == known


# --- what Kubernetes takes --------------------------------------------------------------------------------------------


def objects_of(cluster: str, rendered: Rendered) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every object of a cluster with its component."""
    for component, objects in rendered[cluster].items():
        for item in objects:
            yield component, item


@dataclass(frozen=True)
class Pod:
    """The pod template of a workload, and the component that it belongs to."""

    component: str
    workload: dict[str, Any]
    spec: dict[str, Any]

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def pods_of(cluster: str, rendered: Rendered) -> list[Pod]:
    """Return the pod templates of a cluster."""
    found = [
        Pod(component, item, item["spec"]["template"]["spec"])
        for component, item in objects_of(cluster, rendered)
        if item["kind"] in ("StatefulSet", "Deployment", "DaemonSet")
    ]
    assert found
    return found


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_object_follows_the_schema_of_kubernetes(cluster: str, rendered: Rendered) -> None:
    for version, (_, item) in itertools.product(schemas.versions(), objects_of(cluster, rendered)):
        schemas.validate(item, version)


@pytest.mark.parametrize(
    "change",
    [{"issuer": {"name": "x"}}, {"dnsNames": []}, {"issuerRef": {}}, {"secretTemplate": {"labels": {"a": 1}}}],
)
def test_a_wrong_certificate_does_not_follow_its_schema(change: dict[str, Any], rendered: Rendered) -> None:
    (certificate,) = (item for item in rendered["edge"]["ingress"] if item["kind"] == "Certificate")
    with pytest.raises(jsonschema.ValidationError):
        schemas.validate({**certificate, "spec": {**certificate["spec"], **change}}, schemas.versions()[0])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_certificate_is_asked_for_once_and_has_every_host(cluster: str, rendered: Rendered) -> None:
    """Of several that share a Secret, cert-manager serves one."""
    items = rendered[cluster].get("ingress", [])
    certificates = [item["spec"] for item in items if item["kind"] == "Certificate"]
    assert len(certificates) == (cluster in ("edge", "most_variables", "production"))
    hosts = {host for item in items if item["kind"] == "Ingress" for tls in item["spec"].get("tls", []) for host in tls["hosts"]}
    assert all(set(spec["dnsNames"]) == hosts for spec in certificates)
    annotated = [name for item in items if item["kind"] == "Ingress" for name in item["metadata"]["annotations"] if "cert-manager" in name]
    assert annotated == []


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_no_secret_is_rendered(cluster: str, rendered: Rendered) -> None:
    """Not as an object, and what Grafana takes from one is not in its configuration."""
    assert not any(item["kind"] == "Secret" for _, item in objects_of(cluster, rendered))
    for item in rendered[cluster].get("grafana", []):
        if item["kind"] == "ConfigMap":
            assert not re.search(r"(?m)^(admin_password|secret_key|client_secret|password)\b", item["data"]["grafana.ini"])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_object_is_ours_and_there_once(cluster: str, rendered: Rendered) -> None:
    seen = set()
    for component, item in objects_of(cluster, rendered):
        metadata = item["metadata"]
        identity = (item["kind"], metadata.get("namespace"), metadata["name"])
        assert identity not in seen
        seen.add(identity)
        # An Ingress belongs to the component that it leads to, and its name begins with that one's; a policy to the pods that it is for.
        owner = metadata["name"].partition("-")[0] if item["kind"] == "Ingress" else component.replace("_", "-")
        if item["kind"] == "NetworkPolicy" and metadata["name"] != "default-deny":
            owner = metadata["name"]
        assert metadata["labels"]["app.kubernetes.io/name"] == owner, identity
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "observability-stack"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "ansible"
        assert "app.kubernetes.io/component" in metadata["labels"]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_object_says_which_stack_it_belongs_to(cluster: str, rendered: Rendered) -> None:
    """And so does what Kubernetes makes of it: pods, and volumes, whose labels can never be changed."""
    labelled = [item["metadata"] for _, item in objects_of(cluster, rendered)]
    for pod in pods_of(cluster, rendered):
        labelled.append(pod.workload["spec"]["template"]["metadata"])
        labelled += [claim["metadata"] for claim in pod.workload["spec"].get("volumeClaimTemplates", [])]
    (instance,) = {metadata["labels"]["app.kubernetes.io/instance"] for metadata in labelled}
    (namespace,) = (item["metadata"]["name"] for item in rendered[cluster]["namespaces"] if item["kind"] == "Namespace")
    assert instance.startswith(f"{namespace}.")


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_what_an_object_refers_to_is_rendered_too(cluster: str, rendered: Rendered) -> None:
    by_kind: dict[str, set[tuple[Any, str]]] = {}
    for _, item in objects_of(cluster, rendered):
        by_kind.setdefault(item["kind"], set()).add((item["metadata"].get("namespace"), item["metadata"]["name"]))
    for pod in pods_of(cluster, rendered):
        namespace = pod.workload["metadata"]["namespace"]
        template_labels = pod.workload["spec"]["template"]["metadata"]["labels"]
        assert pod.workload["spec"]["selector"]["matchLabels"].items() <= template_labels.items()
        if "serviceAccountName" in pod.spec:
            assert (namespace, pod.spec["serviceAccountName"]) in by_kind["ServiceAccount"]
        if "serviceName" in pod.workload["spec"]:
            assert (namespace, pod.workload["spec"]["serviceName"]) in by_kind["Service"]
        claims = {claim["metadata"]["name"] for claim in pod.workload["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        for container in pod.containers:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= claims | set(volumes)
            ports = {port["name"] for port in container.get("ports", [])}
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container.get(name, {}).get("httpGet", {}).get("port") in {None, *ports}
        for volume in volumes.values():
            if "configMap" in volume:
                assert (namespace, volume["configMap"]["name"]) in by_kind["ConfigMap"]
            if "persistentVolumeClaim" in volume:
                assert (namespace, volume["persistentVolumeClaim"]["claimName"]) in by_kind["PersistentVolumeClaim"]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_pods_satisfy_the_restricted_pod_security_standard(cluster: str, rendered: Rendered) -> None:
    enforced = {
        item["metadata"]["name"]: item["metadata"]["labels"].get("pod-security.kubernetes.io/enforce")
        for _, item in objects_of(cluster, rendered)
        if item["kind"] == "Namespace"
    }
    for pod in pods_of(cluster, rendered):
        level = enforced[pod.workload["metadata"]["namespace"]]
        assert level in ("restricted", "privileged")
        for container in pod.containers:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert not security.get("privileged", False)
            assert security["capabilities"]["drop"] == ["ALL"]
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        files = any(volume.get("hostPath", {}).get("path") == "/var/log/pods" for volume in pod.spec.get("volumes", []))
        if pod.component == "alloy" and files:
            continue
        assert pod.spec["securityContext"]["runAsNonRoot"] is True
        assert pod.spec["securityContext"]["runAsUser"] > 0
        # Alloy alone looks at its node, and only where the namespace lets it.
        if pod.component == "alloy":
            assert level == "privileged"
            continue
        assert not any(pod.spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))
        assert not any("hostPath" in volume for volume in pod.spec.get("volumes", []))
        for container in pod.containers:
            assert not any("hostPort" in port for port in container.get("ports", []))
            assert set(container["securityContext"]["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_containers_have_the_capabilities_that_files_of_their_image_need_and_no_other(cluster: str, rendered: Rendered) -> None:
    for pod in pods_of(cluster, rendered):
        needed = {text.partition("=")[0] for text in images.table()[pod.component]["capabilities"].values()}
        added = pod.spec["containers"][0]["securityContext"]["capabilities"].get("add", [])
        if pod.component != "alloy":
            assert {f"cap_{name.lower()}" for name in added} == needed, pod.component
        # What runs first is a program of the system (`cp`), whose file has none.
        for container in pod.spec.get("initContainers", []):
            assert "add" not in container["securityContext"]["capabilities"], pod.component


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_pods_run_on_linux_and_what_they_write_has_a_limit(cluster: str, rendered: Rendered) -> None:
    for pod in pods_of(cluster, rendered):
        assert pod.spec["nodeSelector"]["kubernetes.io/os"] == "linux"
        empty = [volume["emptyDir"] for volume in pod.spec.get("volumes", []) if "emptyDir" in volume]
        assert all("sizeLimit" in volume for volume in empty), pod.component
        if cluster == BASE:
            for container in pod.containers:
                resources = container["resources"]
                limit = size_bytes(resources["limits"]["ephemeral-storage"])
                assert limit >= size_bytes(resources["requests"]["ephemeral-storage"])
                # A log file that the kubelet keeps counts as well.
                assert limit > sum(size_bytes(volume["sizeLimit"]) for volume in empty), pod.component


# Variables of the environment from `grafana_secrets` are the site's own, and those of the fleet have some as well.
@pytest.mark.parametrize(
    "cluster", [cluster for cluster in CLUSTERS if cluster not in ("most_variables", *clusters(ROOT / "inventories/fleet"))]
)
def test_what_a_site_must_not_set_is_known_before_anything_is_rendered(cluster: str, rendered: Rendered) -> None:
    for pod in pods_of(cluster, rendered):
        template = pod.workload["spec"]["template"]
        container = template["spec"]["containers"][0]
        claims = [claim["metadata"] for claim in pod.workload["spec"].get("volumeClaimTemplates", [])]
        found = {
            "node_selector": template["spec"]["nodeSelector"],
            "pod_labels": template["metadata"]["labels"],
            "pod_annotations": template["metadata"].get("annotations", {}),
            "extra_env": container.get("env", []),
            "extra_args": [argument for argument in container.get("args", []) if argument.startswith("-")],
            "extra_volumes": [*template["spec"].get("volumes", []), *claims],
            "extra_mounts": container.get("volumeMounts", []),
        }
        for name, listed in found.items():
            own = [value for value in listed if not str(value).startswith("--enable-feature=")]
            asked = {name: dict.fromkeys(own, "x") if isinstance(listed, dict) else own}
            rejected = list(placing.clashes(f"{pod.component}_pod", asked, pod.component))
            assert len(rejected) == len(own), f"{pod.component}: OWN lacks some of {name}: {own}; it has {rejected}"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_what_has_a_volume_or_an_account_of_its_own_is_known(cluster: str, rendered: Rendered) -> None:
    for pod in pods_of(cluster, rendered):
        claimed = "volumeClaimTemplates" in pod.workload["spec"] or any(
            "persistentVolumeClaim" in item for item in pod.spec.get("volumes", [])
        )
        row = catalogue.component(pod.component)
        on_volume = pod.workload["metadata"].get("annotations", {}).get(changes.PLACE, "volume") == "volume"
        assert claimed == (row.volume and (on_volume or not row.volume_instead))
        assert ("serviceAccountName" in pod.spec) == row.account


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_containers_have_limits_and_leave_the_entry_point_of_their_image_alone(cluster: str, rendered: Rendered) -> None:
    for pod in pods_of(cluster, rendered):
        assert not any("command" in container for container in pod.spec["containers"])
        for container in pod.containers:
            assert container["imagePullPolicy"] == "IfNotPresent"
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) >= {"cpu", "memory"}, (pod.component, kind)


@pytest.mark.parametrize("cluster", [cluster for cluster in CLUSTERS if cluster != "most_variables"])
def test_images_are_those_of_the_one_place_for_versions(cluster: str, rendered: Rendered) -> None:
    versions = {component: f"{entry['image']}:{entry['tag']}" for component, entry in load("versions.yml").items()}
    for pod in pods_of(cluster, rendered):
        for container in pod.containers:
            assert container["image"].split("@")[0] == versions[pod.component]


def test_a_registry_prefix_reaches_every_image(rendered: Rendered) -> None:
    for pod in pods_of("most_variables", rendered):
        for container in pod.containers:
            assert container["image"].startswith("registry.example.org/mirror/")


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_roll_outs_drain_before_they_stop(cluster: str, rendered: Rendered) -> None:
    disruption = {
        tuple(item["spec"]["selector"]["matchLabels"].items())
        for _, item in objects_of(cluster, rendered)
        if item["kind"] == "PodDisruptionBudget"
    }
    for pod in pods_of(cluster, rendered):
        if pod.component in ("alloy", "sample_application"):
            continue
        spec = pod.workload["spec"]
        sleep = pod.containers[-1]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod.spec["terminationGracePeriodSeconds"] > sleep > 0
        # One pod may go at a time; a budget on a single one would block every drain.
        assert (tuple(spec["selector"]["matchLabels"].items()) in disruption) == (spec["replicas"] > 1), pod.component


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_deployment_without_a_volume_keeps_all_its_pods_in_a_roll_out(cluster: str, rendered: Rendered) -> None:
    for pod in pods_of(cluster, rendered):
        if pod.workload["kind"] == "Deployment" and not any("persistentVolumeClaim" in volume for volume in pod.spec.get("volumes", [])):
            strategy = pod.workload["spec"]["strategy"]
            assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}, pod.component


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_everything_is_reached_over_each_ip_version_that_the_cluster_has(cluster: str, rendered: Rendered) -> None:
    for component, item in objects_of(cluster, rendered):
        if item["kind"] == "Service":
            assert item["spec"]["ipFamilyPolicy"] == "PreferDualStack", item["metadata"]["name"]
        # An address to listen on that is one of IPv4; and `[::]` is none where the kernel has no IPv6.
        assert not re.search(r"0\.0\.0\.0:|\[::\]:", yaml.safe_dump(item)), component


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_removal_knows_every_object_and_lets_each_component_deliver_what_it_holds(cluster: str, rendered: Rendered) -> None:
    for _, item in objects_of(cluster, rendered):
        assert item["kind"] in BY_KIND, f"a removal would leave {item['kind']} {item['metadata']['name']}"
        kind = BY_KIND[item["kind"]]
        assert (kind.api_version, kind.namespaced) == (item["apiVersion"], "namespace" in item["metadata"])
    turns = {component: turn for turn, wave in enumerate(graph.removal_waves()) for component in wave}
    for pod in pods_of(cluster, rendered):
        assert BY_KIND[pod.workload["kind"]].workload
        assert pod.component in turns
    for row in CONNECTIONS:
        if row.purpose == "push" and turns.keys() >= {row.source, row.target}:
            assert turns[row.source] < turns[row.target], row.name


# --- what the components take -----------------------------------------------------------------------------------------


def configuration(cluster: str, component: str, rendered: Rendered, directory: Path) -> list[str]:
    """Write the files that a component mounts below `directory`, and return its arguments with the paths changed accordingly."""
    if component not in rendered[cluster]:
        pytest.skip(f"{component} is switched off")
    maps = {item["metadata"]["name"]: item["data"] for item in rendered[cluster][component] if item["kind"] == "ConfigMap"}
    (pod,) = (pod for pod in pods_of(cluster, rendered) if pod.component == component)
    arguments = list(pod.containers[-1].get("args", []))
    volumes = {volume["name"]: volume["configMap"]["name"] for volume in pod.spec["volumes"] if "configMap" in volume}
    for mount in pod.containers[-1]["volumeMounts"]:
        if mount["name"] in volumes:
            place = directory / mount["mountPath"].strip("/")
            place.mkdir(parents=True)
            for name, text in maps[volumes[mount["name"]]].items():
                (place / name).write_text(text.replace(mount["mountPath"], str(place)))
            arguments = [argument.replace(mount["mountPath"], str(place)) for argument in arguments]
    return arguments


# A component's program as the lab names it -> the component, and where its image has the program.
IN_IMAGES = {
    "promtool": ("prometheus", "/bin/promtool"),
    "mimir": ("mimir", "/bin/mimir"),
    "loki": ("loki", "/usr/bin/loki"),
    "otelcol-k8s": ("otel_collector", "/otelcol-k8s"),
    "alloy": ("alloy", "/bin/alloy"),
}


@pytest.fixture(autouse=True)
def checked_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the only directory that a program in a container is given, read-only."""
    monkeypatch.setenv("CHECKED_DIRECTORY", str(tmp_path))


@functools.cache
def docker_lacks(reference: str) -> str:
    """Return why Docker cannot run an image, which it pulls if need be; an empty text when it can."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "no Docker engine answers"
    for command in (["image", "inspect"], ["pull", "--quiet"]):
        done = subprocess.run(["docker", *command, reference], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
    return f"Docker neither has nor gets {reference}: {done.stderr.strip()}"


def binary(name: str) -> Path:
    """Return a component's program: one of this machine, or the one in its image; skip the test where there is neither.

    Where the stack itself is to run with kind, that is a failure.
    """
    given = Path(os.environ.get("LAB_BIN_DIR", "/nonexistent")) / name
    if given.exists():
        return given
    try:
        return build.binary(name)
    except build.BuildError as error:
        missing = str(error)
    component, path = IN_IMAGES[name]
    reference = images.versions()[component]
    if reason := docker_lacks(reference):
        (pytest.fail if os.environ.get("PROVIDER") == "kind" else pytest.skip)(f"{missing}; {reason}")
    directory = os.environ["CHECKED_DIRECTORY"]
    script = Path(directory) / f"{name}-in-docker"
    command = ["docker", "run", "--rm", "--network=none", "--security-opt=label=disable", f"--user={os.getuid()}:{os.getgid()}"]
    command += [f"--volume={directory}:{directory}:ro", f"--entrypoint={path}", reference]
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    script.chmod(0o755)
    return script


def accept(command: list[str | Path], **environment: str) -> None:
    """Fail with what a program says, unless it ends well."""
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def without_binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the lab has built, and what it was given."""

    def none(name: str) -> Path:
        raise build.BuildError(f"{name} is not built")

    monkeypatch.delenv("LAB_BIN_DIR", raising=False)
    monkeypatch.setattr(build, "binary", none)


@pytest.mark.usefixtures("without_binaries")
def test_with_kind_a_checker_that_cannot_run_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "docker_lacks", lambda reference: f"Docker has no {reference}")
    monkeypatch.setenv("PROVIDER", "lab")
    with pytest.raises(pytest.skip.Exception, match=r"loki is not built; Docker has no docker\.io/grafana/loki"):
        binary("loki")
    monkeypatch.setenv("PROVIDER", "kind")
    with pytest.raises(pytest.fail.Exception, match=r"loki is not built; Docker has no docker\.io/grafana/loki"):
        binary("loki")


@pytest.mark.usefixtures("without_binaries")
def test_a_checker_in_its_image_sees_only_what_it_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(globals(), "docker_lacks", lambda _: "")
    script = binary("promtool")
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    given = subprocess.run([script, "check", "config", "a file"], capture_output=True, text=True, check=True).stdout.splitlines()
    reference = images.versions()["prometheus"]
    assert given[-5:] == ["--entrypoint=/bin/promtool", reference, "check", "config", "a file"]
    assert {argument for argument in given if "volume" in argument} == {f"--volume={tmp_path}:{tmp_path}:ro"}
    assert "--network=none" in given


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_prometheus_takes_its_configuration_and_rules(cluster: str, rendered: Rendered, tmp_path: Path) -> None:
    promtool = binary("promtool")
    arguments = configuration(cluster, "prometheus", rendered, tmp_path)
    file = next(argument.partition("=")[2] for argument in arguments if argument.startswith("--config.file="))
    # Checks the files of rules too, which the configuration names.
    accept([promtool, "check", "config", "--lint=all", "--lint-fatal", file])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_mimir_takes_its_configuration(cluster: str, rendered: Rendered, tmp_path: Path) -> None:
    program = binary("mimir")
    # Reads and checks everything, and ends before it starts a module.
    accept([program, *configuration(cluster, "mimir", rendered, tmp_path), "-modules"])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_loki_takes_its_configuration(cluster: str, rendered: Rendered, tmp_path: Path) -> None:
    program = binary("loki")
    accept([program, *configuration(cluster, "loki", rendered, tmp_path), "-verify-config"])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_collector_takes_its_configuration(cluster: str, rendered: Rendered, tmp_path: Path) -> None:
    program = binary("otelcol-k8s")
    accept([program, "validate", *configuration(cluster, "otel_collector", rendered, tmp_path)])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_alloy_takes_its_configuration(cluster: str, rendered: Rendered, tmp_path: Path) -> None:
    program = binary("alloy")
    _, file, *arguments = configuration(cluster, "alloy", rendered, tmp_path)
    accept([program, "validate", file, *(argument for argument in arguments if argument.startswith("--stability"))])
    accept([program, "fmt", "--test", file])


@pytest.mark.parametrize("program", ["promtool", "mimir", "loki", "otelcol-k8s"])
def test_a_checker_rejects_a_misspelt_key(program: str, rendered: Rendered, tmp_path: Path) -> None:
    component = {"promtool": "prometheus", "otelcol-k8s": "otel_collector"}.get(program, program)
    found = binary(program)
    arguments = configuration(BASE, component, rendered, tmp_path)
    file = next(argument.partition("=")[2] for argument in arguments if re.match(r"--?config(\.file)?=", argument))
    Path(file).write_text(Path(file).read_text() + "\nmisspelt: true\n")
    commands: dict[str, list[str | Path]] = {
        "promtool": [found, "check", "config", file],
        "mimir": [found, *arguments, "-modules"],
        "loki": [found, *arguments, "-verify-config"],
        "otelcol-k8s": [found, "validate", *arguments],
    }
    with pytest.raises(AssertionError, match="misspelt"):
        accept(commands[program])
