# SPDX-License-Identifier: GPL-3.0-or-later
"""What the managers hold: nodes, services and tasks, and the writes that change them.

Each write carries the version that it was decided on, and one that carries another is refused (moby#39891). What
follows from a write is Swarm's own doing: `orchestrator` and `agent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from swarmherd.decide.place import parse_constraint
from swarmherd.decide.place.seen import wanted
from swarmherd.model import Availability, ClusterView, Node, NodeState, Service, Task, TaskState, UpdateState
from swarmherd.simulate.cluster.errors import OutOfSequenceError
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.hosts import Host
from swarmherd.simulate.cluster.timeline import Timeline

KEPT_TASKS = 5
"""Tasks that Swarm keeps of a slot, the present one included."""
ENDED = frozenset(
    {TaskState.COMPLETE, TaskState.SHUTDOWN, TaskState.FAILED, TaskState.REJECTED, TaskState.REMOVE, TaskState.ORPHANED}
)


def matches(node: Node, text: str) -> bool:
    """Whether a node satisfies a constraint on its own attributes."""
    constraint = parse_constraint(text)
    attribute = constraint.attribute
    known = {"node.id": node.id, "node.hostname": node.hostname, "node.role": node.role.value, "node.ip": node.address}
    known |= {"node.platform.os": node.os, "node.platform.arch": node.arch}
    if attribute.startswith("node.labels."):
        return constraint.holds(node.labels.get(attribute.removeprefix("node.labels."), ""))
    if attribute.startswith("engine.labels."):
        return constraint.holds(node.engine_labels.get(attribute.removeprefix("engine.labels."), ""))
    return constraint.holds(known[attribute])


class Swarm:
    """One Swarm. `random` decides where Swarm leaves things open: ties, and when a heartbeat was the last one."""

    def __init__(
        self, name: str, timeline: Timeline, random: Random, nodes: Iterable[Node], heartbeat_seconds: float = 5.0
    ) -> None:
        self.name, self.timeline, self.random = name, timeline, random
        self.heartbeat_seconds = heartbeat_seconds
        self.hosts = {node.id: Host(node) for node in nodes}
        self.services: dict[str, Service] = {}
        self.habits: dict[str, Habits] = {}
        self.tasks: dict[str, Task] = {}
        self.images: dict[str, str] = {}
        """By task id: what it was started from."""
        self.missing_images: set[str] = set()
        self.previous: dict[str, Service] = {}
        """By service: what the last write replaced, which a rollback goes back to."""
        self.ill: set[str] = set()
        """Ids of tasks that run and do not do what they are for. What replaces them is well."""
        self.index = 100
        """The version index of the last write, of all of the Swarm."""
        self.created = 0
        """Tasks that were ever made."""
        self.at_write: Callable[[], None] = lambda: None
        """What Swarm does when something was written: the orchestrator sets it."""
        self._view: ClusterView | None = None

    # ------------------------------------------------------------ what a manager tells

    @property
    def has_quorum(self) -> bool:
        managers = [host for host in self.hosts.values() if host.is_manager]
        return 2 * sum(host.heard for host in managers) > len(managers)

    def view(self) -> ClusterView:
        if self._view is None or self._view.at != self.timeline.now:
            nodes = tuple(replace(host.node, version=host.version) for host in self.hosts.values())
            services, tasks = tuple(self.services.values()), tuple(self.tasks.values())
            self._view = ClusterView(self.name, self.timeline.now, nodes, services, tasks)
        return self._view

    def tasks_of(self, service: str) -> list[Task]:
        return [task for task in self.tasks.values() if task.service == service]

    def kept(self, service: str) -> list[Task]:
        """The tasks that fill its slots, those that wait for their restart delay included."""
        return [task for task in self.tasks_of(service) if wanted(task)]

    def serving(self, service: str) -> int:
        """Its replicas that answer requests, as users see it and not as the managers do."""
        return sum(
            task.state is TaskState.RUNNING
            and wanted(task)
            and self.hosts[task.node_id].heard
            and task.id not in self.ill
            for task in self.tasks_of(service)
        )

    # ------------------------------------------------------------ writes

    def create(self, service: Service, habits: Habits) -> None:
        now = self.timeline.now
        self.services[service.name] = replace(service, version=self._next(), updated_at=now, template=service.image)
        self.habits[service.name] = habits
        self._written()

    def update_service(self, name: str, version: int, **changes: Any) -> Service:
        """The service with those fields changed. Raises OutOfSequenceError."""
        return self._write(name, version, self.services[name], changes)

    def roll_back(self, name: str, version: int) -> Service:
        """What was in force before the last write is again; the tasks are `rollout`'s. Raises OutOfSequenceError."""
        return self._write(name, version, self.previous[name], {"update_state": UpdateState.ROLLBACK_STARTED})

    def _write(self, name: str, version: int, wanted: Service, changes: Mapping[str, Any]) -> Service:
        service = self.services[name]
        if service.version != version:
            raise OutOfSequenceError(f"update out of sequence: {name} is at {service.version}, not at {version}")
        self.previous[name] = service
        written = replace(wanted, version=self._next(), updated_at=self.timeline.now, has_previous=True, **changes)
        written = replace(written, template=written.image)  # of all that tasks run, the image is what changes here
        self.services[name] = written
        self._written()
        return written

    def update_node(
        self,
        node_id: str,
        version: int,
        labels: Mapping[str, str] | None = None,
        availability: Availability | None = None,
    ) -> None:
        """Raises OutOfSequenceError."""
        host = self.hosts[node_id]
        if host.version != version:
            raise OutOfSequenceError(f"update out of sequence: {node_id} is at {host.version}, not at {version}")
        host.version = self._next()
        labels = host.node.labels if labels is None else dict(labels)
        host.node = replace(host.node, labels=labels, availability=availability or host.node.availability)
        self._written()

    def rolling(self, name: str, state: UpdateState) -> None:
        """Swarm's own word on a rollout: it is a write like any other."""
        self.services[name] = replace(self.services[name], update_state=state, version=self._next())
        self._changed()

    # ------------------------------------------------------------ what Swarm itself writes

    def put(self, task: Task) -> Task:
        """A task as it is from now on."""
        self.tasks[task.id] = task
        self._changed()
        return task

    def set_node_state(self, host: Host, state: NodeState) -> None:
        host.node = replace(host.node, state=state)
        host.version = self._next()
        self._changed()

    def forget_old_tasks(self, service: str, slot: int) -> None:
        """Swarm keeps a few ended tasks of each slot."""
        old = [task for task in self.tasks_of(service) if task.slot == slot and task.state in ENDED]
        for task in sorted(old, key=lambda one: one.created_at)[: -(KEPT_TASKS - 1)]:
            del self.tasks[task.id]
            self.images.pop(task.id, None)
        self._changed()

    def _next(self) -> int:
        self.index += 1
        return self.index

    def _written(self) -> None:
        self._changed()
        self.at_write()

    def _changed(self) -> None:
        self._view = None
