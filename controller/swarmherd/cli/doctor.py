# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be there for a cluster to be herded, each thing with what was seen and the remedy."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from swarmherd.cli import left_alone
from swarmherd.decide.words import count
from swarmherd.enact.collection import CollectionError
from swarmherd.model import NodeState, Service
from swarmherd.observe.bounded import BoundedAnswers
from swarmherd.observe.docker import Engine
from swarmherd.observe.errors import DockerError, InventoryError, ObserveError
from swarmherd.observe.inventory import read_inventory
from swarmherd.observe.swarm_objects import moment
from swarmherd.policy import PolicyError, scale_policies
from swarmherd.service import Cluster, checked, clock
from swarmherd.store import StoreError

OLDEST_API = (1, 40)
CLOCK_SECONDS = 2.0
"""Clocks further apart than this make samples look stale, and cooldowns wrong."""


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    seen: str
    remedy: str = ""

    def document(self) -> dict[str, str]:
        return {"check": self.name, "state": self.state.value, "seen": self.seen, "remedy": self.remedy}


def examine(path: Path) -> Iterator[Check]:
    """Every check, in the order in which one rests on another. Never raises for what is wrong with the cluster."""
    try:
        inventory = read_inventory(path)
        settings, policy = checked(inventory)
    except (InventoryError, PolicyError) as error:
        yield Check("inventory", State.FAIL, str(error), "correct the inventory; swarmherd validate checks it")
        return
    yield Check("inventory", State.OK, f"{path}: cluster {settings.name}, {count(len(inventory.managers), 'manager')}")
    yield Check(
        "ansible", State.OK, f"ansible-core {importlib.metadata.version('ansible-core')} resolved the inventory"
    )
    try:
        cluster = Cluster(inventory, settings, policy)
    except StoreError as error:
        yield Check("state", State.FAIL, str(error), "see the message")
        return
    with cluster:
        yield Check("state", State.OK, "the database opens and its schema is current")
        yield from map(_told, left_alone.breakers(cluster))
        yield _collection(cluster)
        for engine in cluster.docker.engines:
            yield from _engine(engine)
        yield from _swarm(cluster)
        yield from _prometheus(cluster)
        yield _balancer(settings.balancer_url, settings.prometheus_timeout_seconds)


def _collection(cluster: Cluster) -> Check:
    try:
        playbook = cluster.collection().playbook("scale")
    except CollectionError as error:
        return Check("collection", State.FAIL, str(error), "ansible-galaxy collection install swarmherd.cluster")
    return Check("collection", State.OK, str(playbook))


def _engine(engine: Engine) -> Iterator[Check]:
    name = f"engine {engine.connection.name}"
    try:
        version, info = engine.call(lambda client: (client.version(), client.info()))
    except DockerError as error:
        yield Check(name, State.FAIL, str(error), _engine_remedy(str(error)))
        return
    yield _engine_version(name, version)
    if (info.get("Swarm") or {}).get("ControlAvailable"):
        yield Check(f"{name}: Swarm", State.OK, "an active manager")
    else:
        state = (info.get("Swarm") or {}).get("LocalNodeState")
        yield Check(
            f"{name}: Swarm", State.FAIL, f"no manager, Swarm state {state}", "playbooks/provision.yml joins it"
        )
    if system_time := info.get("SystemTime"):
        yield _clock(f"{name}: clock", moment(system_time))


def _engine_version(name: str, version: dict[str, Any]) -> Check:
    api = str(version.get("ApiVersion", "0.0"))
    seen = f"Engine {version.get('Version')}, API {api}"
    if tuple(int(part) for part in api.split(".")) < OLDEST_API:
        return Check(name, State.FAIL, seen, f"upgrade to API {'.'.join(map(str, OLDEST_API))} (Engine 19.03) or later")
    return Check(name, State.OK, seen)


def _engine_remedy(said: str) -> str:
    if "Permission denied" in said:
        return "let ansible_user log in with the inventory's key, and put it into the group docker"
    if "ssh" in said:
        return "ssh must work as the inventory says, without a question; try ansible managers -m ping"
    return "start the engine, and check swarmherd_docker_host"


def _clock(name: str, theirs: datetime) -> Check:
    apart = (theirs - clock()).total_seconds()
    if abs(apart) <= CLOCK_SECONDS:
        return Check(name, State.OK, f"{apart:+.1f} s from ours")
    return Check(name, State.FAIL, f"{apart:+.1f} s from ours", "synchronise both with NTP (chrony)")


