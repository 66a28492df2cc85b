"""The database that the replicas of a component share (`shared` is `database` in the catalogue), as the inventory says it."""

from __future__ import annotations

import re
from typing import Any

from . import catalogue
from .addressing import service_host
from .catalogue import CATALOGUE
from .fields import LABEL, Fields, is_host
from .messages import nearest, wrong
from .model import Stack

USER = next(name for name, row in CATALOGUE.items() if row.shared == "database")
NAME = f"{USER}_database"
# The component that is the database where the inventory names none.
BUNDLED = next(name for name, row in CATALOGUE.items() if row.evaluation and USER in row.needs)
SECRET = catalogue.workload_name(BUNDLED)

_KEYS = ("host", "port", "name", "secret", "ssl_mode")
_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_EXAMPLE = f"like {{host: db.example.com, name: {USER}, secret: {USER}-database}}"
_PORT = "sql"


def read(fields: Fields, switched_on: tuple[str, ...]) -> dict[str, Any]:
    """Return the database of an inventory, empty where it has none; what is wrong is rejected."""
    given = fields.values[NAME]
    if not isinstance(given, dict):
        fields.problems.append(f"{NAME} is no mapping; it should be {_EXAMPLE}, or empty")
        return {}
    bundled = BUNDLED in switched_on
    usual = {
        "host": "", "port": catalogue.port(BUNDLED, _PORT), "name": USER, "secret": SECRET, "ssl_mode": "disable" if bundled else "require",
    }  # fmt: skip
    if not given:
        return {**usual, "bundled": True} if bundled else {}
    if bundled:
        fields.problems.append(f"{NAME} is there, and {BUNDLED}_enabled is true; it should be one of them")
    for key in given:
        if key not in _KEYS:
            # A password may be among them.
            fields.problems.append(f"{NAME} has {key!r}; the keys are {', '.join(_KEYS)}{nearest(key, _KEYS)}, {_EXAMPLE}")
    found = {**usual, **{key: value for key, value in given.items() if key in _KEYS}}
    right = {
        "host": (is_host(found["host"]), "the DNS name of the server, without a port"),
        "port": (
            isinstance(found["port"], int) and not isinstance(found["port"], bool) and 0 < found["port"] < 65536,
            "a number, 5432 if it is left out",
        ),
        "name": (isinstance(found["name"], str) and bool(_DATABASE.fullmatch(found["name"])), f"the name of the database, like {USER}"),
        "secret": (
            "secret" in given and isinstance(found["secret"], str) and bool(LABEL.fullmatch(found["secret"])),
            "the name of a Secret in the namespace of the stack, with the keys `user` and `password`",
        ),
        "ssl_mode": (found["ssl_mode"] in _SSL_MODES, f"one of {', '.join(_SSL_MODES)}"),
    }
    fields.problems += [wrong(NAME, key, found[key], f"it should be {sentence}") for key, (holds, sentence) in right.items() if not holds]
    return {**found, "bundled": False}


def outside(database: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return the database as a party outside of the stack, with its port."""
    return {} if not database or database["bundled"] else {"database": {_PORT: database["port"]}}


def address(stack: Stack) -> str:
    """Return host and port of the database."""
    host = stack.database["host"] or service_host(stack, catalogue.workload_name(BUNDLED))
    return f"{host}:{stack.database['port']}"


def place(stack: Stack) -> str:
    """Return where the data is, as a text that changes when it is somewhere else."""
    return f"postgresql {stack.database['name']} at {stack.database['host'] or 'this stack'}" if stack.database else "volume"
