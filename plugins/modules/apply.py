"""Documentation of the action `apply`; the code is in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
author: observability.stack contributors (@observability)
short_description: Apply the objects of one role, those that differ
version_added: 0.1.0
description:
  - Renders the templates of the calling role, adds the objects that follow from the model, compares them with the record of earlier
    runs on the cluster, and applies those that differ, server-side.
  - Prints a line for each object that it has created or changed.
  - Runs on the controller, which has to reach the API server. While the API server does not answer, or is too busy to, the request is
    repeated for a minute.
  - Holds the Lease C(observability-stack-run) of the stack, so that two runs do not change it at the same time.
extends_documentation_fragment:
  - observability.stack.on_cluster
  - observability.stack.on_cluster.mode
attributes:
  check_mode:
    description: Asks the API server what would change (a dry run).
    support: full
  diff_mode:
    description: Shows each object before and after.
    support: full
options:
  role:
    description: The role of this collection that the objects are of.
    type: str
    required: true
  templates:
    description: Templates of the calling role, each with one or more Kubernetes objects.
    type: list
    elements: str
    required: true
  pod:
    description:
      - Placement of the component's pods, and additions by the site; left out, C(observability_pod) with the component's C(<role>_pod)
        laid over it. Both have the keys below; C(docs/placing.md) has an example of each.
      - Nested values have the format of Kubernetes. Settings of the role cannot be replaced.
    type: dict
    suboptions:
      node_selector:
        description: Labels of the nodes, in addition to C(kubernetes.io/os=linux), which every pod has.
        type: dict
      tolerations:
        description: Taints that the pods tolerate, added to those that the role tolerates.
        type: list
        elements: dict
        suboptions:
          key: {description: Key of the taint., type: str}
          operator: {description: How the value is compared., type: str, choices: [Exists, Equal]}
          value: {description: Value of the taint., type: raw}
          effect: {description: Effect of the taint., type: str, choices: [NoSchedule, PreferNoSchedule, NoExecute]}
          tolerationSeconds: {description: How long a taint with NoExecute is tolerated., type: int}
      affinity:
        description: Affinity to nodes and pods.
        type: dict
        suboptions:
          nodeAffinity: {description: To nodes., type: dict}
          podAffinity: {description: To other pods., type: dict}
          podAntiAffinity: {description: Not near other pods., type: dict}
      topology_spread:
        description: Topology spread constraints, in place of those that follow from C(observability_spread).
        type: list
        elements: dict
        suboptions:
          maxSkew: {description: Largest difference in the number of pods between domains., type: int}
          minDomains: {description: Smallest number of domains., type: int}
          topologyKey: {description: The label of nodes that defines a domain., type: str, required: true}
          whenUnsatisfiable: {description: What happens otherwise., type: str, choices: [DoNotSchedule, ScheduleAnyway], required: true}
          labelSelector: {description: The pods that are counted., type: dict}
          matchLabelKeys: {description: Labels whose values count as well., type: list, elements: str}
          nodeAffinityPolicy: {description: Whether only nodes that match the pod's affinity count., type: str, choices: [Honor, Ignore]}
          nodeTaintsPolicy: {description: Whether only nodes that the pod tolerates count., type: str, choices: [Honor, Ignore]}
      priority_class:
        description: Name of a PriorityClass.
        type: str
      image_pull_secrets:
        description: Names of Secrets for the image registry, in the namespace of the pods.
        type: list
        elements: str
      host_aliases:
        description: More lines of the pods' C(/etc/hosts).
        type: list
        elements: dict
        suboptions:
          ip: {description: Address., type: str, required: true}
          hostnames: {description: Names., type: list, elements: str}
      dns_config:
        description: More settings of the pods' DNS.
        type: dict
        suboptions:
          nameservers: {description: Addresses., type: list, elements: str}
          searches: {description: Domains that are searched., type: list, elements: str}
          options: {description: Options of the resolver., type: list, elements: dict}
      selinux_options:
        description: SELinux context of all containers of the pods.
        type: dict
        suboptions:
          user: {description: User., type: str}
          role: {description: Role., type: str}
          type: {description: Type., type: str}
          level: {description: Level., type: str}
      pod_annotations:
        description: More annotations of the pods, except C(prometheus.io/*), which the stack sets.
        type: dict
      pod_labels:
        description: More labels of the pods.
        type: dict
      service_account_annotations:
        description: Annotations of the ServiceAccount, for instance the identity at a cloud provider.
        type: dict
      storage_class:
        description: StorageClass of the component's volumes, in place of C(observability_storage_class). Only in a C(<role>_pod).
        type: str
      extra_env:
        description: More environment variables of the container.
        type: list
        elements: dict
        suboptions:
          name: {description: Name., type: str, required: true}
          value: {description: 'Value, a string.', type: raw}
          valueFrom: {description: 'Where the value comes from, for instance a Secret.', type: dict}
      extra_args:
        description: More arguments of the container. Only in a C(<role>_pod).
        type: list
        elements: str
      extra_volumes:
        description: More volumes, in the format of Kubernetes, with unused names.
        type: list
        elements: dict
      extra_mounts:
        description: Mounts of those volumes in the container.
        type: list
        elements: dict
        suboptions:
          name: {description: Name of the volume., type: str, required: true}
          mountPath: {description: Path in the container., type: str, required: true}
          subPath: {description: Path in the volume., type: str}
          subPathExpr: {description: 'Path in the volume, with environment variables in it.', type: str}
          readOnly: {description: Whether it can only be read., type: bool}
          recursiveReadOnly: {description: Whether that includes mounts below it., type: str}
          mountPropagation: {description: Whether later mounts are visible., type: str}
  service:
    description:
      - What is laid over its Service, C(metadata) and C(spec); in the latter C(ports) maps the name of a port to further fields of
        it.
    type: dict
    default: {}
  directory:
    description: The directory to which the objects are written with O(mode=render), as C(<role>.yaml).
    type: path
"""

EXAMPLES = r"""
- name: Apply the objects of Loki
  observability.stack.apply:
    role: loki
    templates: [config.yaml.j2, workload.yaml.j2]
"""

RETURN = r"""
objects:
  description: A line for each object that was created or changed, with the fields that differ.
  type: list
  elements: str
  returned: success
ansible_facts:
  description: C(observability_applied), for each role of this run the keys of the objects that it wants on the cluster, with their digests.
  type: dict
  returned: with O(mode=apply) and O(mode=compare)
file:
  description: The file with the objects.
  type: str
  returned: with O(mode=render)
"""
