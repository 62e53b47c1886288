# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is, what is decided about it, and what earlier cycles left behind.

Plain frozen values, and the words that every other room speaks. Nothing of ours is imported here, and
nothing here reads a clock, a network or a file. All times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[Any, Any] = MappingProxyType({})


# ---------------------------------------------------------------- what was read


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample, or the knowledge that there is none.

    `value` is None when unknown, never 0 in its place (S1); `problem` then says why in a few words.
    """

    value: float | None
    at: datetime
    source: str
    """The query that was asked, or where Docker said so."""
    problem: str = ""

    @property
    def known(self) -> bool:
        return self.value is not None


@dataclass(frozen=True, slots=True)
class Sample:
    """What one metric of one service said in one cycle.

    A metric is either measured for the whole service (`whole`), or once per running task (`by_task`,
    task id to reading; a running task that is missing there has no sample, S2). Of scope node, `by_task` is by what the
    label says of the node.
    """

    whole: Reading | None = None
    by_task: Mapping[str, Reading] = field(default_factory=lambda: EMPTY)


class MetricScope(StrEnum):
    SERVICE = "service"
    """The query answers one series, for the whole service."""
    TASK = "task"
    """The query answers one series per task, carrying the task's id in a label."""
    NODE = "node"
    """The query answers one series per node, carrying its address or hostname in a label."""


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A question for Prometheus, posed by the policy and answered by `observe`."""

    service: str
    metric: str
    """The metric's name within the service, as the policy calls it: `cpu`, `memory`, `query:0`, …"""
    promql: str
    scope: MetricScope
    task_label: str = ""
    """With scope task or node: the label of the answer that tells which one."""


# ---------------------------------------------------------------- the cluster


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


@dataclass(frozen=True, slots=True)
class NodeUse:
    """What is really used of a node, each a share from 0 to 1, measured by node_exporter. None was not asked."""

    cpu: Reading | None = None
    memory: Reading | None = None
    disk: Reading | None = None
    """The share of time that its disks are busy."""
    network: Reading | None = None
    """The share of its bandwidth."""


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


# ---------------------------------------------------------------- what is decided


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One input of a decision, with what was made of it."""

    metric: str
    reading: Reading
    target: str
    """What it was compared with, in words: `target 70`, `up above 80, down below 30`."""
    wish: int | None
    """Replicas that this metric alone asks for; None when it is unknown."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one service's replicas, or that nothing is to be done, and why (S20).

    `reasons` is a history: each limit or guard that changed the outcome appends its sentence, none is
    overwritten. The last says what came of it.
    """

    service: str
    now: int | None
    """Replicas wanted in Docker at the time; None when the service is not there or has no count."""
    then: int | None
    """Replicas to have; equal to `now` where nothing is to be done."""
    wish: int | None
    """What the metrics asked for, before any limit; None when blind."""
    reasons: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    blind: bool = False
    """True when a metric that the policy names was unknown."""
    version: int | None = None
    """The service version that was decided on."""

    @property
    def direction(self) -> Direction:
        if self.now is None or self.then is None or self.then == self.now:
            return Direction.NONE
        return Direction.UP if self.then > self.now else Direction.DOWN

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Following:
    """What to do about one anchor's label, or that it is held, and why (S4). Nodes are given by their ids."""

    anchor: str
    """The service that others follow."""
    dependents: tuple[str, ...]
    """The services that follow it directly, by name."""
    reasons: tuple[str, ...]
    """A history, as a decision's."""
    node: str = ""
    """Where the anchor is seen running; empty where that is not known for certain."""
    labelled: tuple[str, ...] = ()
    """The nodes that carry its label now."""
    relabel: bool = False
    """Whether the label, or a dependent's constraint, is to be set right."""
    versions: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """The dependents' versions that were decided on."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


class Lever(StrEnum):
    """How tasks are made to leave a node."""

    DENY_LABEL = "deny_label"
    """All tasks of one service on the node; old and new may overlap."""
    PAUSE_AND_STOP = "pause_and_stop"
    """Exactly one task, which stops before its successor starts."""


class Cause(StrEnum):
    """What a move is good for."""

    REBALANCE = "rebalance"
    REFILL = "refill"


@dataclass(frozen=True, slots=True)
class NodeScore:
    """One node's scores for one task, by the name of the score and weighted; all in `total`."""

    node: str
    """Its id."""
    total: float
    scores: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    name: str = ""
    """What people call it."""


