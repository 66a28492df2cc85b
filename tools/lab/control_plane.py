"""The control plane: etcd, API server, controller manager, scheduler and the volume provisioner, as one machine.

The commands are the same on a machine of the lab and on the host's loopback address (`loopback.py`); `Place` is what differs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.lab import build, network
from tools.lab.certificates import Authority, key_pair
from tools.lab.machine import Machine

# The clients of the API server that run beside it, and who they are to it.
USERS = {
    "kube-controller-manager": "system:kube-controller-manager",
    "kube-scheduler": "system:kube-scheduler",
    "volume-provisioner": "volume-provisioner",
}
# On which the services listen, where nothing else says so.
PORTS = {"etcd": 2379, "etcd-peer": 2380, "kube-apiserver": 6443, "kube-controller-manager": 10257, "kube-scheduler": 10259}
PROVISIONER = Path(__file__).with_name("volumes.py")


@dataclass(frozen=True)
class Place:
    """Where a control plane runs: its directory, that of the certificates, the address and ports on which it listens.

    `volumes` is the directory of the provisioner, with one directory per node; `server_flags` are further ones of the API server.
    """

    directory: Path
    pki: Path
    volumes: Path
    ip: str
    ports: Mapping[str, int] = field(default_factory=PORTS.copy)
    server_flags: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """Return the URL of the API server."""
        return network.api_server(self.ip, self.ports["kube-apiserver"])

    @property
    def etcd(self) -> str:
        """Return the URL of etcd."""
        return f"http://127.0.0.1:{self.ports['etcd']}"

    def kubeconfig(self, name: str) -> Path:
        """Return the file with the access of a service to the API server."""
        return self.directory / f"{name}.kubeconfig"


def commands(place: Place) -> dict[str, list[str]]:
    """Return the command of each service by its name, in the order in which they start."""
    return {
        "etcd": _etcd(place),
        "kube-apiserver": _api_server(place),
        "kube-controller-manager": [
            *_client(place, "kube-controller-manager"),
            "--use-service-account-credentials=true",
            f"--root-ca-file={place.pki / 'ca.crt'}",
            f"--service-account-private-key-file={place.pki / 'service-accounts.key'}",
            f"--cluster-signing-cert-file={place.pki / 'ca.crt'}",
            f"--cluster-signing-key-file={place.pki / 'ca.key'}",
        ],
        "kube-scheduler": _client(place, "kube-scheduler"),
        "volume-provisioner": [sys.executable, "-I", str(PROVISIONER), str(place.kubeconfig("volume-provisioner")), str(place.volumes)],
    }


def prepare(place: Place, authority: Authority) -> None:
    """Write the keys, certificates and kubeconfigs of the control plane, those that are missing."""
    cluster = "cluster.local"
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{cluster}", "localhost"]
    authority.issue("kube-apiserver", "kube-apiserver", hosts=[*names, *dict.fromkeys([place.ip, network.API_SERVICE, "127.0.0.1"])])
    authority.issue("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client")
    authority.issue("front-proxy-client", "front-proxy-client")
    key_pair(place.pki, "service-accounts")
    for name, user in USERS.items():
        authority.kubeconfig(place.kubeconfig(name), place.server, authority.issue(name, user), "lab")


def lab_place(directory: Path, plan: network.Plan) -> Place:
    """Return the place of the lab's control plane: addresses of its own, so the usual ports."""
    return Place(directory / "control-plane", directory / "pki", directory, plan.control_plane.ip)


def control_plane(directory: Path, plan: network.Plan) -> Machine:
    """Return the control plane of the lab in that directory; `prepare` writes what its services read."""
    place = lab_place(directory, plan)
    return Machine(plan.control_plane, place.directory, commands(place))


def _etcd(place: Place) -> list[str]:
    peer = f"http://127.0.0.1:{place.ports['etcd-peer']}"
    return [
        str(build.binary("etcd")),
        f"--data-dir={place.directory / 'etcd'}",
        f"--listen-client-urls={place.etcd}",
        f"--advertise-client-urls={place.etcd}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # The lab is killed, but the machine below it does not lose power: no need to wait for the disk.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(place: Place) -> list[str]:
    pki = place.pki
    return [
        str(build.binary("kube-apiserver")),
        f"--etcd-servers={place.etcd}",
        f"--advertise-address={place.ip}",
        f"--secure-port={place.ports['kube-apiserver']}",
        f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={network.SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--kubelet-client-certificate={pki / 'kube-apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kube-apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        # For API servers behind this one: they see on whose behalf it calls.
        f"--requestheader-client-ca-file={pki / 'ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        # Node names are in no DNS here; without this `kubectl logs` and `exec` look them up.
        "--kubelet-preferred-address-types=InternalIP",
        # No kube-proxy runs beside the API server: it reaches webhooks by their pods.
        "--enable-aggregator-routing=true",
        *place.server_flags,
    ]


def _client(place: Place, name: str) -> list[str]:
    access = place.kubeconfig(name)
    return [
        str(build.binary(name)),
        f"--kubeconfig={access}",
        f"--authentication-kubeconfig={access}",
        f"--authorization-kubeconfig={access}",
        "--bind-address=127.0.0.1",
        f"--secure-port={place.ports[name]}",
        "--leader-elect=false",
    ]
