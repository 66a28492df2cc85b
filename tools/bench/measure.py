"""What a command costs: wall seconds, CPU seconds of its whole process tree, and the memory of its largest process."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The kernel counts in KiB; people read MB.
_KIB_PER_MB = 1000 * 1000 / 1024
_TIMER = str(Path(__file__).with_name("timer.py"))


class BenchError(Exception):
    """A measurement cannot be made; the message says what has failed."""


@dataclass(frozen=True)
class Sample:
    """One run: wall and CPU seconds, and megabytes."""

    wall: float
    cpu: float
    memory: float


def run(commands: Iterable[Sequence[str]], environment: Mapping[str, str], directory: Path, log: Path) -> Sample:
    """Run commands one after the other and return what they cost together; their output goes to a file.

    Raises BenchError, with the last lines of the output, when one of them fails.
    """
    samples = []
    for command in commands:
        # A process starts with the memory peak of the one that started it, so that must be a small one.
        timer = [sys.executable, "-I", "-S", _TIMER, str(log), *command]
        done = subprocess.run(timer, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={**environment}, cwd=directory, check=True)
        found = json.loads(done.stdout)
        if found["code"]:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            raise BenchError(f"`{' '.join(map(str, command))}` ended with {found['code']}:\n{tail}")
        samples.append(Sample(found["wall"], found["cpu"], found["memory"] / _KIB_PER_MB))
    return Sample(sum(one.wall for one in samples), sum(one.cpu for one in samples), max(one.memory for one in samples))


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return median, smallest and largest value of each quantity, as the report has them."""
    values = {
        "wall_seconds": [sample.wall for sample in samples],
        "cpu_seconds": [sample.cpu for sample in samples],
        "memory_mb": [sample.memory for sample in samples],
    }
    spread = {name: {"median": statistics.median(found), "min": min(found), "max": max(found)} for name, found in values.items()}
    return {"samples": len(samples), **{name: {key: round(value, 3) for key, value in row.items()} for name, row in spread.items()}}


def ratio(measurements: Mapping[str, Mapping[str, Any]], scenario: str, of: str, to: str) -> float | None:
    """Return the quotient of two medians of wall seconds; None when one of them was not measured."""
    rows = measurements.get(scenario, {})
    if of not in rows or to not in rows:
        return None
    medians = [float(rows[name]["wall_seconds"]["median"]) for name in (of, to)]
    return round(medians[0] / medians[1], 2)


def in_turns(names: Sequence[str], repetitions: int) -> list[tuple[int, str]]:
    """Return (repetition, name) in the order of the runs: every name once per repetition, each time another one first.

    So a machine that becomes slower or quicker during the measurement does so for all alike.
    """
    return [(turn, names[(turn + position) % len(names)]) for turn in range(repetitions) for position in range(len(names))]
