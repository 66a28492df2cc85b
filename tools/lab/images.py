"""The images of the lab: one layer each, around a binary built here, under the reference of the image they replace.

A role that names `quay.io/prometheus/prometheus:v3.13.5` runs unmodified, because the nodes have an image of that name
with the same entry point, user, working directory, file capabilities and directories: those of the table images.yml.
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
import struct
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.lab import build

REPOSITORY = Path(__file__).resolve().parents[2]
LABEL = "observability.stack/lab"
# Values of the label: built here from the component's own source, a given binary of the real program, or a substitute.
BUILT, REAL, SUBSTITUTE = "lab-build", "binary", "substitute"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
TABLE = Path(__file__).with_name("images.yml")
# Not to be had as Go modules: they are taken from LAB_BIN_DIR, by these names.
GIVEN = ("alloy", "grafana", "nginx-ingress")
# The numbers of linux/capability.h, as far as an image of the table has them.
CAPABILITIES = {"cap_net_bind_service": 10}


@dataclass(frozen=True)
class Image:
    """An image: its reference, the files in it (path in the image -> file here) and how it is run.

    `directories` maps a path to its "owner:group mode", `capabilities` a file to the argument of setcap, `users` a
    name in /etc/passwd to its number; all of it as in images.yml. `scripts` are files with their text.
    """

    name: str
    reference: str
    files: Mapping[str, Path]
    entrypoint: tuple[str, ...]
    user: str
    label: str = BUILT
    directory: str = "/"
    directories: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)


@cache
def table() -> dict[str, dict[str, Any]]:
    """Return the rows of images.yml: what the upstream image of each component carries."""
    rows: dict[str, dict[str, Any]] = yaml.safe_load(TABLE.read_text())
    return rows


def versions() -> dict[str, str]:
    """Return the image reference of each component, from versions.yml."""
    entries = yaml.safe_load((REPOSITORY / "versions.yml").read_text())
    return {name: f"{entry['image']}:{entry['tag']}" for name, entry in entries.items()}


def given(name: str) -> Path | None:
    """Return the user's own binary of that name from the directory LAB_BIN_DIR, if there is one."""
    directory = os.environ.get("LAB_BIN_DIR")
    path = Path(directory, name) if directory and name in GIVEN else None
    return path if path and path.is_file() else None


def reference(name: str) -> str:
    """Return the reference of the image of that row of the table."""
    row = table()[name]
    if "component" in row:
        [version] = [component.version for component in build.components() if component.name == row["component"]]
        return f"{row['image']}:{version}"
    return str(row.get("image") or versions()[name])


def catalogue() -> list[Image]:
    """Return every image that can be made now: those whose binaries are built or given."""
    return [image for name in table() if (image := _image(name)) is not None]


def _image(name: str) -> Image | None:
    """Return the image of a row of the table; None while a binary of it is missing."""
    row = table()[name]
    binaries: dict[str, str] = row["files"]
    own = {path: program for path, binary in binaries.items() if (program := given(binary))}
    label = REAL if own else BUILT
    scripts: dict[str, str] = {}
    files: dict[str, Path] = {}
    if name == "grafana":
        if own:
            shell = Path("/bin/sh").resolve()
            files = {"/bin/sh": shell, **libraries(shell)}
            scripts = {row["entrypoint"]: GRAFANA_SCRIPT}
        else:
            label, binaries = SUBSTITUTE, {row["entrypoint"]: "grafana-substitute"}
    try:
        for path, binary in binaries.items():
            program = own.get(path) or build.binary(binary)
            files |= {path: program, **(libraries(program) | _root(program) if path in own else {})}
    except build.BuildError:
        return None
    facts = {key: row[key] for key in ("user", "directory", "directories", "capabilities")}
    return Image(name, reference(name), files, (row["entrypoint"],), label=label, users=row.get("users", {}), scripts=scripts, **facts)


def absent() -> dict[str, str]:
    """Return the components of the stack of which the lab does not run the real program, each with the reason."""
    return {name: f"no binary of {name} here" for name in ("alloy", "grafana") if not given(name)}


def substitutes() -> dict[str, str]:
    """Return the components of the stack that something else replaces in the lab, each with what does."""
    found = {} if given("nginx-ingress") else {"ingress": "Traefik, as the controller that a cluster already has"}
    return found if given("grafana") else {"grafana": "a program that only queries the data sources", **found}


def other_versions() -> dict[str, str]:
    """Return the components that do not run here in the version that versions.yml names, each with what does.

    Of a binary that was given nobody has looked at the version. What is absent or a substitute is not among them.
    """
    releases = {binary: component.release for component in build.components() for binary in component.binaries}
    found: dict[str, str] = {}
    for name, wanted in versions().items():
        tag = wanted.rpartition(":")[2]
        binary = next(iter(table()[name]["files"].values()))
        if given(binary):
            found[name] = f"a binary from LAB_BIN_DIR of unknown version, for {tag}"
        elif releases.get(binary, "") not in ("", tag.removeprefix("v")):
            found[name] = f"{releases[binary]}, for {tag}"
    return found


