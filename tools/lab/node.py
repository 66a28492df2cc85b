"""A node: containerd, kubelet and kube-proxy as one machine, with a /var and a /run of its own.

Because all of /var and /run belongs to the node, a hostPath volume there (logs, positions, data) is really that node's.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from tools.lab import build, cgroups, network
from tools.lab.certificates import Authority
from tools.lab.machine import Machine

CNI_PLUGINS = "/usr/lib/cni"
# Paths inside the node.
SETTINGS = "/var/lib/kubernetes"
SOCKET = "/run/containerd/containerd.sock"
POLICIES = Path(__file__).with_name("network_policies.py")

# What the kubelet writes to the whole kernel's settings. The node gets files instead, so that the host's stay as they are.
KERNEL_SETTINGS = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}

CONTAINERD = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Machines without CAP_SYS_RESOURCE, as containers and small VMs are, may not lower an OOM score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{settings}/cni"
"""


def node(directory: Path, address: network.Address, server: str) -> Machine:
    """Return a node of the lab in that directory, for the API server at that URL; `prepare` writes what its services read."""
    here = directory / address.name
    binaries = here / "var" / SETTINGS.removeprefix("/var/") / "bin"
    mounts = [(str(here / "sysctl" / name), f"/proc/sys/{name}") for name in KERNEL_SETTINGS]
    # The node's /var comes last: it covers the place of all the others.
    mounts += [(str(build.binary("kubelet").parent), str(binaries)), (str(here / "run"), "/run"), (str(here / "var"), "/var")]
    services = {
        "containerd": ["/usr/bin/containerd", f"--config={SETTINGS}/containerd.toml"],
        "kubelet": [
            f"{SETTINGS}/bin/kubelet",
            f"--config={SETTINGS}/kubelet.yaml",
            f"--kubeconfig={SETTINGS}/kubelet.kubeconfig",
            f"--hostname-override={address.name}",
            f"--node-ip={','.join(address.ips)}",
            # One zone per node, so that spreading over zones can be seen.
            f"--node-labels=topology.kubernetes.io/zone=zone-{address.name.removeprefix('node-')}",
        ],
        "kube-proxy": [f"{SETTINGS}/bin/kube-proxy", f"--config={SETTINGS}/kube-proxy.yaml", f"--hostname-override={address.name}"],
        "network-policies": [
            # Not that of a virtual environment, which may be where the node has its /var.
            str(Path(sys.executable).resolve()),
            "-I",
            f"{SETTINGS}/{POLICIES.name}",
            address.name,
            ",".join(map(str, network.VERSIONS)),
            server,
            *(f"{SETTINGS}/{name}" for name in ("ca.crt", "network-policies.crt", "network-policies.key")),
        ],
    }
    forward = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
    return Machine(address, here, services, mounts, {forward[version]: "1" for version in network.VERSIONS})


def prepare(machine: Machine, plan: network.Plan, authority: Authority, pause: str) -> None:
    """Write the directories and settings of a node that does not run; `pause` is the reference of the sandbox image.

    What is on its disk stays. Its /run is emptied: those are sockets and locks of processes that are no more.
    """
    var, run, address = machine.directory / "var", machine.directory / "run", machine.address
    for name in ("lib/kubernetes/cni", "lib/kubernetes/bin", "lib/kubelet", "lib/volumes", "lib/cni", "log/pods", "cache", "spool", "tmp"):
        (var / name).mkdir(parents=True, exist_ok=True)
    (var / "tmp").chmod(0o1777)
    for link, target in (("run", "/run"), ("lock", "/run/lock")):
        if not (var / link).is_symlink():
            (var / link).symlink_to(target)
    shutil.rmtree(run, ignore_errors=True)
    (run / "lock").mkdir(parents=True)
    for name, value in KERNEL_SETTINGS.items():
        path = machine.directory / "sysctl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)

    settings = var / "lib/kubernetes"
    server = plan.server
    client = authority.issue(f"{address.name}-client", f"system:node:{address.name}", ["system:nodes"])
    authority.kubeconfig(settings / "kubelet.kubeconfig", server, client, "lab")
    proxy = authority.issue("kube-proxy", "system:kube-proxy")
    authority.kubeconfig(settings / "kube-proxy.kubeconfig", server, proxy, "lab")
    policies = authority.issue("network-policies", "network-policies")
    shutil.copy(POLICIES, settings)
    shutil.copy(policies.certificate, settings)
    shutil.copy(policies.key, settings)
    serving = authority.issue(address.name, f"system:node:{address.name}", ["system:nodes"], hosts=[address.name, *address.ips])
    shutil.copy(serving.certificate, settings / "kubelet.crt")
    shutil.copy(serving.key, settings / "kubelet.key")
    shutil.copy(authority.pair.certificate, settings / "ca.crt")
    (settings / "resolv.conf").write_text("")  # there is nobody to ask outside the cluster
    (settings / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(address)))
    (settings / "kube-proxy.yaml").write_text(yaml.safe_dump(_kube_proxy()))
    (settings / "cni/10-lab.conflist").write_text(json.dumps(_cni(address), indent=2))
    (settings / "containerd.toml").write_text(CONTAINERD.format(socket=SOCKET, pause=pause, cni=CNI_PLUGINS, settings=SETTINGS))


def socket(machine: Machine) -> Path:
    """Return the node's containerd socket as the host sees it."""
    return machine.directory / SOCKET.lstrip("/")


def _kubelet(address: network.Address) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": f"{SETTINGS}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{SETTINGS}/kubelet.crt",
        "tlsPrivateKeyFile": f"{SETTINGS}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        # A shared root would let one node's kubelet clean up another's pods.
        "cgroupRoot": f"/{cgroups.ROOT}/{address.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [network.DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{SETTINGS}/resolv.conf",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "oomScoreAdj": 0,
        # The disk is the host's: how full it is is no reason to evict a pod or to drop an image that nobody could fetch again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
    }


def _kube_proxy() -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{SETTINGS}/kube-proxy.kubeconfig"},
        "mode": "iptables",
        "clusterCIDR": network.PODS,
        "oomScoreAdj": 0,
        # Zero leaves the kernel's own values.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _cni(address: network.Address) -> dict[str, Any]:
    """Return the CNI chain: every pod on a link of its own, routed, so that all its traffic passes kube-proxy's rules."""
    default = {4: "0.0.0.0/0", 6: "::/0"}
    return {
        "cniVersion": "0.4.0",
        "name": "lab",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": subnet}] for subnet in address.pods],
                    "routes": [{"dst": default[version]} for version in network.VERSIONS],
                    "dataDir": "/run/cni",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
