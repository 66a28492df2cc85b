"""Whether the pipelines of a whole collector configuration name only what the configuration has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...messages import nearest, wrong


def reference_problems(config: Any) -> Iterator[str]:
    """Return a sentence for each pipeline of a whole collector configuration that names what the configuration does not have.

    The collector does not start with such a pipeline. `config` is what it would get: computed, with `otel_collector_config` laid over it.
    """
    name = "otel_collector_config"
    if not isinstance(config, Mapping) or not isinstance(config.get("service"), Mapping):
        return
    extensions = config["service"].get("extensions")
    for item in extensions if isinstance(extensions, list) else ():
        if item not in list(config.get("extensions") or ()):
            yield wrong(name, "service.extensions", item, "the configuration has no extension of that name")
    pipelines = config["service"].get("pipelines")
    places = {"receivers": ("receivers", "connectors"), "processors": ("processors",), "exporters": ("exporters", "connectors")}
    for pipeline, parts in pipelines.items() if isinstance(pipelines, Mapping) else ():
        path = f"service.pipelines.{pipeline}"
        if not isinstance(parts, Mapping):
            yield wrong(name, path, parts, "it should be a mapping with receivers, processors and exporters")
            continue
        for kind, listed in parts.items():
            if kind not in places or not isinstance(listed, list):
                yield wrong(
                    name, f"{path}.{kind}", listed, f"a pipeline has lists of receivers, processors and exporters{nearest(kind, places)}"
                )
                continue
            there = [item for place in places[kind] for item in (config.get(place) or ())]
            for item in listed:
                if item not in there:
                    yield wrong(name, f"{path}.{kind}", item, f"the configuration has none of that name{nearest(item, there)}")
