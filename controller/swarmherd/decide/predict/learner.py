# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service's own history says of the next minutes: readings in, one `Outlook` out.

It is fed with readings in the order of their time and asked for an outlook; the same readings give the same outlook,
live, in a replay and in a backtest. It reads no clock. A reading that is unknown, a hole in what was captured and a
clock that jumps teach nothing.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from swarmherd.decide.predict.holes import Holes
from swarmherd.decide.predict.level import JUMP, Level, Scatter
from swarmherd.decide.predict.seasons import SCORES, Errors, Quantiles, Usual
from swarmherd.decide.predict.spend import WATCHED_MINUTES, Spending
from swarmherd.decide.predict.words import said
from swarmherd.model import Outlook

LOOKED_AHEAD = 4
"""Minutes, from when new replicas serve on, for which a count is kept."""
IN_A_HOLE = "next to nothing is measured all at once, which is taken for a hole in the capture"
LONGEST_GAP_SECONDS = 600.0
"""After a longer pause between two readings the minutes before it say nothing about those after it."""
BEYOND_REASON = 1e100
"""A reading from here on tells of no demand, and its square would be beyond all numbers."""
GROWTH = 10.0
"""Within a minute the demand is believed to grow to so many times the highest that two readings in a row have told of,
and to what one replica bears in any case. What a reading says beyond that, the next ones have to bear out."""
RARE = SCORES.index(2.0)
UNSEEN = [0.2 * max(0.0, score - 1.5) for score in SCORES]
"""At least such a part of what is expected is added to it: so small a chance cannot be counted from what was seen."""
WRONG, RIGHT = 0.3, 0.15
"""It is not relied on from this share of recent demands above what should be rare, until the lower share."""
RECENT_MINUTES = 20.0


@dataclass(frozen=True, slots=True)
class Aim:
    """What a learner must know of the policy and of the service."""

    target: float
    """The load per replica that is aimed at."""
    capacity: float
    """The load at which a replica is full."""
    lead_seconds: float
    """From a decision until its replicas serve."""
    spend: float = 1.0
    """Replica-seconds to spend, as a part of what target tracking would."""
    least: int = 1
    """The policy's `min`."""
    lag_seconds: float = 60.0
    """A reading tells of the demand so long ago, on average: half its window, and its age."""


@dataclass(slots=True)
class _Said:
    minute: int
    level: float
    expected: float
    base: float
    """The average of the demand: errors are counted in its square root."""
    quantiles: Quantiles
    rare: float
    """The demand that one minute in forty exceeds."""


