# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes' loads by one measure, and what can be moved of them. One unknown node, and nothing is known (S1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmherd.decide.loads import spread_of
from swarmherd.decide.place.seen import present
from swarmherd.decide.scene import Scene
from swarmherd.decide.sizes import value
from swarmherd.decide.words import number
from swarmherd.model import (
    Availability,
    Evidence,
    Node,
    NodeState,
    NodeUse,
    Reading,
    Service,
    Task,
    TaskUse,
)
from swarmherd.policy import LoadBy


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that nodes have and tasks take."""

    name: str
    capacity: Callable[[Node], float]
    of_node: Callable[[NodeUse], Reading | None]
    """A share."""
    of_task: Callable[[TaskUse], Reading | None]
    """In the unit of the capacity."""
    reserved: Callable[[Service], float | None]


MEMORY = Measure(
    "memory",
    lambda node: float(node.memory_bytes),
    lambda use: use.memory,
    lambda use: use.memory,
    lambda service: service.memory_reservation_bytes,
)
CPU = Measure("cpu", lambda node: node.cpus, lambda use: use.cpu, lambda use: use.cpu, lambda s: s.cpu_reservation)


@dataclass(frozen=True, slots=True)
class Loads:
    """What each node that takes work holds, in the order of their names."""

    measure: Measure
    by: LoadBy
    nodes: tuple[Node, ...]
    loads: tuple[float, ...]
    capacities: tuple[float, ...]
    evidence: tuple[Evidence, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(load / capacity for load, capacity in zip(self.loads, self.capacities, strict=True))

    @property
    def spread(self) -> float:
        return spread_of(self.loads, self.capacities)

    def index(self, node_id: str) -> int | None:
        return next((index for index, node in enumerate(self.nodes) if node.id == node_id), None)

    def words(self) -> str:
        """`n1 81 %, n3 39 %`: the fullest and the emptiest."""
        shares = self.shares
        ends = [max(range(len(shares)), key=lambda i: shares[i]), min(range(len(shares)), key=lambda i: shares[i])]
        return ", ".join(f"{self.nodes[i].hostname} {percent(shares[i])}" for i in ends)


def percent(share: float) -> str:
    return f"{number(round(100 * share, 1))} %"


def takes_work(node: Node) -> bool:
    return node.state is NodeState.READY and node.availability is Availability.ACTIVE


def measured(scene: Scene, measure: Measure, by: LoadBy) -> Loads | str:
    """The loads of all nodes that take work, or why they are not known."""
    nodes = tuple(sorted(filter(takes_work, scene.nodes.values()), key=lambda node: (node.hostname, node.id)))
    if len(nodes) < 2:
        return "fewer than two nodes take work"
    if bare := [node.hostname for node in nodes if not measure.capacity(node) > 0]:
        return f"{bare[0]} has not told how much {measure.name} it has"
    if by is LoadBy.RESERVATIONS:
        found = _reserved(scene, measure, nodes)
    else:
        found = _used(scene, measure, nodes)
    if isinstance(found, str):
        return found
    readings = tuple(found)
    capacities = tuple(measure.capacity(node) for node in nodes)
    loads = tuple((r.value or 0.0) * capacity for r, capacity in zip(readings, capacities, strict=True))
    mean = percent(sum(loads) / sum(capacities))
    evidence = tuple(
        Evidence(f"{measure.name} of {node.hostname}", reading, f"mean {mean}", None)
        for node, reading in zip(nodes, readings, strict=True)
    )
    return Loads(measure, by, nodes, loads, capacities, evidence)


def _used(scene: Scene, measure: Measure, nodes: tuple[Node, ...]) -> list[Reading] | str:
    found: list[Reading] = []
    unknown: list[str] = []
    for node in nodes:
        use = scene.view.node_use.get(node.id)
        reading = measure.of_node(use) if use else None
        if reading is None or reading.value is None:
            unknown.append(node.hostname)
        else:
            found.append(reading)
    if unknown:
        return f"the {measure.name} in use is unknown on {', '.join(unknown)}"
    return found


def _reserved(scene: Scene, measure: Measure, nodes: tuple[Node, ...]) -> list[Reading] | str:
    total = {node.id: 0.0 for node in nodes}
    for task in scene.view.tasks:
        if task.node_id in total and present(task):
            size = size_of(scene, measure, LoadBy.RESERVATIONS, task)
            if size is None:
                return f"{task.service} reserves no {measure.name}"
            total[task.node_id] += size
    return [
        Reading(total[node.id] / measure.capacity(node), scene.view.at, "the reservations of its tasks")
        for node in nodes
    ]


def size_of(scene: Scene, measure: Measure, by: LoadBy, task: Task) -> float | None:
    """What a task takes; None when unknown."""
    if by is LoadBy.RESERVATIONS:
        service = scene.service(task.service)
        reserved = measure.reserved(service) if service else None
        return float(reserved) if reserved else None
    use = scene.view.task_use.get(task.id)
    return value(measure.of_task(use)) if use else None
