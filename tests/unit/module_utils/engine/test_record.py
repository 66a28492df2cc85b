"""The record is read whatever is in it: somebody may have edited it."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.module_utils.engine import record
from hypothesis import given
from hypothesis import strategies as some

ENTRY = record.Entry(
    "inputs", datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), {"ConfigMap x/y": ("desired", "live")}, {"Secret x/z": "digest"}
)
WRITTEN = json.loads(ENTRY.dump())
ENTRIES = some.builds(
    record.Entry,
    some.text(),
    some.datetimes(timezones=some.just(datetime.UTC)).map(lambda time: time.replace(microsecond=0)),
    some.dictionaries(some.text(), some.tuples(some.text(), some.text())),
    some.dictionaries(some.text(), some.text()),
)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.sampled_from(["inputs", "checked", "objects", "secrets", "x"]), inner),
)


@given(ENTRIES)
def test_an_entry_is_read_as_it_was_written(entry: record.Entry) -> None:
    assert record.load(entry.dump()) == entry


@given(some.text() | JSON.map(json.dumps))
def test_any_text_is_an_entry_or_none(text: str) -> None:
    assert isinstance(record.load(text), record.Entry | None)


@given(some.sampled_from(["inputs", "checked", "objects", "secrets"]), JSON)
def test_any_value_in_an_entry_gives_an_entry_or_none(name: str, value: Any) -> None:
    assert isinstance(record.load(json.dumps({**WRITTEN, name: value})), record.Entry | None)


DAMAGED = {
    "empty": "",
    "cut off": ENTRY.dump()[:-5],
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "deeply nested": "[" * 100_000,
    "a number of too many digits": f'{{"checked": {"9" * 5000}}}',
    **{f"without {name}": json.dumps({key: value for key, value in WRITTEN.items() if key != name}) for name in WRITTEN},
    **{
        f"{name} is {value!r}": json.dumps({**WRITTEN, name: value})
        for name, value in (
            ("checked", "yesterday"),
            ("checked", "2026-01-01T00:00:00"),
            ("checked", 7),
            ("objects", []),
            ("objects", {"x": "text"}),
            ("objects", {"x": ["one"]}),
            ("objects", {"x": ["one", "two", "three"]}),
            ("secrets", "text"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_entry_is_none(name: str) -> None:
    assert record.load(DAMAGED[name]) is None


MAPS: list[tuple[str, Any, list[str]]] = [
    ("no ConfigMap", None, []),
    ("no data", {"metadata": {}}, []),
    ("null", {"data": None}, []),
    ("one good, one bad", {"data": {"loki": ENTRY.dump(), "mimir": "{"}}, ["loki"]),
]


@pytest.mark.parametrize(("config_map", "roles"), [row[1:] for row in MAPS], ids=[row[0] for row in MAPS])
def test_entries(config_map: Any, roles: list[str]) -> None:
    assert list(record.entries(config_map)) == roles
