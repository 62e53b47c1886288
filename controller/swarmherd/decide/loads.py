# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewest moves: which tasks to move so that no two nodes' shares are further apart than a spread.

The shares are loads by capacity; their mean, the sum of the loads by the sum of the capacities, stays the same
whatever is moved. A move counts only if it brings both of its nodes nearer to that mean by `improvement` (S12): so the
sum of all distances falls with each move, and moving comes to an end. Where things have means of their own, it is the
sum of capacity times share squared that falls: a size that brings two shares nearer to anything between them is less
than what they are apart.

The spread leaves open where the window of that width lies. For each of a number of windows around the mean, moves are
chosen greedily, each the one that takes most away from what lies outside the window; the window that needs fewest
moves wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]

WINDOWS = 21
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Load:
    """Something on a node that can be moved as one: a task, or an anchor with what follows it."""

    node: int
    """The index of its node."""
    size: float
    """In the unit of the nodes' loads."""
    targets: tuple[int, ...]
    """The indices of the nodes that may get it."""
    mean: float | None = None
    """The share that both nodes of its move are to come nearer to; None for the mean of all nodes. `fewest_moves` knows
    that one alone."""


@dataclass(frozen=True, slots=True)
class Step:
    """One move: the index of what is moved, and the node it goes to."""

    load: int
    node: int


def spread_of(loads: Sequence[float], capacities: Sequence[float]) -> float:
    """The largest share less the smallest."""
    shares = np.asarray(loads, np.float64) / np.asarray(capacities, np.float64)
    return float(shares.max() - shares.min()) if len(shares) else 0.0


def fewest_moves(
    loads: Sequence[float],
    capacities: Sequence[float],
    things: Sequence[Load],
    spread: float,
    improvement: float = 0.0,
    limit: float = 1.0,
) -> tuple[Step, ...]:
    """The moves, in an order in which each improves both of its nodes; as far as they lead where `spread` cannot be
    reached. No node gets over `limit` of its capacity. The same whatever numbers the nodes have, but for ties.
    """
    if len(loads) < 2 or spread_of(loads, capacities) <= spread + TINY:
        return ()
    capacity = np.asarray(capacities, np.float64)
    mean = float(np.sum(loads) / np.sum(capacity))
    plans = [
        _Window(loads, capacity, things, mean, mean - below * spread, spread, improvement, limit).plan()
        for below in np.linspace(0.0, 1.0, WINDOWS)
    ]
    return min(
        plans,
        key=lambda plan: (
            plan.outside > TINY,
            plan.outside if plan.outside > TINY else 0.0,
            len(plan.steps),
            plan.distance,
        ),
    ).steps


def best_move(
    loads: Sequence[float],
    capacities: Sequence[float],
    things: Sequence[Load],
    improvement: float = 0.0,
    limit: float = 1.0,
) -> Step | None:
    """The one move that brings its two nodes nearest to the mean, taken together."""
    if len(loads) < 2:
        return None
    capacity = np.asarray(capacities, np.float64)
    means = [_mean(loads, capacity, thing) for thing in things]
    found: list[tuple[float, float, Step]] = []
    for mean in sorted(set(means)):
        own = [index for index, other in enumerate(means) if other == mean]
        window = _Window(loads, capacity, [things[index] for index in own], mean, mean, 0.0, improvement, limit)
        if (best := window.best()) is not None:
            gain, step = best
            found.append((gain, things[own[step.load]].size, Step(own[step.load], step.node)))
    most = max((gain for gain, _size, _step in found), default=0.0)
    equal = [(size, step) for gain, size, step in found if gain >= most - TINY]
    return min(equal, key=lambda one: one[0])[1] if equal else None


def _mean(loads: Sequence[float], capacity: Column, thing: Load) -> float:
    return float(np.sum(loads) / np.sum(capacity)) if thing.mean is None else thing.mean


@dataclass(frozen=True, slots=True)
class _Plan:
    steps: tuple[Step, ...]
    outside: float
    """What still lies outside the window, over all nodes."""
    distance: float
    """All nodes' distances from the mean."""


