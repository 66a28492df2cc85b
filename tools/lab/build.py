"""Build the components of the lab from Go modules, once, into a cache outside the repository.

Each component of components.yml becomes a small Go module that requires the published one and takes over its
`replace` and go.sum lines, so that the versions are those its authors tested; a component with `directory` is a module
of this repository and is compiled where it is. A binary lands under a key made
of its recipe and the Go version; a finished one is never built again, and an interrupted build goes on where Go's
own cache stands.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "observability-stack"
# No debug information, which is quicker to compile and to link; more room for the compiler's own heap, which is collected less often.
COMPILER = {"CGO_ENABLED": "0", "GOGC": "400", "GOFLAGS": "-mod=mod -buildvcs=false -trimpath"}
GCFLAGS = "-gcflags=all=-dwarf=false"


class BuildError(Exception):
    """A component could not be built; the message says which, and how to see why."""


@dataclass(frozen=True)
class Component:
    """One entry of components.yml.

    `binaries` maps the name of a binary to the package it is compiled from; `minutes` is an estimate for the
    screen; `recipe` is the entry itself, from which the key is made.
    """

    name: str
    binaries: dict[str, str]
    minutes: float
    recipe: dict[str, Any]

    @property
    def key(self) -> str:
        """A short hash of everything that decides what the binaries are."""
        sources = [path.read_text() for path in sorted(self._sources())]
        recipe = {name: value for name, value in self.recipe.items() if name not in ("release", "directory")}
        facts = json.dumps([recipe, sources, COMPILER, GCFLAGS, go_version()], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:12]

    @property
    def directory(self) -> Path:
        """Where the binaries of this recipe are kept."""
        return CACHE / "bin" / f"{self.name}-{self.key}"

    @property
    def built(self) -> bool:
        """Whether every binary is there."""
        return all((self.directory / binary).exists() for binary in self.binaries)

    @property
    def module(self) -> Path | None:
        """The directory of a Go module of this repository; None for a published one."""
        return (HERE / self.recipe["directory"]).resolve() if "directory" in self.recipe else None

    @property
    def version(self) -> str:
        """What the screen says about the version."""
        return str(self.recipe.get("version", "of this repository"))

    @property
    def release(self) -> str:
        """The component's own name for the version that is built, without a `v`; empty for what is of this repository."""
        return str(self.recipe.get("release") or self.recipe.get("version", "").removeprefix("v"))

    def _sources(self) -> Iterable[Path]:
        if self.module:
            return (path for path in self.module.rglob("*") if path.is_file())
        if "main" in self.recipe:
            return (path for path in (HERE / self.recipe["main"]).iterdir() if path.is_file())
        return [HERE / self.recipe["builder"]] if "builder" in self.recipe else []


def components(table: Path = HERE / "components.yml") -> list[Component]:
    """Return the components of a table, that of the lab unless another one is named, in build order."""
    rows = yaml.safe_load(table.read_text())
    return [Component(name, recipe.get("packages", {name: "."}), recipe["minutes"], recipe) for name, recipe in rows.items()]


def binary(name: str, table: Path = HERE / "components.yml") -> Path:
    """Return the path of a built binary; raise BuildError when no component makes it or it is not built yet."""
    for component in components(table):
        if name in component.binaries and component.built:
            return component.directory / name
    if any(name in component.binaries for component in components(table)):
        raise BuildError(f"{name} is not built; run: make build")
    raise BuildError(f"no binary of {name} here: it is not built from modules; name a directory that has it by LAB_BIN_DIR")


_GO_VERSION: list[str] = []


def go_version() -> str:
    """Return the version of the Go toolchain; raise BuildError when there is none."""
    if not _GO_VERSION:
        if shutil.which("go") is None:
            raise BuildError("the lab compiles its components with Go >= 1.26, and there is no `go` on the PATH")
        _GO_VERSION.append(subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip())
    return _GO_VERSION[0]


def build(component: Component, report: Callable[[str], None]) -> None:
    """Compile the binaries of a component unless they are there.

    `report` is given a line whenever there is something to say. Raises BuildError, with the last lines of the
    compiler, when it fails; the whole log stays in the cache.
    """
    if component.built:
        return
    work = CACHE / "src" / f"{component.name}-{component.key}"
    work.mkdir(parents=True, exist_ok=True)
    # One at a time, also over several checkouts; the lock goes with the process that holds it.
    with work.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not component.built:
            _build(component, work, report)


def _build(component: Component, work: Path, report: Callable[[str], None]) -> None:
    log = work / "build.log"
    with log.open("w") as stream:
        try:
            _prepare(component, work, stream)
            _compile(component, work, stream, report)
        except subprocess.CalledProcessError as error:
            tail = "\n".join(log.read_text().splitlines()[-15:])
            raise BuildError(f"{component.name}: `{' '.join(map(str, error.cmd))}` failed:\n{tail}\n(the whole log: {log})") from error


def _go(arguments: list[str], work: Path, stream: Any, **extra: str) -> None:
    subprocess.run(["go", *arguments], cwd=work, env={**os.environ, **COMPILER, **extra}, check=True, stdout=stream, stderr=stream)


