"""The report: its lines, its picture, and the page as a browser lays it out."""

from __future__ import annotations

import html
import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.observability.stack.plugins.module_utils.stack.connections import CONNECTIONS
from ansible_collections.observability.stack.plugins.module_utils.verify import picture
from ansible_collections.observability.stack.plugins.module_utils.verify.checks.public_hosts import closed_requests
from ansible_collections.observability.stack.plugins.module_utils.verify.item import items
from ansible_collections.observability.stack.plugins.module_utils.verify.report import shown, table
from ansible_collections.observability.stack.plugins.module_utils.verify.session import Options, Session

from tests.inventories import ROOT, stack

STACK = stack()
ITEMS = [item.name for item in items(STACK)]
# Those with a number, and those of the users; what is not verified by itself is drawn without a result.
DRAWN = {row.name: row.check for row in CONNECTIONS if row.step or row.source == "user"}


def rows() -> list[dict[str, Any]]:
    """Return a report with each kind of result, and text that a page has to escape."""
    made: list[dict[str, Any]] = [
        {
            "connection": name,
            "status": "ok",
            "depth": "full",
            "seconds": 1.25,
            "detail": "queues drained",
            "sent": 'up{pod=~"x-.+"} <b>',
            "read_back": "once at " + "a" * 200,
        }
        for name in ITEMS
    ]
    # Of the first ones in the diagram.
    made.sort(key=lambda row: row["connection"] not in DRAWN)
    made[0] |= {"status": "failed", "detail": "expected 401 & got 200", "sent": "", "read_back": ""}
    made[1] |= {"status": "not tested", "depth": "", "seconds": None, "detail": "no binary of alloy here", "sent": "", "read_back": ""}
    return made


def test_the_table_is_aligned_and_says_everything() -> None:
    lines = table(rows())
    assert len(lines) == len(ITEMS) + 1
    for title, cells in (("result", ["FAILED", "not tested", "ok"]), ("depth", ["full", "-", "full"])):
        column = lines[0].index(title)
        assert [line[column:].split("  ")[0] for line in lines] == [title, *cells, *[cells[-1]] * (len(ITEMS) - 3)]
    assert lines[1].endswith("expected 401 & got 200")
    assert lines[2].endswith("      -  no binary of alloy here")
    assert "1.2  up{pod" in lines[3]


VERSIONS = {"mimir": "3.1.0 <main>, for 3.2.1"}


def test_of_a_verification_with_failures_only_those_are_shown_and_how_many_ended_how() -> None:
    made = rows()
    assert shown(made, "full", {}) == [*table(made[:1]), f"{len(ITEMS) - 2} ok, 1 failed, 1 not tested, verify_depth: full"]


def test_of_a_verification_without_failures_every_row_is_shown() -> None:
    made = rows()[1:]
    assert shown(made, "quick", {}) == [*table(made), f"{len(ITEMS) - 2} ok, 0 failed, 1 not tested, verify_depth: quick"]


def test_below_the_table_stands_what_runs_in_another_version() -> None:
    lines = shown(rows(), "full", VERSIONS)
    assert lines[:-1] == shown(rows(), "full", {})
    assert lines[-1] == "not the version of versions.yml: mimir is 3.1.0 <main>, for 3.2.1"


def test_no_rows_give_only_the_header() -> None:
    assert len(table([])) == 1


def test_paths_that_the_inventory_opens_are_not_expected_to_be_closed() -> None:
    session = Session(None, stack(ingress_open_paths={"mimir": ["/api/v1/push"]}), Options())  # type: ignore[arg-type]
    assert ("POST", "/api/v1/push") not in closed_requests(session, "mimir")
    assert ("GET", "/config") in closed_requests(session, "mimir")
    assert ("POST", "/loki/api/v1/push") in closed_requests(session, "loki")


def test_what_needs_a_component_that_is_switched_off_says_which() -> None:
    off = {item.name: item.off for item in items(stack(ingress_enabled=False, alloy_enabled=False))}
    assert off["ingress-mimir"] == ("ingress",)
    assert off["application-alloy"] == ("alloy",)
    assert off["prometheus-mimir"] == off["balance-prometheus"] == ()
    assert {item.name: item.off for item in items(stack(mimir_enabled=False))}["prometheus-mimir"] == ("mimir",)


