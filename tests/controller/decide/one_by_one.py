# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement in its plainest form: for each task look at every node, filter, score, take the best. No arrays, no state
kept but what is where. What `Placer` does must equal this, task by task."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from swarmherd.decide.place import NodeCapacity, Settings, Strategy, TaskShape
from swarmherd.model import Availability, NodeState


class OneByOne:
    def __init__(self, nodes: Sequence[NodeCapacity], settings: Settings) -> None:
        self.nodes, self.settings = nodes, settings
        self.used = [_whole(node.reserved.each()) for node in nodes]
        self.since = [[0, 0, 0, 0] for _node in nodes]
        self.there = [Counter(node.tasks) for node in nodes]
        self.ports = [set(node.ports) for node in nodes]
        self.hates: dict[str, set[str]] = {}

    def place(self, shapes: Iterable[TaskShape]) -> list[list[int]]:
        return [
            [row for _replica in range(shape.replicas) if (row := self._one(shape)) is not None] for shape in shapes
        ]

    def _one(self, shape: TaskShape) -> int | None:
        rows = [row for row in range(len(self.nodes)) if self.fits(row, shape)]
        if not rows:
            return None
        best = max(rows, key=lambda row: (self.score(row, shape), -row))
        for line, amount in enumerate(_whole(shape.need.each())):
            self.used[best][line] += amount
            self.since[best][line] += amount
        self.there[best][shape.service] += 1
        self.ports[best] |= shape.ports
        for other in shape.apart_from:
            if other.weight is None:
                self.hates.setdefault(other.service, set()).add(shape.service)
        return best

    # ------------------------------------------------------------ may it go there?

    def fits(self, row: int, shape: TaskShape) -> bool:
        node, there = self.nodes[row], self.there[row]
        return (
            node.state is NodeState.READY
            and node.availability is Availability.ACTIVE
            and self._has_room(row, shape)
            and (not shape.plugins or node.plugins is None or shape.plugins <= node.plugins)
            and all(one.holds(_attribute(node, one.attribute)) for one in shape.constraints)
            and (not shape.platforms or any(os in ("", node.os) for os, _arch in shape.platforms) or not node.os)
            and not shape.ports & self.ports[row]
            and (not shape.max_per_node or there[shape.service] < shape.max_per_node)
            and self._quick_enough(node, shape)
            and not any(there[other.service] for other in shape.apart_from if other.weight is None)
            and not any(there[other] for other in self.hates.get(shape.service, ()))
            and all(there[other.service] for other in shape.near if other.weight is None)
        )

    def _has_room(self, row: int, shape: TaskShape) -> bool:
        node, limits = self.nodes[row], (self.settings.cpu_limit, self.settings.memory_limit)
        readings = (node.readings.cpu, node.readings.memory)
        if any(reading is not None and reading > limit for reading, limit in zip(readings, limits, strict=True)):
            return False
        need, capacity = _whole(shape.need.each()), _whole(node.limits())
        for line in range(4):
            if need[line] and self.used[row][line] + need[line] > capacity[line]:
                return False
        for line in range(2):
            reading = readings[line]
            if reading is None or not need[line] or capacity[line] == math.inf:
                continue
            left = math.floor((limits[line] - reading) * capacity[line])
            if self.since[row][line] + need[line] > left:
                return False
        return True

    def _quick_enough(self, node: NodeCapacity, shape: TaskShape) -> bool:
        if shape.priority <= self.settings.priority:
            return True
        return node.healthy and _performance(node, 1.0) > self.settings.performance

    # ------------------------------------------------------------ how good is it there?

    def score(self, row: int, shape: TaskShape) -> int:
        weight, node, total = self.settings.weight, self.nodes[row], 0
        for name, share, value in self._values(row, shape, node):
            total += math.floor(value * ((weight(name) * share) * 2.0**30))
        return total

    def _values(self, row: int, shape: TaskShape, node: NodeCapacity) -> list[tuple[str, float, float]]:
        need, capacity, used = _whole(shape.need.each()), _whole(node.limits()), self.used[row]
        each = [1.0 / limit if limit else 0.0 for limit in capacity]
        cpu, memory = (used[0] + need[0]) * each[0], (used[1] + need[1]) * each[1]
        full = (used[0] * each[0] + used[1] * each[1]) * 0.5
        packing = self.settings.strategy is Strategy.PACK
        own, tasks = self.there[row][shape.service], self.there[row].total()
        zone = sum(
            there[shape.service]
            for other, there in zip(self.nodes, self.there, strict=True)
            if other.labels.get("zone", "").lower() == node.labels.get("zone", "").lower()
        )
        high = shape.priority > self.settings.priority
        p = 0.7 if high else 0.4
        load = min(1.0, (_or_half(node.readings.cpu) + _or_half(node.readings.memory)) / 2.0)
        busy = node.readings.cpu or 0.0
        return [
            ("resources", 0.1 if packing else 0.6, 1.0 - abs(cpu - memory)),
            (
                "resources",
                0.9 if packing else 0.4,
                max(used[0] * each[0], used[1] * each[1]) if packing else 1.0 - full,
            ),
            ("affinity", 1.0, _affinity(node, shape)),
            ("performance", 1.0, p * _performance(node, 0.5) + (1.0 - p) * (1.0 - load)),
            ("penalty", 80 / 110, (80.0 - (30.0 if busy > 0.8 else 15.0 if busy > 0.6 else 0.0)) / 80.0),
            ("penalty", 20 / 110, float(tasks <= 20)),
            ("penalty", 10 / 110, float(self._spare(row) > 2.0 * need[1])),
            ("neighbours", 1.0, self._neighbours(row, shape)),
            ("replicas", 1.0, 1.0 / (1.0 + own)),
            ("zones", 1.0, 1.0 / (1.0 + zone)),
            ("disk", 1.0, _idle(node.readings.disk)),
            ("network", 1.0, _idle(node.readings.network)),
            ("image", 1.0, float(shape.image in node.images) if shape.image else 0.5),
            ("gpus", 1.0, 0.0 if not shape.need.gpu and node.gpu else 1.0),
            ("in_use", 1.0, float(tasks > 0)),
        ]

    def _spare(self, row: int) -> float:
        node = self.nodes[row]
        if node.memory_bytes is None:
            return math.inf
        room = node.memory_bytes - self.used[row][1]
        if node.readings.memory is not None:
            left = math.floor((self.settings.memory_limit - node.readings.memory) * node.memory_bytes)
            room = min(room, left - self.since[row][1])
        return room - math.floor(node.memory_bytes * 0.1)

    def _neighbours(self, row: int, shape: TaskShape) -> float:
        met = total = 0.0
        for wanted, others in ((True, shape.near), (False, shape.apart_from)):
            for other in others:
                if other.weight is not None:
                    met += other.weight * ((self.there[row][other.service] > 0) == wanted)
                    total += other.weight
        return met / total if total else 0.0


