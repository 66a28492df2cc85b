"""The words of CONTRIBUTING.md ("Words"): what they replace is found nowhere, in names, messages, comments or pages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.inventories import ROOT

# The word to use -> what it replaces, as a pattern for whole words; in an identifier `_` separates words.
REPLACED = {
    "connection": r"arrows?|wires?|wired|wiring",
    "verification, to verify": r"proofs?|prov(?:e[sdn]?|ing)|unproven",
    "agent, sender": r"pushers?",
    "the `collector` label": r"mark(?:s|ed|ing)?",
    "duplicate, duplicated": r"doubl(?:e[sd]?|ing|y)",
    "directory": r"folders?",
    "to reject, rejected": r"refus(?:e[sd]?|ing|als?)",
    "unavailable, outage": r"away",
    "substitute, stub": r"st(?:and|ands|anding|ood)[ _-]ins?|standins?",
    "run ID": r"words? of (?:the|a|its) run",
    "agents": r"what pushes",
    "backends": r"what is pushed to",
    "Grafana and ingress": r"what people see|the way in(?! which)",
}
FORBIDDEN = {word: re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", re.IGNORECASE) for word, pattern in REPLACED.items()}

# Names that others have given, and the field's own uses of a word: the pattern, and a text with it.
ALLOWED = {
    "a metric of the collector": (r"otelcol_receiver_refused_\w+", "otelcol_receiver_refused_log_records_total"),
    "what an operating system says of a closed port": (r"connection refused", "dial tcp: connection refused"),
    "decorators and parameters of pytest": (r"pytest\.mark\b|marks=", "@pytest.mark.parametrize"),
    "field of an OTLP message": (r"as_double", "as_double = 4"),
    "punctuation": (r"double (?:quotes|braces)", "between double braces"),
}
_ALLOWED = re.compile("|".join(pattern for pattern, _sample in ALLOWED.values()), re.IGNORECASE)

# What has been released is not rewritten; this file has to name the words.
LEFT_OUT = ("CHANGELOG.md", "LICENSE", "changelogs/", "tests/unit/test_words.py")


def found_in(text: str) -> list[str]:
    """Return each forbidden word in a text, with the one to use: "folder: use directory"."""
    cleaned = _ALLOWED.sub(lambda match: "-" * len(match[0]), text)
    return [f"{match[0]}: use {word}" for word, pattern in FORBIDDEN.items() for match in pattern.finditer(cleaned)]


def texts() -> Iterator[tuple[str, str]]:
    """Yield the path and the content of every text file of the repository, the path being a part of what is read."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        path = ROOT / name
        if name.startswith(LEFT_OUT) or path.is_symlink() or not path.is_file():
            continue
        try:
            yield name, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_nothing_uses_a_replaced_word() -> None:
    found = [f"{name}: {word}" for name, text in texts() for word in found_in(name)]
    for name, text in texts():
        found += [f"{name}:{number}: {word}" for number, line in enumerate(text.splitlines(), 1) for word in found_in(line)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("an arrow of the diagram", "connection"),
        ("ARROWS = ()", "connection"),
        ("the Wiring computes it", "connection"),
        ("verify_proof_report", "verification, to verify"),
        ("not proven here", "verification, to verify"),
        ("every pusher", "agent, sender"),
        ("the mark `otel`", "the `collector` label"),
        ("doubled: 0", "duplicate, duplicated"),
        ("report_folder", "directory"),
        ("it refuses the request", "to reject, rejected"),
        ("while Loki is away", "unavailable, outage"),
        ("a stand-in for Grafana", "substitute, stub"),
        ("what stands in for Grafana", "substitute, stub"),
        ("grafana_stand_in", "substitute, stub"),
        ("the word of the run", "run ID"),
        ("- name: What pushes", "agents"),
        ("- name: What is pushed to", "backends"),
        ("- name: What people see", "Grafana and ingress"),
    ],
)
def test_a_replaced_word_is_found_in_prose_and_in_names(text: str, word: str) -> None:
    assert [found.split(": use ")[1] for found in found_in(text)] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "an SVG marker, a bookmark, a driveway",
        "improved, approved, provided, province",
        "standing instructions",
        "the way in which files are read",
    ],
)
def test_parts_of_words_are_allowed(text: str) -> None:
    assert not found_in(text)


@pytest.mark.parametrize(("pattern", "sample"), ALLOWED.values(), ids=ALLOWED)
def test_every_exception_is_for_a_forbidden_word(pattern: str, sample: str) -> None:
    assert re.search(pattern, sample)
    assert any(word.search(sample) for word in FORBIDDEN.values())
    assert not found_in(sample)
