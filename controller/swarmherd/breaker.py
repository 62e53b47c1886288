# SPDX-License-Identifier: GPL-3.0-or-later
"""Circuit breakers: what fails again and again is left alone for a while, and asked once before it is asked as ever.

    closed --(so many failures in a row)--> open --(its pause is over)--> half open --(answers)--> closed
                                              ^------------(fails: a pause twice as long)------------'

Pure but for `Breakers`, which holds the state of one cluster's breakers between two looks into the store. Time is
given. A clock that is set, in either direction, ends a pause early at worst: then it is asked once too often.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from swarmherd.model import Breaker, BreakerState, Memory
from swarmherd.policy import BreakerKeys

CLOSED = Breaker()
PROMETHEUS, BALANCER = "prometheus", "balancer"
MOST_WORDS = 200


def engine(host: str) -> str:
    """What the breaker around a manager's engine is called."""
    return f"docker {host}"


def playbook(kind: str) -> str:
    """What the breaker around the playbooks of one kind of action is called."""
    return f"playbook {kind}"


# ------------------------------------------------------------ the states


def at(breaker: Breaker, keys: BreakerKeys, now: datetime) -> Breaker:
    """As it stands at that instant: an open one whose pause is over is half open."""
    if breaker.state is BreakerState.OPEN and rest_seconds(breaker, keys, now) <= 0:
        return replace(breaker, state=BreakerState.HALF_OPEN)
    return breaker


def failed(breaker: Breaker, why: str, keys: BreakerKeys, now: datetime) -> Breaker:
    """After a failure. `why` in a few words."""
    failures = breaker.failures + 1
    why = why[:MOST_WORDS]
    if breaker.state is BreakerState.CLOSED and failures < keys.after:
        return replace(breaker, failures=failures, why=why)
    return Breaker(BreakerState.OPEN, failures, now, why)


def pause_seconds(breaker: Breaker, keys: BreakerKeys) -> float:
    """How long it stays open: twice as long with each failure after those that opened it."""
    doublings = min(32, max(0, breaker.failures - keys.after))
    return min(keys.longest, keys.pause * 2.0**doublings)


def rest_seconds(breaker: Breaker, keys: BreakerKeys, now: datetime) -> float:
    """What is left of its pause; 0 where there is none."""
    if breaker.state is not BreakerState.OPEN or breaker.opened_at is None:
        return 0.0
    return max(0.0, pause_seconds(breaker, keys) - abs((now - breaker.opened_at).total_seconds()))


def why_not(breaker: Breaker, keys: BreakerKeys, now: datetime) -> str:
    """Why it is not asked now, in words; empty where it may be."""
    now_it_is = at(breaker, keys, now)
    if now_it_is.state is not BreakerState.OPEN:
        return ""
    rest = rest_seconds(breaker, keys, now)
    return f"it failed {breaker.failures} times in a row ({breaker.why}), next try in {rest:.0f} s"


# ------------------------------------------------------------ those of a cluster


class Breakers:
    """The breakers of one cluster. May be used from several threads: a playbook runs beside the loop."""

    def __init__(self, keys: BreakerKeys, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._clock = clock
        self._state: dict[str, Breaker] = {}
        self._said: list[str] = []
        self._loaded = False
        self._lock = threading.Lock()

    def load(self, kept: Mapping[str, Breaker]) -> None:
        """What the store holds takes the place of what is known."""
        with self._lock:
            self._state, self._loaded = dict(kept), True

    def kept(self, memory: Memory) -> Memory:
        """The memory with the breakers as they are now; one that is closed and has no failures is not kept."""
        with self._lock:
            if not self._loaded:
                return memory
            breakers = {name: one for name, one in self._state.items() if one != CLOSED}
        return memory if breakers == dict(memory.breakers) else replace(memory, breakers=MappingProxyType(breakers))

    def why_not(self, name: str) -> str:
        """Empty where `name` may be asked now, else why it is not, in words. Who asks tells what came of it."""
        with self._lock:
            now = self._clock()
            before = self._state.get(name, CLOSED)
            self._state[name] = at(before, self._keys, now)
            return why_not(self._state[name], self._keys, now)

    def succeeded(self, name: str) -> None:
        with self._lock:
            before = self._state.pop(name, CLOSED)
            if before.state is not BreakerState.CLOSED:
                self._said.append(f"{name} answers again and is asked as ever")

    def failed(self, name: str, why: str) -> None:
        with self._lock:
            now, before = self._clock(), self._state.get(name, CLOSED)
            after = self._state[name] = failed(before, why, self._keys, now)
            if after.state is BreakerState.OPEN and before.state is BreakerState.CLOSED:
                until = now + timedelta(seconds=pause_seconds(after, self._keys))
                words = f"{name} failed {after.failures} times in a row ({after.why})"
                self._said.append(f"{words} and is not asked until {until:%H:%M:%S} UTC")

    def news(self) -> tuple[str, ...]:
        """What opened or closed since this was last asked."""
        with self._lock:
            said, self._said = tuple(self._said), []
        return said
