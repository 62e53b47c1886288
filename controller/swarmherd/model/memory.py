# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier cycles left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from swarmherd.model.decided import Direction
from swarmherd.model.faults import Breaker
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


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """What later cycles must know of one node."""

    takes_work_since: datetime | None
    """Since when it has been seen ready and active without a break; None while it is not."""
    returned: bool = False
    """Whether it joined, or came back, while we watched: such a node is refilled."""


@dataclass(frozen=True, slots=True)
class AnchorMemory:
    """What later cycles must know of a service that the policy had others follow: its labels are ours."""

    bound: tuple[str, ...] = ()
    """The services that were seen bound to it by the policy's word, by name: when it is taken back, they are let go."""


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
    anchors: Mapping[str, AnchorMemory] = field(default_factory=lambda: EMPTY)
    """By the anchor's name."""
    breakers: Mapping[str, Breaker] = field(default_factory=lambda: EMPTY)
    """By the outside thing: `prometheus`, `docker`, `balancer`, `playbook relabel`, …"""

    def of(self, service: str) -> ServiceMemory:
        return self.services.get(service, ServiceMemory())

    def at(self, now: datetime) -> Memory:
        """Without the pauses that have ended by then."""
        return replace(self, pauses=tuple(pause for pause in self.pauses if pause.holds(now)))
