"""The recipe "Add a component" of CONTRIBUTING.md, followed in a copy of the repository: it touches the named places and no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.inventories import ROOT

NAME = "toy"
ROLE = {
    "README.md": f"# {NAME}\n\nApplies it.\n\nVariables: `ansible-doc -t role observability.stack.{NAME}`.\n",
    "defaults/main.yml": f"""\
# Whether this cluster gets it.
{NAME}_enabled: true
# Replicas.
{NAME}_replicas: 2
# Requests and limits of the container.
{NAME}_resources:
  requests: {{cpu: 10m, memory: 16Mi}}
  limits: {{cpu: 100m, memory: 64Mi}}
# Where the pods run and what a site adds to them, over `observability_pod`: docs/placing.md.
{NAME}_pod: {{}}
""",
    "vars/main.yml": f"""\
# Computed from the inventory and from the connections to other components.
__{NAME}_component: "{{{{ observability_stack | observability.stack.component('{NAME}') }}}}"
""",
    "meta/argument_specs.yml": f"""\
argument_specs:
  main:
    short_description: A component of a test
    description:
      - Applies it.
    options:
      {NAME}_enabled:
        description: Whether this cluster gets it.
        type: bool
        default: true
      {NAME}_replicas:
        description: Replicas.
        type: int
        default: 2
      {NAME}_resources:
        description: Requests and limits of the container.
        type: dict
        default:
          requests: {{cpu: 10m, memory: 16Mi}}
          limits: {{cpu: 100m, memory: 64Mi}}
      {NAME}_pod:
        description: Where the pods run, and what a site adds to them; laid over C(observability_pod).
        type: dict
        default: {{}}
""",
    "tasks/main.yml": f"""\
- name: Apply it
  observability.stack.apply:
    role: {NAME}
    templates: [workload.yaml.j2]
""",
    "templates/workload.yaml.j2": f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{{{ __{NAME}_component.metadata | to_json }}}}
spec:
  replicas: {{{{ __{NAME}_component.replicas }}}}
  selector: {{matchLabels: {{{{ __{NAME}_component.selector | to_json }}}}}}
  template:
    metadata: {{{{ __{NAME}_component.pod_metadata | to_json }}}}
    spec:
      <<: {{{{ __{NAME}_component.pod | to_json }}}}
      containers:
        - <<: {{{{ __{NAME}_component.container | to_json }}}}
          args: ["--store={{{{ __{NAME}_component.settings.store }}}}"]
          resources: {{{{ {NAME}_resources | to_json }}}}
""",
}
STACK = "plugins/module_utils/stack"
# Place of the recipe -> what is put before which text there.
ROWS: dict[str, tuple[str, str]] = {
    "versions.yml": ("sample_application:", f'{NAME}: {{image: localhost/{NAME}, tag: "1"}}\n'),
    f"{STACK}/catalogue.py": (
        '    "sample_application": Component(',
        f"""\
    "{NAME}": Component(
        title="A component", workload="Deployment", ports={{"http": 8099}}, ready="/ready", live="/", user=1000
    ),
""",
    ),
    f"{STACK}/connections.py": (
        "    # Metrics of the stack itself",
        f"""\
    Connection("application-{NAME}", "application", "{NAME}", "events", check="{NAME}_events"),
    Connection("{NAME}-loki", "{NAME}", "loki", "events as log lines"),
""",
    ),
    "plugins/module_utils/verify/checks/__init__.py": (
        '    "balanced_reads": _reading(balanced_reads),',
        f'    "{NAME}_events": Kind({NAME}_events),\n',
    ),
}
FILES: dict[str, str] = {
    f"{STACK}/components/{NAME}.py": '''"""A component of a test."""

from __future__ import annotations

from typing import Any

from ..addressing import url
from ..model import Stack
from ..own import Own

OWN = Own()


def settings(stack: Stack) -> dict[str, Any]:
    """Return `store`, the URL to which it sends."""
    return {"store": url(stack, "loki")}
''',
    f"plugins/module_utils/verify/checks/{NAME}.py": f'''"""Whether it takes events."""

from __future__ import annotations

from ..item import Item
from ..outcome import Evidence
from ..session import Session


def {NAME}_events(session: Session, item: Item) -> Evidence:
    """Check that it answers."""
    answer = session.cluster.service(session.name(item.target), session.port(item.target), "/events")
    return Evidence("an event", answer.text, 0.0)
''',
    **{f"roles/{NAME}/{path}": text for path, text in ROLE.items()},
}
CHECKS = "plugins/module_utils/verify/checks/__init__.py"


