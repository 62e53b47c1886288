# SPDX-License-Identifier: GPL-3.0-or-later
"""An outlook in one sentence: *Tuesday 09:00 is usually 4.1 times 08:45; trend +12 %*."""

from __future__ import annotations

from swarmherd.decide.predict.level import Level
from swarmherd.decide.predict.seasons import Usual
from swarmherd.decide.words import number

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WORTH_TELLING = 0.05


def said(
    minute: int, ahead: int, usual: Usual, now: float, then: float, level: Level, expected: float, upper: float
) -> str:
    """`minute` and `ahead` count from the epoch, in UTC; `now` and `then` are the usual factors at them."""
    words = []
    if now > 0 and abs(then / now - 1) >= _WORTH_TELLING:
        when = moment(ahead, _strongest(ahead, usual))
        words.append(f"{when} is usually {number(then / now)} times {clock(minute)}")
    if abs(level.trend) >= _WORTH_TELLING:
        words.append(f"trend {100 * level.trend:+.0f} %")
    words.append(f"{number(min(expected, upper))} is expected in {ahead - minute} min, at most {number(upper)}")
    return "; ".join(words)


def clock(minute: int) -> str:
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def _strongest(minute: int, usual: Usual) -> str:
    return max(usual.seasons, key=lambda season: abs(season.at(minute))).name


def moment(minute: int, season: str) -> str:
    """How people call `minute` (from the epoch, UTC) where `season` is what makes it special."""
    if season == "week":
        return f"{DAYS[(minute // 1440 + 3) % 7]} {clock(minute)}"
    return clock(minute) if season == "day" else f"minute {minute % 60:02d} of the hour"
