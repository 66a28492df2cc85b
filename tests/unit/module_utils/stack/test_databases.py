"""The database that replicas of Grafana share: what an inventory may say about it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.stack import databases
from ansible_collections.observability.stack.plugins.module_utils.stack.components import postgresql

from tests.inventories import problems, stack

DATABASE = {"host": "db.example.com", "secret": "grafana-database"}


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("postgres://db", "no mapping; it should be like {host: db.example.com"),
        ({"secret": "x"}, "has host: ''; it should be the DNS name of the server"),
        ({"host": "db.example.com"}, "the keys `user` and `password`"),
        ({**DATABASE, "host": "db.example.com:5432"}, "without a port"),
        ({**DATABASE, "port": "5432"}, "has port: '5432'; it should be a number"),
        ({**DATABASE, "port": True}, "a number"),
        ({**DATABASE, "port": 70000}, "a number"),
        ({**DATABASE, "name": "a b"}, "the name of the database"),
        ({**DATABASE, "ssl_mode": "prefer"}, "one of disable, require, verify-ca, verify-full"),
        ({**DATABASE, "user": "grafana"}, "has 'user'; the keys are host, port, name, secret, ssl_mode"),
    ],
)
def test_a_mistake_is_rejected_once_with_what_is_right(database: Any, words: str) -> None:
    (problem,) = problems(grafana_database=database)
    assert problem.startswith("grafana_database")
    assert words in problem


@pytest.mark.parametrize("database", [{**DATABASE, "password": "hunter2"}, {**DATABASE, "secret": "hunter2!"}])
def test_a_password_is_rejected_and_not_shown(database: dict[str, Any]) -> None:
    (problem,) = problems(grafana_database=database)
    assert "hunter2" not in problem


def test_it_is_where_the_inventory_says_or_in_the_stack() -> None:
    outside = stack(grafana_database={**DATABASE, "port": 5433})
    assert databases.address(outside) == "db.example.com:5433"
    assert outside.outside == {"database": {"sql": 5433}}
    assert outside.database["ssl_mode"] == "require"
    inside = stack(postgresql_enabled=True)
    assert databases.address(inside) == "postgresql.observability.svc.cluster.local:5432"
    assert inside.outside == {}
    assert postgresql.settings(inside) == {"secret": inside.database["secret"], "database": "grafana"}
    assert stack().database == {}


def test_grafana_claims_a_volume_only_without_it() -> None:
    assert stack().claims("grafana")
    assert not stack(grafana_database=DATABASE).claims("grafana")
    assert stack(grafana_database=DATABASE).claims("mimir")


def test_that_of_the_stack_is_not_for_production() -> None:
    (warning,) = postgresql.warnings({"postgresql_enabled": True})
    assert "for evaluation" in warning
    assert list(postgresql.warnings({"postgresql_enabled": False})) == []