class Learner:
    """The history of one service's demand, condensed."""

    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._lead = max(1, math.ceil(aim.lead_seconds / 60 - 1e-9))
        self._lag = max(0, round(aim.lag_seconds / 60))
        self._level, self._usual, self._errors = Level(), Usual(), Errors()
        self._spending = Spending(aim.target, aim.capacity, aim.spend, aim.least)
        self._scatter, self._holes = Scatter(0.0), Holes(0.0)
        self._promises: deque[_Said] = deque()
        self._keeps: deque[tuple[float, float]] = deque()
        self._at = self._asked = -math.inf
        self._load = self._most = 0.0
        self._minute, self._watched, self._misses, self._relied_on = -1, 0, 0.0, True
        self._factors = [1.0] * LOOKED_AHEAD
        self._quantiles: list[Quantiles] = []
        self._uppers = [0.0] * LOOKED_AHEAD
        self._why = ""

    def see(self, at: float, value: float | None) -> None:
        """The demand read at `at` (seconds since the epoch, UTC); None, or what no demand can be, is unknown."""
        if value is None or not 0 <= value < BEYOND_REASON or at <= self._at:
            return
        if math.isinf(self._at):
            self._scatter, self._most = Scatter(value), value
        if at - self._at > LONGEST_GAP_SECONDS:
            self._promises.clear()
            self._keeps.clear()
            self._holes, self._quantiles = Holes(value), []
        step, self._at = min(60.0, at - self._at), at
        value = min(value, GROWTH ** (step / 60.0) * max(self._most, self._aim.capacity))
        self._most, self._load = max(self._most, min(self._load, value)), value
        if self._holes.see(value, step):
            return
        self._level.see(at, value)
        minute = int(at // 60)
        if minute != self._minute:
            self._tick(minute, value)

    def outlook(self, at: float) -> Outlook:
        """What is to be expected, as known at `at`."""
        if not self._quantiles:
            return Outlook(0.0, 0.0, problem="nothing was read yet")
        minute = int(at // 60)
        ahead = min(max(0, minute - self._minute), LOOKED_AHEAD - 1)
        need, keep, why = self._uppers[ahead], max(self._uppers[ahead:]), self._why
        if self._holes.within:  # as many as target tracking had of what was there before it
            need, keep, why = self._load, self._holes.before * self._aim.capacity / self._aim.target, IN_A_HOLE
        while self._keeps and self._keeps[-1][1] <= keep:  # the largest stands first, what it outlives is dropped
            self._keeps.pop()
        self._keeps.append((at, keep))
        while self._keeps[0][0] <= at - self._aim.lead_seconds - 30.0:
            self._keeps.popleft()
        keep = self._keeps[0][1]
        if at > self._asked:  # a clock that was set back costs nothing
            self._spending.pay(at, min(60.0, at - self._asked), self._load, need, keep)
            self._asked = at
        return Outlook(need, keep, why, self._problem(), self._spending.room)

    def _problem(self) -> str:
        if self._watched < WATCHED_MINUTES:
            return f"its history is only {self._watched} min long"
        if not self._relied_on:
            return f"the demand was above the forecast in {100 * self._misses:.0f} % of the last minutes"
        return ""

    def _tick(self, minute: int, value: float) -> None:
        """Once a minute: judge what was said, learn from it, and say what comes next."""
        gone = 1 if not self._quantiles else minute - self._minute
        self._minute, self._watched = minute, self._watched + 1
        self._level.look(minute, self._lead + self._lag)
        self._judge(minute, value)
        first, scatter = minute + self._lead, self._scatter.usual
        if gone != 1 or not self._quantiles:
            self._quantiles = [self._errors.quantiles(first + ahead, scatter) for ahead in range(LOOKED_AHEAD)]
            self._factors = [self._usual.factor(first + ahead) for ahead in range(LOOKED_AHEAD)]
        else:
            newest = first + LOOKED_AHEAD - 1
            self._quantiles = [*self._quantiles[1:], self._errors.quantiles(newest, scatter)]
            self._factors = [*self._factors[1:], self._usual.factor(newest)]
        level, root = self._level.value, math.sqrt(self._level.base)
        ahead = zip(self._factors, self._quantiles, strict=True)
        by_score = [demands_at(level * factor, root, quantiles.joined) for factor, quantiles in ahead]
        self._spending.see(by_score[0], list(map(max, *by_score)))
        self._uppers = [max(0.0, self._spending.chosen(demands)) for demands in by_score]
        expected, rare = level * self._factors[0], by_score[0][RARE]
        promise = _Said(minute, level, expected, self._level.base, self._quantiles[0], rare)
        self._promises.append(promise)
        now = self._usual.factor(minute)
        self._why = said(minute, first, self._usual, now, self._factors[0], self._level, expected, self._uppers[0])

    def _judge(self, minute: int, value: float) -> None:
        due = minute - self._lead - self._lag
        while self._promises and self._promises[0].minute < due:
            self._promises.popleft()
        if not self._promises or self._promises[0].minute != due:
            return
        promise, past = self._promises.popleft(), minute - self._lag
        error = error_of(value, promise.expected, promise.base)
        self._errors.see(past, error, promise.quantiles)
        self._scatter.see(error)
        self._usual.see(past, min(5.0, (value - promise.level) / max(promise.level, 1e-9)))
        self._misses += ((value > promise.rare) - self._misses) / RECENT_MINUTES
        self._relied_on = self._misses < (WRONG if self._relied_on else RIGHT)


def error_of(value: float, expected: float, base: float) -> float:
    """In roots of the demand's average, by which independent requests scatter.

    The root of next to nothing would make a boundless error of the first burst after a time without demand.
    """
    return (value - expected) / math.sqrt(max(base, value / JUMP))


def demands_at(expected: float, root: float, errors: list[float]) -> list[float]:
    """The demand with each of these errors, one for each of SCORES: the inverse of `error_of` for an average of `root`
    squared, where not much is expected beside the error."""
    both = zip(errors, UNSEEN, strict=True)
    return [expected + max(root * error, error * abs(error) / JUMP, part * expected) for error, part in both]