def _whole(amounts: Sequence[float | None]) -> list[float]:
    return [
        math.inf if amount is None else round(amount * unit)
        for amount, unit in zip(amounts, (1e9, 1, 1, 1e9), strict=True)
    ]


def _attribute(node: NodeCapacity, name: str) -> str:
    if name.startswith("node.labels."):
        return node.labels.get(name.removeprefix("node.labels."), "")
    return {"node.hostname": node.name, "node.role": node.role.value, "node.id": node.id}[name]


def _affinity(node: NodeCapacity, shape: TaskShape) -> float:
    if not shape.affinity:
        return 0.5
    met = 0.0
    for wish in shape.affinity:
        met += wish.weight * all(one.holds(_attribute(node, one.attribute)) for one in wish.selector)
    return met / sum(wish.weight for wish in shape.affinity)


def _performance(node: NodeCapacity, unknown: float) -> float:
    read = node.readings
    cpu = unknown if read.cpu is None else 1.0 - read.cpu
    memory = unknown if read.memory is None else 1.0 - read.memory
    quick = unknown if read.response_seconds is None else max(0.0, 1.0 - read.response_seconds)
    return (cpu + memory + quick) / 3.0


def _idle(reading: float | None) -> float:
    return 0.5 if reading is None else max(0.0, 1.0 - reading)


def _or_half(reading: float | None) -> float:
    return 0.5 if reading is None else reading
