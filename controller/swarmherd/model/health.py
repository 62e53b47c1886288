# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the health of tasks beside that they run, and what is done about those that are ill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from swarmherd.model.readings import Evidence


class Health(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    STARTING = "starting"


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """What a task's own check says of it, at the time of the look."""

    health: Health
    at: datetime
    source: str
    """Who says so: the address that was asked, or `prometheus`."""
    why: str = ""
    answered: bool = True
    """False where nothing answered. The way to it may be closed: that counts only where it was open before."""


class Remedy(StrEnum):
    RESTART = "restart"
    MOVE = "move"
    ROLLBACK = "rollback"
    NONE = "none"
    """Leave it as it is; the last reason says why."""


@dataclass(frozen=True, slots=True)
class Healing:
    """What to do about an ill task or a stuck update, or that nothing is to be done, and why (S20).

    Nodes are given by their ids.
    """

    service: str
    remedy: Remedy
    reasons: tuple[str, ...]
    """A history, as a decision's."""
    task: str = ""
    """The ill task's id; empty where it is about the service as a whole."""
    place: str = ""
    """What its remedies are counted by: `shop_web.1`, or the service's name for its update."""
    node: str = ""
    """The node that the task runs on."""
    allowed: tuple[str, ...] = ()
    """Where it may land; empty for anywhere."""
    avoid: tuple[str, ...] = ()
    """Nodes to be paused for that moment."""
    tries: int = 0
    """Remedies that were tried before this one."""
    evidence: tuple[Evidence, ...] = ()
    version: int | None = None
    """The service version that was decided on."""

    @property
    def because(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Ailment:
    """What later cycles must know of the health of one place: a slot of a service, or the service's own update."""

    service: str
    answered: bool = False
    """Whether its check was ever seen to answer."""
    task: str = ""
    """The task that was seen ill."""
    ill_since: datetime | None = None
    """The first of the looks in a row that found that task ill."""
    ill_at: datetime | None = None
    """The last of them."""
    well_since: datetime | None = None
    """The first of the looks in a row that found it well, while remedies are still counted."""
    tries: tuple[str, ...] = ()
    """The remedies that were tried since it was last well for long, the oldest first."""
    tried_at: datetime | None = None
    """When the last of them ended."""
