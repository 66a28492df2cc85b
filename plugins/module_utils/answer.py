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
    """What an HTTP server answered. Header names are lower case. `request`: what it was asked, like "GET https://…", for messages."""

    status: int
    text: str
    headers: Mapping[str, str]
    request: str = ""

    def json(self) -> Any:
        """Return the parsed body. Raises ClusterError when it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise self.unreadable("JSON") from error

    def object(self) -> dict[str, Any]:
        """Return the object of the Kubernetes API in the body. Raises ClusterError when it is none."""
        found = self.json()
        if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
            raise self.unreadable("an object of the Kubernetes API")
        return found

    def items(self) -> list[dict[str, Any]]:
        """Return the objects of a list of the Kubernetes API. Raises ClusterError when the body is none."""
        found = self.json()
        if not isinstance(found, dict) or not isinstance(found.get("items", ""), list | type(None)):
            raise self.unreadable("a list of the Kubernetes API")
        # A list of metadata without any is null.
        objects = found["items"] or []
        if not all(isinstance(item, dict) and isinstance(item.get("metadata"), dict) and item["metadata"].get("name") for item in objects):
            raise self.unreadable("a list of objects of the Kubernetes API, each with its name")
        return objects

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

    def unreadable(self, expected: str) -> ClusterError:
        """Return the error about a body that is not what was expected."""
        # What looks like JSON may be a part of a Secret.
        shown = (
            f"HTTP {self.status}: {len(self.text)} characters of something else" if self.text.lstrip()[:1] in ("{", "[") else self.excerpt()
        )
        return ClusterError(f"expected {expected} from {self.request or 'the server'}, got {shown}")


def exchange(
    connected: socket.socket, host: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """Send one HTTP request over a connected socket, close it, and return the answer. Raises ClusterError when none comes."""
    connection = http.client.HTTPConnection(host)
    connection.sock = connected
    asked = f"{method} {host}{path.partition('?')[0]}"
    try:
        connection.request(method, path, body=body, headers={"connection": "close", **(headers or {})})
        response = connection.getresponse()
        return Answer(
            response.status,
            response.read().decode("utf-8", "replace"),
            {name.lower(): value for name, value in response.getheaders()},
            asked,
        )
    except (http.client.HTTPException, OSError) as error:
        raise ClusterError(f"{host} does not answer {method} {path.partition('?')[0]}: {error!r}") from error
    finally:
        connection.close()
