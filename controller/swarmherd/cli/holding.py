# SPDX-License-Identifier: GPL-3.0-or-later
"""A count that a person set holds for a while: both directions of its scaling are paused until then (S19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from swarmherd.cli.pausing import in_force, sentence, user
from swarmherd.decide.words import count, one_line
from swarmherd.model import Direction, Pause
from swarmherd.service import Cluster, clock

BOTH = (Direction.UP, Direction.DOWN)
HELD = "held at "
"""How the reason of such a pause begins."""


@contextmanager
def held(cluster: Cluster, service: str, replicas: int, reason: str, until: datetime) -> Iterator[Callable[[], None]]:
    """Pauses first, so that no cycle undoes the change while it is made; unless the function that is given was called
    by the end, all is as it was before. A pause of the same scope that lasts as long holds as well, and stays: whoever
    set it is to find it there afterwards. One of a count that was set before ends with that count."""
    there = [one for one in in_force(cluster, clock()) if one.service == service and one.direction in BOTH]
    longer = {one.direction for one in there if not one.why.startswith(HELD) and _outlasts(one, until)}
    ways = [way for way in BOTH if way not in longer]
    why = f"{HELD}{count(replicas, 'replica')} by hand: {one_line(reason)}"
    for way in ways:
        cluster.store.pause(Pause(user(), why, clock(), service, way, until))
    kept: list[bool] = []
    try:
        yield lambda: kept.append(True)
    finally:
        if not kept:
            for way in ways:
                cluster.store.resume(service, way)
            for one in there:
                if one.direction in ways:
                    cluster.store.pause(one)


def still(cluster: Cluster, service: str, until: datetime) -> list[str]:
    """The pauses that hold the service's scaling for longer, in words."""
    stops = (one for one in in_force(cluster, clock()) if any(map(one.stops, BOTH)) and one.service in ("", service))
    return [sentence(one) for one in stops if one.until is None or one.until > until]


def _outlasts(one: Pause, until: datetime) -> bool:
    return one.until is None or one.until >= until
