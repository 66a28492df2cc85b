"""The labels of Kubernetes objects, by which a stack's own objects are found."""

from __future__ import annotations

from . import catalogue
from .model import Stack

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
# What belongs to no role: the record and the Lease of the runs.
RUN = "run"
# On every object of every stack that this collection has made.
OF_ANY_STACK = {PART_OF: "observability-stack", MANAGED_BY: "ansible"}


def instance(stack: Stack) -> str:
    """Return what identifies this stack in its cluster: the value of the instance label, and its directory on the nodes."""
    return f"{stack.namespace}.{stack.cluster_name}"


def labels(stack: Stack, component: str) -> dict[str, str]:
    """Return the recommended Kubernetes labels for an object of a component, or of a role that is none."""
    name = catalogue.workload_name(component)
    return {NAME: name, INSTANCE: instance(stack), COMPONENT: name, **OF_ANY_STACK}


def selector(stack: Stack, component: str) -> dict[str, str]:
    """Return the two labels by which workloads and Services select a component's pods. They never change."""
    every = labels(stack, component)
    return {key: every[key] for key in (NAME, PART_OF)}


def ownership(stack: Stack) -> dict[str, str]:
    """Return the labels that every object of this stack carries, and no other object does."""
    return {INSTANCE: instance(stack), **OF_ANY_STACK}


# The labels of a log line that Alloy reads. They travel as attributes of an OTLP resource; Loki makes stream labels of them.
LOG_LABELS = ("namespace", "pod", "container", "node", "app", "cluster", "stream")
