# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated clock, and what is to happen when. Nothing sleeps: time jumps from one event to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

Event = Callable[[], None]


class Timeline:
    """Events in the order of their times; of two at one instant, the one that was planned first."""

    def __init__(self, begin: datetime) -> None:
        self.begin = begin
        self.seconds = 0.0
        """Since the begin."""
        self._events: list[tuple[float, int, Event]] = []
        self._number = count()

    @property
    def now(self) -> datetime:
        return self.begin + timedelta(seconds=self.seconds)

    def at_second(self, seconds: float) -> datetime:
        return self.begin + timedelta(seconds=seconds)

    def clock(self) -> datetime:
        """What `Steps` and `Surroundings` call a clock."""
        return self.now

    def after(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._events, (self.seconds + seconds, next(self._number), event))

    def at(self, seconds: float, event: Event) -> None:
        self.after(max(0.0, seconds - self.seconds), event)

    def advance(self, seconds: float) -> None:
        self.advance_to(self.seconds + seconds)

    def advance_to(self, seconds: float) -> None:
        """Everything that is due until then happens. An event may raise: time then stands at its instant, and what
        follows is still to come."""
        while self._events and self._events[0][0] <= seconds:
            self.seconds, _number, event = heapq.heappop(self._events)
            event()
        self.seconds = max(self.seconds, seconds)
