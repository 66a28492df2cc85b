"""HTTP to the API server of a cluster: credentials that are renewed, and patience with a server that is unavailable for a moment."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

try:
    import urllib3
    from kubernetes import client
except ImportError as error:
    # Modules report it; what they document has to be importable without.
    MISSING: ImportError | None = error
else:
    MISSING = None

from . import credentials
from .answer import Answer, ClusterError

Query = Sequence[tuple[str, str]]
# Answers of an API server that is starting, overloaded, or without its database for a moment, or of a load balancer before it meanwhile.
_BUSY = (429, 502, 503, 504)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class ApiServer:
    """Requests to one API server."""

    def __init__(
        self,
        kubeconfig: str,
        context: str,
        timeout: float = 15.0,
        patience: float = 0.0,
        say: Callable[[str], None] = lambda _line: None,
        *,
        known: bool = True,
    ) -> None:
        """Load the credentials; an empty `kubeconfig` or `context` means the usual one.

        `timeout` is that of one request. For `patience` a request is repeated while the API server does not answer, or is too busy to;
        `say` gets a line about it. Both in seconds. Whoever has patience must send nothing that may not arrive twice. An address that is
        not `known` to be right is not asked again before it has answered once.
        """
        self.timeout = timeout
        self._patience = patience
        self._say = say
        self._said = ""
        self._known = known
        self._access = (kubeconfig, context)
        self._lock = threading.Lock()
        self._configuration = credentials.load(kubeconfig, context)
        self._api = client.ApiClient(self._configuration)

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self._configuration.host)

    def request(
        self, method: str, path: str, query: Query = (), headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Return the API server's answer, whatever its status. Raises ClusterError when there is none."""
        end, pause, waited = time.monotonic() + self._patience, _FIRST_PAUSE, False
        while True:
            try:
                answer = self._authenticated(method, path, query, headers, body)
            except ClusterError as error:
                if not self._known or time.monotonic() + pause > end:
                    raise
                why = str(error)
            else:
                self._known = True
                # Seconds; a date is not used by API servers.
                asked = answer.headers.get("retry-after", "")
                pause = max(pause, min(float(asked), _LONGEST_PAUSE)) if asked.isdigit() else pause
                if answer.status not in _BUSY or time.monotonic() + pause > end:
                    if waited:
                        self._announce("")
                    return answer
                why = f"the API server {self.server} answers {answer.reason()}"
            waited = True
            self._announce(why)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _announce(self, why: str) -> None:
        """Print what is waited for, once for all the requests that wait for the same."""
        with self._lock:
            if why and why != self._said:
                self._say(f"waiting up to {self._patience:.0f} s: {why}")
            self._said = why

    def send(self, method: str, path: str, content: Mapping[str, Any]) -> Answer:
        """Return the answer to an object, or to a merge patch for a PATCH."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self.request(method, path, headers={"content-type": kind}, body=json.dumps(content).encode())

    def _authenticated(self, method: str, path: str, query: Query, headers: Mapping[str, str] | None, body: bytes | None) -> Answer:
        """Return the answer; where the credentials are not good any more, that to those which the kubeconfig has by now."""
        used = self._configuration
        answer = self._sent(method, path, query, headers, body)
        if answer.status != 401:
            return answer
        with self._lock:
            if self._configuration is used:
                self._configuration = credentials.load(*self._access)
                self._api = client.ApiClient(self._configuration)
        return self._sent(method, path, query, headers, body)

    def _sent(self, method: str, path: str, query: Query, headers: Mapping[str, str] | None, body: bytes | None) -> Answer:
        api = self._api
        sent = {"accept": "application/json", **(headers or {})}
        with self._lock:
            # It may ask an exec plugin for another token.
            api.update_params_for_auth(sent, [], ["BearerToken"])
        url = f"{self.server}{path}{'?' + urlencode(query) if query else ''}"
        try:
            response = api.rest_client.pool_manager.request(
                method, url, headers=sent, body=body, timeout=self.timeout, redirect=False, retries=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterError(f"the API server {self.server} does not answer: {_plain(error)}") from error
        return Answer(
            response.status,
            response.data.decode("utf-8", "replace"),
            {name.lower(): value for name, value in response.headers.items()},
            f"{method} {self.server}{path}",
        )

    def object(self, method: str, path: str, query: Query = (), body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return an object of the Kubernetes API. Raises ClusterError with the API server's own message when it is rejected.

        The body of a PATCH is a merge patch.
        """
        content = None if body is None else json.dumps(body).encode()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self.request(method, path, query, {"content-type": kind}, content)
        if not 200 <= answer.status < 300:
            raise ClusterError(f"{method} {path}: {answer.reason()}")
        found = answer.json()
        if not isinstance(found, dict):
            raise answer.unreadable("an object")
        return found

    def items(self, path: str, query: Query = ()) -> list[dict[str, Any]]:
        """Return the objects of a list. Raises ClusterError with the API server's own message when it gives none."""
        answer = self.request("GET", path, query)
        if answer.status != 200:
            raise ClusterError(f"GET {path}: {answer.reason()}")
        return answer.items()


def _plain(error: Exception) -> str:
    """Return why there is no answer, without the names of Python's objects: "Connection refused"."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return f"{type(error).__name__}: {reason}" if isinstance(error, urllib3.exceptions.SSLError) else reason or type(error).__name__
