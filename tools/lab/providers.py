"""Where the stack can run: your own cluster, kind or the lab, and the choice between them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.lab import images, network
from tools.lab.cluster import Cluster
from tools.lab.kind import Kind, Settings, unusable
from tools.lab.provider_protocol import Access, Provider, ProviderError, Say

REPOSITORY = Path(__file__).resolve().parents[2]
# Where a controller that the role installs in the lab is reached, on every node.
NODE_PORTS = {"http": 30080, "https": 30443}
BUILD = REPOSITORY / "build"
# What the inventory of a cluster from here says for a profile (PROFILE): in `ha`, a storage and a database of the stack's own.
PROFILES: dict[str, dict[str, Any]] = {
    "single": {},
    "ha": {
        "observability_profile": "ha",
        "object_storage_enabled": True,
        "object_storage_storage_size": "5Gi",
        "postgresql_enabled": True,
        "postgresql_storage_size": "1Gi",
    },
}
# The lab has no PostgreSQL. Grafana's substitute opens no database, so a Secret is all there has to be of one outside. Whoever installs the
# stack makes it, with the namespace.
_DATABASE_OUTSIDE = {
    "postgresql_enabled": False,
    "grafana_database": {"host": "db.example.test", "secret": "grafana-database"},
    "namespaces_adopt": True,
}


class Existing:
    """A cluster of your own, named by KUBE_CONTEXT. It is used and never changed: no up, no down, no images."""

    name = "existing"

    def __init__(self, environment: Mapping[str, str]) -> None:
        context = environment.get("KUBE_CONTEXT")
        if not context:
            raise ProviderError(
                "PROVIDER=existing needs KUBE_CONTEXT, the name of the context to use; the current context is never taken by accident"
            )
        # KUBECONFIG may be a list of files; the collection takes one.
        paths = [path for path in environment.get("KUBECONFIG", str(Path.home() / ".kube/config")).split(":") if path]
        self._access = Access(_file_with(context, [Path(path) for path in paths]), context)

    def up(self) -> bool:
        """Do nothing: the cluster is there."""
        return False

    def down(self) -> None:
        """Do nothing: the cluster is not ours."""

    def status(self) -> list[str]:
        """Say which cluster it is."""
        return [f"your own cluster: context {self._access.context} of {self._access.kubeconfig}"]

    def access(self) -> Access:
        """Return the kubeconfig and the context that were named."""
        return self._access

    def load_image(self, name: str) -> None:
        """Raise ProviderError: the images of a cluster of your own come from its registry."""
        reference = images.versions().get(name, "it")
        raise ProviderError(f"the image of {name} cannot be loaded into your own cluster: push {reference} to a registry it pulls from")

    def variables(self) -> dict[str, Any]:
        """Return nothing: the inventory says all about your own cluster."""
        return {}


class Lab:
    """The cluster of this repository, see README.md here."""

    name = "lab"

    def __init__(self, say: Say) -> None:
        self.cluster = Cluster(say)

    def up(self) -> bool:
        """Start what does not run."""
        return self.cluster.up()

    def down(self) -> None:
        """Remove processes, namespaces, mounts, control groups and the lab's directory."""
        self.cluster.down()

    def status(self) -> list[str]:
        """Return one line per machine and what is absent or a substitute."""
        return self.cluster.status()

    def access(self) -> Access:
        """Return the administrator's kubeconfig."""
        return Access(self.cluster.kubeconfig, "lab")

    def load_image(self, name: str) -> None:
        """Put the image of a component on all nodes."""
        for image in images.catalogue():
            if image.name == name:
                return self.cluster.load(image)
        raise ProviderError(
            f"there is no binary for the image of {name}; build it (tools/lab/build.py) or put one into the directory LAB_BIN_DIR"
        )

    def variables(self) -> dict[str, Any]:
        """Return what the lab has and has not."""
        absent = images.absent()
        return {
            "alloy_enabled": "alloy" not in absent,
            "verify_absent": absent,
            "verify_versions": images.other_versions(),
            **(self._controller_installed() if images.given("nginx-ingress") else self._controller_in_place()),
            "observability_storage_class": "standard",
            # Only the lab has it, so that its name says whether the test of the file capability can be run.
            "lab_capability_probe": images.reference("capability_probe"),
        }

    def _controller_in_place(self) -> dict[str, Any]:
        """Return how Traefik is entered: on the nodes' own ports, for the class `nginx` (manifests/ingress.yaml)."""
        return {
            "ingress_install": False,
            "ingress_controller": "community",
            "ingress_from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-controller"}}}],
            "verify_ingress_address": f"{network.bracketed(self.cluster.plan.nodes[0].ip)}:443",
        }

    def _controller_installed(self) -> dict[str, Any]:
        """Return what has the role install its controller, for a class that Traefik does not serve, and enter it by node ports."""
        address = network.bracketed(self.cluster.plan.nodes[0].ip)
        return {
            "ingress_install": True,
            "ingress_controller": "f5",
            "ingress_class": "nginx-f5",
            "ingress_service_type": "NodePort",
            "ingress_node_ports": dict(NODE_PORTS),
            "verify_ingress_address": f"{address}:{NODE_PORTS['https']}",
            "verify_ingress_http_address": f"{address}:{NODE_PORTS['http']}",
        }


