# SPDX-License-Identifier: GPL-3.0-or-later
"""How good a node is for a task: named scores, each from 0 to 1, weighted and added.

A score is made of parts, by what they depend on, so that placing one task after another computes anew only what the
last one changed. Each part counts as a whole number of 2^-30 (`points`): such numbers add up exactly in any order,
so a total that was kept up to date in parts is the very same as one computed from nothing, ties included.

Sources: *the first document* is the scheduler that this project began with (resource, affinity and performance
policies, and the penalty form); *swarmkit* is Swarm's own scheduler. The rest is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from swarmherd.decide.place import readings
from swarmherd.decide.place.columns import CPU, GPU, MEMORY, Column, Columns, Load, Mask, Need, Rows
from swarmherd.decide.place.settings import Settings
from swarmherd.decide.place.things import Neighbour, TaskShape

UNIT = float(2**30)
CROWDED = 20
"""More tasks than this on a node cost it the crowd's penalty."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A part that placing does not change. Tasks for which `key` is alike share the values; without one, all do."""

    share: float
    key: Callable[[TaskShape, Settings], Hashable] | None
    values: Callable[[Columns, TaskShape], Column | float]


@dataclass(frozen=True, slots=True)
class OfLoad:
    """A part that depends on what is on the node, whatever the task."""

    share: float
    values: Callable[[Load], Column | Mask]


@dataclass(frozen=True, slots=True)
class OfFit:
    """A part that depends on what is on the node and on what the task needs."""

    share: float
    values: Callable[[Load, Need], Column | Mask]


@dataclass(frozen=True, slots=True)
class OfService:
    """A part that depends on which services' tasks are on the node: `rows` are the nodes that `load` is of."""

    share: float
    concerns: Callable[[TaskShape], bool]
    values: Callable[[Columns, TaskShape, Load, Rows | None], Column | float]


@dataclass(frozen=True, slots=True)
class OfZone:
    """A part that depends on how many tasks of the service are in the node's zone."""

    share: float
    value: Callable[[int], float]


Part = Standing | OfLoad | OfFit | OfService | OfZone


@dataclass(frozen=True, slots=True)
class Score:
    """A score by its name in the settings' weights."""

    name: str
    parts: tuple[Part, ...]


def points(weight: float, values: Column | Mask | float) -> Column | float:
    """A weighted part as whole numbers of 2^-30, rounded down. Truth values are 1 and 0."""
    if isinstance(values, float):  # of one node, or the same for all
        return float(math.floor(values * (weight * UNIT)))
    if values.dtype == np.bool_:
        return values.astype(np.float64) * float(math.floor(weight * UNIT))
    scaled: Column = np.asarray(values * (weight * UNIT))
    return np.floor(scaled, out=scaled)


# ---------------------------------------------------------------- resources


def balance(load: Load, need: Need) -> Column:
    """1 - |cpu' - memory'|, the used shares of both with the task there. Source: the first document, 60 % of 1."""
    cpu: Column = load.used[CPU] + need.cpu
    cpu *= load.per_unit[CPU]
    memory: Column = load.used[MEMORY] + need.memory
    memory *= load.per_unit[MEMORY]
    cpu -= memory
    return np.subtract(1.0, np.abs(cpu, out=cpu), out=cpu)


def availability(load: Load) -> Column:
    """mean(free cpu, free memory), as shares without the task. Source: the first document, 40 % of 1."""
    return 1.0 - fullness(load)


def fullness(load: Load) -> Column:
    """mean(used cpu, used memory), as shares."""
    used: Column = load.used[CPU] * load.per_unit[CPU]
    used += load.used[MEMORY] * load.per_unit[MEMORY]
    used *= 0.5
    return used


def fullest(load: Load) -> Column:
    """max(used cpu, used memory), as shares without the task: what `pack` has in place of availability.

    Best fit by the resource that runs out first, which is the largest norm of what is used. Source: the norms compared
    by Panigrahy, Talwar, Uyeda and Wieder, Heuristics for Vector Bin Packing, 2011.
    """
    share: Column = np.maximum(load.used[CPU] * load.per_unit[CPU], load.used[MEMORY] * load.per_unit[MEMORY])
    return share


def in_use(load: Load) -> Mask:
    """1 where anything runs, else 0: `pack` opens another node last."""
    answer: Mask = load.tasks > 0
    return answer


def _wants_gpu(shape: TaskShape, _settings: Settings) -> bool:
    return shape.need.gpu > 0


def _keeps_gpus_free(columns: Columns, shape: TaskShape) -> Column | float:
    """0 on a node with GPUs for a task that wants none, else 1."""
    if shape.need.gpu > 0:
        return 1.0
    gpus = columns.capacity[GPU]
    return np.where(np.isfinite(gpus) & (gpus > 0), 0.0, 1.0)


# ---------------------------------------------------------------- what the readings say


def _is_high(shape: TaskShape, settings: Settings) -> bool:
    return shape.priority > settings.priority