# What the shell script of the real image comes down to.
GRAFANA_SCRIPT = (
    "#!/bin/sh\n"
    'exec /usr/share/grafana/bin/grafana server --homepath="${GF_PATHS_HOME:-/usr/share/grafana}"'
    ' --config="${GF_PATHS_CONFIG:-/etc/grafana/grafana.ini}" cfg:default.log.mode=console'
    ' cfg:default.paths.data="${GF_PATHS_DATA:-/var/lib/grafana}" cfg:default.paths.logs="${GF_PATHS_LOGS:-/var/log/grafana}"'
    ' cfg:default.paths.plugins="${GF_PATHS_PLUGINS:-/var/lib/grafana/plugins}"'
    ' cfg:default.paths.provisioning="${GF_PATHS_PROVISIONING:-/etc/grafana/provisioning}" "$@"\n'
)


def _root(binary: Path) -> dict[str, Path]:
    """Return the files of the directory NAME.rootfs beside a given binary NAME: what its image needs besides."""
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
    facts: list[Any] = ["gzip, capabilities", *(getattr(image, item.name) for item in fields(image) if item.name != "files")]
    for path, source in sorted(image.files.items()):
        status = source.stat()
        facts.append([path, str(source), status.st_size, status.st_mtime_ns])
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    directory = build.CACHE / "images"
    target = directory / f"{image.name}-{key}.tar"
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{os.getpid()}")
        try:
            write_archive(image, draft)
            for old in directory.glob(f"{image.name}-*.tar"):
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
                "config": {
                    "Entrypoint": image.entrypoint,
                    "User": image.user,
                    "Labels": {LABEL: image.label},
                    "WorkingDir": image.directory,
                },
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


def file_capability(text: str) -> bytes:
    """Return the value of the attribute security.capability for what setcap writes as `cap_net_bind_service=ep`.

    The kernel's struct vfs_cap_data, VFS_CAP_REVISION_2: the version and whether the permitted ones are effective too, then
    permitted and inheritable for the lower and the upper 32 capabilities. KeyError for a capability that CAPABILITIES lacks.
    """
    name, _, flags = text.partition("=")
    mask = 1 << CAPABILITIES[name]
    permitted, inheritable = (mask if flag in flags else 0 for flag in "pi")
    low, high = 0xFFFFFFFF, 32
    words = (permitted & low, inheritable & low, permitted >> high, inheritable >> high)
    return struct.pack("<5I", 0x02000000 | ("e" in flags), *words)


def _write_layer(image: Image, layer: Path) -> None:
    """Write the file system of an image, the same bytes for the same files."""
    made: set[str] = set()
    owners = {path: _ownership(text) for path, text in image.directories.items()}

    def owner(path: str) -> tuple[int, int]:
        """Return owner and group of what belongs to a directory of the table: those of the nearest one, and else root's."""
        while path:
            path = path.rpartition("/")[0]
            if path in owners:
                return owners[path][:2]
        return 0, 0

    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as tar:

        def entry(path: str, mode: int, **facts: Any) -> tarfile.TarInfo:
            parent = path.rpartition("/")[0]
            if parent and parent not in made:
                directory(parent)
            item = tarfile.TarInfo(path.lstrip("/"))
            item.mode = mode
            item.uid, item.gid = owner(path)
            for key, value in facts.items():
                setattr(item, key, value)
            return item

        def directory(path: str) -> None:
            made.add(path)
            if path in owners:
                user, group, mode = owners[path]
                tar.addfile(entry(path, mode, type=tarfile.DIRTYPE, uid=user, gid=group))
            else:
                tar.addfile(entry(path, 0o755, type=tarfile.DIRTYPE))

        def place(path: str, mode: int, size: int, content: io.BufferedIOBase) -> None:
            item = entry(path, mode, size=size)
            if path in image.capabilities:
                # Where Docker and containerd look for an extended attribute of a file.
                value = file_capability(image.capabilities[path]).decode("utf-8", "surrogateescape")
                item.pax_headers = {"SCHILY.xattr.security.capability": value}
            tar.addfile(item, content)

        for path in sorted(owners):
            if path not in made:
                directory(path)
        files = {**({str(CERTIFICATES): CERTIFICATES} if CERTIFICATES.exists() else {}), **image.files}
        for path, source in files.items():
            mode = 0o755 if os.access(source, os.X_OK) and source != CERTIFICATES else 0o644
            with source.open("rb") as stream:
                place(path, mode, source.stat().st_size, stream)
        passwd = "".join(f"{name}:x:{number}:{number}::/:/bin/false\n" for name, number in image.users.items())
        texts = {**({"/etc/passwd": passwd} if passwd else {}), **image.scripts}
        for path, text in texts.items():
            place(path, 0o755 if path in image.scripts else 0o644, len(text.encode()), io.BytesIO(text.encode()))


def _ownership(text: str) -> tuple[int, int, int]:
    """Return owner, group and mode of a directory of the table, given as "101:0 0775"."""
    owner, mode = text.split()
    user, group = owner.split(":")
    return int(user), int(group), int(mode, 8)


def load(tar: Path, socket: Path) -> None:
    """Put an archive into the image store of the containerd that listens on `socket`.

    Unpacking is left to the node that runs the image first: most images run on one node only.
    """
    command = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images", "import", "--no-unpack", str(tar)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def tag(reference: str, other: str, socket: Path) -> None:
    """Give an image in the store of the containerd that listens on `socket` a second reference."""
    command = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images", "tag", "--force", reference, other]
    subprocess.run(command, check=True, capture_output=True, text=True)