def _swarm(cluster: Cluster) -> Iterator[Check]:
    try:
        view = cluster.view()
    except ObserveError as error:
        yield Check("swarm", State.FAIL, str(error), "one manager at least must answer")
        return
    down = [node.hostname for node in view.nodes if node.state is not NodeState.READY]
    if down:
        yield Check("nodes", State.WARN, f"not ready: {', '.join(down)}", "start them, or remove them from the Swarm")
    else:
        yield Check("nodes", State.OK, f"{len(view.nodes)} ready")
    yield from map(_told, left_alone.hosts(cluster, view))
    yield _networks(cluster)
    policies = scale_policies(cluster.policy, view.services)
    for name, problems in sorted(policies.problems.items()):
        yield Check(f"service {name}", State.WARN, str(problems[0]), "until then it is left alone")
    for name in sorted(policies.by_service):
        yield from _service(cluster, name, view.service(name))


def _told(said: left_alone.Told) -> Check:
    name, well, seen, remedy = said
    return Check(name, State.OK if well else State.WARN, seen, remedy)


def _networks(cluster: Cluster) -> Check:
    try:
        engine, names = cluster.docker.ask(lambda client: [n["Name"] for n in client.networks() if _overlay(n)])
    except DockerError as error:
        return Check("network", State.WARN, str(error), "let the inventory's user list networks")
    if names:
        return Check("network", State.OK, f"overlays on {engine}: {', '.join(sorted(names))}")
    return Check(
        "network",
        State.WARN,
        "there is no overlay network but ingress",
        "docker network create --driver overlay --attachable swarmherd, and put the services on it",
    )


def _overlay(network: dict[str, Any]) -> bool:
    return network.get("Driver") == "overlay" and not network.get("Ingress") and network.get("Name") != "ingress"


def _service(cluster: Cluster, name: str, service: Service | None) -> Iterator[Check]:
    if service is None:
        yield Check(
            f"service {name}", State.WARN, "the policy names it, and there is none", "deploy it, or correct the name"
        )
        return
    if service.cpu_reservation is None and service.memory_reservation_bytes is None:
        yield Check(
            f"service {name}: reservations",
            State.WARN,
            "none: Swarm overcommits nodes without a word",
            "deploy it with resource reservations",
        )
    yield _image(cluster, name, service.image)


def _image(cluster: Cluster, name: str, image: str) -> Check:
    """A manager that has the image, or whose registry answers for it, stands for the nodes."""

    def there(client: Any) -> bool:
        wanted = image.partition("@")[0]
        return any(wanted in (tags.get("RepoTags") or ()) for tags in client.images(name=wanted))

    def pullable(client: Any) -> bool:
        return bool(client.inspect_distribution(image))

    try:
        if cluster.docker.ask(there)[1]:
            return Check(f"service {name}: image", State.OK, f"{image} is on a manager")
        cluster.docker.ask(pullable)
    except DockerError as error:
        remedy = "push it to a registry that every node reaches, or load it on every node"
        return Check(
            f"service {name}: image", State.WARN, f"{image} is not on a manager, nor pullable: {error}", remedy
        )
    return Check(f"service {name}: image", State.OK, f"{image} can be pulled")


def _prometheus(cluster: Cluster) -> Iterator[Check]:
    prometheus = cluster.prometheus
    if prometheus is None:
        remedy = "set swarmherd_cluster.prometheus_url; without it every metric is unknown"
        yield Check("prometheus", State.WARN, "no address is set", remedy)
        return
    url = _without_password(str(cluster.settings.prometheus_url))
    fresh = prometheus.fresh(clock())
    if fresh.value is None:
        yield Check("prometheus", State.FAIL, f"{url}: {fresh.problem}", "start it, let it scrape, check the address")
        return
    yield Check("prometheus", State.OK, f"{url}: newest scrape {fresh.value:.1f} s ago")
    down = prometheus.query("count(up == 0) or vector(0)", clock())
    if down.value:
        remedy = "see the targets page of Prometheus"
        yield Check("prometheus: targets", State.WARN, f"{down.value:.0f} targets are down", remedy)
    else:
        yield Check("prometheus: targets", State.OK, "all are up")
    theirs = prometheus.server_time()
    if theirs is not None:
        yield _clock("prometheus: clock", theirs)


def _balancer(url: str | None, seconds: float) -> Check:
    if not url:
        return Check("balancer", State.OK, "none is given (swarmherd_cluster.balancer_url)")
    shown = _without_password(url)
    try:
        with BoundedAnswers() as session:
            session.max_seconds = seconds
            answer = session.get(url, timeout=seconds)
    except requests.RequestException as error:
        remedy = "start it; playbooks/provision.yml does"
        return Check("balancer", State.FAIL, f"{shown}: {type(error).__name__}", remedy)
    seen = f"{shown}: HTTP {answer.status_code}"
    if answer.status_code >= requests.codes.internal_server_error:
        return Check("balancer", State.FAIL, seen, "see its log")
    if answer.status_code >= requests.codes.bad_request:
        return Check("balancer", State.WARN, seen, "let balancer_url be a page that it answers, such as its /metrics")
    return Check("balancer", State.OK, seen)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