def _performance(columns: Columns, shape: TaskShape) -> Column:
    """p * performance + (1 - p) * (1 - load), p = 0.7 for high priority, else 0.4. Source: the first document."""
    share = 0.7 if _is_high(shape, columns.settings) else 0.4
    return share * readings.performance(columns) + (1.0 - share) * (1.0 - readings.load(columns))


def _cpu_penalty(columns: Columns, _shape: TaskShape) -> Column:
    """-30 points over 0.8 CPU, -15 over 0.6, here of 80; unknown costs nothing. Source: the first document."""
    return (80.0 - np.select([columns.cpu > 0.8, columns.cpu > 0.6], [30.0, 15.0], 0.0)) / 80.0


def _not_crowded(load: Load) -> Mask:
    """-20 points over 20 tasks, here as 1 when not. Source: the first document (more than 20 containers)."""
    answer: Mask = load.tasks <= CROWDED
    return answer


def _memory_to_spare(load: Load, need: Need) -> Mask:
    """+10 points when the task takes less than half of the free memory, 10 % kept back. Source: the first document."""
    answer: Mask = load.spare > 2.0 * need.memory
    return answer


def _reading(name: str) -> Callable[[Columns, TaskShape], Column]:
    return lambda columns, _shape: readings.idle(columns, name)


def _image_there(columns: Columns, shape: TaskShape) -> Column | float:
    """1 where the image is already, else 0; 0.5 when no image is named."""
    if not shape.image:
        return 0.5
    return np.array([shape.image in node.images for node in columns.nodes], np.float64)


# ---------------------------------------------------------------- wishes


def _affinity(columns: Columns, shape: TaskShape) -> Column | float:
    """sum of weights that hold / sum of weights; 0.5 when none applies. Source: the first document, Affinity Policy."""
    if not shape.affinity:
        return 0.5
    met = np.zeros(columns.size)
    for wish in shape.affinity:
        met += wish.weight * columns.satisfying(wish.selector)
    return met / sum(wish.weight for wish in shape.affinity)


def _wishes_about_neighbours(shape: TaskShape) -> bool:
    return any(other.weight is not None for other in (*shape.near, *shape.apart_from))


def _neighbours(columns: Columns, shape: TaskShape, load: Load, rows: Rows | None) -> Column | float:
    """sum of weights that hold / sum of weights, over near (a task of it is there) and apart_from (none is)."""
    met: Column | float = 0.0
    total = 0.0
    for wanted, others in ((True, shape.near), (False, shape.apart_from)):
        for other in others:
            if other.weight is not None:
                there = _is_there(columns, shape, other, load, rows)
                met = met + other.weight * np.asarray(there == wanted, np.float64)
                total += other.weight
    return met / total


def _is_there(columns: Columns, shape: TaskShape, other: Neighbour, load: Load, rows: Rows | None) -> Mask:
    if other.service == shape.service:
        return np.asarray(load.own) > 0
    there = columns.with_any([other.service])
    return there if rows is None else there[rows]


def _few_replicas(_columns: Columns, _shape: TaskShape, load: Load, _rows: Rows | None) -> Column | float:
    """1 / (1 + tasks of this service on the node). Source: swarmkit, which looks at this number first."""
    return 1.0 / (1.0 + load.own)


def zone_value(tasks: int) -> float:
    """1 / (1 + tasks of this service in the zone): it falls only in the zone where a task was placed."""
    return 1.0 / (1.0 + tasks)


SCORES: tuple[Score, ...] = (
    Score("resources", (OfFit(0.6, balance), OfLoad(0.4, availability))),
    Score("affinity", (Standing(1.0, lambda shape, _settings: shape.affinity, _affinity),)),
    Score("performance", (Standing(1.0, _is_high, _performance),)),
    Score(
        "penalty",
        (
            # 110 points at most: 100, of which 30 or 15 go for CPU and 20 for a crowd, and 10 for memory to spare.
            Standing(80 / 110, None, _cpu_penalty),
            OfLoad(20 / 110, _not_crowded),
            OfFit(10 / 110, _memory_to_spare),
        ),
    ),
    Score("neighbours", (OfService(1.0, _wishes_about_neighbours, _neighbours),)),
    Score("replicas", (OfService(1.0, lambda _shape: True, _few_replicas),)),
    Score("zones", (OfZone(1.0, zone_value),)),
    Score("disk", (Standing(1.0, None, _reading("disk")),)),
    Score("network", (Standing(1.0, None, _reading("network")),)),
    Score("image", (Standing(1.0, lambda shape, _settings: shape.image, _image_there),)),
    Score("gpus", (Standing(1.0, _wants_gpu, _keeps_gpus_free),)),
    Score("in_use", (OfLoad(1.0, in_use),)),
)
PACKING = Score("resources", (OfFit(0.1, balance), OfLoad(0.9, fullest)))
"""The score `resources` of strategy pack: mostly the fullest node; balance alone says which empty node comes next."""
