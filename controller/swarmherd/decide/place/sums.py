# SPDX-License-Identifier: GPL-3.0-or-later
"""The sum of a node's scores, each part of it computed no more often than it changes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

import numpy as np

from swarmherd.decide.place.columns import Column, Columns, Load, Mask, Need, Rows
from swarmherd.decide.place.filters import MEETING, STANDING
from swarmherd.decide.place.scores import (
    PACKING,
    SCORES,
    OfFit,
    OfLoad,
    OfService,
    OfZone,
    Score,
    Standing,
    points,
)
from swarmherd.decide.place.settings import Settings, Strategy
from swarmherd.decide.place.things import TaskShape

T = TypeVar("T")
NEVER = -np.inf
KEPT = 256
"""Columns kept of each kind: some megabytes on the largest clusters."""


class Sum:
    """The weighted scores of all nodes for one task, in points."""

    def __init__(self, columns: Columns, settings: Settings) -> None:
        self._columns, self._settings = columns, settings
        scores = (PACKING, *SCORES[1:]) if settings.strategy is Strategy.PACK else SCORES
        self._scores = [(score, settings.weight(score.name)) for score in scores if settings.weight(score.name)]
        parts = [(weight * part.share, part) for score, weight in self._scores for part in score.parts]
        self._same = [(w, p) for w, p in parts if isinstance(p, Standing) and p.key is None]
        self._standing = [(w, p, p.key) for w, p in parts if isinstance(p, Standing) and p.key is not None]
        self._of_load = [(weight, part) for weight, part in parts if isinstance(part, OfLoad)]
        self._of_fit = [(weight, part) for weight, part in parts if isinstance(part, OfFit)]
        self._of_service = [(weight, part) for weight, part in parts if isinstance(part, OfService)]
        self._of_zone = [(weight, part) for weight, part in parts if isinstance(part, OfZone)]
        self._points: dict[Hashable, Column | float] = {}
        self._sums: dict[Hashable, Column] = {}
        self._masks: dict[Hashable, Mask] = {}
        self._zones: list[float] = []
        self._loads: Column = np.zeros(columns.size) + self._load_points(columns.load)

    def refresh(self, rows: Rows | slice | int) -> None:
        """Something was placed on these rows."""
        self._loads[rows] = self._load_points(self._columns.load.of(rows))

    def totals(self, shape: TaskShape, need: Need) -> Column:
        """The points of each node for one task, without the zone's; NEVER where a filter refuses it."""
        found = self.wishful(shape, need)
        self.refuse_full(found, need)
        return found

    def wishful(self, shape: TaskShape, need: Need) -> Column:
        """The totals as they would be if every node had room."""
        columns, load = self._columns, self._columns.load
        load.own = columns.own(shape.service)
        found: Column = self.standing(shape) + self._loads
        found += self._changing(shape, need, load, None)
        for one in MEETING:
            if one.concerns(columns, shape):
                found[~one.check(columns, shape)] = NEVER
        return found

    def refuse_full(self, found: Column, need: Need) -> None:
        """Puts NEVER where there is no room."""
        found[_full(self._columns.load, need)] = NEVER

    def later(self, shape: TaskShape, need: Need, rows: Rows, load: Load, steps: Column) -> Column:
        """The points of these rows (`load` is theirs) with so many more tasks of the group: a line for each step."""
        after = load.later(steps, need)
        found: Column = np.zeros(after.tasks.shape)  # a line for each step, also where no score looks at the load
        found += self.standing(shape)[rows]
        found += self._load_points(after)
        found += self._changing(shape, need, after, rows)
        found[_full(after, need) | (np.asarray(after.own) >= most_per_node(shape))] = NEVER
        return found

    def zone(self, tasks: int) -> float:
        """The points of a zone with so many tasks of the service."""
        while len(self._zones) <= tasks:
            values = [points(weight, part.value(len(self._zones))) for weight, part in self._of_zone]
            self._zones.append(float(sum(values)))
        return self._zones[tasks]

    def of_zones(self, shape: TaskShape) -> Column:
        """The zone's points of each node."""
        zones = np.array([self.zone(count) for count in self._columns.in_zones(shape.service)], np.float64)
        return zones[self._columns.zone_of]

    def by_name(self, shape: TaskShape, need: Need) -> dict[str, Column]:
        """The points of each score, the filters aside."""
        self._columns.load.own = self._columns.own(shape.service)
        return {score.name: self._named(score, weight, shape, need) for score, weight in self._scores}

    def standing(self, shape: TaskShape) -> Column:
        """What placing does not change: kept, so not to be written to."""
        keys = [key(shape, self._settings) for _weight, _part, key in self._standing]
        key = (*keys, shape.priority > self._settings.priority, shape.constraints, shape.platforms, shape.plugins)
        kept = self._sums.get(key)
        if kept is None:
            kept = _keep(self._sums, key, self._compute_standing(shape, keys))
        return kept

    def _compute_standing(self, shape: TaskShape, keys: list[Hashable]) -> Column:
        found = np.zeros(self._columns.size)
        for weight, part in self._same:
            found += self._part(part, weight, shape, part)
        for (weight, part, _key), key in zip(self._standing, keys, strict=True):
            found += self._part(part, weight, shape, (part, key))
        for one in STANDING:
            if one.concerns(self._columns, shape):
                key = (one.name, one.key(shape))
                fit = self._masks.get(key)
                if fit is None:
                    fit = _keep(self._masks, key, one.check(self._columns, shape))
                found[~fit] = NEVER
        return found

    def _part(self, part: Standing, weight: float, shape: TaskShape, key: Hashable) -> Column | float:
        kept = self._points.get(key)
        if kept is None:
            kept = _keep(self._points, key, points(weight, part.values(self._columns, shape)))
        return kept

    def _load_points(self, load: Load) -> Column | float:
        found: Column | float = 0.0
        for weight, part in self._of_load:
            found += points(weight, part.values(load))
        return found

    def _changing(self, shape: TaskShape, need: Need, load: Load, rows: Rows | None) -> Column | float:
        """The points for what the task needs and for which services are there."""
        found: Column | float = 0.0
        for weight, fit in self._of_fit:
            found = found + points(weight, fit.values(load, need))
        for weight, part in self._of_service:
            if part.concerns(shape):
                found = found + points(weight, part.values(self._columns, shape, load, rows))  # lines, or one for all
        return found

    def _named(self, score: Score, weight: float, shape: TaskShape, need: Need) -> Column:
        columns, found = self._columns, np.zeros(self._columns.size)
        for part in score.parts:
            share = weight * part.share
            match part:
                case Standing():
                    found += points(share, part.values(columns, shape))
                case OfLoad():
                    found += points(share, part.values(columns.load))
                case OfFit():
                    found += points(share, part.values(columns.load, need))
                case OfService() if part.concerns(shape):
                    found += points(share, part.values(columns, shape, columns.load, None))
                case OfService():
                    pass
                case _:
                    found += self.of_zones(shape)
        return found


def most_per_node(shape: TaskShape) -> float:
    """How many tasks of its service a node may have at most, for all that the shape says of itself."""
    alone = shape.ports or any(o.service == shape.service and o.weight is None for o in shape.apart_from)
    return 1.0 if alone else (float(shape.max_per_node) or np.inf)


def _full(load: Load, need: Need) -> Mask:
    """Where there is no room: what the filters of resources and of headroom say, in one comparison each."""
    found: Mask = np.zeros(load.tasks.shape, np.bool_)
    for line, value in need.lines:
        found |= load.room[line] < value
    return found


def _keep(kept: dict[Hashable, T], key: Hashable, value: T) -> T:
    """Remembers a value. When there are too many, all are forgotten: what is needed soon comes back."""
    if len(kept) >= KEPT:
        kept.clear()
    kept[key] = value
    return value
