"""HTTPS as a user's browser sees it: a connection to the ingress controller's address, the certificate verified for the real host name."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping

from ..cluster import Answer, ClusterError, exchange


def split_address(text: str, port: int) -> tuple[str, int]:
    """Return host and port of `host`, `host:port`, `[v6]` or `[v6]:port`, with a default port. Raises ClusterError for no port."""
    host, colon, number = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.endswith("]")):
        return text.strip("[]"), port
    if not number.isdigit():
        raise ClusterError(f"{text!r} is no address; write it like 192.0.2.1 or 192.0.2.1:443")
    return host.strip("[]"), int(number)


class IngressClient:
    """The ingress controller, as its users reach it."""

    def __init__(self, https: tuple[str, int], http: tuple[str, int] | None, ca: str, timeout: float = 15.0) -> None:
        """Take its address for HTTPS, that for plain HTTP if known, the CA certificates (PEM) that users trust, and a timeout in s."""
        self.https = https
        self.http = http
        self.timeout = timeout
        self._tls = ssl.create_default_context()
        if ca:
            self._tls.load_verify_locations(cadata=ca)
            # A self-signed server certificate is its own anchor.
            self._tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

    def request(self, host: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """Return the answer over HTTPS. Raises ClusterError when there is none, or the certificate is not good for `host`."""
        return exchange(self._secured(host), host, method, path, headers, body)

    def days_left(self, host: str) -> float:
        """Return for how many days the certificate that is shown for `host` is still good. Raises ClusterError as `request` does."""
        with self._secured(host) as secured:
            ends = str((secured.getpeercert() or {})["notAfter"])
        return (ssl.cert_time_to_seconds(ends) - time.time()) / 86400

    def _secured(self, host: str) -> ssl.SSLSocket:
        try:
            plain = socket.create_connection(self.https, self.timeout)
        except OSError as error:
            raise ClusterError(f"nothing listens at {_shown(self.https)}, the address of the ingress: {error}") from error
        try:
            return self._tls.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise ClusterError(
                f"the certificate that {_shown(self.https)} shows for {host} cannot be trusted: {error.verify_message}"
            ) from error
        except OSError as error:
            plain.close()
            raise ClusterError(f"{_shown(self.https)} does not speak TLS: {error}") from error

    def redirect(self, host: str, path: str) -> Answer | None:
        """Return what plain HTTP answers for a path of `host`, or None when its address is not known."""
        if self.http is None:
            return None
        try:
            plain = socket.create_connection(self.http, self.timeout)
        except OSError as error:
            raise ClusterError(f"nothing listens at {_shown(self.http)}, where plain HTTP should redirect to HTTPS: {error}") from error
        return exchange(plain, host, "GET", path)


def _shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
