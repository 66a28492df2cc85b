"""The rendered stack, and the images that its pods run."""

from __future__ import annotations

import pytest

from tests.retention.pods import Objects, render, unable
from tools.lab import images


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Objects]:
    """Return component -> objects of a stack that keeps everything for a day."""
    if why := unable():
        pytest.skip(why)
    off = {f"{component}_enabled": False for component in ("alloy", "grafana", "ingress")}
    return render({"loki_retention": "24h", "mimir_retention": "24h", **off}, tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="session")
def image() -> dict[str, images.Image]:
    """Return component -> image. A test skips where the program of its component is not built; see `needs`."""
    return {image.name: image for image in images.catalogue()}


@pytest.fixture(autouse=True)
def needs(request: pytest.FixtureRequest, image: dict[str, images.Image]) -> None:
    """Skip a test with the marker `needs(component, …)` where one of the programs is not here."""
    for marker in request.node.iter_markers("needs"):
        for component in marker.args:
            if component not in image:
                pytest.skip(f"the program of {component} is not built; run: make build")
