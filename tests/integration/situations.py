# SPDX-License-Identifier: GPL-3.0-or-later
"""Random situations on a real Swarm: services of many kinds on labelled nodes, read as the controller reads them.

Everything made here bears the label `swarmherd.test.foretelling`, services that one and nodes some below it, and
`clear` takes it away again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from docker.types import ContainerSpec, Placement, Resources, RestartPolicy, ServiceMode, TaskTemplate
from swarmherd.decide.place import seen
from swarmherd.model import EMPTY, Availability, ClusterView, Node, Service, Task, TaskState
from swarmherd.observe.connection import Connection, Ssh
from swarmherd.observe.docker import Docker, EngineClient

from . import lab as on

LABEL = "swarmherd.test.foretelling"
IMAGE = "swarmherd-lab/base:bookworm"
MOST = 5
"""Replicas of one service."""


@contextmanager
def swarm() -> Iterator[Swarm]:
    """The lab's Swarm through its first manager, with nothing of ours before and after."""
    keys = on.ROOT / "build" / "lab"
    known = ("-o", f"UserKnownHostsFile={keys / 'known_hosts'}")
    ssh = Ssh(on.address("manager1"), "root", private_key_file=str(keys / "id_ed25519"), arguments=known)
    with Docker([Connection("manager1", ssh=ssh)], 15) as docker:
        one = Swarm(docker)
        one.clear()
        try:
            yield one
        finally:
            one.clear()


@dataclass
class Swarm:
    """What is done to the Swarm, and what is true of it."""

    docker: Docker
    made: int = 0

    def view(self) -> ClusterView:
        state = self.docker.read()
        return ClusterView("lab", datetime.now(UTC), state.nodes, state.services, state.tasks)

    def clear(self) -> None:
        for service in ours(self.view()):
            self._do(lambda client, name=service.name: client.remove_service(name))
        # The tasks of a removed service hold their reservations until they have stopped.
        on.wait_until(self._no_stray_task, "the tasks of removed services have stopped", 40, every=0.1)
        for node in self.view().nodes:
            self.change(node, dict.fromkeys(key for key in node.labels if key.startswith(LABEL)), Availability.ACTIVE)

    def change(
        self, node: Node, labels: Mapping[str, str | None] = EMPTY, availability: Availability | None = None
    ) -> None:
        """Sets labels and availability; a label of None goes."""

        def write(client: EngineClient) -> None:
            found = client.inspect_node(node.id)
            spec = found["Spec"]
            all_labels = {**(spec.get("Labels") or {}), **labels}
            spec["Availability"] = (availability or node.availability).value
            spec["Labels"] = {key: value for key, value in all_labels.items() if value is not None}
            client.update_node(node.id, found["Version"]["Index"], spec)

        different = availability is not None and availability is not node.availability
        if labels or different:
            self._do(write)

    def create(self, chance: Random) -> None:
        """A service of a random kind that does nothing, and can be kept off a node by a label."""
        self.made += 1
        name = f"foretelling-{self.made}"
        constraints = [f"node.labels.{LABEL}.deny.{name} != yes"]
        if chance.random() < 0.3:
            constraints.append(f"node.labels.{LABEL}.disk {chance.choice(['==', '!='])} ssd")
        cpu, memory = chance.choice([0, 0, 0.2, 0.6]), chance.choice([0, 0, 64, 256])
        template = TaskTemplate(
            ContainerSpec(IMAGE, ["sleep", "infinity"], stop_grace_period=0),
            resources=Resources(cpu_reservation=int(cpu * 1e9) or None, mem_reservation=memory * 2**20 or None),
            restart_policy=RestartPolicy("any", delay=0),
            placement=Placement(
                constraints=constraints,
                preferences=[("spread", f"node.labels.{LABEL}.zone")] if chance.random() < 0.3 else None,
                maxreplicas=chance.choice([None, None, 1, 2]),
            ),
        )
        mode = ServiceMode("replicated", chance.randint(0, 3))
        self._do(lambda client: client.create_service(template, name, {LABEL: "yes"}, mode))

    def scale(self, service: str, replicas: int) -> None:
        """The SDK's own update writes Swarm's defaults into the specification, which would restart every task."""

        def write(client: EngineClient) -> None:
            found = client.inspect_service(service)
            found["Spec"]["Mode"]["Replicated"]["Replicas"] = replicas
            url = f"{client.base_url}/v{client.api_version}/services/{found['ID']}/update"
            done = client.post(url, json=found["Spec"], params={"version": found["Version"]["Index"]}, timeout=15)
            assert done.ok, done.text

        self._do(write)

    def settled(self, also: Callable[[ClusterView], bool] = lambda _view: True) -> ClusterView:
        """The view once every task of ours runs, or has been told that there is no node for it."""

        def rests() -> ClusterView | None:
            view = self.view()
            return view if also(view) and all(_rests(view, service) for service in ours(view)) else None

        return on.wait_until(rests, "every task of ours runs or waits for a node", 40, every=0.05)

    def only_running(self) -> ClusterView:
        """The settled view after what found no node was given up."""
        view = self.settled()
        while short := Counter(t.service for service in ours(view) for t in tasks_of(view, service) if not t.node_id):
            for service in ours(view):
                if short[service.name]:
                    self.scale(service.name, (service.replicas or 0) - short[service.name])
            view = self.settled()
        return view

    def _no_stray_task(self) -> bool:
        _name, found = self.docker.ask(
            lambda client: ({s["ID"] for s in client.list_of("services")}, client.list_of("tasks"))
        )
        return all(task.get("ServiceID") in found[0] for task in found[1])

    def _do(self, change: Callable[[EngineClient], Any]) -> None:
        self.docker.ask(change)


def ours(view: ClusterView) -> list[Service]:
    return [service for service in view.services if LABEL in service.labels]


def tasks_of(view: ClusterView, service: Service) -> list[Task]:
    return [task for task in view.tasks if task.service == service.name and seen.wanted(task)]


def _rests(view: ClusterView, service: Service) -> bool:
    leaving = any(t.service == service.name and seen.present(t) and not seen.wanted(t) for t in view.tasks)
    wanted = tasks_of(view, service)
    return not leaving and len(wanted) == service.replicas and all(_is_still(task) for task in wanted)


def _is_still(task: Task) -> bool:
    if task.state is TaskState.PENDING:
        return not task.node_id and "no suitable node" in task.message
    return task.state is TaskState.RUNNING and task.desired is TaskState.RUNNING
