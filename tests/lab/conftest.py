"""Unit tests see the lab's defaults, whatever lab the caller's environment names."""

from __future__ import annotations

import pytest

from tools.lab import network


@pytest.fixture(autouse=True)
def default_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAB_DIR", "LAB_NAME", "LAB_NODES", "LAB_SUBNET", "LAB_FAMILY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(network, "NAME", "obslab")
