"""What an HTTP server answered, and an HTTP request over a socket that is connected already."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ClusterError(Exception):
    """A request to the cluster failed; the text is for people."""


@dataclass(frozen=True)
class Answer:
    """What an HTTP server answered. Header names are lower case."""

    status: int
    text: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        """Return the parsed body. Raises ClusterError when it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise ClusterError(f"expected JSON, got: {self.excerpt()}") from error

    def excerpt(self) -> str:
        """Return status and the beginning of the body on one line, for a message."""
        return f"HTTP {self.status}: {' '.join(self.text.split())[:300] or '(empty)'}"

    def reason(self) -> str:
        """Return why the API server did not do it: the message of its Status, or what it sent instead."""
        try:
            found = json.loads(self.text)["message"]
        except (ValueError, KeyError, TypeError):
            return self.excerpt()
        return f"{' '.join(str(found).split())} (HTTP {self.status})"


def exchange(
    connected: socket.socket, host: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """Send one HTTP request over a connected socket, close it, and return the answer. Raises ClusterError when none comes."""
    connection = http.client.HTTPConnection(host)
    connection.sock = connected
    try:
        connection.request(method, path, body=body, headers={"connection": "close", **(headers or {})})
        response = connection.getresponse()
        return Answer(
            response.status, response.read().decode("utf-8", "replace"), {name.lower(): value for name, value in response.getheaders()}
        )
    except (http.client.HTTPException, OSError) as error:
        raise ClusterError(f"{host} does not answer {method} {path.partition('?')[0]}: {error!r}") from error
    finally:
        connection.close()