@dataclass(frozen=True, slots=True)
class Move:
    """One task, or all of one service's tasks on a node, to go elsewhere, and why. Nodes are given by their ids."""

    cause: Cause
    service: str
    task: str
    """The task's id; empty for all of the service's tasks on `source`."""
    source: str
    lever: Lever
    allowed: tuple[str, ...]
    """Where it may land: every node that Swarm might choose will do (S12)."""
    reasons: tuple[str, ...]
    avoid: tuple[str, ...] = ()
    """Nodes to be paused while it moves, so that Swarm chooses among `allowed` alone."""
    followers: tuple[str, ...] = ()
    """The services that follow this one, chained ones too: they go with it."""
    ranking: tuple[NodeScore, ...] = ()
    """The nodes that would take it, the best first."""
    evidence: tuple[Evidence, ...] = ()
    version: int | None = None
    """The service version that was decided on."""
    held: bool = False
    """True when planning held it; the last reason then says why."""

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is made of the nodes' loads: moves, in their order, or nothing, and why (S20)."""

    cause: Cause
    measure: str
    """`memory` or `cpu`."""
    reasons: tuple[str, ...]
    moves: tuple[Move, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    """Each node's load."""

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is decided about which task runs where, beside the decisions about replicas."""

    following: tuple[Following, ...] = ()
    """One for each anchor, by name."""
    balances: tuple[Balance, ...] = ()
    stays: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """By service: why none of its tasks is moved to even out the load."""

    @property
    def concerned(self) -> frozenset[str]:
        """Services whose memory counts here, whether or not they are scaled."""
        return frozenset({*self.stays, *(name for one in self.following for name in (one.anchor, *one.dependents))})


@dataclass(frozen=True, slots=True)
class Action:
    """One change, to be made by one playbook, with its undo. `parameters` are the playbook's variables."""

    id: str
    kind: str
    """The playbook's name under `playbooks/enact/`: `scale`, `relabel`, `move`."""
    cluster: str
    service: str
    """The service that it is about; the anchor, of a relabel."""
    parameters: Mapping[str, Any]
    undo: Mapping[str, Any]
    reason: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions of one cycle, in order, and every decision with what planning added to its reasons."""

    cluster: str
    at: datetime
    actions: tuple[Action, ...]
    decisions: tuple[Decision, ...]
    arrangement: Arrangement = Arrangement()


class Outcome(StrEnum):
    """How an action stands in the journal."""

    STARTED = "started"
    DONE = "done"
    CONFLICT = "conflict"
    """Another writer was quicker: decide again (S17)."""
    UNDONE = "undone"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one action, confirmed by looking at Docker and not by the exit code (S21)."""

    action_id: str
    outcome: Outcome
    detail: str
    started_at: datetime
    finished_at: datetime
    running_at: datetime | None = None
    """When the wanted replicas were seen running."""
    version: int | None = None
    """The service version that our own write left."""


# ---------------------------------------------------------------- what earlier cycles left


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the metrics asked for at an earlier instant, kept for the stabilization window."""

    at: datetime
    replicas: int


@dataclass(frozen=True, slots=True)
class ServiceMemory:
    """What later cycles must know of one service. It lives in the store and survives a restart (S5)."""

    last_up_at: datetime | None = None
    last_down_at: datetime | None = None
    last_version: int | None = None
    """The version our own last write left: any other version was written by somebody else (S6)."""
    last_failure_at: datetime | None = None
    failures: int = 0
    """Actions given up in a row."""
    blind_cycles: int = 0
    """Cycles in a row without a usable reading (S3)."""
    good_cycles: int = 0
    """Cycles in a row with every reading known, counted up to what ends a fallback."""
    recommendations: tuple[Recommendation, ...] = ()
    moves: tuple[datetime, ...] = ()
    """When tasks of it were moved by us, oldest first, as far back as budgets and cooldowns ask."""


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """What later cycles must know of one node."""

    takes_work_since: datetime | None
    """Since when it has been seen ready and active without a break; None while it is not."""
    returned: bool = False
    """Whether it joined, or came back, while we watched: such a node is refilled."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A kill switch that a person set (S19). An empty `service` means all; no direction means both."""

    who: str
    why: str
    at: datetime
    service: str = ""
    direction: Direction = Direction.NONE
    until: datetime | None = None
    """When it ends by itself; None for one that lasts until it is taken away."""

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier cycles of one cluster left behind."""

    services: Mapping[str, ServiceMemory] = field(default_factory=lambda: EMPTY)
    pauses: tuple[Pause, ...] = ()
    nodes: Mapping[str, NodeMemory] = field(default_factory=lambda: EMPTY)
    """By node id."""

    def of(self, service: str) -> ServiceMemory:
        return self.services.get(service, ServiceMemory())

    def at(self, now: datetime) -> Memory:
        """Without the pauses that have ended by then."""
        return replace(self, pauses=tuple(pause for pause in self.pauses if pause.holds(now)))
