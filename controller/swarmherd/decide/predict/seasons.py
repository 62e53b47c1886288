# SPDX-License-Identifier: GPL-3.0-or-later
"""What is usual at this minute of the hour, of the day, of the week: the factor, and how far it is off.

A phase (minute 32 of the hour; 09:00 to 09:05) remembers its last errors. How large the next one may be is a quantile
of a mixture: those errors, and a share of what is usual at any time, so that a phase with few memories says little and
one where it was quiet 23 times of 24 still remembers the 24th. How much the phases say is a matter of the traffic, and
is found out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCORES = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Standard scores at which quantiles are known, from the median on; between them they are interpolated."""
CHANCES = tuple(0.5 * (1 + math.erf(score / math.sqrt(2))) for score in SCORES)
"""The chance that the demand stays below the quantile of each score."""
ANY_TIME = (6.0, 48.0)
"""Weights of what is usual at any time, in memories of a phase: by the first a phase is soon believed."""
SHARPNESS = 50.0
"""How firmly the weight is believed whose quantiles lost less."""
JUDGED_MINUTES = 2880.0
"""Losses are averages over so long."""
JUDGED = slice(SCORES.index(1.5), SCORES.index(3.0) + 1)
"""The quantiles that headroom is made of."""
TRACKING = 0.02
"""How far a quantile moves, in usual errors, when it was crossed (Gibbs and Candès, Adaptive Conformal Inference)."""
SURE = 2.0
"""A factor counts by what it exceeds so many standard errors by."""
REMEMBERED = ((60, 1, 336), (1440, 10, 70))
"""(length in minutes, phase in minutes, memories): two weeks of hours, one of days."""
_MEMORIES = sum(memories for _length, _phase, memories in REMEMBERED)
_TINY = 1e-12
_CHANCES = np.array(CHANCES)
_MIRRORED = np.concatenate((1 - _CHANCES[:0:-1], _CHANCES))
_SHARES = np.unique(np.concatenate((np.linspace(0, 0.9, 19), 1 - 0.1 * np.geomspace(0.75, 0.001, 22), (1.0,))))
_ATOMS = (_SHARES[1:] + _SHARES[:-1]) / 2
_WEIGHTS = [np.concatenate((many * np.diff(_SHARES), np.ones(_MEMORIES))) for many in ANY_TIME]
"""Of what is usual at any time, and of each memory after it."""


class Quantiles(NamedTuple):
    """One for each of SCORES."""

    joined: list[float]
    by_weight: list[list[float]]
    """For each of ANY_TIME."""


