# SPDX-License-Identifier: GPL-3.0-or-later
"""Placements per second, beside the same choices made by scoring every node anew for each task.

The opponent, `Anew`, is numpy too and has the same formulas and the same standing scores (constraints, readings and so
on, computed once per kind of task); but for every task it scores the load, the fit and the neighbours of all nodes. It
is measured on a sample of the tasks, in the same round, and its choices must be those of the engine. Neither includes
building the objects, and both have the nodes' columns ready.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from swarmherd.decide.place import (
    Amount,
    Neighbour,
    NodeCapacity,
    Placement,
    Placer,
    Readings,
    Settings,
    TaskShape,
    parse_affinity,
    parse_constraint,
)
from swarmherd.decide.place.columns import Columns, Need
from swarmherd.decide.place.sums import NEVER, Sum

SAMPLE = 10
"""Shapes of each round that the opponent places too."""


def nodes(count: int) -> list[NodeCapacity]:
    """Nodes of four sizes in five zones and 40 racks, with readings, images and labels."""
    chance = random.Random(1)  # noqa: S311 the same every time
    return [
        NodeCapacity(
            f"n{k}",
            cpu=chance.choice([8, 16, 32, 64]),
            memory_bytes=chance.choice([32, 64, 128, 256]) * 2**30,
            disk_bytes=2**40,
            gpu=0,
            os="linux",
            arch="x86_64",
            labels={"zone": f"z{k % 5}", "disk": chance.choice(["ssd", "hdd"]), "rack": f"r{chance.randrange(40)}"},
            plugins=frozenset({"overlay"}),
            images=frozenset({f"image{chance.randrange(20)}"}),
            readings=Readings(*(chance.random() / 2 for _reading in range(5))),
        )
        for k in range(count)
    ]


def services(count: int, replicas: int) -> list[TaskShape]:
    """Services with constraints, affinities, priorities, neighbours, platforms, plugins, images and a maximum."""
    chance = random.Random(2)  # noqa: S311 the same every time
    return [
        TaskShape(
            f"s{k}",
            Amount(chance.choice([0.1, 0.2, 0.25, 0.5]), chance.choice([64, 128, 256, 512]) * 2**20, 2**20),
            replicas,
            constraints=(parse_constraint("node.labels.disk==ssd" if k % 3 else f"node.labels.rack!=r{k % 40}"),),
            affinity=(parse_affinity(f"node.labels.rack==r{k % 40}:5"),),
            priority=k % 100,
            platforms=(("linux", "amd64"),),
            plugins=frozenset({"overlay"}),
            max_per_node=5,
            apart_from=(Neighbour(f"s{k - 1}", 1.0),) if k % 4 == 1 else (),
            image=f"image{k % 20}",
        )
        for k in range(count)
    ]


def one_offs(count: int) -> list[TaskShape]:
    """Single tasks, no two alike."""
    chance = random.Random(3)  # noqa: S311 the same every time
    return [TaskShape(f"t{k}", Amount(chance.random(), chance.randrange(2**26, 2**31))) for k in range(count)]


class Anew:
    """Places one task after the other, each time with all nodes scored."""

    def __init__(self, found: Sequence[NodeCapacity], settings: Settings) -> None:
        self.columns = Columns(found, settings)
        self.sum = Sum(self.columns, settings)

    def place(self, shape: TaskShape) -> list[int]:
        rows, need = [], Need(shape.need)
        for _replica in range(shape.replicas):
            self.sum.refresh(slice(None))
            points = self.sum.totals(shape, need) + self.sum.of_zones(shape)
            row = int(np.argmax(points))
            if points[row] == NEVER:
                break
            self.columns.put(shape, need, {row: 1})
            rows.append(row)
        return rows


def _seconds(work: Callable[[], Any]) -> float:
    """Processor time: another process on the core does not count."""
    started = time.process_time()
    work()
    return time.process_time() - started


def measured(rounds: int, count: int, shapes: list[TaskShape]) -> dict[str, Any]:
    found, settings = nodes(count), Settings()
    few = shapes[: SAMPLE if shapes[0].replicas > 1 else 50 * SAMPLE]
    rates: list[float] = []
    ratios: list[float] = []
    placed = 0
    for _round in range(rounds):
        placer, slow = Placer(found, settings), Anew(found, settings)
        mine: list[Placement] = []
        theirs: list[list[int]] = []
        seconds = _seconds(lambda: mine.extend(placer.place(shapes)))  # noqa: B023 called at once
        slowly = _seconds(lambda: theirs.extend(map(slow.place, few)))  # noqa: B023 called at once
        same = Placer(found, settings).place(few)
        assert [list(one.nodes) for one in same] == theirs, "the choices are those of scoring anew"
        placed = sum(len(one.nodes) for one in mine)
        rates.append(placed / seconds)
        ratios.append((placed / seconds) / (sum(map(len, theirs)) / slowly))
    return {
        "nodes": count,
        "tasks": sum(shape.replicas for shape in shapes),
        "placed": placed,
        "placements_per_cpu_second": round(statistics.median(rates)),
        "over_scoring_anew_ratio": round(statistics.median(ratios), 1),
        "rounds": rounds,
    }


def placements(rounds: int) -> dict[str, Any]:
    """Grouped and one-off, on 5,000 and on 10,000 nodes; building nodes and tasks is not in it."""
    return {
        f"{kind}_{count}_nodes": measured(rounds, count, shapes)
        for count in (5000, 10000)
        for kind, shapes in (("replicas", services(500, 100)), ("one_off", one_offs(5000)))
    }
