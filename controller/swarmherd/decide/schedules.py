# SPDX-License-Identifier: GPL-3.0-or-later
"""The bounds that hold at this time: a schedule's where one is on, the service's own elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from swarmherd.decide.windows import is_open, when
from swarmherd.policy import ScalePolicy


class Bounds(NamedTuple):
    """The fewest and the most replicas, and which schedules say so; empty where none does."""

    min: int
    max: int
    why_min: str = ""
    why_max: str = ""


def bounds_at(scale: ScalePolicy, now: datetime) -> Bounds:
    """Where several schedules are on, the largest of each bound holds."""
    on = [one for one in scale.schedules if is_open(one, now)]
    if not on:
        return Bounds(min(scale.min, scale.max), scale.max)
    lowest = max((one for one in on if one.min is not None), key=lambda one: one.min or 0, default=None)
    highest = max((one for one in on if one.max is not None), key=lambda one: one.max or 0, default=None)
    least = scale.min if lowest is None or lowest.min is None else lowest.min
    most = scale.max if highest is None or highest.max is None else highest.max
    return Bounds(
        min(least, most),
        most,
        f" {when(lowest)}" if lowest is not None and least <= most else "",
        f" {when(highest)}" if highest is not None else "",
    )