def choose(say: Say, environment: Mapping[str, str] = os.environ, made: str = "") -> Provider:
    """Return the provider that PROVIDER names, or else that of the cluster `made` from here, or else kind if it can work, or the lab.

    Raises ProviderError when it names none of them, or one that lacks something.
    """
    asked = environment.get("PROVIDER") or ""
    name = asked or made or "auto"
    if name == "existing":
        return Existing(environment)
    if name == "lab":
        return Lab(say)
    if name not in ("auto", "kind"):
        raise ProviderError(f"PROVIDER is {name!r}; it can be existing, kind or lab, or left out")
    reason = unusable()
    if reason is None:
        return Kind(say, Settings.read(environment))
    if name == "kind":
        if not asked:
            raise ProviderError(f"the cluster that was made from here is a kind cluster, and {reason}; PROVIDER=lab means the lab")
        raise ProviderError(f"PROVIDER=kind cannot work: {reason}")
    say(f"provider lab ({reason})")
    return Lab(say)


def recorded_provider(directory: Path = BUILD) -> str:
    """Return the provider of the cluster that was made from this checkout and not removed, or an empty text."""
    try:
        return (directory / "cluster").read_text().strip()
    except OSError:
        return ""


def record_provider(provider: Provider, directory: Path = BUILD) -> None:
    """Write down which provider is about to make the cluster, so that every later command uses it, also after an interrupted `up`."""
    if provider.name != "existing":
        directory.mkdir(exist_ok=True)
        (directory / "cluster").write_text(f"{provider.name}\n")


def profile_variables(provider: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what an inventory says for the profile that PROFILE names, on a cluster of this provider.

    Raises ProviderError for another profile, and for one on your own cluster, whose inventory has its own.
    """
    asked = environment.get("PROFILE") or "single"
    if asked not in PROFILES:
        raise ProviderError(f"PROFILE is {asked!r}; it can be {' or '.join(PROFILES)}")
    found = PROFILES[asked]
    if provider == "existing" and found:
        raise ProviderError(f"PROFILE={asked} is for a cluster that is made here; your own cluster has the profile of its inventory")
    return {**found, **_DATABASE_OUTSIDE} if provider == "lab" and found else found


def write_variables(provider: Provider, directory: Path = BUILD) -> Path:
    """Write what Ansible needs to know about the provider's cluster, as extra variables; return the file.

    All of it is known before there is a cluster. `kubeconfig` beside it is the cluster's, as soon as it has one
    (only for clusters made here: your own stays where it is).
    """
    directory.mkdir(exist_ok=True)
    access = provider.access()
    if provider.name != "existing":
        target = directory / "kubeconfig"
        if target != access.kubeconfig and access.kubeconfig.exists():
            draft = target.with_name("kubeconfig.draft")
            draft.touch(mode=0o600)
            draft.write_bytes(access.kubeconfig.read_bytes())
            draft.rename(target)
        access = Access(target, access.context)
    variables = {
        "cluster_provider": provider.name,
        "observability_kubeconfig": str(access.kubeconfig),
        "observability_context": access.context,
        **provider.variables(),
        **profile_variables(provider.name),
    }
    path = directory / "provider.yml"
    draft = path.with_name("provider.yml.draft")
    draft.write_text(
        f"# Written by `python -m tools.lab provider` for the provider {provider.name}.\n" + yaml.safe_dump(variables, sort_keys=False)
    )
    draft.rename(path)
    return path


def forget_cluster(provider: Provider, directory: Path = BUILD) -> None:
    """Remove the kubeconfig of a cluster that is gone, and the record of its provider; the variables for Ansible stay valid."""
    (directory / "kubeconfig").unlink(missing_ok=True)
    if recorded_provider(directory) == provider.name:
        (directory / "cluster").unlink()


def _file_with(context: str, paths: list[Path]) -> Path:
    """Return the first kubeconfig that has the context; raises ProviderError, with the contexts there are, when none has."""
    names: list[str] = []
    for path in paths:
        try:
            found = [entry["name"] for entry in yaml.safe_load(path.read_text())["contexts"]]
        except (OSError, TypeError, KeyError, yaml.YAMLError):
            continue
        if context in found:
            return path
        names += found
    where = ", ".join(map(str, paths))
    raise ProviderError(f"no context {context!r} in {where}; there are: {', '.join(names) or 'none'}")
