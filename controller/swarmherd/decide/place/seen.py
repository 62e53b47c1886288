# SPDX-License-Identifier: GPL-3.0-or-later
"""What was observed, as placing wants it: nodes with what Swarm counts on them, and a service's tasks as a shape.

Swarm's scheduler counts a task on a node from the moment it is assigned there until it has stopped (swarmkit,
scheduler.go and nodeinfo.go): so long it holds its reservations. Among the node's and the service's numbers of tasks
it stands only while it is also wanted, that is while its desired state is not past *complete*. Tasks that wait for a
node, or that were refused one, are nowhere.

Containers that were attached to an overlay network by hand are tasks as well. What the view does not have is not
counted: the tasks of a service that was removed, while they stop.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from swarmherd.decide.place.constraints import Affinity, Constraint, ConstraintError, parse_constraint
from swarmherd.decide.place.things import Amount, Neighbour, NodeCapacity, Readings, TaskShape
from swarmherd.model import ClusterView, Node, NodeUse, Reading, Service, Task, TaskState, UpdateState

_ORDER = {state: place for place, state in enumerate(TaskState)}
_HAS_IMAGE = _ORDER[TaskState.READY]
_AT_REST = (UpdateState.NONE, UpdateState.COMPLETED, UpdateState.ROLLBACK_COMPLETED)


@dataclass(frozen=True, slots=True)
class SeenShape:
    """A service's tasks as a shape, and what of the service could not be read."""

    shape: TaskShape
    problems: tuple[str, ...] = ()
    """One sentence for each constraint that the shape had to leave out."""


def present(task: Task) -> bool:
    """Whether the task holds its reservations and ports on its node."""
    assigned, running = _ORDER[TaskState.ASSIGNED], _ORDER[TaskState.RUNNING]
    return bool(task.node_id) and assigned <= _ORDER[task.state] <= running


def counted(task: Task) -> bool:
    """Whether Swarm counts the task among its service's and its node's when it compares nodes."""
    return present(task) and _ORDER[task.desired] <= _ORDER[TaskState.COMPLETE]


def wanted(task: Task) -> bool:
    """Whether the task fills its slot: it runs or is to run, a replacement that waits for its restart delay too."""
    return _ORDER[task.desired] <= _ORDER[TaskState.RUNNING]


def ended(task: Task) -> bool:
    return _ORDER[task.state] > _ORDER[TaskState.RUNNING]


def nodes(view: ClusterView, *, without: Collection[str] = ()) -> tuple[NodeCapacity, ...]:
    """The view's nodes, in its order. `without`: ids of tasks that are taken to be gone.

    Unhealthy is a node whose last probe was not answered; one that was never probed is not.
    """
    services = {service.name: service for service in view.services}
    there: dict[str, list[Task]] = defaultdict(list)
    for task in view.tasks:
        if present(task) and task.id not in without:
            there[task.node_id].append(task)
    return tuple(
        _node(node, there[node.id], services, view.node_use.get(node.id), _healthy(view, node)) for node in view.nodes
    )


def _healthy(view: ClusterView, node: Node) -> bool:
    probe = view.probes.get(node.id)
    return probe is None or probe.silent_since is None


def shape(
    service: Service,
    replicas: int = 1,
    *,
    affinity: Iterable[Affinity] = (),
    near: Iterable[Neighbour] = (),
    apart_from: Iterable[Neighbour] = (),
    priority: int = 0,
) -> SeenShape:
    """So many tasks of a service. A constraint that does not parse is told, and left out: Swarm may obey it all the
    same."""
    constraints, problems = _constraints(service)
    return SeenShape(
        TaskShape(
            service=service.name,
            need=Amount(service.cpu_reservation or 0.0, float(service.memory_reservation_bytes or 0)),
            replicas=replicas,
            constraints=constraints,
            affinity=tuple(affinity),
            priority=priority,
            platforms=service.platforms,
            plugins=service.plugins,
            ports=service.host_ports,
            max_per_node=service.max_per_node,
            near=tuple(near),
            apart_from=tuple(apart_from),
            image=service.image,
        ),
        problems,
    )


def _constraints(service: Service) -> tuple[tuple[Constraint, ...], tuple[str, ...]]:
    parsed: list[Constraint] = []
    problems: list[str] = []
    for text in service.constraints:
        try:
            parsed.append(parse_constraint(text))
        except ConstraintError as error:
            problems.append(f"{service.name}: {error}")
    return tuple(parsed), tuple(problems)


def _node(
    node: Node, tasks: list[Task], services: dict[str, Service], use: NodeUse | None, healthy: bool
) -> NodeCapacity:
    own = [services[task.service] for task in tasks if task.service in services]
    return NodeCapacity(
        name=node.hostname,
        id=node.id,
        role=node.role,
        state=node.state,
        availability=node.availability,
        healthy=healthy,
        address=node.address,
        os=node.os,
        arch=node.arch,
        labels=node.labels,
        engine_labels=node.engine_labels,
        plugins=node.plugins,
        # A node that has not told what it has is not ready either, and Swarm places nothing there.
        cpu=node.cpus or None,
        memory_bytes=float(node.memory_bytes) or None,
        reserved=_reserved(tasks, services),
        tasks=_counts(node, tasks),
        ports=frozenset(port for service in own for port in service.host_ports),
        images=_images(tasks, services),
        readings=_readings(use),
    )


def _counts(node: Node, tasks: list[Task]) -> Counter[str]:
    """What is attached by hand is of no service."""
    counts = Counter(task.service for task in tasks if counted(task))
    if node.attached:
        counts[""] = node.attached
    return counts


def _reserved(tasks: list[Task], services: dict[str, Service]) -> Amount:
    each = [_needs(task, services.get(task.service)) for task in tasks]
    return Amount(sum(cpu for cpu, _memory in each), sum(memory for _cpu, memory in each))


def _needs(task: Task, service: Service | None) -> tuple[float, float]:
    if task.needs is not None:
        return task.needs.cpu, float(task.needs.memory_bytes)
    if service is None:
        return 0.0, 0.0
    return service.cpu_reservation or 0.0, float(service.memory_reservation_bytes or 0)


def _images(tasks: list[Task], services: dict[str, Service]) -> frozenset[str]:
    """Those that must be there: of tasks whose container exists, of services of one mind about their image. The view
    knows no others."""
    found = (services.get(task.service) for task in tasks if _ORDER[task.state] >= _HAS_IMAGE)
    return frozenset(one.image for one in found if one is not None and one.image and one.update_state in _AT_REST)


def _readings(use: NodeUse | None) -> Readings:
    if use is None:
        return Readings()
    return Readings(
        cpu=_value(use.cpu),
        memory=_value(use.memory),
        disk=_value(use.disk),
        network=_value(use.network),
        response_seconds=_value(use.response),
    )


def _value(reading: Reading | None) -> float | None:
    return None if reading is None else reading.value
