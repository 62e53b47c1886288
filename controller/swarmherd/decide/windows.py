# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a maintenance window lets something be done now, and why not (S11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from swarmherd.cron import DAY, Cron, at_time, instant, last_until, next_after, parse_cron, parse_weekdays
from swarmherd.decide.words import duration
from swarmherd.model import Direction
from swarmherd.policy import Policy, WindowKeys
from swarmherd.policy.windows import TurnKeys, wall

WORDS = {
    Direction.UP: "scaling up is",
    Direction.DOWN: "scaling down is",
    Direction.MOVES: "moves are",
    Direction.ANCHORS: "changes of anchors' labels are",
    Direction.FAILOVER: "failover is",
    Direction.HEALING: "healing is",
}
MIDNIGHT = "00:00"
SHORTEST_IN_DAYS = 3
MOST_CHAINED, LONGEST_CHAIN = 400, 400 * DAY
"""Windows that overlap are followed so far; beyond that it is as good as always open."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a window stands at an instant."""

    open: bool
    next_change: datetime | None
    """When it closes, where it is open; when it opens next, where it is not. None where it never closes."""


def not_now(policy: Policy, services: Iterable[str], what: Direction, now: datetime) -> str | None:
    """Why `what` may not be done to these services now.

    What any window forbids is forbidden. What a service's own windows allow, they alone do, and for all others those
    of the whole policy; what no window speaks of may be done at any time.
    """
    names = sorted(set(services))
    own = {name: policy.services[name].windows for name in names if name in policy.services}
    for name, windows in ("", policy.windows), *own.items():
        of = f" for {name}" if name else ""
        if (found := first_closed(windows, what, now)) is not None:
            return f"{WORDS[what]} forbidden{of} {when(found)}; {_ends(found, now)}"
    for name in names or [""]:
        of_its_own = [one for one in own.get(name, ()) if allows(one, what)]
        if why := _outside(of_its_own or [one for one in policy.windows if allows(one, what)], now):
            return f"{WORDS[what]} allowed{f' for {name}' if of_its_own else ''} {why}"
    return None


def allows(window: WindowKeys, what: Direction) -> bool:
    return window.allow is not None and what in window.things


def first_closed(windows: Iterable[WindowKeys], what: Direction, now: datetime) -> WindowKeys | None:
    """The first window that forbids `what` now."""
    forbidding = (one for one in windows if one.forbid is not None and what in one.things)
    return next((one for one in forbidding if is_open(one, now)), None)


def _outside(windows: Sequence[WindowKeys], now: datetime) -> str | None:
    if not windows or any(is_open(one, now) for one in windows):
        return None
    soonest = min(change for one in windows if (change := opening(one, now).next_change) is not None)
    return f"{' or '.join(map(when, windows))} only; next in {_until(soonest, now)}"


def is_open(window: TurnKeys, now: datetime) -> bool:
    """Whether it is open at `now`. Much less work than `opening`, which follows turns that overlap to their end."""
    return _end(window, last_until(_begins(window), window.zone, now)) > now


@lru_cache(maxsize=256)
def opening(window: TurnKeys, now: datetime) -> Opening:
    """How the window stands at `now`; one that is open closes when no other turn of its own keeps it open."""
    cron, zone = _begins(window), window.zone
    begun = last_until(cron, zone, now)
    if _end(window, begun) <= now:
        return Opening(False, next_after(cron, zone, now))
    for _turn in range(MOST_CHAINED):
        closes = _end(window, begun)
        if (later := last_until(cron, zone, closes)) <= begun:
            return Opening(True, closes)
        if closes - now > LONGEST_CHAIN:
            break
        begun = later
    return Opening(True, None)


def standing(policy: Policy, now: datetime) -> Iterator[str]:
    """Every window of the policy and how it stands, in a sentence each."""
    yield from told(policy.windows, now)
    for name, service in sorted(policy.services.items()):
        yield from told(service.windows, now, name)


def told(windows: Iterable[WindowKeys], now: datetime, service: str = "") -> Iterator[str]:
    """Each window and how it stands, in a sentence for people."""
    for one in windows:
        of = f" for {service}" if service else ""
        only, words = ("only ", one.allow) if one.allow is not None else ("", one.forbid or ())
        verb = "allowed" if one.allow is not None else "forbidden"
        yield f"{', '.join(words)} {verb}{of} {only}{when(one)}: {_stands(one, now)}"


def when(window: TurnKeys) -> str:
    """`from 22:00 to 05:00 Europe/Berlin (night)`"""
    if window.duration is not None:
        said = f"for {_long(window.duration)} from each {window.cron}"
    else:
        days = f"on {window.days} " if window.days else ""
        said = f"{days}from {window.start or MIDNIGHT} to {window.end or '24:00'}"
    return f"{said} {window.timezone}{f' ({window.name})' if window.name else ''}"


def _stands(window: WindowKeys, now: datetime) -> str:
    seen = opening(window, now)
    if not seen.open:
        return f"next in {_until(seen.next_change or now, now)}"
    return f"now, {_ends(window, now)}"


def _ends(window: WindowKeys, now: datetime) -> str:
    closes = opening(window, now).next_change
    return "it never ends" if closes is None else f"it ends in {_until(closes, now)}"


def _until(later: datetime, now: datetime) -> str:
    return _long((later - now).total_seconds())


def _long(seconds: float) -> str:
    days = seconds / DAY.total_seconds()
    return f"{round(days)} days" if days >= SHORTEST_IN_DAYS else duration(seconds)


@lru_cache(maxsize=256)
def _begins(window: TurnKeys) -> Cron:
    if window.cron is not None:
        return parse_cron(window.cron)
    return at_time(wall(window.start or MIDNIGHT), parse_weekdays(window.days) if window.days else None)


def _end(window: TurnKeys, begun: datetime) -> datetime:
    """When a turn ends that began then: so long after it, or when the wall says so, whatever clocks do meanwhile."""
    if window.duration is not None:
        return begun + timedelta(seconds=window.duration)
    zone: ZoneInfo = window.zone
    first, last = wall(window.start or MIDNIGHT), wall(window.end or MIDNIGHT)
    day = begun.astimezone(zone).date()
    return instant(day if last > first else day + DAY, last, zone)
