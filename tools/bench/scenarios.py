"""The scenarios: what is done to the cluster before each run, which run is measured, and what has to hold after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tools.bench import inventory
from tools.bench.contenders import EMPTY, HELM, HOSTS, KUBECTL, SITE, Contenders
from tools.bench.measure import BenchError, Sample, in_turns

Samples = dict[str, list[Sample]]
Report = Callable[[str], None]


def noop(contenders: Contenders, repetitions: int, report: Report) -> Samples:
    """Nothing to change."""

    def measured(name: str, _turn: int) -> Sample:
        sample = contenders.run(name, "apply")
        if name == SITE:
            _unchanged(contenders)
        return sample

    return _measure("noop", (SITE, HELM, KUBECTL, EMPTY), repetitions, measured, report)


def check(contenders: Contenders, repetitions: int, report: Report) -> Samples:
    """Nothing to change, and nothing would be: `--check --diff`, and `--dry-run=server` of the others."""

    def measured(name: str, _turn: int) -> Sample:
        sample = contenders.run(name, "check")
        if name == SITE:
            _unchanged(contenders)
        return sample

    return _measure("check", (SITE, HELM, KUBECTL), repetitions, measured, report)


def config(contenders: Contenders, repetitions: int, report: Report) -> Samples:
    """One ConfigMap changed, with no rollout."""
    return _change(contenders, "config", "ingress", "apply", repetitions, report)


def rollout(contenders: Contenders, repetitions: int, report: Report) -> Samples:
    """One configuration changed, with the rollout of its StatefulSet, until that has ended."""
    return _change(contenders, "rollout", "loki", "install", repetitions, report)


def install(contenders: Contenders, repetitions: int, report: Report) -> Samples:
    """First installation, until everything is ready."""

    def measured(name: str, _turn: int) -> Sample:
        contenders.remove(name)
        return contenders.run(name, "install")

    return _measure("install", (SITE, HELM, KUBECTL), repetitions, measured, report)


def clusters(contenders: Contenders, count: int, repetitions: int, report: Report) -> Samples:
    """Nothing to change on that many clusters, in one run."""
    hosts = contenders.growing(count)
    report(f"clusters, {count}: installing")
    contenders.run_playbook(hosts)

    def measured(_name: str, _turn: int) -> Sample:
        sample = contenders.run_playbook(hosts)
        _unchanged(contenders)
        return sample

    return _measure(f"clusters, {count}", (SITE,), repetitions, measured, report)


SCENARIOS: dict[str, Callable[[Contenders, int, Report], Samples]] = {
    "noop": noop,
    "config": config,
    "rollout": rollout,
    "check": check,
    "install": install,
}


def _measure(title: str, names: Sequence[str], repetitions: int, measured: Callable[[str, int], Sample], report: Report) -> Samples:
    found: Samples = {name: [] for name in names}
    for turn, name in in_turns(names, repetitions):
        sample = measured(name, turn)
        found[name].append(sample)
        report(f"{title}, {turn + 1} of {repetitions}: {name} {sample.wall:.2f} s, {sample.cpu:.2f} CPU s, {sample.memory:.0f} MB")
    return found


def _change(contenders: Contenders, variant: str, component: str, action: str, repetitions: int, report: Report) -> Samples:
    """Measure changes to a variant and back, in turns, and end with the variant that changes nothing."""

    def measured(name: str, turn: int) -> Sample:
        before = contenders.live_configuration(name, component)
        sample = contenders.run(name, action, (variant, "base")[turn % 2])
        if contenders.live_configuration(name, component) == before:
            raise BenchError(f"{name} has not changed the ConfigMap of {component} in {inventory.namespace(HOSTS[name])}")
        return sample

    found = _measure(variant, (SITE, HELM, KUBECTL), repetitions, measured, report)
    for name in found if repetitions % 2 else ():
        contenders.run(name, action, "base")
    return found


def _unchanged(contenders: Contenders) -> None:
    """Raise BenchError when the last run of the playbook has changed something: its figures would be those of something else."""
    if count := contenders.changed():
        raise BenchError(f"the playbook has changed something in {count} tasks, though there was nothing to change")
