# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is: its nodes, services and tasks, and all that was read of them at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from swarmherd.model.faults import Probe
from swarmherd.model.health import TaskHealth
from swarmherd.model.readings import EMPTY, Reading, Sample


class Role(StrEnum):
    MANAGER = "manager"
    WORKER = "worker"


class Availability(StrEnum):
    ACTIVE = "active"
    PAUSE = "pause"
    DRAIN = "drain"


class NodeState(StrEnum):
    READY = "ready"
    DOWN = "down"
    DISCONNECTED = "disconnected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """A member of the Swarm, as its managers see it."""

    id: str
    hostname: str
    role: Role
    state: NodeState
    availability: Availability
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    cpus: float = 0.0
    """In cores."""
    memory_bytes: int = 0
    engine_version: str = ""
    leader: bool = False
    os: str = ""
    """Empty when unknown, as is `arch`."""
    arch: str = ""
    engine_labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    plugins: frozenset[str] | None = None
    """Names of its volume, network and log plugins; None when unknown."""
    attached: int = 0
    """Containers there that were attached to an overlay network by hand: Swarm counts them as tasks."""
    version: int | None = None
    """The version index that a write which was decided on must carry (S16, S17); None when it was not read."""


class TaskState(StrEnum):
    """Swarm's own task states, in their order."""

    NEW = "new"
    ALLOCATED = "allocated"
    PENDING = "pending"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    PREPARING = "preparing"
    READY = "ready"
    STARTING = "starting"
    RUNNING = "running"
    COMPLETE = "complete"
    SHUTDOWN = "shutdown"
    FAILED = "failed"
    REJECTED = "rejected"
    REMOVE = "remove"
    ORPHANED = "orphaned"


@dataclass(frozen=True, slots=True)
class TaskNeeds:
    """What one task's own specification reserves: an update of its service leaves it as it is."""

    cpu: float = 0.0
    """In cores."""
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """One slot of a service on one node. Tasks of a node that is down stay listed for 24 hours."""

    id: str
    service: str
    """The service's name."""
    slot: int
    node_id: str
    """Empty while the task has no node."""
    state: TaskState
    desired: TaskState
    created_at: datetime
    state_at: datetime
    message: str = ""
    """What Swarm says of it, the error first."""
    container: str = ""
    """Its container's id, once it has one."""
    needs: TaskNeeds | None = None
    """None when its own specification was not read: it is then taken to be its service's."""
    host_ports: tuple[tuple[int, int], ...] = ()
    """Its TCP ports that are published in host mode: the port in the container, and that of the node, by the former."""
    template: str = ""
    """What it was made from, as `Service.template`. Read of tasks that ended badly alone; empty when it was not."""


class UpdateState(StrEnum):
    NONE = "none"
    UPDATING = "updating"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLBACK_STARTED = "rollback_started"
    ROLLBACK_PAUSED = "rollback_paused"
    ROLLBACK_COMPLETED = "rollback_completed"


@dataclass(frozen=True, slots=True)
class Service:
    """A service's specification and its version, as the managers hold it."""

    id: str
    name: str
    version: int
    """The version index that every write must carry (S16, S17)."""
    replicas: int | None
    """Wanted replicas; None for a service that is not in replicated mode."""
    updated_at: datetime
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    image: str = ""
    update_state: UpdateState = UpdateState.NONE
    cpu_limit: float | None = None
    """In cores; None without a limit. The same for `cpu_reservation`."""
    cpu_reservation: float | None = None
    memory_limit_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    constraints: tuple[str, ...] = ()
    """As Docker holds them: `node.labels.disk==ssd`."""
    platforms: tuple[tuple[str, str], ...] = ()
    """Pairs of operating system and architecture that its image is built for; an empty word fits all."""
    plugins: frozenset[str] = frozenset()
    """Volume and log drivers that a node must have."""
    host_ports: frozenset[int] = frozenset()
    """Ports published in host mode: one task per node can have them."""
    max_per_node: int = 0
    """0 for any number."""
    local_data: bool = False
    """Whether it mounts a node's own volume or path, which does not move with its tasks (S10)."""
    start_first: bool = False
    """Whether an update starts the new task before the old one stops."""
    restarts: bool = True
    """Whether a task that ended is replaced, whatever its end was."""
    spread_over: tuple[str, ...] = ()
    """Its placement preferences, the first one first: `node.labels.zone`, `engine.labels.rack`."""
    more_filters: bool = False
    """Whether Swarm also asks nodes for what is not read here: generic resources or cluster volumes."""
    update_started_at: datetime | None = None
    """When the update of `update_state` began."""
    update_message: str = ""
    """What Swarm says of it."""
    update_parallelism: int = 1
    """Tasks that an update replaces at once; 0 for all."""
    update_pause_seconds: float = 5.0
    """How long an update rests and watches after each group of tasks: its delay and its monitor time."""
    has_previous: bool = False
    """Whether Docker keeps an earlier specification that it can be rolled back to."""
    template: str = ""
    """A digest of what its tasks run and may use, whatever their number and place; empty when it was not read."""
    job: bool = False
    """Whether its tasks run to their end, on some nodes or on every one. A job has no `replicas`."""


