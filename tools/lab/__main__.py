"""The command line of the providers: python -m tools.lab COMMAND."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tools.lab import build
from tools.lab.addresses import addresses
from tools.lab.cluster import LabError
from tools.lab.packages import PackageError
from tools.lab.provider_protocol import Provider, ProviderError
from tools.lab.providers import Lab, choose, forget_cluster, record_provider, recorded_provider, write_variables

ERRORS = (LabError, ProviderError, PackageError, build.BuildError, TimeoutError, ValueError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.lab", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the cluster, unless it runs, and write build/kubeconfig")
    commands.add_parser("build", help="compile what the cluster will be made of, where its images do not come from a registry")
    commands.add_parser("down", help="remove the cluster and everything that belongs to it")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("addresses", help="say where the stack is reached and where its passwords are")
    commands.add_parser("provider", help="say which provider is used, and write what Ansible has to know about it into build/provider.yml")
    load = commands.add_parser("load", help="put images on the nodes: of the components named, or all that can be made by now")
    load.add_argument("component", nargs="*", help="a name in versions.yml")
    second = commands.add_parser("second-tags", help="give every image of the lab a second tag: the one that it has, with a suffix")
    second.add_argument("suffix", help="for instance `second`, which stands behind a `-`")
    commands.add_parser("node-stop", help="lose a node of the lab: everything on it is killed at once").add_argument("node")
    commands.add_parser("node-start", help="start a lost node of the lab again").add_argument("node")
    return parser


def _lab(provider: Provider, command: str) -> Lab:
    if not isinstance(provider, Lab):
        raise ProviderError(f"{command} is for the lab; the provider here is {provider.name}")
    return provider


def _run(options: argparse.Namespace) -> None:
    start = time.monotonic()
    before = recorded_provider()
    provider = choose(_say, made=before)
    match options.command:
        case "up":
            if before not in ("", provider.name):
                _say(f"the {before} cluster that was made from here stays; to remove it: PROVIDER={before} make down")
            record_provider(provider)
            changed = provider.up()
            write_variables(provider)
            for line in provider.status():
                _say(line)
            _say(f"{provider.name}: {f'up after {time.monotonic() - start:.0f} s' if changed else 'up already, nothing changed'}")
        case "build":
            if isinstance(provider, Lab):
                build.build_all(build.components(), _say)
        case "down":
            provider.down()
            forget_cluster(provider)
            _say(f"{provider.name}: down")
        case "status":
            for line in provider.status():
                _say(line)
        case "addresses":
            for line in addresses(provider):
                _say(line)
        case "provider":
            _say(f"{provider.name}; for Ansible: --extra-vars @{write_variables(provider)}")
        case "load" if options.component:
            for name in options.component:
                provider.load_image(name)
        case "load":
            new = _lab(provider, "load without a name").cluster.load_ready_images()
            _say(f"new on the nodes: {', '.join(new) or 'nothing'}")
        case "second-tags":
            for reference in _lab(provider, "second-tags").cluster.tag_again(options.suffix):
                _say(reference)
        case "node-stop":
            _lab(provider, "node-stop").cluster.stop_node(options.node)
        case "node-start":
            _lab(provider, "node-start").cluster.start_node(options.node)


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Run one command; return 0, or 1 after a message for people."""
    try:
        _run(_parser().parse_args())
    except ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: `{' '.join(map(str, error.cmd))}` failed: {(error.stderr or '').strip()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
