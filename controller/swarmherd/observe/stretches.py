# SPDX-License-Identifier: GPL-3.0-or-later
"""What one query said through a stretch of time. Pure: Prometheus' matrix in, points or a problem out (S1).

An instant counts as known where exactly one series has a finite number there. Any other is left out, and is not zero:
one without a series, with several, with NaN, infinity, or more than there is of anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NOT_PROMETHEUS = "the answer is not Prometheus' JSON"
MOST_POINTS = 11_000
"""Prometheus itself answers no more for one series."""
_AMISS_SECONDS = 1.0
_LARGEST = 2.0**100
"""Of anything that is measured: sums and quotients of larger numbers may be infinite."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The instants that are known, in the order of time; or why none is."""

    points: tuple[tuple[float, float], ...] = ()
    """(seconds since the epoch, value)."""
    problem: str = ""


def believable(value: float) -> bool:
    """Whether anything can measure so much."""
    return math.isfinite(value) and abs(value) <= _LARGEST


def stretch_of(matrix: Any, start: float, end: float) -> Stretch:
    """`matrix` is the result of a range query from `start` to `end` (seconds since the epoch)."""
    try:
        pairs = list(_pairs(matrix))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return Stretch(problem=NOT_PROMETHEUS)
    if any(not start - _AMISS_SECONDS <= at <= end + _AMISS_SECONDS for at, _value in pairs):
        return Stretch(problem="the answer is of another time than was asked for")
    values: dict[float, list[float]] = {}
    for at, value in pairs:
        values.setdefault(at, []).append(value)
    known = ((at, found[0]) for at, found in sorted(values.items()) if len(found) == 1)
    return Stretch(tuple((at, value) for at, value in known if believable(value)))


def _pairs(matrix: Any) -> Iterator[tuple[float, float]]:
    if not isinstance(matrix, list):
        raise TypeError
    for series in matrix:
        for at, value in series["values"]:
            yield float(at), float(value)
