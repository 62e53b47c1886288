# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about a cluster, and why; each decision and each non-decision has its reasons (S20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from swarmherd.model.faults import Rescue
from swarmherd.model.health import Healing
from swarmherd.model.readings import EMPTY, Evidence


class Direction(StrEnum):
    """Which way something goes; the last ones are what pauses and windows speak of beside replicas."""

    UP = "up"
    DOWN = "down"
    NONE = "none"
    MOVES = "moves"
    """Tasks from node to node, to even out the load or to refill a node."""
    ANCHORS = "anchors"
    """Labels of anchors, and with them the services that follow."""
    FAILOVER = "failover"
    """What is put right of nodes that failed."""
    HEALING = "healing"
    """What is done about tasks that are ill, and updates that are stuck."""


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
    foretold: bool = False
    """True where the wish is about what comes: later cycles need not remember it."""

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
    release: bool = False
    """Whether those in `freed` are to lose their constraint, and then the nodes in `unlabelled` their label."""
    freed: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """Services that follow it no longer, with the versions that were decided on."""
    unlabelled: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    followers: tuple[str, ...] = ()
    """Who goes where it goes: the dependents that are there, and all that follow these, by name."""

    @property
    def acts(self) -> bool:
        return self.relabel or self.release

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
    HEAL = "heal"


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
    rescue: Rescue = field(default_factory=Rescue)
    """About nodes that fail, and the brake."""
    healing: tuple[Healing, ...] = ()
    """One for each task that is ill and each update that is stuck, by name, of services that are to be healed."""

    @property
    def concerned(self) -> frozenset[str]:
        """Services whose memory counts here, whether or not they are scaled."""
        arranged = {*self.stays, *(name for one in self.following for name in (one.anchor, *one.dependents))}
        waiting = {one.service for one in self.rescue.findings}
        return frozenset({*arranged, *waiting, *(one.service for one in self.rescue.recreations)})
