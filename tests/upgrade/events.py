"""The events: what each one changes, and why it may not be possible here."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.addressing import pod_names

from tests import inventories
from tests.failover.environment import REPOSITORY, Environment
from tests.upgrade import changes
from tests.upgrade.drain import drain, unschedulable
from tests.upgrade.results import Rules
from tests.upgrade.site import Site

# Of the inventory of site.py.
VARIABLES = "inventories/local/group_vars/observability.yml"
# Pods of a lost node's workloads are not moved in that time; what the others answer meanwhile is what counts.
_NODE_LOST_FOR = 75.0
# A drained node does not come back at once.
_DRAINED_FOR = 15.0
_USUAL = Rules()


@dataclass(frozen=True)
class Bed:
    """What an event acts on: the cluster and the stack as `environment`, and the inventory as `site`."""

    environment: Environment
    site: Site
    profile: str

    def changed(self, name: str, variables: dict[str, object]) -> None:
        """Change the inventory, and run site.yml."""
        self.site.change(variables)
        self.site.run(name)

    @property
    def installed(self) -> tuple[str, ...]:
        """The components with a configuration of their own that the stack installs here."""
        return tuple(name for name in self.environment.stack.installed() if name in changes.CONFIGURATION)


@dataclass(frozen=True)
class Event:
    """One event. `run` causes it; `untestable` returns why it cannot be done, or ''. `note` is said of every row.

    `lost_node`: the node that it kills; the generator must not be there. `second_images`: whether it needs the second tags of images.
    """

    name: str
    description: str
    run: Callable[[Bed], None]
    untestable: Callable[[Bed], str] = lambda _: ""
    rules: Rules = _USUAL
    note: str = ""
    lost_node: str = ""
    second_images: bool = False


def _configure(component: str) -> Event:
    def run(bed: Bed) -> None:
        bed.changed(f"config-{component}", changes.configuration((component,), 1))

    def untestable(bed: Bed) -> str:
        if component in bed.installed:
            return ""
        provided = "the controller of the cluster is used" if component == "ingress" else f"{component} is switched off"
        return str(bed.environment.absent.get(component, provided))

    return Event(f"config-{component}", f"a changed setting of {component}", run, untestable)


def _configure_all(bed: Bed) -> None:
    bed.changed("config-all", changes.configuration(bed.installed, 2))


def _images(bed: Bed) -> None:
    bed.changed("image", changes.second_images(inventories.load("versions.yml"), tuple(bed.environment.stack.installed())))


def _only_lab(bed: Bed) -> str:
    return "" if bed.environment.provider == "lab" else "only the images of the lab have a second tag"


def second_tags() -> None:
    """Give the images on the lab's nodes their second tag."""
    command = [sys.executable, "-m", "tools.lab", "second-tags", changes.SECOND]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"the images have no second tag: {(done.stderr or done.stdout).strip()}")


def _drain(bed: Bed) -> None:
    environment = bed.environment
    node = node_to_drain(environment)
    before = time.monotonic()
    try:
        moved = drain(environment.cluster, node)
        environment.say(f"  {node} is drained after {time.monotonic() - before:.0f} s, of {', '.join(moved)}")
        time.sleep(_DRAINED_FOR)
    finally:
        unschedulable(environment.cluster, node, False)


def node_to_drain(environment: Environment) -> str:
    """Return the node with most pods of the stack, which is not that of the generator."""
    nodes = [pod["spec"].get("nodeName", "") for pod in environment.pods()]
    others = sorted(set(environment.nodes()) - {environment.generator_node})
    return max(others, key=nodes.count)


def _storage(bed: Bed) -> None:
    """Change size, image and configuration of a store in one run."""
    stack = bed.environment.stack
    component = "mimir"
    size = inventories.load(VARIABLES)[f"{component}_storage_size"]
    images = bed.site.variables.get("observability_images", {})
    # The image that does not run now.
    tag = inventories.load("versions.yml")[component]["tag"]
    runs_second = str(images.get(component, {}).get("tag", "")).endswith(changes.SECOND)
    bed.changed(
        "storage",
        {
            f"{component}_storage_size": changes.larger(size),
            "observability_images": {component: {"tag": tag if runs_second else f"{tag}-{changes.SECOND}"}},
            **changes.configuration((component,), 4),
        },
    )
    claims = bed.environment.cluster.items(f"/api/v1/namespaces/{stack.namespace}/persistentvolumeclaims")
    mine = {claim["metadata"]["name"]: claim["status"].get("capacity", {}).get("storage") for claim in claims}
    wrong = {name: found for name, found in mine.items() if name.startswith(f"data-{component}-") and found != changes.larger(size)}
    if wrong:
        raise ClusterError(f"volumes have not grown to {changes.larger(size)}: {wrong}")


def _can_grow(bed: Bed) -> str:
    classes = bed.environment.cluster.items("/apis/storage.k8s.io/v1/storageclasses")
    wanted = bed.environment.stack.storage_class
    found = [item for item in classes if item["metadata"]["name"] == wanted]
    if not found or not found[0].get("allowVolumeExpansion"):
        return f"volumes of the class {wanted} cannot grow"
    return _only_lab(bed)


def _lose(node: str) -> Event:
    def run(bed: Bed) -> None:
        bed.environment.lose_node(node, _NODE_LOST_FOR)

    def untestable(bed: Bed) -> str:
        if bed.profile != "ha":
            return "a single replica is unavailable until its node is back"
        return "" if bed.environment.can_lose_nodes else "no node of a cluster of your own is stopped"

    return Event(f"node-loss-{node}", f"{node} is killed, and comes back", run, untestable, Rules(node_lost=True), lost_node=node)


def _unsafe(bed: Bed) -> None:
    bed.environment.say("  both Prometheus replicas are killed at once")
    bed.environment.cluster.delete_pods(pod_names(bed.environment.stack, "prometheus"), grace=0)


def _release(bed: Bed) -> None:
    bed.site.run("release")


def _has_previous(bed: Bed) -> str:
    return "" if bed.profile == "single" else "the previous release has no profile ha"


RELEASE = Event("release", "the previous release's site.yml is followed by the current one", _release, _has_previous)


def events(nodes: list[str]) -> Iterator[Event]:
    """Give all events in their order: the previous release's installation is the only one that has to be first."""
    yield RELEASE
    yield from (_configure(component) for component in changes.CONFIGURATION)
    yield Event("config-all", "changed settings of every component at once", _configure_all)
    yield Event("image", "another version of every image", _images, _only_lab, note="two tags of one build", second_images=True)
    yield Event(
        "storage", "a larger volume, another image and a changed setting of Mimir in one run", _storage, _can_grow, second_images=True
    )
    yield Event("drain", "a node is drained, and comes back", _drain)
    yield from (_lose(node) for node in nodes)
    yield Event(
        "control", "negative control: both Prometheus replicas are killed at once", _unsafe, rules=Rules(control="prometheus"),
    )  # fmt: skip
