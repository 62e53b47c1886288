# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier cycles left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from swarmherd.model.decided import Direction
from swarmherd.model.faults import Breaker, Fence
from swarmherd.model.health import Ailment
from swarmherd.model.readings import EMPTY


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
    asleep: bool = False
    """Whether we have put it to sleep, and no replicas were seen since: any other zero is a person's (S7)."""
    last_clear_failure_at: datetime | None = None
    clear_failures: int = 0
    """Times in a row that what moves had left on nodes could not be cleared for it, which says nothing of itself."""

    def recommending(self, recommendations: tuple[Recommendation, ...]) -> ServiceMemory:
        """As `replace` would, which takes three times as long: this is asked for each service in every cycle."""
        return ServiceMemory(
            self.last_up_at,
            self.last_down_at,
            self.last_version,
            self.last_failure_at,
            self.failures,
            self.blind_cycles,
            self.good_cycles,
            recommendations,
            self.moves,
            self.asleep,
            self.last_clear_failure_at,
            self.clear_failures,
        )


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """What later cycles must know of one node."""

    takes_work_since: datetime | None
    """Since when it has been seen ready and active without a break; None while it is not."""
    returned: bool = False
    """Whether it joined, or came back, while we watched: such a node is refilled."""
    moves: tuple[datetime, ...] = ()
    """When tasks were moved off it, oldest first, as far back as budgets ask."""
    up: bool | None = None
    """Whether Swarm had it ready when it was last looked at; None when nobody has looked yet."""
    falls: tuple[datetime, ...] = ()
    """When it ceased to be ready, oldest first, as far back as anything asks."""
    cordons: tuple[datetime, ...] = ()
    """When it was cordoned by us, oldest first, as far back as pauses grow by it."""


_HELD = {
    Direction.MOVES: "moves",
    Direction.ANCHORS: "changes of anchors' labels",
    Direction.FAILOVER: "failover",
    Direction.HEALING: "healing",
}


@dataclass(frozen=True, slots=True)
class AnchorMemory:
    """What later cycles must know of a service that the policy had others follow: its labels are ours."""

    bound: tuple[str, ...] = ()
    """The services that were seen bound to it by the policy's word, by name: when it is taken back, they are let go."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A kill switch that a person set (S19). An empty `service` means all; no direction means everything."""

    who: str
    why: str
    at: datetime
    service: str = ""
    direction: Direction = Direction.NONE
    until: datetime | None = None
    """When it ends by itself; None for one that lasts until it is taken away."""

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    def stops(self, what: Direction) -> bool:
        """Whether it holds what goes in that direction."""
        return self.direction in (Direction.NONE, what)

    @property
    def paused(self) -> str:
        """What of a service, or of everything, it holds; empty for all of that."""
        if self.direction in (Direction.UP, Direction.DOWN):
            return f"scaling {self.direction.value}"
        return "" if self.direction is Direction.NONE else _HELD[self.direction]


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier cycles of one cluster left behind."""

    services: Mapping[str, ServiceMemory] = field(default_factory=lambda: EMPTY)
    pauses: tuple[Pause, ...] = ()
    nodes: Mapping[str, NodeMemory] = field(default_factory=lambda: EMPTY)
    """By node id."""
    anchors: Mapping[str, AnchorMemory] = field(default_factory=lambda: EMPTY)
    """By the anchor's name."""
    breakers: Mapping[str, Breaker] = field(default_factory=lambda: EMPTY)
    """By the outside thing: `prometheus`, `docker`, `balancer`, `playbook relabel`, …"""
    fences: Mapping[str, Fence] = field(default_factory=lambda: EMPTY)
    """By node id: whose host a person has said to be off."""
    ailments: Mapping[str, Ailment] = field(default_factory=lambda: EMPTY)
    """By place: `shop_web.1` for a task's slot, the service's name for its update."""

    def of(self, service: str) -> ServiceMemory:
        return self.services.get(service, ServiceMemory())

    def at(self, now: datetime) -> Memory:
        """Without the pauses that have ended by then."""
        return replace(self, pauses=tuple(pause for pause in self.pauses if pause.holds(now)))
