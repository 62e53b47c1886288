# SPDX-License-Identifier: GPL-3.0-or-later
"""How much headroom: as much as target tracking would have paid for on the same history, spent where it is uncertain;
and how much room for the count to stay as it is, so that it changes less often than tracking's.

Beside the real service run imaginary ones, one per size of headroom and one that tracks the target; none of them is
ever enacted. The headroom is the one whose replicas cost the wanted share of what the tracking one costs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate

from swarmherd.decide.predict.seasons import SCORES

LEAST_ROOM, MOST_ROOM = 0.05, 0.25
FEWER = 0.8
"""There is the least room while there are no more changes than this part of tracking's."""
FEW_CHANGES = 0.002
"""In changes per reading: so many are counted on either side, so that the first ones do not decide."""
FIRST = 1.5
"""The score to begin with."""
WATCHED_MINUTES = 120
"""Nothing is foretold before: the target is tracked."""
REMEMBERED_SECONDS = 14 * 86400.0
TRACKING_WINDOW_SECONDS = 300.0
THRIFT, UNSURE = 0.999, 0.007
"""Aim at a little less than may be spent, and at less by UNSURE in the first day, so that it does not become more."""
LEAST_REPAID = 6.0
"""What was spent beyond the aim, or saved, is made up for that much quicker than it came about, or within a day."""
MOST_REPAID = 0.2
"""As a part of what may be spent: no strange day is paid for with a bare one."""
MOST_MORE = 1.5
"""What even the highest score does not spend goes into a part of the demand, as it does with tracking."""
TOLERANCE = 0.1
"""The stabilization window and the tolerance that target tracking has by default."""
_ROUNDING = 1e-9


def steady(count: int, need: float, keep: float, room: float) -> int:
    """The count to have: `need` replicas will be needed when new ones serve, and `keep` for some time from now.

    It goes up by `room`, a part of it, more than is needed, and stays while less than that is too much.
    """
    if need > count:
        return math.ceil(need * (1 + room) - _ROUNDING)
    enough = max(need, keep) * (1 + room)
    return math.ceil(enough - _ROUNDING) if enough < count * (1 - room) else count


class _Imaginary:
    """A service that is not there: its count, and on average what it costs and how often it changes."""

    def __init__(self) -> None:
        self.count = 0
        self.cost = self.changes = 0.0

    def have(self, count: int, share: float) -> None:
        """`count` held since the last reading, which is `share` of all the time that is remembered."""
        self.cost += share * (count - self.cost)
        self.changes += share * ((count != self.count) - self.changes)
        self.count = count


class Spending:
    """Finds the score whose replicas cost what may be spent, and the room whose changes are few enough."""

    def __init__(self, target: float, capacity: float, share: float, least: int) -> None:
        self._target, self._capacity, self._share, self._least = target, capacity, share, max(1, least)
        self._counts, self._paid = [0] * len(SCORES), [0.0] * len(SCORES)
        self._minutes, self._chosen = 0, 0.0
        self._wishes: deque[tuple[float, int]] = deque()
        self._first = math.nan
        self._tracking, self._own = _Imaginary(), _Imaginary()
        self._thought = self._spent = self._due = 0.0
        self._score, self._more, self.room = FIRST, 1.0, LEAST_ROOM

    def pay(self, at: float, step: float, load: float, need: float, keep: float) -> None:
        """With every outlook: what tracking costs with `load`, and what the outlook's own `need` and `keep` do."""
        if math.isnan(self._first):
            self._first = at - step
        share = min(1.0, step / min(at - self._first, REMEMBERED_SECONDS))
        self._tracking.have(self._tracked(at, load), share)
        needed, kept = max(need, load) / self._capacity, keep / self._capacity
        self._own.have(max(self._least, steady(self._own.count, needed, kept, self.room)), share)
        enacted = self._own if self._minutes >= WATCHED_MINUTES else self._tracking
        self._spent += share * (enacted.count - self._spent)
        self._thought += share * (self._chosen - self._thought)

    def see(self, need: Sequence[float], keep: Sequence[float]) -> None:
        """Once a minute: what each score would cost. `need` and `keep` are demands, one for each of SCORES."""
        own, tracking = self._own.changes + FEW_CHANGES, self._tracking.changes + FEW_CHANGES
        most = LEAST_ROOM + (MOST_ROOM - LEAST_ROOM) * min(1.0, max(0.0, self._score))  # it costs what may be short
        self.room = min(most, LEAST_ROOM + max(0.0, own / tracking - FEWER))
        each, least, room = self._capacity, self._least, self.room
        by_score = zip(self._counts, need, keep, strict=True)
        self._counts = [max(least, steady(count, now / each, then / each, room)) for count, now, then in by_score]
        self._minutes += 1
        share = max(2 / (self._minutes + 1), 60 / REMEMBERED_SECONDS)  # the first forecasts are the worst
        self._paid = [paid + share * (count - paid) for paid, count in zip(self._paid, self._counts, strict=True)]
        self._due += share * (self._tracking.count - self._due)
        if self._minutes >= WATCHED_MINUTES and self._tracking.cost:  # it is known once somebody asked
            # Between the minutes, and by what is kept, it costs more.
            dearer = self._own.cost / self._thought if self._thought else 1.0
            wanted, paid = self._wanted(), [dearer * paid / self._due for paid in accumulate(self._paid, max)]
            self._score = _interpolated(wanted, paid, SCORES)
            self._more = min(MOST_MORE, max(1.0, wanted / paid[-1]))
        self._chosen = self.chosen(self._counts)

    def chosen(self, by_score: Sequence[float]) -> float:
        """Of demands or counts, one for each of SCORES, the one that costs what may be spent."""
        return self._more * _interpolated(self._score, SCORES, by_score)

    def _wanted(self) -> float:
        """What to cost from now on, so that the whole comes to what may be spent: as a part of what tracking costs."""
        days = min(self._minutes * 60, REMEMBERED_SECONDS) / 86400
        aim = (THRIFT - UNSURE / max(1.0, days)) * self._share
        repaid = max(LEAST_REPAID, days) * (aim - self._spent / self._tracking.cost)
        return aim + min(MOST_REPAID * aim, max(-MOST_REPAID * aim, repaid))

    def _tracked(self, at: float, load: float) -> int:
        """The count that tracks the target."""
        count = self._tracking.count
        near = abs(load / (self._target * max(1, count)) - 1) <= TOLERANCE
        wish = count if near else max(self._least, math.ceil(load / self._target - _ROUNDING))
        while self._wishes and self._wishes[-1][1] <= wish:
            self._wishes.pop()
        self._wishes.append((at, wish))
        while self._wishes[0][0] <= at - TRACKING_WINDOW_SECONDS:
            self._wishes.popleft()
        return self._wishes[0][1]


def _interpolated(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """As numpy's `interp`, which takes ten times as long for one point between so few: `xs` ascend."""
    if x <= xs[0] or x >= xs[-1]:
        return ys[0] if x <= xs[0] else ys[-1]
    right = bisect_right(xs, x)
    part = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + part * (ys[right] - ys[right - 1])
