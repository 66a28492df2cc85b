"""What became of each cluster of a run, as lines for people: pure, fed by the callback `summary`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# In the order in which they are listed: what a person has to look at stands at the end, next to the prompt.
STATES = ("settled", "done", "changed", "failed")


@dataclass
class Outcome:
    """What a run has done to one cluster, collected task by task."""

    settled: bool = False
    changed: bool = False
    objects: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, lines: Iterable[str]) -> None:
        """Count what was done to objects, from lines such as "StatefulSet loki: changed (spec.replicas)"."""
        for line in lines:
            _title, _colon, done = line.partition(": ")
            self.objects[done.split(" ")[0]] += 1

    def state(self, *, failed: bool) -> str:
        """Return the state by which the cluster is listed."""
        return "failed" if failed else "changed" if self.changed else "settled" if self.settled else "done"

    def reason(self) -> str:
        """Return the first line of the first failure; the second one, too, where the first only leads to it."""
        lines = [line.strip() for line in self.failures[0].splitlines() if line.strip()] if self.failures else []
        if len(lines) > 1 and lines[0].endswith(":"):
            return f"{lines[0]} {lines[1].removeprefix('- ')}"
        return lines[0] if lines else "its messages are above"


def summary(outcomes: Mapping[str, Outcome], failed: set[str], *, check: bool) -> list[str]:
    """Return the lines about the clusters of a run: those with nothing to do on one line, each other one on its own, the totals."""
    states = {name: outcome.state(failed=name in failed) for name, outcome in outcomes.items()}
    listed = {state: sorted(name for name, found in states.items() if found == state) for state in STATES}
    titles = {**{state: state for state in STATES}, **({"changed": "would change"} if check else {})}
    width = max(len(titles[state]) for state in STATES if listed[state])
    lines = [f"{titles[state]:{width}}  {', '.join(listed[state])}" for state in ("settled", "done") if listed[state]]
    lines += [f"{titles['changed']:{width}}  {name}{_counts(outcomes[name])}" for name in listed["changed"]]
    lines += [f"{titles['failed']:{width}}  {name}{_counts(outcomes[name])}: {outcomes[name].reason()}" for name in listed["failed"]]
    totals = ", ".join(f"{len(listed[state])} {titles[state]}" for state in STATES if listed[state])
    return [*lines, f"{len(outcomes)} clusters: {totals}"]


def _counts(outcome: Outcome) -> str:
    counts = ", ".join(f"{count} {verb}" for verb, count in outcome.objects.items())
    return f" ({counts})" if counts else ""
