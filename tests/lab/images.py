"""The images of the lab: one layer each, around a binary built here, under the reference of the image they stand for.

A role that names `quay.io/prometheus/prometheus:v3.13.5` runs unmodified, because the nodes have an image of that name
with the same entry point and user.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.lab import build

REPOSITORY = Path(__file__).resolve().parents[2]
LABEL = "observability.stack/lab"
# What the label says: built here from the component's own source, somebody's binary of the real thing, or not the real thing.
BUILT, REAL, STAND_IN = "lab-build", "binary", "stand-in"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PAUSE = "localhost/observability-stack/pause:1"


@dataclass(frozen=True)
class Image:
    """An image: its reference, the files in it (path in the image -> file here) and how it is run.

    `folders` belong to the user and are there for what the component writes when nothing is mounted over them.
    """

    name: str
    reference: str
    files: Mapping[str, Path]
    entrypoint: tuple[str, ...]
    user: int
    label: str = BUILT
    folders: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """Return the image reference of each component, from versions.yml."""
    table = yaml.safe_load((REPOSITORY / "versions.yml").read_text())
    return {name: f"{entry['image']}:{entry['tag']}" for name, entry in table.items()}


def given(name: str) -> Path | None:
    """Return the user's own binary of that name from the folder LAB_BIN_DIR, if there is one."""
    folder = os.environ.get("LAB_BIN_DIR")
    path = Path(folder, name) if folder else None
    return path if path and path.is_file() else None


def catalogue() -> list[Image]:
    """Return every image that can be made now: those whose binaries are built or given."""
    tags = {component.name: component.recipe.get("version", "") for component in build.components()}
    found = versions()
    images: list[Image] = []

    def add(name: str, reference: str, binaries: dict[str, str], user: int, label: str = BUILT, folders: tuple[str, ...] = ()) -> None:
        try:
            files = {path: build.binary(binary) for path, binary in binaries.items()}
        except build.BuildError:
            return
        images.append(Image(name, reference, files, (next(iter(files)),), user, label, folders))

    add("pause", PAUSE, {"/pause": "pause"}, 65535)
    add("coredns", f"registry.k8s.io/coredns/coredns:{tags['coredns']}", {"/coredns": "coredns"}, 65532)
    add("traefik", f"docker.io/library/traefik:{tags['traefik']}", {"/usr/local/bin/traefik": "traefik"}, 65532)
    binaries = {"/bin/prometheus": "prometheus", "/bin/promtool": "promtool"}
    add("prometheus", found["prometheus"], binaries, 65534, folders=("/prometheus",))
    add("mimir", found["mimir"], {"/bin/mimir": "mimir"}, 10001, folders=("/data",))
    add("loki", found["loki"], {"/usr/bin/loki": "loki"}, 10001, folders=("/loki",))
    add("otel_collector", found["otel_collector"], {"/otelcol-k8s": "otelcol-k8s"}, 10001)
    add("sample_application", found["sample_application"], {"/sample-application": "sample-application"}, 65532)
    if alloy := given("alloy"):
        files = {"/bin/alloy": alloy, **libraries(alloy)}
        images.append(Image("alloy", found["alloy"], files, ("/bin/alloy",), 473, REAL, ("/var/lib/alloy/data",)))
    if grafana := given("grafana"):
        images.append(_grafana(grafana, found["grafana"]))
    else:
        add("grafana", found["grafana"], {"/run.sh": "grafana-stand-in"}, 472, STAND_IN, ("/var/lib/grafana",))
    if controller := given("nginx-ingress"):
        files = {"/nginx-ingress": controller, **libraries(controller), **_root(controller)}
        images.append(Image("ingress_nginx", found["ingress_nginx"], files, ("/nginx-ingress",), 101, REAL))
    return images


def absent() -> dict[str, str]:
    """Return the components of the stack of which the lab does not run the real program, each with the reason."""
    return {name: f"no binary of {name} here" for name in ("alloy", "grafana") if not given(name)}


def stand_ins() -> dict[str, str]:
    """Return the components of the stack that something else stands for in the lab, each with what does."""
    found = {"ingress_nginx": "Traefik, as the controller that a cluster already has"}
    return found if given("grafana") else {"grafana": "a stand-in that only queries the data sources", **found}


