# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the demand will stand when new replicas serve, as far as the last hour tells: a regression on what it was a
moment ago and on several averages, fitted to the service's own history.

Averages over a minute follow a ramp, averages over an hour see through noise; how they are best joined is a matter of
the traffic, and is learned from it. Where that is of no use of late, because the demand does what it never did, a plain
average is believed instead.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from operator import mul
from typing import NamedTuple

import numpy as np

LAGS_SECONDS = (0.0, 30.0, 60.0, 120.0, 240.0)
AVERAGED_SECONDS = (60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3840.0)
"""Time constants of the exponential averages."""
PLAIN = AVERAGED_SECONDS.index(120.0)
"""The average that is believed before anything was learned, and where the regression fails."""
BASE = AVERAGED_SECONDS.index(960.0)
"""The average that all else is counted in, so that a quiet hour teaches as much as a busy one."""
TREND = LAGS_SECONDS.index(120.0)
LONGEST_PAUSE_SECONDS = 2700.0
"""Longer than a hole: after that the level begins anew."""
MISSED_SECONDS = 120.0
"""A longer pause between two readings is a hole: what was missed is asked for afterwards."""
AFTER_HOLE_SECONDS = 60.0
"""So much of a hole counts: the first reading after it may half be of it."""
RIDGE = np.array([0.03, 0.03, 0.03, 0.3, 0.3, 0.3, 0.03, 0.3, 0.3, 0.03, 0.3, 0.03])
"""How firmly the first belief about each of them is held, in typical minutes: a few are soon learned, and the others
where there is much to learn from."""
REMEMBERED_MINUTES = 14 * 1440.0
REFITTED_MINUTES = 60
JUMP = 10.0
"""What is so many times the base was no matter of proportion, and would outweigh all that was learned."""
FAILING = 3.0
"""The regression fails where its recent squared errors are so many times those of the plain average."""
RECENT_MINUTES = 20.0
_TINY = 1e-12


class _Look(NamedTuple):
    minute: int
    seen: list[float]
    """Lags, then averages, over the base."""
    base: float
    fitted: float
    plain: float


class Level:
    """Fed with every reading, asked once a minute."""

    def __init__(self) -> None:
        self._averages: list[float] = []
        self._recent: deque[tuple[float, float]] = deque()
        self._looks: deque[_Look] = deque()
        self._step, self._shares = -1.0, [0.0] * len(AVERAGED_SECONDS)
        self._regression = _Regression()
        self._fitted_off = self._plain_off = 0.0
        self.value = self.base = 0.0
        self.trend = 0.0
        """The change over the last two minutes, as a part of what it was before."""

    def see(self, at: float, value: float) -> None:
        """`value` was read at `at` (seconds)."""
        recent = self._recent
        if not recent or at - recent[-1][0] > LONGEST_PAUSE_SECONDS:
            self._averages = [value] * len(AVERAGED_SECONDS)
            recent.clear()
        else:
            pause = at - recent[-1][0]
            step = pause if pause <= MISSED_SECONDS else AFTER_HOLE_SECONDS
            if step != self._step:
                self._step, self._shares = step, [1.0 - math.exp(-step / constant) for constant in AVERAGED_SECONDS]
            old = zip(self._averages, self._shares, strict=True)
            self._averages = [average + share * (value - average) for average, share in old]
        recent.append((at, value))
        while recent[0][0] < at - LAGS_SECONDS[-1]:
            recent.popleft()

    def look(self, minute: int, horizon: int) -> None:
        """Once a minute: learn what the demand of now was to what was seen `horizon` minutes ago, and estimate where
        it will be in as many minutes."""
        at, value = self._recent[-1]
        while self._looks and self._looks[0].minute < minute - horizon:
            self._looks.popleft()
        if self._looks and self._looks[0].minute == minute - horizon:
            self._judge(self._looks.popleft(), value)
        self.base, plain = max(_TINY, self._averages[BASE]), self._averages[PLAIN]
        lags = self._at([at - lag for lag in LAGS_SECONDS])
        seen = [one / self.base for one in lags + self._averages]
        fitted = self.base * max(0.0, sum(map(mul, self._regression.weights, seen)))
        self.value = plain if self._fitted_off > FAILING * self._plain_off else fitted
        self._looks.append(_Look(minute, seen, self.base, fitted, plain))
        before = lags[TREND]
        self.trend = (value - before) / before if before > 0 else 0.0

    def _judge(self, then: _Look, value: float) -> None:
        self._fitted_off += (_off(value, then.fitted, then.base) - self._fitted_off) / RECENT_MINUTES
        self._plain_off += (_off(value, then.plain, then.base) - self._plain_off) / RECENT_MINUTES
        self._regression.see(then.seen, value / then.base)

    def _at(self, instants: list[float]) -> list[float]:
        """The values at `instants`, or the oldest after each."""
        times = [at for at, _value in self._recent]
        return [self._recent[bisect_left(times, instant - 1e-6)][1] for instant in instants]


def _off(value: float, said: float, base: float) -> float:
    """The squared error, over the base; none counts for more than that."""
    return min(1.0, abs(value - said) / base) ** 2


class _Regression:
    """Ridge regression (Hoerl and Kennard, 1970) that forgets, drawn towards the plain average instead of zero."""

    def __init__(self) -> None:
        many = len(LAGS_SECONDS) + len(AVERAGED_SECONDS)
        self._first = np.zeros(many)
        self._first[len(LAGS_SECONDS) + PLAIN] = 1.0
        self.weights: list[float] = self._first.tolist()
        self._squares, self._products, self._count = np.zeros((many, many)), np.zeros(many), 0.0
        self._new: list[list[float]] = []
        self._next = 1

    def see(self, inputs: list[float], output: float) -> None:
        if max(output, *inputs) > JUMP:
            return
        self._new.append([*inputs, output])
        if len(self._new) >= self._next:
            self._fit()

    def _fit(self) -> None:
        rows, many = np.array(self._new), len(self._new)
        inputs, outputs = rows[:, :-1], rows[:, -1]
        kept = (1.0 - 1.0 / REMEMBERED_MINUTES) ** many
        self._squares = kept * self._squares + inputs.T @ inputs
        self._products = kept * self._products + inputs.T @ outputs
        self._count = kept * self._count + many
        self._new.clear()
        self._next = min(REFITTED_MINUTES, 1 + int(self._count) // 8)
        firm = RIDGE * float(np.trace(self._squares)) / self._count / len(self._first) + _TINY
        missed = self._products - self._squares @ self._first
        self.weights = (self._first + np.linalg.solve(self._squares + np.diag(firm), missed)).tolist()


class Scatter:
    """How far forecasts are off, in square roots of the demand, on average over about a day.

    Requests that come independently of each other scatter by the square root of how many they are (Poisson): that is
    why errors are counted in it. No single error counts for too much.
    """

    MINUTES = 1440.0
    LEAST_MINUTES = 10.0
    CLIP = 20.0

    def __init__(self, first: float) -> None:
        """As of a demand of `first`, of which it is taken to be a tenth."""
        self.usual = max(_TINY, 0.1 * math.sqrt(first))
        self._minutes = self.LEAST_MINUTES

    def see(self, error: float) -> None:
        bounded = min(abs(error), self.CLIP * self.usual)
        self._minutes = min(self.MINUTES, self._minutes + 1)
        share = 1.0 / self._minutes
        self.usual = max(_TINY, math.sqrt((1 - share) * self.usual**2 + share * bounded**2))
