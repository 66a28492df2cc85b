"""A client that asks again and again: python -m tests.upgrade.client < plan.json > requests.jsonl.

Each target is asked in two ways: over a new connection each time, and over one that is kept. Nothing is asked twice: a request without a
good answer is a failure, whatever the next one gives. A kept connection that the other side has closed before a request is not used for
it, which is how HTTP ends a connection; one that is closed after the request was sent is a failure.

It needs nothing but Python's own library, ends with SIGTERM, and is a process of its own, so that nothing else delays what it measures.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from tests.upgrade.answers import wrong

# A user has left by then.
TIMEOUT = 10.0
_STOP = threading.Event()
_WRITING = threading.Lock()


class _Connection(http.client.HTTPSConnection):
    """HTTPS to one host, at the address of the ingress."""

    def __init__(self, plan: Mapping[str, Any], host: str, context: ssl.SSLContext) -> None:
        super().__init__(host, timeout=TIMEOUT, context=context)
        self._plan, self._tls = plan, context

    def connect(self) -> None:
        """Connect to the address of the plan, whatever the host's name stands for."""
        plain = socket.create_connection((self._plan["address"], self._plan["port"]), TIMEOUT)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)

    def ended(self) -> bool:
        """Whether the other side has closed the connection, or there is none yet."""
        if self.sock is None:
            return True
        if not select.select([self.sock], [], [], 0)[0]:
            return False
        self.sock.settimeout(0)
        try:
            # Session tickets come after the handshake: they make the socket readable, and are no data.
            return not self.sock.recv(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        finally:
            self.sock.settimeout(TIMEOUT)


def ask(connection: _Connection, target: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Send one request and return what is wrong with its answer, '' when nothing is."""
    try:
        connection.request("GET", target["path"], headers=target["headers"])
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return f"{type(error).__name__}: {error}"[:200]
    problem = wrong(target["expects"], status, body, run, time.time())
    # Who in the chain has answered: the ingress controller itself names no server.
    return f"{problem} (server: {answer.headers.get('server', 'none')})"[:300] if problem else ""


def _record(connection: _Connection, plan: Mapping[str, Any], target: Mapping[str, Any], kept: bool) -> None:
    """Send one request, and write down what became of it."""
    start, began = time.time(), time.monotonic()
    error = ask(connection, target, plan["run"])
    seconds = time.monotonic() - began
    line = json.dumps({"component": target["component"], "kept": kept, "start": start, "seconds": round(seconds, 4), "error": error})
    with _WRITING:
        print(line, flush=True)


def _over_new(plan: Mapping[str, Any], target: Mapping[str, Any], context: ssl.SSLContext) -> None:
    connection = _Connection(plan, target["host"], context)
    _record(connection, plan, target, kept=False)
    connection.close()


def _repeat(plan: Mapping[str, Any], target: Mapping[str, Any], kept: bool, context: ssl.SSLContext, delay: float) -> None:
    """Send a request per interval until the end: over one connection one after the other, over new ones also while others wait."""
    connection = _Connection(plan, target["host"], context)
    due = time.monotonic() + delay
    while not _STOP.wait(max(due - time.monotonic(), 0)):
        # What an answer that took long has held up is not sent in a burst.
        due = max(due + plan["interval"], time.monotonic())
        if kept:
            if connection.ended():
                connection.close()
            _record(connection, plan, target, kept=True)
        else:
            threading.Thread(target=_over_new, args=(plan, target, context)).start()
    connection.close()


def main() -> int:
    """Ask until SIGTERM."""
    plan = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, lambda *_: _STOP.set())
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=plan["ca"])
    # A self-signed server certificate is its own anchor.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    ways = [(target, kept) for target in plan["targets"] for kept in (True, False)]
    threads = [
        # Spread over the interval, so that the requests do not come all at once.
        threading.Thread(target=_repeat, args=(plan, target, kept, context, number * plan["interval"] / len(ways)))
        for number, (target, kept) in enumerate(ways)
    ]
    for thread in threads:
        thread.start()
    with contextlib.suppress(KeyboardInterrupt):
        for thread in threads:
            thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
