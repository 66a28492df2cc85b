"""Measures what a run of the playbook costs, beside Helm, kubectl and an empty play: `python -m tools.bench --help`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools import pages, reports
from tools.bench import bed, report, scenarios
from tools.bench.contenders import ROOT, SITE, Contenders
from tools.bench.measure import BenchError, summary
from tools.lab import build, loopback

REPORT = ROOT / "build/reports/bench.json"
PAGE = ROOT / "docs/performance.md"
NODES = 3


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    made.add_argument("--repetitions", type=int, default=5, help="runs of each contender in each scenario (default: 5)")
    made.add_argument("--growth-repetitions", type=int, default=3, help="the same for the growth (default: 3)")
    made.add_argument("--only", type=_names, default=list(scenarios.SCENARIOS), help=f"some of {','.join(scenarios.SCENARIOS)}, or nothing")
    made.add_argument("--clusters", type=_numbers, default=[1, 10, 100], help="numbers of clusters (default: 1,10,100), or nothing")
    made.add_argument("--nodes", type=_numbers, default=[3, 50, 300], help="numbers of nodes (default: 3,50,300), or nothing")
    made.add_argument("--playbook", type=Path, default=ROOT / "playbooks/site.yml", help="another playbook in place of site.yml")
    made.add_argument("--page", action="store_true", help="measure nothing; write the last report into docs/performance.md")
    return made


def _names(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := set(names) - set(scenarios.SCENARIOS):
        raise argparse.ArgumentTypeError(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(scenarios.SCENARIOS)}")
    return names


def _numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(",") if number)


class Measurement:
    """One measurement: what was asked for, and the report, which is written after each part."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.content: dict[str, Any] = {
            **report.ratios({}),
            "repetitions": options.repetitions,
            "machine": report.machine(os.getloadavg()[0]),
            "versions": report.versions(bed.versions()),
            "objects": 0,
            "measurements": {},
            "growth": {"clusters": {}, "nodes": {}},
        }

    def run(self) -> None:
        """Measure everything that was asked for."""
        if self._options.only:
            with self._cluster() as contenders:
                self._prepare(contenders)
                self._scenarios(contenders, self._options.only, self._options.repetitions, self.content["measurements"])
        # Clusters of their own: what an earlier part has left in the API server's memory and on the disk belongs to no figure of another.
        if self._options.clusters:
            with self._cluster() as contenders:
                self._clusters(contenders)
        if self._options.nodes:
            with self._cluster() as contenders:
                self._prepare(contenders)
                self._nodes(contenders)

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[Contenders]:
        with bed.running(NODES, _say) as control_plane, tempfile.TemporaryDirectory(prefix="observability-stack-bench-") as work:
            yield Contenders(control_plane, Path(work), self._options.playbook.resolve())

    def _prepare(self, contenders: Contenders) -> None:
        _say("installing the stack of each contender")
        contenders.prepare()
        self.content["objects"] = len(contenders.stacks["base"][SITE])

    def _scenarios(self, contenders: Contenders, names: Sequence[str], repetitions: int, into: dict[str, Any]) -> None:
        for name in names:
            contenders.warm_up()
            found = scenarios.SCENARIOS[name](contenders, repetitions, _say)
            into[name] = {who: summary(samples) for who, samples in found.items()}
            self._save()

    def _clusters(self, contenders: Contenders) -> None:
        for count in self._options.clusters:
            found = scenarios.clusters(contenders, count, self._options.growth_repetitions, _say)
            self.content["growth"]["clusters"][str(count)] = {"noop": {who: summary(samples) for who, samples in found.items()}}
            self._save()

    def _nodes(self, contenders: Contenders) -> None:
        for count in self._options.nodes:
            _say(f"nodes, {count}")
            bed.add_nodes(contenders.control_plane, count)
            into = self.content["growth"]["nodes"].setdefault(str(count), {})
            self._scenarios(contenders, ["install", "noop"], self._options.growth_repetitions, into)

    def _save(self) -> None:
        self.content |= report.ratios(self.content["measurements"])
        reports.write(REPORT, self.content)


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table, or write it into the page; 1 after a message when that was not possible."""
    options = parser().parse_args(arguments)
    # So that what has been started is ended, and directories are removed, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.page:
            text = report.table(json.loads(REPORT.read_text(encoding="utf-8")))
            PAGE.write_text(pages.filled(PAGE.read_text(encoding="utf-8"), report.BEGIN, report.END, text), encoding="utf-8")
            return 0
        measurement = Measurement(options)
        if not measurement.content["machine"]["quiet"]:
            _say(f"the machine is busy (load {os.getloadavg()[0]:.1f}): seconds are longer than they should be, and spread more")
        measurement.run()
    except (BenchError, loopback.LoopbackError, build.BuildError, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the report has the parts that were complete", file=sys.stderr)
        return 130
    _say(f"\n{report.table(measurement.content)}\nreport: {REPORT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
