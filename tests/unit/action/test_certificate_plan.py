"""What a comparison finds about a certificate and its authority, for each plan."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.observability.stack.plugins.action.certificate_plan import compared

from tests.inventories import stack

TLS, AUTHORITY = "Secret observability/tls", "Secret observability/tls-authority"
NAMES = ("tls", "tls-authority")


@pytest.mark.parametrize(
    ("authority", "certificate", "reasons", "there", "expected"),
    [
        ("keep", "keep", [], set(NAMES), []),
        ("make", "make", ["none yet", "Secret tls: by that"], set(), [(AUTHORITY, "missing", "none yet"), (TLS, "missing", "by that")]),
        (
            "renew",
            "make",
            ["Secret tls-authority: it ends", "Secret tls: by that"],
            set(NAMES),
            [(AUTHORITY, "certificate", "it ends"), (TLS, "certificate", "by that")],
        ),
        ("keep", "make", ["Secret tls: it ends"], set(NAMES), [(TLS, "certificate", "it ends")]),
    ],
)
def test_each_step_of_a_plan_is_a_finding(
    authority: str, certificate: str, reasons: list[str], there: set[str], expected: list[tuple[str, str, str]]
) -> None:
    plan: dict[str, Any] = {"authority": authority, "certificate": certificate, "reasons": reasons, "foreign": ""}
    found = compared(stack(), NAMES, plan, there)
    assert [(each["object"], each["difference"], each["reason"]) for each in found] == expected


def test_a_renewed_authority_is_told_apart_from_a_new_one() -> None:
    plan = {"authority": "renew", "certificate": "make", "reasons": ["a", "b"], "foreign": ""}
    assert [each["next_run"] for each in compared(stack(), NAMES, plan, set(NAMES))] == ["renews it", "makes a new one"]


def test_a_secret_of_another_owner_is_rejected() -> None:
    plan = {"authority": "keep", "certificate": "make", "reasons": ["x"], "foreign": "Secret tls was not made by this stack"}
    (finding,) = compared(stack(), NAMES, plan, set(NAMES))
    assert (finding["difference"], finding["next_run"], finding["reason"]) == ("rejected", "fails", plan["foreign"])
