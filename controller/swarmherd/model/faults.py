# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of hosts that fail and of outside things that do not answer, and what is done about the former."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Probe:
    """What our own look at a node's host says of it, whatever Swarm says: the second witness (S9)."""

    at: datetime
    """When it was last looked at."""
    misses: int = 0
    """Looks in a row, this one included, that nothing on the host answered."""
    silent_since: datetime | None = None
    """The first of them; None when the last look was answered."""
    exporter: bool | None = None
    """Whether its node_exporter answered the last look; None when it was not asked. The same for `tcp`."""
    tcp: bool | None = None
    """Whether its SSH port, or whichever the inventory names, took a connection."""
    problem: str = ""
    """What the last look that failed said, in a few words."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    """It is asked as ever."""
    OPEN = "open"
    """It failed too often in a row, and is not asked until its pause is over."""
    HALF_OPEN = "half_open"
    """One attempt is under way that decides."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker around one outside thing."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    """In a row."""
    opened_at: datetime | None = None
    why: str = ""
    """What the last failure said."""


class Standing(StrEnum):
    """What two independent witnesses say of a node: Swarm's managers, and our own look at its host (S9)."""

    WELL = "well"
    DOUBTED = "doubted"
    """One witness speaks against it: nothing is done about that."""
    FAILED = "failed"
    """Both do."""
    UNWATCHED = "unwatched"
    """Swarm has nothing against it, and nobody looked at its host of late."""


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """How one node stands, and why it is not well."""

    node: str
    """Its id."""
    name: str
    """What people call it."""
    standing: Standing
    reasons: tuple[str, ...] = ()
    """What each witness says; empty for a node that is well."""

    @property
    def bad(self) -> bool:
        return self.standing in (Standing.DOUBTED, Standing.FAILED)

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Fence:
    """A person's word that a node's host is off and stays off until it is seen ready again (S10)."""

    who: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """Tasks of one service that Swarm leaves without a place, why that is, and whether marks of ours are the reason."""

    service: str
    waiting: tuple[str, ...]
    """The tasks' ids."""
    since: datetime
    """Since when the first of them waits."""
    reasons: tuple[str, ...]
    clear: bool = False
    """Whether moves of this service have left marks on nodes that are to be cleared; planning may take that back."""
    needed: frozenset[str] = frozenset()
    """The ids of the nodes of which our cordon alone keeps these tasks."""

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Recreation:
    """A service that Swarm cannot bring up again without its failed node, to be brought up elsewhere, or why not (S10).

    Nodes are given by their ids.
    """

    service: str
    node: str
    """The one that failed."""
    reasons: tuple[str, ...]
    recreate: bool = False
    """Whether it is to be done; planning may take that back."""
    target: str = ""
    """Where it is to run; empty for Swarm's choice."""
    add: tuple[str, ...] = ()
    """Constraints to have instead of those in `remove`; with neither, its tasks are made anew by a forced update."""
    remove: tuple[str, ...] = ()
    fence_hook: str = ""
    """A file of tasks that confirms that the host is off, to be run before anything else."""
    version: int | None = None
    """The service version that was decided on."""

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Cordon:
    """A node that goes down again and again is kept from new tasks for a while, or takes them again; or why not."""

    node: str
    """Its id."""
    reasons: tuple[str, ...]
    cordon: bool | None = None
    """True to pause it, False to end the pause that is ours, None to leave it as it is; planning may set it to None."""
    until: datetime | None = None
    """When the pause is to end."""
    version: int | None = None
    """The node's version that was decided on."""

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Rescue:
    """What is decided about nodes that fail and what they leave behind (S8, S9, S10, S23)."""

    standings: tuple[NodeStanding, ...] = ()
    """One for each node, by name."""
    brake: tuple[str, ...] = ()
    """Why so much looks bad that we take ourselves to be cut off, and nothing disruptive is done; empty when it is
    off."""
    findings: tuple[Finding, ...] = ()
    recreations: tuple[Recreation, ...] = ()
    cordons: tuple[Cordon, ...] = ()

    def of(self, node_id: str) -> NodeStanding | None:
        return next((one for one in self.standings if one.node == node_id), None)
