# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing many: the result is that of placing one task after the other, each on the best node that takes it.

Within a shape, all nodes are scored once. After that only the node just chosen has another score, and all nodes of
its zone another zone part; since points add up exactly, each zone keeps its nodes in a heap without the zone part, and
a heap of zones adds it. Of n tasks, only the best n nodes of a zone can ever be chosen, so nothing else enters a heap;
the score of a node with so many tasks more is computed for many nodes, or many numbers, in one go.

Ties go to the node that comes first. Scores are kept by shape only in parts that placing leaves alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import numpy as np

from swarmherd.decide.place.columns import Column, Columns, Need, Rows
from swarmherd.decide.place.filters import ATTRIBUTES, explain
from swarmherd.decide.place.scores import UNIT, fullness
from swarmherd.decide.place.settings import Settings
from swarmherd.decide.place.sums import NEVER, Sum
from swarmherd.decide.place.things import NodeCapacity, Placement, Ranked, TaskShape

AHEAD = 16
"""So many of the next candidates have their further steps computed with another's."""


class Placer:
    """Nodes that fill up. `place` may be called again: it goes on from where it was."""

    def __init__(self, nodes: Sequence[NodeCapacity], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.columns = Columns(nodes, self.settings)
        self._sum = Sum(self.columns, self.settings)
        self._refused: tuple[TaskShape, str] | None = None

    def place(self, shapes: Iterable[TaskShape]) -> list[Placement]:
        """A placement for each shape, in their order."""
        return [self._place(shape) for shape in shapes]

    def imbalance(self) -> float:
        """The standard deviation of the nodes' load, the mean of their reserved shares of CPU and memory: 0 is even."""
        return float(fullness(self.columns.load).std()) if self.columns.size else 0.0

    def ranking(self, shape: TaskShape) -> list[Ranked]:
        """Every node that takes one task of this shape now, the best first, with its scores."""
        need = Need(shape.need)
        totals = self._sum.totals(shape, need) + self._sum.of_zones(shape)
        by_name = self._sum.by_name(shape, need)
        order = [row for row in np.argsort(-totals, kind="stable").tolist() if totals[row] > NEVER]
        return [
            Ranked(
                self.columns.nodes[row].id,
                float(totals[row]) / UNIT,
                {name: float(values[row]) / UNIT for name, values in by_name.items()},
            )
            for row in order
        ]

    def reach(self, shape: TaskShape) -> frozenset[str]:
        """The ids of the nodes that a task of this shape could ever run on, however full they are now."""
        fits = np.ones(self.columns.size, np.bool_)
        for one in ATTRIBUTES:
            if one.concerns(self.columns, shape):
                fits &= one.check(self.columns, shape)
        return frozenset(self.columns.nodes[row].id for row in np.flatnonzero(fits).tolist())

    def _place(self, shape: TaskShape) -> Placement:
        need = Need(shape.need)
        rows = self._rows(shape, need) if self.columns.size else []
        missing = len(rows) < shape.replicas
        return Placement(shape, tuple(rows), self._explain(shape) if missing else "")

    def _rows(self, shape: TaskShape, need: Need) -> list[int]:
        if self._refused is not None and self._refused[0] == shape:
            return []
        if shape.replicas == 1:
            return self._one(shape, need)
        totals = self._sum.totals(shape, need)
        rows, placed = _Group(self.columns, self._sum, shape, need, totals).place()
        if placed:
            self.columns.put(shape, need, placed)
            self._changed(np.array(list(placed), np.intp))
        return rows

    def _one(self, shape: TaskShape, need: Need) -> list[int]:
        totals = self._sum.wishful(shape, need)
        if shape.service in self.columns.zone_counts:
            totals += self._sum.of_zones(shape)
        row, room = int(totals.argmax()), self.columns.load.room
        # Most often the best node has room; then nobody needs to ask the others.
        if any(room[line, row] < value for line, value in need.lines):
            self._sum.refuse_full(totals, need)
            row = int(totals.argmax())
        if totals[row] == NEVER:
            return []
        self.columns.put(shape, need, {row: 1})
        self._changed(row)
        return [row]

    def _changed(self, rows: Rows | int) -> None:
        self._refused = None
        self._sum.refresh(rows)

    def _explain(self, shape: TaskShape) -> str:
        """Kept until something is placed: a row of the same tasks is refused for the same reason."""
        if self._refused is None or self._refused[0] != shape:
            self._refused = (shape, explain(self.columns, shape))
        return self._refused[1]


class _Group:
    """The tasks of one shape, placed one after the other."""

    def __init__(self, columns: Columns, total: Sum, shape: TaskShape, need: Need, totals: Column) -> None:
        self._sum, self._shape, self._need = total, shape, need
        self._zone_counts = list(columns.in_zones(shape.service))
        self._zones: dict[int, list[tuple[float, int, int]]] = {}
        """By zone, a heap of (-points, row, position among the candidates)."""
        self._candidates = self._choose_candidates(columns, totals)
        self._load = columns.load.of(self._candidates)
        self._ladder: list[list[float]] = [[] for _candidate in self._candidates]
        """By position: the points with 1, 2, … more tasks, as far as they were needed."""
        self._climbing: dict[int, int] = {}
        """By position: how many tasks were placed there."""

    def place(self) -> tuple[list[int], dict[int, int]]:
        """The rows in the order of placing, and how many tasks each got."""
        rows: list[int] = []
        zones, counts, ladder, climbing, zone_points = (
            *(self._zones, self._zone_counts, self._ladder, self._climbing),
            self._sum.zone,
        )
        heads = [(heap[0][0] - zone_points(counts[zone]), heap[0][1], zone) for zone, heap in zones.items()]
        heapq.heapify(heads)
        for _task in range(self._shape.replicas if heads else 0):
            points, row, zone = heads[0]
            if points == np.inf:
                break
            rows.append(row)
            heap = zones[zone]
            position = heap[0][2]
            step = climbing[position] = climbing.get(position, 0) + 1
            if len(ladder[position]) < step:
                self._climb(position, heap)
            heapq.heapreplace(heap, (-ladder[position][step - 1], row, position))
            counts[zone] += 1
            best = heap[0]
            heapq.heapreplace(heads, (best[0] - zone_points(counts[zone]), best[1], zone))
        return rows, dict(zip(self._candidates[list(climbing)].tolist(), climbing.values(), strict=True))

    def _choose_candidates(self, columns: Columns, totals: Column) -> Rows:
        """As many of the best nodes of each zone as there are tasks, of as many of the best zones."""
        replicas, starts = self._shape.replicas, columns.zone_starts
        ordered = totals[columns.by_zone]
        best = np.maximum.reduceat(ordered, starts) + [self._sum.zone(count) for count in self._zone_counts]
        found: list[Rows] = [np.zeros(0, np.intp)]
        count, ends = 0, [*starts[1:].tolist(), columns.size]
        for zone in _best(best, replicas).tolist():
            there = ordered[starts[zone] : ends[zone]]
            chosen = _best(there, replicas)
            rows = columns.by_zone[starts[zone] : ends[zone]][chosen]
            heap = list(zip((-there[chosen]).tolist(), rows.tolist(), range(count, count + len(rows)), strict=True))
            heapq.heapify(heap)
            self._zones[zone] = heap
            found.append(rows)
            count += len(rows)
        return np.concatenate(found)

    def _climb(self, position: int, heap: list[tuple[float, int, int]]) -> None:
        """Computes further steps of this candidate, and of those that may need theirs soon, in one go."""
        have = len(self._ladder[position])
        if have:
            near = (*self._climbing, *(other for _points, _row, other in heap[:AHEAD]))
            soon = [other for other in dict.fromkeys(near) if len(self._ladder[other]) == have]
            steps = range(have + 1, have + 1 + min(4 * have, self._shape.replicas))
            load, rows = self._load.of(np.array(soon, np.intp)), self._candidates[soon]
        else:
            soon, steps, load, rows = list(range(len(self._ladder))), range(1, 2), self._load, self._candidates
        found = self._sum.later(self._shape, self._need, rows, load, np.array(steps, np.float64))
        for other, points in zip(soon, found.T.tolist(), strict=True):
            self._ladder[other] += points


def _best(values: Column, count: int) -> Rows:
    """Where the `count` largest values are that are not NEVER; of equal ones the first."""
    least = np.partition(values, len(values) - count)[len(values) - count] if 0 < count < len(values) else NEVER
    if least == NEVER:
        return np.flatnonzero(values > NEVER)
    found = np.flatnonzero(values >= least)
    if len(found) > count:
        above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
        found = np.concatenate([above, equal[: count - len(above)]])
    return found
