"""One gauge sample and one log record as OTLP: JSON for HTTP, protobuf for gRPC, and the gRPC call over any connected socket.

The messages are those of opentelemetry-proto 1.x; only the fields that the verification needs are written.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.exceptions
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

METRICS_METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class OtlpError(Exception):
    """The collector did not accept what was sent; the text is for people."""


def _attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def metrics_json(resource: Mapping[str, str], name: str, attributes: Mapping[str, str], value: float, milliseconds: int) -> bytes:
    """Return the OTLP/JSON body of one gauge sample at a Unix time in milliseconds."""
    point = {"attributes": _attributes(attributes), "timeUnixNano": str(milliseconds * 1_000_000), "asDouble": value}
    metric = {"name": name, "gauge": {"dataPoints": [point]}}
    return json.dumps(
        {"resourceMetrics": [{"resource": {"attributes": _attributes(resource)}, "scopeMetrics": [{"metrics": [metric]}]}]}
    ).encode()


def logs_json(resource: Mapping[str, str], body: str, milliseconds: int) -> bytes:
    """Return the OTLP/JSON body of one log record at a Unix time in milliseconds."""
    record = {"timeUnixNano": str(milliseconds * 1_000_000), "severityText": "INFO", "body": {"stringValue": body}}
    return json.dumps(
        {"resourceLogs": [{"resource": {"attributes": _attributes(resource)}, "scopeLogs": [{"logRecords": [record]}]}]}
    ).encode()


def rejected(answer: Any) -> str:
    """Return why an OTLP/JSON answer says that something was not taken; empty when all was."""
    partial = answer.get("partialSuccess") or {} if isinstance(answer, dict) else {}
    count = partial.get("rejectedDataPoints") or partial.get("rejectedLogRecords")
    return f"{count} rejected: {partial.get('errorMessage', '')}" if count else ""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _message(number: int, *parts: bytes) -> bytes:
    """Return a length-delimited protobuf field: a message, a string."""
    content = b"".join(parts)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _pairs(number: int, values: Mapping[str, str]) -> bytes:
    return b"".join(_message(number, _message(1, key.encode()), _message(2, _message(1, value.encode()))) for key, value in values.items())


def metrics_protobuf(resource: Mapping[str, str], name: str, attributes: Mapping[str, str], value: float, milliseconds: int) -> bytes:
    """Return an ExportMetricsServiceRequest with one gauge sample at a Unix time in milliseconds."""
    # NumberDataPoint: time_unix_nano = 3 (fixed64), as_double = 4, attributes = 7.
    point = (
        _varint(3 << 3 | 1)
        + struct.pack("<Q", milliseconds * 1_000_000)
        + _varint(4 << 3 | 1)
        + struct.pack("<d", value)
        + _pairs(7, attributes)
    )
    metric = _message(2, _message(1, name.encode()), _message(5, _message(1, point)))
    return _message(1, _message(1, _pairs(1, resource)), _message(2, metric))


def grpc_call(connected: socket.socket, authority: str, method: str, message: bytes) -> None:
    """Make one unary gRPC call over a connected socket and close it. Raises OtlpError unless the server answers with status 0."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    seen: dict[str, str] = {}
    try:
        connection.initiate_connection()
        stream = connection.get_next_available_stream_id()
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": authority,
            "content-type": "application/grpc",
            "te": "trailers",
        }
        connection.send_headers(stream, list(headers.items()))
        connection.send_data(stream, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
        connected.sendall(connection.data_to_send())
        ended = False
        while not ended:
            data = connected.recv(65536)
            if not data:
                raise OtlpError(f"{authority} closed the connection before it answered")
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    seen.update({str(name): str(value) for name, value in event.headers})
                elif isinstance(event, h2.events.ConnectionTerminated | h2.events.StreamReset):
                    raise OtlpError(f"{authority} broke the call off: {event}")
                ended = ended or isinstance(event, h2.events.StreamEnded)
            connected.sendall(connection.data_to_send())
    except (OSError, h2.exceptions.H2Error) as error:
        raise OtlpError(f"{authority} does not speak gRPC: {error!r}") from error
    finally:
        connected.close()
    if seen.get("grpc-status") != "0":
        raise OtlpError(f"{authority} answered gRPC status {seen.get('grpc-status', 'none')}: {seen.get('grpc-message', '')}")