def tracked() -> list[str]:
    """Return the files of the repository, without links and expected renderings."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    own = str(Path(__file__).relative_to(ROOT))
    return [
        name
        for name in listed
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink() and name != own and "golden/expected" not in name
    ]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository with the component added."""
    place = tmp_path_factory.mktemp("copy") / "ansible_collections/observability/stack"
    for name in tracked():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name)
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    for name, (before, text) in ROWS.items():
        content = (place / name).read_text()
        assert content.count(before) == 1, f"{name}: {before!r}"
        (place / name).write_text(content.replace(before, text + before))
    checks = place / CHECKS
    checks.write_text(
        checks.read_text().replace("from .scrape import scrape\n", f"from .scrape import scrape\nfrom .{NAME} import {NAME}_events\n")
    )
    return place


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment in the copy, which is the collection there."""
    program, *rest = arguments
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(copy.parents[2]), "KUBECONFIG": "/nonexistent", "ANSIBLE_NOCOLOR": "1"}
    environment.pop("ANSIBLE_CONFIG", None)
    command = [str(Path(sys.executable).with_name(program)), *rest]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=300)


def python(copy: Path, text: str) -> Any:
    """Return what a Python expression over the copy's package gives, as JSON."""
    package = "ansible_collections.observability.stack.plugins.module_utils"
    script = f"import json\nfrom {package}.stack import connections, graph\nfrom {package}.verify import checks\nprint(json.dumps({text}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=copy.parents[2], env={**os.environ, "PYTHONPATH": str(copy.parents[2])},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def objects(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Return what the copy renders for its quick start, by component."""
    target = tmp_path_factory.mktemp("rendered")
    done = run(
        copy, "ansible-playbook", "playbooks/render.yml", "--inventory=inventories/local", "--extra-vars", f"render_directory={target}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: list(yaml.safe_load_all(path.read_text())) for path in target.glob("*/*.yaml")}


def named(items: Sequence[dict[str, Any]], kind: str) -> list[str]:
    return [item["metadata"]["name"] for item in items if item["kind"] == kind]


def test_its_objects_follow_from_its_rows(objects: dict[str, list[dict[str, Any]]]) -> None:
    own = objects[NAME]
    for kind in ("ServiceAccount", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"):
        assert named(own, kind) == [NAME], kind
    (workload,) = (item for item in own if item["kind"] == "Deployment")
    assert workload["spec"]["template"]["spec"]["containers"][0]["args"][0].endswith(":3100")


def test_the_policies_of_both_ends_open_its_connections(objects: dict[str, list[dict[str, Any]]]) -> None:
    (policy,) = (item["spec"] for item in objects["loki"] if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == "loki")
    sources = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for rule in policy["ingress"] for peer in rule["from"]}
    assert NAME in sources


def test_verification_and_removal_know_it(copy: Path) -> None:
    assert python(copy, f'"{NAME}_events" in checks.KINDS') is True
    kinds = f'sorted(row.check for row in connections.CONNECTIONS if "{NAME}" in (row.source, row.target) and row.check)'
    assert python(copy, kinds) == ["targets", f"{NAME}_events"]
    waves: list[list[str]] = python(copy, "graph.removal_waves()")
    turn = {name: number for number, wave in enumerate(waves) for name in wave}
    assert turn[NAME] < turn["loki"]


def test_the_contracts_of_roles_hold_for_it(copy: Path) -> None:
    done = run(copy, "ansible-doc", "-t", "role", f"observability.stack.{NAME}")
    assert done.returncode == 0, done.stderr
    assert f"{NAME}_replicas" in done.stdout


def test_nothing_else_names_it(copy: Path) -> None:
    places = {*ROWS, *FILES}
    found = {
        str(path.relative_to(copy))
        for path in copy.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and NAME in path.read_text(errors="ignore").lower().replace("_", " ").replace("-", " ").split()
    }
    assert found <= places
    told = (ROOT / "CONTRIBUTING.md").read_text()
    recipe = told[told.index("## Add a component") :]
    for place in places:
        named_in_recipe = (
            place.replace(f"/{NAME}", "/example").replace("checks/__init__.py", "checks/").replace("checks/example.py", "checks/")
        )
        part = named_in_recipe if not named_in_recipe.startswith("roles/") else "roles/example/"
        assert part in recipe, f"the recipe does not name {part}"


def test_a_connection_to_a_port_that_it_does_not_have_is_found(copy: Path) -> None:
    text = (copy / f"{STACK}/connections.py").read_text()
    broken = text.replace(f'"{NAME}", "events", check', f'"{NAME}", "events", ("https",), check')
    assert broken != text
    (copy / f"{STACK}/connections.py").write_text(broken)
    try:
        with pytest.raises(AssertionError, match=f"{NAME} has no port 'https'; it has http"):
            python(copy, "1")
    finally:
        (copy / f"{STACK}/connections.py").write_text(text)
