"""What a row of the catalogue says: the shape of a component, of what is public of it, and of a party outside of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Replicas:
    """How many replicas an inventory may ask for in a profile; `why` is the reason, for the message about another number.

    `usual` is the number where the inventory leaves it to the profile (0); without it every inventory has a number of its own.
    """

    usual: int = 0
    least: int = 1
    most: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Public:
    """What can be reached of a component from outside, on a host name of its own.

    A path that begins with `=` is exact, the others are prefixes. `guarded` paths ask for the credentials of the other hosts although the
    component has a login of its own (`own_login`). `closed` lists requests (method, path) that must not get through: writes, and what
    shows or changes the inside. `body_megabytes` limits a request, `api` is the prefix of the component's query API, `query` one that
    is always answered with something.
    """

    paths: tuple[str, ...]
    closed: tuple[tuple[str, str], ...]
    body_megabytes: int
    websocket: bool = False
    own_login: bool = False
    guarded: tuple[str, ...] = ()
    api: str = ""
    query: str = ""


@dataclass(frozen=True)
class Component:
    """One component.

    `title` is its name for people. `workload` is its kind in Kubernetes; a DaemonSet has no number of replicas. `ports` maps names to
    numbers, `offered` names those of its Service where that has not all of them. `ready` answers 200 once the component can serve, `live`
    as long as the process answers at all (empty: no such path, and the port being open is all that can be asked); both on the port
    `health`. `metrics` is the port with its own metrics, which Prometheus scrapes unless `scraped` is false.

    `service`: whether it has a Service, `headless`: whether DNS has the address of each pod as well. `balanced` names the check of the
    verification that every replica serves some requests, where one should. `ring` is the page on which its replicas list the members of
    their ring. `volume`: whether its pods claim volumes. `account`: whether it has a ServiceAccount of its own.
    `user` is the number of its user and group, 0 where its role says so itself. `pre_stop`: for how many seconds a pod that ends goes on
    serving clients that still see it behind the Service, `queries`: for how many where other replicas take new ones, so that those under
    way are answered; `drain`: for how many it may need to end after that. `reloads`: it reads a changed
    configuration while it runs. `host_paths`: its pods see directories of their node. `own_namespace`: it runs in
    `<component>_namespace`, as an application does.

    `backend`: it stores data, so it is ready before the others are applied.

    `needs` are components without which it cannot work, `serves` those of which it needs one at least, to have anything to do. `replicas`
    has a rule per profile. `shared` is the field of the model with what its replicas share their data through: without it there can be one
    only. `volume_instead`: it claims a volume only without that. `newer_data`: what of a version (`minor` or `major`) an older one may not
    be able to read in its data; with `major` a newer one neither. `evaluation`: it has no place in production.
    `public` is what can be reached from outside. `optional_install`: an inventory may use one that is there already
    (`<component>_install: false`). `open_egress` says why its outgoing connections cannot be listed, where they cannot.
    """

    title: str
    workload: str
    ports: Mapping[str, int]
    ready: str
    live: str
    health: str = "http"
    metrics: str = "http"
    scraped: bool = True
    service: bool = True
    offered: tuple[str, ...] = ()
    headless: bool = False
    balanced: str = ""
    ring: str = ""
    volume: bool = False
    account: bool = True
    user: int = 0
    pre_stop: int = 5
    queries: int = 0
    drain: int = 20
    reloads: bool = False
    needs: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    replicas: Mapping[str, Replicas] = field(default_factory=dict)
    shared: str = ""
    volume_instead: bool = False
    newer_data: str = ""
    evaluation: bool = False
    public: Public | None = None
    optional_install: bool = False
    own_namespace: bool = False
    backend: bool = False
    host_paths: bool = False
    open_egress: str = ""


@dataclass(frozen=True)
class Party:
    """Something that is no component, and connects to one or is connected to: a title, and the ports it listens on.

    `pods` are the labels of its pods where they run in the stack's namespace, and so under its policies. `named`: it is there only where
    the inventory names it, which then also says its ports (`outside` of the model).
    """

    title: str
    ports: Mapping[str, int] = field(default_factory=dict)
    pods: Mapping[str, str] = field(default_factory=dict)
    named: bool = False
