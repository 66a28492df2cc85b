"""Counts requests that fail, and events that are lost, while everything is changed that a run can change: python -m tests.upgrade.

Needs a cluster (`python -m tools.lab up`), installs the stack there in one profile, and removes it in the end. Prints what it does and the
table, adds its rows to the report, and ends with 1 when a result exceeds its limit.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from ansible_collections.observability.stack.plugins.module_utils.cluster import ClusterError
from ansible_collections.observability.stack.plugins.module_utils.stack.model import InventoryError

from tests.failover.environment import REPOSITORY
from tests.failover.results import UnexpectedDataError
from tests.upgrade import report
from tests.upgrade.run import PROFILES, Options, run
from tests.upgrade.site import PREVIOUS
from tools import pages

_PAGE = REPOSITORY / "docs/zero-downtime.md"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=(__doc__ or "").strip())
    parser.add_argument("--profile", choices=PROFILES, default="single", help="(default: %(default)s)")
    parser.add_argument(
        "--event", action="append", metavar="EVENT", help="only this event, or those that begin like config*; may be repeated"
    )
    parser.add_argument("--previous", default=PREVIOUS, metavar="REF", help="revision of the previous release (default: %(default).9s)")
    parser.add_argument("--quiet", type=float, default=10, metavar="SECONDS", help="before an event and after it (default: %(default)g)")
    parser.add_argument("--provider", type=Path, default=REPOSITORY / "build/provider.yml", metavar="FILE", help="variables of the cluster")
    parser.add_argument("--keep", action="store_true", help="leave the stack there")
    parser.add_argument("--reports", type=Path, default=REPOSITORY / "build/reports", metavar="DIRECTORY")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the last reports into docs/zero-downtime.md")
    return parser


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> int:
    """Run; return 0 when every result is within its limits, 1 when one is not, 2 when nothing could be measured."""
    given = _parser().parse_args()
    # SIGTERM removes what the run has made, as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.page:
        rows = [row for name in (report.CHANGES, report.FAULTS) for row in report.read(given.reports / name)]
        rows.sort(key=lambda row: PROFILES.index(row["profile"]))
        text = pages.filled(_PAGE.read_text(encoding="utf-8"), report.BEGIN, report.END, report.figures(rows))
        _PAGE.write_text(text, encoding="utf-8")
        return 0
    options = Options(given.profile, tuple(given.event or ("*",)), given.previous, given.quiet, given.provider, given.keep)
    try:
        found = run(options, _say, lambda rows: report.write(given.reports, rows))
        print(report.table(found), end="")
        print(f"{report.summary(found)}; reports: {report.CHANGES} and {report.FAULTS} in {given.reports}")
        return 1 if any(row.status == "failed" for row in found) else 0
    except (ClusterError, UnexpectedDataError, InventoryError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