@pytest.mark.parametrize("layout", picture.LAYOUTS)
def test_every_connection_is_drawn_with_its_result(layout: str) -> None:
    svg = picture.verify_graph(STACK, rows(), layout)
    drawn = dict(re.findall(rf'<g id="{layout}-([a-z_-]+)" class="edge ([a-z-]+)">', html.unescape(svg)))
    results = {row["connection"]: row["status"].replace(" ", "-") for row in rows()}
    assert drawn == {name: results[name] if check else "plain" for name, check in DRAWN.items()}
    assert "FAILED" in svg
    assert "1.2 s" in svg


def test_an_unknown_layout_is_rejected() -> None:
    with pytest.raises(ValueError, match="one of wide, narrow"):
        picture.dot(STACK, rows(), "tall")


def test_what_graphviz_cannot_draw_has_its_message() -> None:
    with pytest.raises(ValueError, match="could not draw"):
        picture.draw("digraph {")


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of that report, rendered as the role does it."""
    made = rows()
    statuses = [row["status"] for row in made]
    result = {
        "connections": made,
        "run": "abcd1234",
        "depth": "full",
        "summary": {status: statuses.count(status) for status in ("ok", "failed", "not tested")},
    }
    variables = {"__verify_result": result, "observability_stack": STACK.to_dict(), "verify_versions": VERSIONS}
    templar = Templar(loader=DataLoader(), variables=variables)
    text = templar.template(trust_as_template((ROOT / "roles/verify/templates/stack.html.j2").read_text(encoding="utf-8")))
    path = tmp_path_factory.mktemp("page") / "stack.html"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_page_says_what_runs_in_another_version(page: Path) -> None:
    assert "mimir is 3.1.0 &lt;main&gt;, for 3.2.1" in page.read_text(encoding="utf-8")


class _Elements(html.parser.HTMLParser):
    """The elements of a page: name and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_elsewhere(page: Path) -> None:
    elements = _Elements()
    elements.feed(page.read_text(encoding="utf-8"))
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "link", "img", "iframe", "b"}
    references = [value for _, attributes in elements.found for name, value in attributes.items() if name in ("src", "href", "xlink:href")]
    assert references == []
    assert "@import" not in page.read_text(encoding="utf-8")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Reports what the browser made of the page: its width, what sticks out, which connections are drawn, and how much text and page contrast.
LOOK = """
<script>
addEventListener("load", () => {
  const shown = (element) => element.getClientRects().length > 0;
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = (color) => { const [r, g, b] = color.match(/[0-9.]+/g).map(linear); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const page = getComputedStyle(document.body).backgroundColor;
  const contrast = (color) => { const [a, b] = [light(color), light(page)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
  const edges = [...document.querySelectorAll("g.edge")].filter(shown);
  const texts = [...document.querySelectorAll("td, th, p, h1, small")].filter(shown);
  const result = document.createElement("pre");
  result.id = "look";
  result.textContent = JSON.stringify({
    width: innerWidth,
    scroll: document.documentElement.scrollWidth,
    out: [...document.querySelectorAll("body *")].filter((e) => shown(e) && e.getBoundingClientRect().right > innerWidth + 1)
      .map((e) => e.tagName),
    page,
    edges: edges.map((edge) => ({
      name: edge.id.replace(/^(wide|narrow)-/, ""),
      drawn: edge.querySelector("path").getTotalLength() > 10,
      contrast: contrast(getComputedStyle(edge.querySelector("path")).stroke),
      size: edge.querySelector("text").getBoundingClientRect().height,
    })),
    contrast: Math.min(...texts.map((text) => contrast(getComputedStyle(text).color))),
  });
  document.body.append(result);
});
</script>
"""


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_every_connection_and_nothing_overflows(page: Path, tmp_path: Path, scheme: str, width: int) -> None:
    looked = tmp_path / "looked.html"
    looked.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},1200", f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
        "--virtual-time-budget=2000", "--dump-dom", looked.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'<pre id="look">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stdout[-500:]
    look = json.loads(match[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    assert look["scroll"] <= look["width"]
    assert look["out"] == []
    assert {edge["name"] for edge in look["edges"]} == set(DRAWN)
    assert all(edge["drawn"] for edge in look["edges"])
    assert min(edge["contrast"] for edge in look["edges"]) >= 3
    assert look["contrast"] >= 4.5
    assert min(edge["size"] for edge in look["edges"]) >= 9
    assert look["page"] == ("rgb(20, 24, 29)" if scheme == "dark" else "rgb(255, 255, 255)")
