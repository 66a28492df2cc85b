"""The wiring as filters: each takes the checked model, `observability_stack`, and returns plain data. Documented beside this file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.observability.stack.plugins.plugin_utils import _containers, _edge, _ownership, _placing, _wiring
from ansible_collections.observability.stack.plugins.plugin_utils._plain import plain
from ansible_collections.observability.stack.plugins.plugin_utils._stack import Stack


def _shim(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that hands the model, and plain arguments, to a pure function of the wiring."""

    def filtered(model: Any, *arguments: Any, **options: Any) -> Any:
        try:
            found = function(Stack.from_dict(plain(model)), *plain(list(arguments)), **plain(options))
        except (ValueError, KeyError) as error:
            raise AnsibleFilterError(f"{function.__name__}: {error}") from error
        return dataclasses.asdict(found) if dataclasses.is_dataclass(found) and not isinstance(found, type) else found

    return filtered


class FilterModule:
    """Offer the functions of the wiring."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        shims = (
            _containers.advertised_address,
            _containers.go_memory_limit,
            _containers.probes,
            _ownership.removal_plan,
            _wiring.alloy_settings,
            _wiring.arrows,
            _wiring.data_sources,
            _wiring.external_labels,
            _wiring.gossip_address,
            _wiring.ha_timeouts,
            _wiring.heartbeat_rules,
            _edge.grafana_environment,
            _edge.ingress_certificate,
            _edge.ingress_objects,
            _wiring.ingress_routes,
            _wiring.labels,
            _wiring.loki_ingester,
            _wiring.loki_limits,
            _wiring.mermaid,
            _wiring.mimir_limits,
            _wiring.node_ports,
            _wiring.otlp_exporters,
            _wiring.otlp_pipelines,
            _wiring.otlp_processors,
            _wiring.otlp_translation,
            _placing.placed,
            _wiring.pod_security,
            _wiring.port,
            _wiring.ports,
            _wiring.push_endpoints,
            _wiring.queue_sizes,
            _wiring.remote_write,
            _wiring.scrape_annotations,
            _wiring.scrape_jobs,
            _wiring.selector,
            _wiring.url,
        )
        return {function.__name__: _shim(function) for function in shims}