@dataclass(slots=True)
class Factors:
    """How many times the level, less one, is usual at each phase of one season."""

    name: str
    minutes: int
    """The season's length."""
    phase_minutes: int
    memories: float
    """Averages are over so many of the last."""
    mean: list[float] = field(init=False)
    spread: list[float] = field(init=False)
    seen: list[float] = field(init=False)
    sure: list[float] = field(init=False)
    """What is left of each mean without its doubt."""

    def __post_init__(self) -> None:
        phases = self.minutes // self.phase_minutes
        self.mean, self.spread, self.seen, self.sure = ([0.0] * phases for _list in range(4))

    def at(self, minute: int) -> float:
        return self.sure[minute % self.minutes // self.phase_minutes]

    def see(self, minute: int, error: float, noise: float) -> None:
        """`noise` is the variance that is usual at any time."""
        phase = minute % self.minutes // self.phase_minutes
        self.seen[phase] = seen = min(self.seen[phase] + 1, self.memories)
        off = error - self.mean[phase]
        self.mean[phase] = mean = self.mean[phase] + off / seen
        self.spread[phase] = spread = self.spread[phase] + (off * off - self.spread[phase]) / seen
        if seen >= 2:
            doubt = SURE * math.sqrt(max(spread, noise) / seen)
            self.sure[phase] = math.copysign(max(0.0, abs(mean) - doubt), mean) * seen / (seen + 1)


class Usual:
    """The factors of all seasons; what one explains is none of the next one's business."""

    def __init__(self) -> None:
        self.seasons = (
            Factors("hour", 60, 1, 16),
            Factors("day", 1440, 5, 25),
            Factors("week", 10080, 5, 15),
        )
        self._noise = 0.01

    def factor(self, minute: int) -> float:
        return max(0.0, 1.0 + sum([season.at(minute) for season in self.seasons]))

    def see(self, minute: int, error: float) -> None:
        """`error`: how far the demand was off its level at `minute`, as a part of the level."""
        for season in self.seasons:
            explained = season.at(minute)
            season.see(minute, error, self._noise)
            error -= explained
        self._noise += (min(error * error, 25 * self._noise) - self._noise) / 240


class Errors:
    """Quantiles of the errors, by phase; they and their `usual` size in one unit, whatever it is."""

    def __init__(self) -> None:
        self._memory = [np.zeros((length // phase, many)) for length, phase, many in REMEMBERED]
        self._count = [[0] * (length // phase) for length, phase, _many in REMEMBERED]
        self._any_time = list(SCORES)
        self._atoms = self._of_any_time()
        self._losses, self._judged = [_TINY] * len(ANY_TIME), 0.0

    def quantiles(self, minute: int, usual: float) -> Quantiles:
        """Of the error at `minute`; `usual` is how large one is at any time."""
        values = [usual * self._atoms]
        for (length, phase, many), memory, count in zip(REMEMBERED, self._memory, self._count, strict=True):
            row = minute % length // phase
            if known := min(count[row], many):
                values.append(memory[row, :known])
        value = np.concatenate(values)
        order = value.argsort()
        value = value[order]
        by_weight = [_quantiles(value, weights[order]) for weights in _WEIGHTS]
        loss, other_loss = self._losses
        part = 1 / (1 + min(2.0, max(0.5, loss / other_loss)) ** SHARPNESS)
        both = zip(*by_weight, strict=True)
        return Quantiles([part * soon + (1 - part) * late for soon, late in both], by_weight)

    def see(self, minute: int, error: float, said: Quantiles) -> None:
        """`said`: what was given for `minute`; the quantiles that were crossed too often move up."""
        self._any_time = _followed(self._any_time, error, said.joined)
        self._judged = min(self._judged + 1, JUDGED_MINUTES)
        for which, quantiles in enumerate(said.by_weight):
            lost = max(_TINY, _pinball(error, quantiles))
            self._losses[which] += (lost - self._losses[which]) / self._judged
        for (length, phase, many), memory, count in zip(REMEMBERED, self._memory, self._count, strict=True):
            row = minute % length // phase
            memory[row, count[row] % many] = error
            count[row] += 1
        if minute % 5 == 0:
            self._atoms = self._of_any_time()

    def _of_any_time(self) -> Floats:
        """The distribution that the quantiles give, with their mirror image below the median."""
        scores = [-score for score in self._any_time[:0:-1]] + self._any_time
        atoms: Floats = np.interp(_ATOMS, _MIRRORED, scores)
        return atoms


def _quantiles(values: Floats, weights: Floats) -> list[float]:
    """Those of SCORES of sorted `values`."""
    heaped = weights.cumsum()
    found: list[float] = np.interp(_CHANCES * heaped[-1], heaped - 0.5 * weights, values).tolist()
    return found


def _pinball(error: float, quantiles: Sequence[float]) -> float:
    """The loss that the right quantiles make least on average (Koenker and Bassett, Regression Quantiles, 1978)."""
    both = zip(quantiles[JUDGED], CHANCES[JUDGED], strict=True)
    return sum([(error - line) * (chance - (error < line)) for line, chance in both])


def _followed(quantiles: Sequence[float], error: float, crossable: Sequence[float]) -> list[float]:
    """Each a little up where `error` exceeds its `crossable`, else down: so it is crossed as often as it should be."""
    both = zip(quantiles, crossable, CHANCES, strict=True)
    moved = (quantile + TRACKING * ((error > line) - (1 - chance)) for quantile, line, chance in both)
    return list(accumulate(moved, max))
