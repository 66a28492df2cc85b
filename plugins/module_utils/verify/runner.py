"""Runs all checks at once and reports one row for each."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import Any

from ..cluster import ClusterError
from .checks import KINDS, Check
from .counters import COUNTED
from .item import Item, items
from .outcome import Failed
from .probes import remove_leftovers
from .session import FULL, Session

Row = dict[str, Any]


def _row(item: Item, status: str, detail: str, depth: str = "", seconds: float | None = None, sent: str = "", read_back: str = "") -> Row:
    return {
        "connection": item.name,
        "status": status,
        "depth": depth,
        "seconds": None if seconds is None else round(seconds, 2),
        "detail": detail,
        "sent": sent,
        "read_back": read_back,
    }


def _checked(session: Session, item: Item, check: Check) -> Row:
    began = time.monotonic()
    depth = session.options.depth
    try:
        evidence = check(session, item)
    except (Failed, ClusterError) as error:
        return _row(item, "failed", str(error), depth, time.monotonic() - began)
    substitutes = [end for end in (item.source, item.target) if end in session.options.absent]
    if substitutes:
        reasons = "; ".join(session.options.absent[end] for end in substitutes)
        took = "" if evidence.seconds is None else f" in {evidence.seconds:.1f} s"
        detail = f"{reasons}; the substitute for {' and '.join(substitutes)} did it{took}"
        return _row(item, "not tested", detail, depth, evidence.seconds, evidence.sent, evidence.read_back)
    return _row(item, "ok", "; ".join(evidence.notes), depth, evidence.seconds, evidence.sent, evidence.read_back)


def verify(session: Session) -> list[Row]:
    """Return one row per item: `connection`, `status` (ok, failed, not tested), `depth`, `seconds`, `detail`, `sent`, `read_back`.

    `depth` is that at which it was checked, and empty where it was not. Raises ClusterError when the cluster is unreachable. The probe
    pods are gone when this returns.
    """
    rows: dict[str, Row] = {}
    pending: list[tuple[Item, Check]] = []
    wanted = items(session.stack)
    for item in wanted:
        check = KINDS[item.check].at(session.options.depth)
        if item.off:
            reasons = [session.options.absent.get(component) or f"{component}_enabled is false" for component in item.off]
            rows[item.name] = _row(item, "not tested", "; ".join(dict.fromkeys(reasons)))
        elif check is None:
            rows[item.name] = _row(item, "not tested", f"needs verify_depth: {FULL}")
        else:
            pending.append((item, check))
    finished: queue.Queue[Row] = queue.Queue()

    def work(item: Item, check: Check) -> None:
        try:
            finished.put(_checked(session, item, check))
        except Exception as error:  # noqa: BLE001 - a bug must not look like a connection that takes long
            finished.put(_row(item, "failed", f"the check itself broke: {error!r}; please report this", session.options.depth))

    try:
        if session.sends:
            remove_leftovers(session)
        for component in COUNTED:
            if not session.stack.has(component):
                continue
            with contextlib.suppress(Failed):  # a check that needs them says so itself
                session.counters.note(component)
        for item, check in pending:
            # Daemons: one that hangs in a system call must not keep the module from answering.
            threading.Thread(target=work, args=(item, check), name=item.name, daemon=True).start()
        # The checks end by themselves at the deadline; a little more for the requests that are under way.
        limit = session.deadline + 2 * session.cluster.timeout
        while len(rows) < len(wanted):
            try:
                done = finished.get(timeout=max(limit - time.monotonic(), 0.01))
            except queue.Empty:
                break
            rows[done["connection"]] = done
    finally:
        session.clean()
    late = f"the check had not ended after {session.patience:.0f} s; a higher verify_timeout may be needed"
    return [rows.get(item.name) or _row(item, "failed", late, session.options.depth, session.patience) for item in wanted]
