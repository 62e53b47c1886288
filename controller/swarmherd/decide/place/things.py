# SPDX-License-Identifier: GPL-3.0-or-later
"""What is placed, where it can go, and what came of it: plain objects, on both sides of the door.

CPU is in cores, memory and disk in bytes, GPUs by number (a part of one is fine). `None` as a capacity is no limit;
`None` as a reading is unknown, never 0 (S1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmherd.decide.place.constraints import Affinity, Constraint
from swarmherd.model import EMPTY, Availability, NodeState, Role

RESOURCES = ("cpu", "memory", "disk", "gpu")


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of each resource: what a task needs, or what is reserved on a node."""

    cpu: float = 0.0
    memory_bytes: float = 0.0
    disk_bytes: float = 0.0
    gpu: float = 0.0

    def __post_init__(self) -> None:
        if min(self.each()) < 0:
            raise ValueError("an amount cannot be negative")

    def each(self) -> tuple[float, float, float, float]:
        return (self.cpu, self.memory_bytes, self.disk_bytes, self.gpu)


@dataclass(frozen=True, slots=True)
class Readings:
    """What was measured on a node: shares from 0 to 1, but for the response time."""

    cpu: float | None = None
    memory: float | None = None
    response_seconds: float | None = None
    disk: float | None = None
    """The share of time that the disk is busy."""
    network: float | None = None
    """The share of its bandwidth."""


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """A node, what it has, and what is on it already."""

    name: str
    id: str = ""
    role: Role = Role.WORKER
    state: NodeState = NodeState.READY
    availability: Availability = Availability.ACTIVE
    healthy: bool = True
    """False where a probe of ours failed: tasks of high priority stay away."""
    address: str = ""
    os: str = ""
    """Empty when unknown, as is `arch`: it then fits every platform."""
    arch: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    engine_labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    plugins: frozenset[str] | None = None
    """None when unknown: the node is then taken to have every plugin."""
    cpu: float | None = None
    memory_bytes: float | None = None
    disk_bytes: float | None = None
    gpu: float | None = None
    reserved: Amount = Amount()
    """By the reservations of the tasks that are there."""
    tasks: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """How many tasks of each service are there."""
    ports: frozenset[int] = frozenset()
    """Host ports that are taken."""
    images: frozenset[str] = frozenset()
    readings: Readings = Readings()

    def limits(self) -> tuple[float | None, float | None, float | None, float | None]:
        return (self.cpu, self.memory_bytes, self.disk_bytes, self.gpu)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A wish about another service's tasks on the same node; without a weight it is a must."""

    service: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class TaskShape:
    """A number of tasks that are alike: the replicas of a service, or a single one."""

    service: str
    need: Amount = Amount()
    replicas: int = 1
    constraints: tuple[Constraint, ...] = ()
    affinity: tuple[Affinity, ...] = ()
    priority: int = 0
    platforms: tuple[tuple[str, str], ...] = ()
    """Pairs of operating system and architecture that the image is built for; an empty word fits all."""
    plugins: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    max_per_node: int = 0
    """0 for any number."""
    near: tuple[Neighbour, ...] = ()
    apart_from: tuple[Neighbour, ...] = ()
    image: str = ""

    def __post_init__(self) -> None:
        if self.replicas < 0 or self.max_per_node < 0:
            raise ValueError(f"{self.service}: a number of replicas cannot be negative")
        if any(other.service == self.service for other in self.near):
            raise ValueError(f"{self.service}: a service cannot be near itself")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the tasks of one shape go, in the order in which they were placed."""

    shape: TaskShape
    nodes: tuple[int, ...]
    """Indices into the nodes that were given; one per task that was placed."""
    explanation: str = ""
    """Why the others have no node: `insufficient memory on 3 nodes; 1 node draining`."""

    @property
    def unplaced(self) -> int:
        return self.shape.replicas - len(self.nodes)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One node's scores for one task, by the name of the score and weighted; all in `total`."""

    node: str
    """Its id: two nodes may have the same name."""
    total: float
    scores: Mapping[str, float]
