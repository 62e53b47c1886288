# SPDX-License-Identifier: GPL-3.0-or-later
"""How much headroom: as much as target tracking would have paid for on the same history, spent where it is uncertain.

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

ROOM_UP = 0.1
"""A count that is too small goes up by so much more than is needed, so that it need not move again at once."""
ROOM_DOWN = 0.1
"""A count stays while less than this part of it is too much."""
FIRST = 1.5
"""The score to begin with."""
LEAST_MINUTES = 120
REMEMBERED_SECONDS = 14 * 86400.0
TRACKING_WINDOW_SECONDS = 300.0
THRIFT = 0.995
"""Aim at a little less than may be spent, so that it does not become more."""
REPAID = 3.0
"""What was spent beyond the aim, or saved, is made up for that much quicker than it came about."""
TOLERANCE = 0.1
"""The stabilization window and the tolerance that target tracking has by default."""
_ROUNDING = 1e-9


def steady(count: int, need: float, keep: float) -> int:
    """The count to have: `need` replicas will be needed when new ones serve, and `keep` for some time from now."""
    if need > count:
        return math.ceil(need * (1 + ROOM_UP) - _ROUNDING)
    enough = max(need, keep * (1 + ROOM_UP))
    return math.ceil(enough - _ROUNDING) if enough < count * (1 - ROOM_DOWN) else count


class Average:
    """Over the last two weeks, every minute alike while it is younger."""

    def __init__(self) -> None:
        self.value, self._first = 0.0, math.nan

    def see(self, at: float, step: float, value: float) -> None:
        """`value` held for the last `step` seconds."""
        if math.isnan(self._first):
            self.value, self._first = value, at - step
        self.value += min(1.0, step / min(at - self._first, REMEMBERED_SECONDS)) * (value - self.value)


class Spending:
    """Finds the score whose replicas cost what may be spent."""

    def __init__(self, target: float, capacity: float, share: float, least: int) -> None:
        self._target, self._capacity, self._share, self._least = target, capacity, share, max(1, least)
        self._counts, self._paid = [0] * len(SCORES), [0.0] * len(SCORES)
        self._minutes, self._chosen = 0, 0.0
        self._wishes: deque[tuple[float, int]] = deque()
        self._count = self._tracking = 0
        self._tracked, self._own, self._thought = Average(), Average(), Average()
        self.score = FIRST

    def pay(self, at: float, step: float, load: float, need: float, keep: float) -> None:
        """With every outlook: what tracking costs with `load`, and what the outlook's own `need` and `keep` do."""
        near = abs(load / (self._target * max(1, self._tracking)) - 1) <= TOLERANCE
        wish = self._tracking if near else max(self._least, math.ceil(load / self._target - _ROUNDING))
        while self._wishes and (self._wishes[-1][1] <= wish):
            self._wishes.pop()
        self._wishes.append((at, wish))
        while self._wishes[0][0] <= at - TRACKING_WINDOW_SECONDS:
            self._wishes.popleft()
        self._tracking = self._wishes[0][1]
        self._tracked.see(at, step, self._tracking)
        need = max(need, load)
        self._count = max(self._least, steady(self._count, need / self._capacity, keep / self._capacity))
        self._own.see(at, step, self._count)
        if self._minutes:
            self._thought.see(at, step, self._chosen)

    def see(self, need: Sequence[float], keep: Sequence[float]) -> None:
        """Once a minute: what each score would cost. `need` and `keep` are demands, one for each of SCORES."""
        each, least = self._capacity, self._least
        by_score = zip(self._counts, need, keep, strict=True)
        self._counts = [max(least, steady(count, now / each, then / each)) for count, now, then in by_score]
        self._minutes += 1
        share = max(1 / self._minutes, 60 / REMEMBERED_SECONDS)
        self._paid = [paid + share * (count - paid) for paid, count in zip(self._paid, self._counts, strict=True)]
        if self._minutes >= LEAST_MINUTES:
            dearer = self._own.value / self._thought.value  # between the minutes, and by what is kept, costs more
            paid = [dearer * paid for paid in accumulate(self._paid, max)]
            aim = THRIFT * self._share * self._tracked.value
            self.score = _interpolated(aim + REPAID * (aim - self._own.value), paid, SCORES)
        self._chosen = at_score(self.score, self._counts)


def at_score(score: float, by_score: Sequence[float]) -> float:
    """`by_score`, one for each of SCORES, at a score between those that are known."""
    return _interpolated(score, SCORES, by_score)


def _interpolated(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """As numpy's `interp`, which takes ten times as long for one point between so few: `xs` ascend."""
    if x <= xs[0] or x >= xs[-1]:
        return ys[0] if x <= xs[0] else ys[-1]
    right = bisect_right(xs, x)
    part = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + part * (ys[right] - ys[right - 1])
