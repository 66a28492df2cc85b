"""Makes this checkout importable, and known to Ansible, as the collection observability.stack."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("repository", deadline=None)
settings.load_profile("repository")
init_plugin_loader([str(Path(__file__).resolve().parents[1])])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the golden files anew."""
    parser.addoption("--update-golden", action="store_true", help="write what is rendered now as what is expected")
