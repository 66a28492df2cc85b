"""The contenders: the playbook, Helm, kubectl and an empty play, each with its own stack on the same cluster, made of the same objects."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tools.bench import bed, inventory, objects
from tools.bench.measure import BenchError, Sample, run
from tools.lab import build, loopback

ROOT = Path(__file__).resolve().parents[2]
SITE, HELM, KUBECTL, EMPTY = "site.yml", "helm", "kubectl", "empty play"
# Contender -> host of the inventory from which its stack is rendered.
HOSTS = {SITE: "site", HELM: "helm", KUBECTL: "kubectl"}
_RECAP = re.compile(r"^\S+ +: ok=\d+ +changed=(\d+) ", re.MULTILINE)
# The pods of this cluster run nothing that could answer.
NO_VERIFICATION = "--skip-tags=verify"


@dataclass
class Contenders:
    """What each contender runs on a cluster. `work` gets inventories, rendered objects, charts and logs; `playbook` is the one measured."""

    control_plane: loopback.ControlPlane
    work: Path
    playbook: Path
    stacks: dict[str, dict[str, list[objects.Object]]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Install the stack of each contender: that of the playbook, then the same objects with the Secrets that it has made."""
        every = self._inventory("every", HOSTS.values())
        self._inventory("site", [HOSTS[SITE]])
        for variant, variables in inventory.VARIANTS.items():
            self._variables(variant).write_text(yaml.safe_dump(variables))
            rendered = self.work / "rendered" / variant
            directory = f"{rendered}/{{{{ inventory_hostname }}}}"
            self._run([[*self._ansible("render.yml", every, variant), f"--extra-vars=render_directory={directory}"]])
            self.stacks[variant] = {name: objects.read(rendered / host) for name, host in HOSTS.items()}
        self.run(SITE, "install")
        made = bed.secrets(self.control_plane, inventory.namespace(HOSTS[SITE]))
        for variant, stacks in self.stacks.items():
            for name in (HELM, KUBECTL):
                stacks[name] = objects.ordered([*stacks[name], *objects.moved_secrets(made, inventory.namespace(HOSTS[name]))])
            objects.write(self._chart(variant), objects.chart(stacks[HELM], "bench"))
            objects.write(self._manifest(variant).parent, {self._manifest(variant).name: objects.dump(stacks[KUBECTL])})
            self._same_objects(variant)
        for name in (HELM, KUBECTL):
            self.run(name, "install")

    def run(self, name: str, action: str, variant: str = "base") -> Sample:
        """Run a contender and return what it has cost.

        `action` is `apply`, `install` (which waits until everything is ready) or `check` (which changes nothing and shows differences).
        Raises BenchError when it fails.
        """
        commands = {SITE: self._site, HELM: self._helm_upgrade, KUBECTL: self._kubectl_apply, EMPTY: self._empty_play}
        return self._run(commands[name](action, variant))

    def warm_up(self) -> None:
        """Run every program once, so that no contender is the one that reads files for the first time."""
        for name in (SITE, HELM, KUBECTL, EMPTY):
            self.run(name, "check")

    def changed(self) -> int:
        """Return how many tasks of the last run of the playbook have changed something."""
        counts = _RECAP.findall(self._log.read_text(errors="replace"))
        if not counts:
            raise BenchError(f"the playbook has printed no recap:\n{self._log.read_text(errors='replace')[-2000:]}")
        return sum(map(int, counts))

    def live_configuration(self, name: str, component: str) -> dict[str, str]:
        """Return the data of the ConfigMap of a component in the stack of a contender."""
        space = inventory.namespace(HOSTS[name])
        found: dict[str, str] = yaml.safe_load(
            self.control_plane.kubectl("get", "configmap", component, f"--namespace={space}", "--output=yaml")
        )["data"]
        return found

    def remove(self, name: str) -> None:
        """Remove the stack of a contender with its data."""
        bed.remove(self.control_plane, self.stacks["base"][name])
        if name == HELM:
            self.control_plane.kubectl("delete", "secret", "--namespace=default", "--selector=owner=helm")

    def growing(self, count: int) -> Path:
        """Return an inventory with that many stacks of the playbook."""
        return self._inventory(f"growth-{count}", [f"cluster-{number}" for number in range(1, count + 1)])

    def run_playbook(self, hosts: Path) -> Sample:
        """Run the playbook for an inventory."""
        return self._run([[*self._ansible(self.playbook, hosts), NO_VERIFICATION]])

    @property
    def _log(self) -> Path:
        return self.work / "last.log"

    def _run(self, commands: list[list[str]]) -> Sample:
        return run(commands, self._environment(), ROOT, self._log)

    def _site(self, action: str, variant: str) -> list[list[str]]:
        mode = ["--check", "--diff"] if action == "check" else []
        return [[*self._ansible(self.playbook, self.work / "site.yml", variant), NO_VERIFICATION, *mode]]

    def _helm_upgrade(self, action: str, variant: str) -> list[list[str]]:
        mode = {"apply": [], "install": ["--wait"], "check": ["--dry-run=server"]}[action]
        return [[*self._helm("upgrade", "--install"), "bench", str(self._chart(variant)), *mode]]

    def _kubectl_apply(self, action: str, variant: str) -> list[list[str]]:
        manifest = str(self._manifest(variant))
        workloads = objects.workloads(self.stacks[variant][KUBECTL]) if action == "install" else {}
        waits = [
            self._kubectl("rollout", "status", workload, f"--namespace={space}", "--timeout=300s")
            for space, names in workloads.items()
            for workload in names
        ]
        # Not `kubectl diff`: it finds differences where an apply changes nothing (a `generation` that only the dry run counts up).
        mode = ["--dry-run=server"] if action == "check" else []
        return [self._kubectl("apply", "--server-side", "--filename", manifest, *mode), *waits]

    def _empty_play(self, _action: str, _variant: str) -> list[list[str]]:
        return [self._ansible(Path(__file__).with_name("empty.yml"), self.work / "site.yml")]

    def _ansible(self, playbook: str | Path, hosts: Path, variant: str = "base") -> list[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        extra = [f"--extra-vars=@{self._variables(variant)}"] if inventory.VARIANTS[variant] else []
        return [program, str(ROOT / "playbooks" / playbook), f"--inventory={hosts}", *extra]

    def _helm(self, *arguments: str) -> list[str]:
        access = [f"--kubeconfig={self.control_plane.kubeconfig}", f"--kube-context={self.control_plane.context}"]
        # The release is kept outside the namespace that is a part of it.
        return [bed.helm(), *arguments, *access, "--namespace=default"]

    def _kubectl(self, *arguments: str) -> list[str]:
        access = [f"--kubeconfig={self.control_plane.kubeconfig}", f"--context={self.control_plane.context}"]
        return [str(build.binary("kubectl")), *arguments, *access]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "HELM_", "KUBE"))}
        home = self.work / "helm"
        own = {name: str(home / name.lower()) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
        return {**kept, **own, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "200"}

    def _inventory(self, name: str, hosts: Iterable[str]) -> Path:
        content = inventory.inventory(hosts, self.control_plane, self.work / "output")
        return inventory.write(self.work / f"{name}.yml", content)

    def _variables(self, variant: str) -> Path:
        return self.work / f"variant-{variant}.yml"

    def _chart(self, variant: str) -> Path:
        return self.work / "charts" / variant

    def _manifest(self, variant: str) -> Path:
        return self.work / "manifests" / variant / "stack.yaml"

    def _same_objects(self, variant: str) -> None:
        """Raise BenchError unless the chart renders to the objects that it was made of."""
        command = [*self._helm("template"), "bench", str(self._chart(variant))]
        text = subprocess.run(command, env=self._environment(), check=True, capture_output=True, text=True).stdout
        found = [item for item in yaml.safe_load_all(text) if item]
        if sorted(map(str, found)) != sorted(map(str, self.stacks[variant][HELM])):
            raise BenchError(f"the chart of the variant {variant} does not render to the objects of the stack")
