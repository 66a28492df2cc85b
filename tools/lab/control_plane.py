"""The control plane: etcd, API server, controller manager, scheduler and the volume provisioner, as one machine."""

from __future__ import annotations

import sys
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
PROVISIONER = Path(__file__).with_name("volumes.py")


def control_plane(directory: Path, plan: network.Plan) -> Machine:
    """Return the control plane of the lab in that directory; `prepare` writes what its services read."""
    here, pki = directory / "control-plane", directory / "pki"
    address = plan.control_plane
    controller_manager, scheduler, provisioner = (here / f"{name}.kubeconfig" for name in USERS)
    services = {
        "etcd": [
            str(build.binary("etcd")),
            f"--data-dir={here / 'etcd'}",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380",
            "--initial-cluster=default=http://127.0.0.1:2380",
            # The lab is killed, but the machine below it does not lose power: no need to wait for the disk.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        "kube-apiserver": [
            str(build.binary("kube-apiserver")),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={address.ip}",
            "--secure-port=6443",
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
        ],
        "kube-controller-manager": [
            str(build.binary("kube-controller-manager")),
            f"--kubeconfig={controller_manager}",
            f"--authentication-kubeconfig={controller_manager}",
            f"--authorization-kubeconfig={controller_manager}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / 'service-accounts.key'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
        ],
        "kube-scheduler": [
            str(build.binary("kube-scheduler")),
            f"--kubeconfig={scheduler}",
            f"--authentication-kubeconfig={scheduler}",
            f"--authorization-kubeconfig={scheduler}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ],
        "volume-provisioner": [sys.executable, "-I", str(PROVISIONER), str(provisioner), str(directory)],
    }
    return Machine(address, here, services)


def prepare(machine: Machine, directory: Path, authority: Authority) -> None:
    """Write the keys, certificates and kubeconfigs of the control plane, those that are missing."""
    ip = machine.address.ip
    cluster = "cluster.local"
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{cluster}", "localhost"]
    authority.issue("kube-apiserver", "kube-apiserver", hosts=[*names, ip, network.API_SERVICE, "127.0.0.1"])
    authority.issue("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client")
    authority.issue("front-proxy-client", "front-proxy-client")
    key_pair(directory / "pki", "service-accounts")
    for name, user in USERS.items():
        authority.kubeconfig(
            machine.directory / f"{name}.kubeconfig", network.api_server(machine.address), authority.issue(name, user), "lab"
        )
