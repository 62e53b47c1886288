# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of hosts that fail, and of outside things that do not answer."""

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