@dataclass(frozen=True, slots=True)
class NodeUse:
    """What is really used of a node, each a share from 0 to 1, and how soon it answers. None was not asked."""

    cpu: Reading | None = None
    memory: Reading | None = None
    disk: Reading | None = None
    """The share of time that its disks are busy."""
    network: Reading | None = None
    """The share of its bandwidth."""
    response: Reading | None = None
    """In seconds."""


@dataclass(frozen=True, slots=True)
class TaskUse:
    """What a task really uses. None was not asked."""

    cpu: Reading | None = None
    """In cores."""
    memory: Reading | None = None
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a service's own history says of the next minutes, in the unit of its metric, for the service as a whole."""

    need: float
    """Demand that is not exceeded when a replica that is started now serves, but for a small chance."""
    keep: float
    """The same for the minutes until then and after it: what fewer replicas would have to bear."""
    why: str = ""
    problem: str = ""
    """Why it is not to be relied on; empty where it is."""
    room: float = 0.1
    """By which part the count may exceed what is needed before it is changed, so that it changes seldom."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Everything known of one cluster at one instant. The order of nodes and tasks carries no meaning."""

    cluster: str
    at: datetime
    nodes: tuple[Node, ...]
    services: tuple[Service, ...]
    tasks: tuple[Task, ...]
    samples: Mapping[tuple[str, str], Sample] = field(default_factory=lambda: EMPTY)
    """By service name and metric name."""
    node_use: Mapping[str, NodeUse] = field(default_factory=lambda: EMPTY)
    """By node id; a node that is missing here is unknown, not idle (S1)."""
    task_use: Mapping[str, TaskUse] = field(default_factory=lambda: EMPTY)
    """By task id, as `node_use`."""
    outlooks: Mapping[tuple[str, str], Outlook] = field(default_factory=lambda: EMPTY)
    """By service name and metric name, as `samples`; one that is missing here is not foretold."""
    probes: Mapping[str, Probe] = field(default_factory=lambda: EMPTY)
    """By node id; a node that is missing here was not looked at, which is no evidence against it (S1)."""
    health: Mapping[str, TaskHealth] = field(default_factory=lambda: EMPTY)
    """By task id; a task that is missing here has no check, or it is unknown."""

    def service(self, name: str) -> Service | None:
        return next((s for s in self.services if s.name == name), None)

    def node(self, node_id: str) -> Node | None:
        return next((n for n in self.nodes if n.id == node_id), None)

    def tasks_of(self, service: str) -> tuple[Task, ...]:
        """The tasks that Swarm wants running for `service`, whatever state they are in."""
        return tuple(t for t in self.tasks if t.service == service and t.desired is TaskState.RUNNING)

    def running(self, service: str) -> tuple[Task, ...]:
        """The tasks of `service` that run on a node which is up: a dead node's tasks go on saying "running"."""
        up = {n.id for n in self.nodes if n.state is NodeState.READY}
        return tuple(t for t in self.tasks_of(service) if t.state is TaskState.RUNNING and t.node_id in up)
