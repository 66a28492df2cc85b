"""The sample application, which sends as any application does."""

from __future__ import annotations

from typing import Any

from ..addressing import url
from ..model import Stack


def settings(stack: Stack) -> dict[str, Any]:
    """Return where it sends OTLP: `otlp_grpc` (host and port) and `otlp_http` (a URL)."""
    return {
        "otlp_grpc": url(stack, "otel_collector", "otlp-grpc").removeprefix("http://"),
        "otlp_http": url(stack, "otel_collector", "otlp-http"),
    }