def _prepare(component: Component, work: Path, stream: Any) -> None:
    """Write go.mod, go.sum and, where the recipe has them, sources into `work`; nothing for a module of this repository."""
    recipe = component.recipe
    if component.module:
        return
    if "builder" in recipe:
        manifest = HERE / recipe["builder"]
        # The builder would also resolve the modules that only its components' own tests need; the published versions do not have them all.
        flags = [f"--config={manifest}", "--skip-get-modules", "--skip-compilation"]
        _go(["run", f"{recipe['module']}@{recipe['version']}", *flags], work, stream, GOFLAGS="-buildvcs=false")
        (work / "go.mod").write_text(_collector_module(yaml.safe_load(manifest.read_text())))
        return
    published = json.loads(
        subprocess.run(
            ["go", "mod", "download", "-json", f"{recipe['module']}@{recipe['version']}"],
            cwd=work,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    directory = Path(published["Dir"])
    module = json.loads(
        subprocess.run(["go", "mod", "edit", "-json", str(directory / "go.mod")], capture_output=True, text=True, check=True).stdout
    )
    (work / "go.mod").write_text(_module_file(module, recipe))
    shutil.copy(directory / "go.sum", work / "go.sum")
    (work / "go.sum").chmod(0o644)
    if "main" in recipe:
        for source in (HERE / recipe["main"]).iterdir():
            shutil.copy(source, work)


def _collector_module(manifest: dict[str, Any]) -> str:
    """Return a go.mod for what the builder wrote: the components of its manifest, and the collector itself in the same version."""
    dist = manifest.pop("dist")
    required = [component["gomod"] for components in manifest.values() for component in components]
    required.append(f"go.opentelemetry.io/collector/otelcol v{dist['version']}")
    return "\n".join([f"module {dist['module']}", "go 1.26.0", *(f"require {line}" for line in required)]) + "\n"


def _module_file(module: dict[str, Any], recipe: dict[str, Any]) -> str:
    """Return a go.mod that requires the published module with the versions its authors chose.

    A `replace` by a local directory exists only in their repository: it becomes the published module, of
    `staging_version` where the recipe names one.
    """
    lines = ["module observability.stack/lab", f"go {module['Go']}", f"require {recipe['module']} {recipe['version']}"]
    lines += [f"godebug {item['Key']}={item['Value']}" for item in module.get("Godebug") or []]
    lines += [f"require {item['Path']} {item['Version']}" for item in module.get("Require") or []]
    for item in module.get("Replace") or []:
        old, new = item["Old"], item["New"]
        if "Version" in new:
            lines.append(f"replace {old['Path']} {old.get('Version', '')} => {new['Path']} {new['Version']}")
        elif "staging_version" in recipe:
            lines.append(f"replace {old['Path']} => {old['Path']} {recipe['staging_version']}")
    return "\n".join(lines) + "\n"


def _compile(component: Component, work: Path, stream: Any, report: Callable[[str], None]) -> None:
    """Run `go build` for all binaries of a component in one go, with progress, and move them to their place at once."""
    recipe = component.recipe
    source = component.module or work
    environment = {**os.environ, **COMPILER}
    if component.module:
        environment["GOFLAGS"] = environment["GOFLAGS"].replace("-mod=mod", "-mod=readonly")
    packages = ["."] if "main" in recipe or "builder" in recipe else list(component.binaries.values())
    tags = ["-tags", recipe["tags"]] if "tags" in recipe else []
    total = len(
        subprocess.run(
            ["go", "list", "-deps", *tags, *packages], cwd=source, env=environment, check=True, capture_output=True, text=True
        ).stdout.splitlines()
    )
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    # A single one gets its name from here: the package of etcd, for instance, would call it `server`.
    target = str(out / next(iter(component.binaries))) if len(packages) == 1 else f"{out}{os.sep}"
    command = ["go", "build", "-v", GCFLAGS, "-ldflags", f"-s -w {recipe.get('ldflags', '')}", *tags, "-o", target, *packages]
    with subprocess.Popen(command, cwd=source, env=environment, stdout=stream, stderr=subprocess.PIPE, text=True) as process:
        for done, line in enumerate(process.stderr or (), start=1):
            stream.write(line)
            if done % 100 == 0:
                report(f"{component.name}: {done} of at most {total} packages")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    component.directory.parent.mkdir(parents=True, exist_ok=True)
    out.rename(component.directory)
    shutil.rmtree(work)


def build_all(wanted: Iterable[Component], say: Callable[[str], None] = print) -> None:
    """Build the wanted components one after the other, with what is done, what is left and an estimate on the screen."""
    left = [component for component in wanted if not component.built]
    pace = 1.0
    for number, component in enumerate(left, start=1):
        remaining = sum(other.minutes for other in left[number - 1 :]) * pace
        head = f"build {number}/{len(left)}"
        say(
            f"{head} {component.name} {component.version}: about {component.minutes * pace:.0f} min; "
            f"all that is left: about {remaining:.0f} min"
        )
        start = time.monotonic()
        build(component, lambda text, head=head: say(f"{head} {text}"))  # type: ignore[misc]
        minutes = (time.monotonic() - start) / 60
        say(f"{head} {component.name}: built in {minutes:.1f} min")
        # This machine's pace, from what has been built so far; a component that Go had in its cache says nothing.
        if minutes > component.minutes / 4:
            pace = (pace + minutes / component.minutes) / 2


def main() -> int:
    """Build all components, or those named on the command line."""
    names = sys.argv[1:]
    unknown = set(names) - {component.name for component in components()}
    if unknown:
        print(f"no such component: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    try:
        build_all([component for component in components() if not names or component.name in names], lambda text: print(text, flush=True))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