class _Window:
    """The nodes' shares, and moves that bring them into [low, low + spread]."""

    def __init__(
        self,
        loads: Sequence[float],
        capacity: Column,
        things: Sequence[Load],
        mean: float,
        low: float,
        spread: float,
        improvement: float,
        limit: float,
    ) -> None:
        self.capacity, self.mean, self.limit, self.improvement = capacity, mean, limit, improvement
        self.low, self.high = low, low + spread
        self.share = np.asarray(loads, np.float64) / capacity
        self.size = np.array([thing.size for thing in things], np.float64)
        self.source = np.array([thing.node for thing in things], np.intp)
        self.movable = np.zeros((len(things), len(capacity)), np.bool_)
        for row, thing in enumerate(things):
            self.movable[row, list(thing.targets)] = True
            self.movable[row, thing.node] = False
        self.gain = np.zeros(self.movable.shape, np.float64)
        self._look(np.arange(len(things)), np.arange(len(capacity)))

    def plan(self) -> _Plan:
        steps: list[Step] = []
        while self._outside(self.share).sum() > TINY and (step := self.step()) is not None:
            self._apply(step)
            steps.append(step)
        return _Plan(tuple(steps), float(self._outside(self.share).sum()), float(np.abs(self.share - self.mean).sum()))

    def step(self) -> Step | None:
        best = self.best()
        return None if best is None else best[1]

    def best(self) -> tuple[float, Step] | None:
        """The move that takes most away from what lies outside, and how much; of equal ones that of the smallest
        thing."""
        if not len(self.size):
            return None
        most = self.gain.max(axis=1)
        best = most.max()
        if best <= TINY:
            return None
        rows = np.flatnonzero(most >= best - TINY)
        ties = np.nonzero(self.gain[rows] >= best - TINY)
        things, targets = rows[ties[0]], ties[1]
        size, share = self.size[things], self.share[targets]
        smallest = np.flatnonzero(size == size.min())
        least = smallest[share[smallest] == share[smallest].min()]
        first = least[0]  # np.nonzero lists things in their order, and each one's targets in theirs
        return float(best), Step(int(things[first]), int(targets[first]))

    def _look(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> None:
        """Sets `gain`, by thing and target: how much less lies outside afterwards; 0 where the move is not allowed."""
        self.gain[np.ix_(rows, columns)] = 0.0
        rows, columns = rows[self.share[self.source[rows]] > self.mean], columns[self.share[columns] < self.mean]
        size, source = self.size[rows], self.source[rows]
        before, after = self.share[source], self.share[source] - size / self.capacity[source]
        there = self.share[columns][None, :]
        then = there + size[:, None] / self.capacity[columns][None, :]
        better = (self._nearer(before, after) >= self.improvement - TINY)[:, None]
        better = better & (self._nearer(there, then) >= self.improvement - TINY) & (then <= self.limit + TINY)
        gain = (self._outside(before) - self._outside(after))[:, None] + self._outside(there) - self._outside(then)
        pairs = np.ix_(rows, columns)
        self.gain[pairs] = np.where(better & self.movable[pairs], gain, 0.0)

    def _nearer(self, before: Column, after: Column) -> Column:
        found: Column = np.abs(before - self.mean) - np.abs(after - self.mean)
        return found

    def _outside(self, share: Column) -> Column:
        found: Column = np.maximum(0.0, share - self.high) + np.maximum(0.0, self.low - share)
        return found

    def _apply(self, step: Step) -> None:
        source, size = self.source[step.load], self.size[step.load]
        self.share[source] -= size / self.capacity[source]
        self.share[step.node] += size / self.capacity[step.node]
        self.source[step.load] = step.node
        self.movable[step.load, step.node] = False
        both = np.array([source, step.node])  # no other thing's gain changes, and none of another target
        self._look(np.flatnonzero(np.isin(self.source, both)), np.arange(len(self.capacity)))
        self._look(np.arange(len(self.size)), both)


def improving(
    loads: Sequence[float],
    capacities: Sequence[float],
    thing: Load,
    improvement: float = 0.0,
    limit: float = 1.0,
) -> tuple[int, ...]:
    """The nodes that may get `thing` such that both its node and they come nearer to the mean by `improvement`."""
    capacity = np.asarray(capacities, np.float64)
    mean = _mean(loads, capacity, thing)
    window = _Window(loads, capacity, [thing], mean, mean, 0.0, improvement, limit)
    return tuple(np.flatnonzero(window.gain[0] > TINY).tolist())