def _grafana(binary: Path, reference: str) -> Image:
    """Return the image for a real Grafana binary; its web pages come from the folder `grafana.rootfs` beside it."""
    shell = Path("/bin/sh").resolve()
    files = {"/usr/share/grafana/bin/grafana": binary, "/bin/sh": shell, **libraries(binary), **libraries(shell), **_root(binary)}
    script = (
        "#!/bin/sh\n"
        'exec /usr/share/grafana/bin/grafana server --homepath="${GF_PATHS_HOME:-/usr/share/grafana}"'
        ' --config="${GF_PATHS_CONFIG:-/etc/grafana/grafana.ini}" cfg:default.log.mode=console'
        ' cfg:default.paths.data="${GF_PATHS_DATA:-/var/lib/grafana}" cfg:default.paths.logs="${GF_PATHS_LOGS:-/var/log/grafana}"'
        ' cfg:default.paths.plugins="${GF_PATHS_PLUGINS:-/var/lib/grafana/plugins}"'
        ' cfg:default.paths.provisioning="${GF_PATHS_PROVISIONING:-/etc/grafana/provisioning}" "$@"\n'
    )
    folders = ("/var/lib/grafana", "/var/lib/grafana/plugins", "/var/log/grafana", "/etc/grafana")
    return Image("grafana", reference, files, ("/run.sh",), 472, REAL, folders, {"/run.sh": script})


def _root(binary: Path) -> dict[str, Path]:
    """Return the files of the folder NAME.rootfs beside a given binary NAME: what its image needs besides."""
    root = binary.with_name(binary.name + ".rootfs")
    return {f"/{path.relative_to(root)}": path for path in sorted(root.rglob("*")) if path.is_file()}


def libraries(binary: Path) -> dict[str, Path]:
    """Return the shared libraries and the loader that a binary needs; none for a static one."""
    listed = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
    paths = re.findall(r"(/\S+) \(0x", listed.stdout)
    return {path: Path(path).resolve() for path in paths}


def archive(image: Image) -> Path:
    """Return the image as a docker-archive file in the cache, written now unless one with the same content is there."""
    # How a layer is packed is part of what an archive is.
    facts = ["gzip", image.reference, image.entrypoint, image.user, image.label, image.folders, dict(image.scripts)]
    for path, source in sorted(image.files.items()):
        status = source.stat()
        facts.append([path, str(source), status.st_size, status.st_mtime_ns])
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    folder = build.CACHE / "images"
    target = folder / f"{image.name}-{key}.tar"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{os.getpid()}")
        try:
            write_archive(image, draft)
            for old in folder.glob(f"{image.name}-*.tar"):
                old.unlink()
            draft.rename(target)
        finally:
            draft.unlink(missing_ok=True)
    return target


def write_archive(image: Image, target: Path) -> None:
    """Write an image as docker-archive: one layer, its configuration and the manifest."""
    layer, packed = (target.with_name(target.name + suffix) for suffix in (".layer", ".layer.gz"))
    try:
        _write_layer(image, layer)
        with layer.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        # A third of the bytes: every node stores every image, and only those that run it unpack it.
        with (
            layer.open("rb") as stream,
            packed.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0) as out,
        ):
            shutil.copyfileobj(stream, out, 1 << 20)
        config = json.dumps(
            {
                "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
                "os": "linux",
                "config": {"Entrypoint": image.entrypoint, "User": str(image.user), "Labels": {LABEL: image.label}, "WorkingDir": "/"},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
        ).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = json.dumps([{"Config": name, "RepoTags": [image.reference], "Layers": [f"{digest}.tar.gz"]}]).encode()
        with tarfile.open(target, "w") as tar:
            for path, content in ((name, config), ("manifest.json", manifest)):
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            tar.add(packed, f"{digest}.tar.gz")
    finally:
        layer.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)


def _write_layer(image: Image, layer: Path) -> None:
    """Write the file system of an image, the same bytes for the same files."""
    made: set[str] = set()
    with tarfile.open(layer, "w") as tar:

        def folder(path: str, mode: int = 0o755, user: int = 0) -> None:
            parent = path.rpartition("/")[0]
            if parent and parent not in made:
                folder(parent)
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, user, user
            tar.addfile(entry)
            made.add(path)

        def place(path: str, mode: int, size: int, content: io.BufferedIOBase) -> None:
            parent = path.rpartition("/")[0]
            if parent and parent not in made:
                folder(parent)
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode, entry.size = mode, size
            tar.addfile(entry, content)

        folder("/tmp", 0o1777)  # noqa: S108 - the image's own
        for path in image.folders:
            folder(path, 0o755, image.user)
        files = {**({str(CERTIFICATES): CERTIFICATES} if CERTIFICATES.exists() else {}), **image.files}
        for path, source in files.items():
            mode = 0o755 if os.access(source, os.X_OK) and source != CERTIFICATES else 0o644
            with source.open("rb") as stream:
                place(path, mode, source.stat().st_size, stream)
        for path, text in image.scripts.items():
            place(path, 0o755, len(text.encode()), io.BytesIO(text.encode()))


def load(tar: Path, socket: Path) -> None:
    """Put an archive into the image store of the containerd that listens on `socket`.

    Unpacking is left to the node that runs the image first: most images run on one node only.
    """
    command = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images", "import", "--no-unpack", str(tar)]
    subprocess.run(command, check=True, capture_output=True, text=True)
