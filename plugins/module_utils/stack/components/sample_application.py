"""The sample application, which sends as any application does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..addressing import url
from ..messages import wrong
from ..model import Stack
from ..own import Own

OWN = Own(args=("run-id", "interval", "metrics-address", "otlp-*"))  # fmt: skip
_GO_DURATION = re.compile(r"([0-9]{1,9}(\.[0-9]{0,9})?(ns|us|µs|ms|s|m|h))+")


def settings(stack: Stack) -> dict[str, Any]:
    """Return where it sends OTLP: `otlp_grpc` (host and port) and `otlp_http` (a URL)."""
    return {
        "otlp_grpc": url(stack, "otel_collector", "otlp-grpc").removeprefix("http://"),
        "otlp_http": url(stack, "otel_collector", "otlp-http"),
    }


def problems(values: Mapping[str, Any], _stack: Stack) -> Iterator[str]:
    """Return a sentence for an interval that Go would not read."""
    name = "sample_application_interval"
    found = values[name]
    if not isinstance(found, str) or not _GO_DURATION.fullmatch(found) or not re.search("[1-9]", found):
        yield wrong(name, "", found, "it should be a duration as Go writes it, like 500ms or 1s")
