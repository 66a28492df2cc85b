"""The API server of these tests is a real one, can be restarted, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.inventories import ROOT
from tools.lab import loopback
from tools.lab.machine import process

MANIFEST = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "restart"}, "data": {"key": "value"}}'


def test_it_validates_and_keeps_what_it_takes_over_a_restart(api_server: loopback.ControlPlane) -> None:
    with pytest.raises(loopback.LoopbackError, match=r"date.*field not declared in schema"):
        api_server.kubectl("apply", "--server-side", "-f", "-", given=MANIFEST.replace('"data"', '"date"'))
    api_server.kubectl("apply", "--server-side", "-f", "-", given=MANIFEST)
    api_server.stop("kube-apiserver")
    assert not api_server.ready()
    api_server.start("kube-apiserver")
    assert json.loads(api_server.kubectl("get", "configmap", "restart", "--output=json"))["data"] == {"key": "value"}


def test_a_program_that_ends_is_named_with_its_last_lines(api_server: loopback.ControlPlane) -> None:
    api_server.start("short", ["sh", "-c", "echo the reason; exit 3"])
    try:
        with pytest.raises(loopback.LoopbackError, match=r"short has ended with 3; its last lines:\nthe reason"):
            api_server.wait(lambda: False, "never")
    finally:
        api_server.stop("short")


def test_nothing_runs_on_when_its_parent_is_killed(api_server: loopback.ControlPlane) -> None:  # noqa: ARG001 - builds what is missing
    script = (
        "from tools.lab import loopback\n"
        "with loopback.running(('etcd',)) as it:\n"
        "    print(it._processes['etcd'].pid, it.directory, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid, directory = parent.stdout.readline().split()
        etcd = process(int(pid))
        assert etcd
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while etcd.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not etcd.alive
    shutil.rmtree(directory)
