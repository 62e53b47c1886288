# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of a rebalance beside the fewest that there can be, by a solver, on the same lopsided clusters.

The solver may move each task to any node; ours must besides bring both nodes of every move nearer to the mean, by the
policy's default. Both must leave no two nodes' shares further apart than the spread, and no node over the limit.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from swarmherd.decide.loads import Load, Step, fewest_moves, spread_of
from swarmherd.policy.arranging import RebalanceKeys

CLUSTERS = 40
SPREAD, LIMIT, IMPROVEMENT = 0.2, 0.9, RebalanceKeys().improvement
SOLVER_SECONDS = 10.0


@dataclass(frozen=True)
class Cluster:
    """Loads and capacities by node, in GiB, and the tasks that make up the loads."""

    capacities: tuple[float, ...]
    tasks: tuple[Load, ...]

    def loads(self, steps: Sequence[Step] = ()) -> list[float]:
        place = [task.node for task in self.tasks]
        for step in steps:
            place[step.load] = step.node
        loads = [0.0] * len(self.capacities)
        for task, node in zip(self.tasks, place, strict=True):
            loads[node] += task.size
        return loads


def lopsided(chance: random.Random) -> Cluster:
    """4 to 8 nodes of two sizes and about six tasks for each, half of them on the first nodes, none over its limit."""
    capacities = tuple(chance.choice([16.0, 32.0]) for _node in range(chance.randint(4, 8)))
    room = [LIMIT * capacity for capacity in capacities]
    tasks = []
    for _task in range(6 * len(capacities)):
        size = chance.choice([0.25, 0.5, 1.0, 1.0, 2.0, 3.0])
        node = chance.randrange(len(capacities) // 2 if chance.random() < 0.5 else len(capacities))
        if room[node] >= size:
            room[node] -= size
            tasks.append(Load(node, size, tuple(range(len(capacities)))))
    return Cluster(capacities, tuple(tasks))


def solved(cluster: Cluster) -> int | None:
    """The fewest moves into some window of the spread's width; None where there are none, or no time for a proof."""
    tasks, nodes = len(cluster.tasks), len(cluster.capacities)
    pairs = tasks * nodes
    task, node = np.divmod(np.arange(pairs), nodes)
    size = np.array([one.size for one in cluster.tasks])
    once, shares = np.zeros((tasks, pairs + 1)), np.zeros((nodes, pairs + 1))
    once[task, np.arange(pairs)] = 1
    shares[node, np.arange(pairs)] = size[task] / np.array(cluster.capacities)[node]
    above = shares.copy()
    above[:, -1] = -1  # the last variable is the window's lower end
    stays = np.array([one.node for one in cluster.tasks])[task] == node
    found = milp(
        np.append(~stays, 0).astype(float),
        constraints=[
            LinearConstraint(once, 1, 1),
            LinearConstraint(shares, ub=LIMIT),
            LinearConstraint(above, 0, SPREAD),
        ],
        integrality=np.append(np.ones(pairs), 0),
        bounds=Bounds(0, 1),
        options={"time_limit": SOLVER_SECONDS},
    )
    return round(found.fun) if found.status == 0 else None


def rebalances() -> dict[str, Any]:
    chance = random.Random(5)  # noqa: S311 the same every time
    moves: list[tuple[int, int]] = []
    spreads: list[tuple[float, float]] = []
    undecided = short = tasks = 0
    while len(moves) + undecided + short < CLUSTERS:
        cluster = lopsided(chance)
        before = spread_of(cluster.loads(), cluster.capacities)
        if before <= SPREAD:
            continue
        tasks += len(cluster.tasks)
        least = solved(cluster)
        steps = fewest_moves(cluster.loads(), cluster.capacities, cluster.tasks, SPREAD, IMPROVEMENT, LIMIT)
        after = spread_of(cluster.loads(steps), cluster.capacities)
        if least is None:
            undecided += 1
        elif after > SPREAD + 1e-9:
            short += 1
        else:
            moves.append((len(steps), least))
            spreads.append((before, after))
    ours, fewest = (sum(counts) for counts in zip(*moves, strict=True))
    return {
        "clusters": CLUSTERS,
        "tasks": tasks,
        "spread": SPREAD,
        "improvement_of_each_move": IMPROVEMENT,
        "moves": ours,
        "solver_fewest": fewest,
        "over_fewest_percent": round(100 * (ours / fewest - 1), 1),
        "as_few_as_the_solver": sum(mine == least for mine, least in moves),
        "spread_before_median": round(statistics.median(before for before, _after in spreads), 3),
        "spread_after_median": round(statistics.median(after for _before, after in spreads), 3),
        "spread_not_reached": short,
        "solver_undecided": undecided,
    }
