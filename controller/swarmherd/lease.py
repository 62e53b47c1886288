# SPDX-License-Identifier: GPL-3.0-or-later
"""Who leads a cluster, and since when somebody no longer does (S16). Pure.

No clock of another host is ever compared with ours. A controller that waits has seen a lease unchanged for its whole
ttl by its own clock before it takes it; one that leads has stopped before that, since it counts from the moment that
it *asked* for its last renewal, and stops MARGIN early. What is assumed is this alone: the clocks of two hosts run at
rates that differ by less than MARGIN (crystals differ by less than a thousandth of that), and they count the time that
a machine is asleep. Every `instant` here is in seconds of such a clock.

A holder of whom it is certain that its process is gone (same machine, same namespace of processes) is not waited for.

A leader renews every third of the ttl, and gives one attempt no longer than that: one attempt may fail, and another
hang, before the lease is lost (the rule `loop + 2 x retry <= ttl` of Patroni's).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MARGIN = 0.1
RENEWALS = 3
"""In one ttl."""
LOOKS = 10
"""How often in one ttl a controller that waits looks at the lease."""


class LeaseLostError(Exception):
    """Nothing more may be done: another controller leads, or may do so. One sentence."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A cluster's lease as the database holds it."""

    holder: str
    """Host and process, and what makes them unique; empty when nobody leads."""
    token: int
    """Grows with each change of hands, and never falls: whoever has a smaller one is late."""
    beat: int
    """Grows with each renewal."""
    ttl_seconds: float
    since: datetime
    """When it changed hands by the holder's clock: for people alone."""

    @property
    def free(self) -> bool:
        return not self.holder

    def __str__(self) -> str:
        if self.free:
            return "no controller leads"
        host, pid = holder_name(self.holder)
        return f"another controller leads (host {host}, pid {pid}, since {self.since:%Y-%m-%d %H:%M:%S} UTC)"


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a leader knows of its own lease."""

    token: int
    ttl_seconds: float
    asked_at: float
    """The instant before its last successful renewal was asked for."""

    def valid(self, instant: float) -> bool:
        """Whether nobody else can have taken it by then."""
        return instant - self.asked_at < self.ttl_seconds * (1 - MARGIN)

    @property
    def renew_after_seconds(self) -> float:
        return self.ttl_seconds / RENEWALS


@dataclass(frozen=True, slots=True)
class Watched:
    """A lease of somebody else's, and the instant at which it was first seen as it is."""

    lease: Lease
    since: float

    def seen(self, lease: Lease, instant: float) -> Watched:
        """After another look. `instant` is from after the answer: what was written before is older, never younger."""
        same = (lease.holder, lease.token, lease.beat) == (self.lease.holder, self.lease.token, self.lease.beat)
        return Watched(lease, self.since if same else instant)

    def may_be_taken(self, instant: float) -> bool:
        """Whether its holder has given it up, or has stopped by its own clock."""
        return self.lease.free or instant - self.since >= self.lease.ttl_seconds


def look_after_seconds(ttl_seconds: float) -> float:
    return ttl_seconds / LOOKS


def attempt_seconds(ttl_seconds: float) -> float:
    """How long one attempt at the database may take."""
    return ttl_seconds / RENEWALS


def holder_name(holder: str) -> tuple[str, str]:
    """Host and process of a holder that was written `host:pid:…`."""
    host, pid, _unique = (*holder.split(":"), "", "")[:3]
    return host, pid
