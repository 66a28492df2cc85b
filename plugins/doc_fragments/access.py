"""The part of the documentation that every module that talks to a cluster has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """`observability.stack.access`: how the cluster is reached."""

    DOCUMENTATION = """
requirements:
  - kubernetes (Python client)
options:
  kubeconfig:
    description: Path of the kubeconfig; that of the client when empty.
    type: path
  context:
    description: Context in the kubeconfig; its current one when empty.
    type: str
"""

    # For a module that changes nothing: `observability.stack.access.reading`.
    READING = """
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
"""
