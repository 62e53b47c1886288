# SPDX-License-Identifier: GPL-3.0-or-later
"""How many more nodes would do for what does not fit: nodes like one that is there, with nothing on them but the tasks
that every node has.

What was refused before it in this cycle goes first on them, as on all others. So each number is exact: with so many
nodes all that is missing of the service finds its place, and with one fewer it does not.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from swarmherd.decide.measured import takes_work
from swarmherd.decide.place import NodeCapacity, Placer, Readings, Settings, TaskShape, seen
from swarmherd.decide.place.columns import Column, Columns, Need
from swarmherd.decide.place.filters import SWARMS
from swarmherd.decide.place.sums import most_per_node
from swarmherd.decide.words import count
from swarmherd.model import Availability, ClusterView, Node, NodeState, Role
from swarmherd.policy.wishes import OURS

TOGETHER = 10
"""So many refused services are counted together; a later one's number is for itself alone."""
MOST_NODES = 128
"""So many nodes are tried for several services together."""


class MoreNodes:
    """The kinds of nodes that a cluster has, and what was refused so far in this cycle."""

    def __init__(self, view: ClusterView, settings: Settings) -> None:
        self._view, self._settings = view, settings
        self._refused: list[TaskShape] = []
        self._kinds: tuple[tuple[str, ...], Columns] | None = None
        self._alone: dict[tuple[TaskShape, int], str] = {}

    def sentence(self, shape: TaskShape, asked: TaskShape, tasks: int) -> str:
        """`2 nodes like worker1 would do`, for so many tasks of `shape` that fit on none of the nodes that are there.
        `asked` is what one of them asks for, whoever asks."""
        if len(self._refused) >= TOGETHER:
            if (asked, tasks) not in self._alone:
                self._alone[asked, tasks] = self._sentence(replace(shape, replicas=tasks), counted=False)
            return self._alone[asked, tasks]
        return self._sentence(replace(shape, replicas=tasks), counted=True)

    def _sentence(self, short: TaskShape, *, counted: bool) -> str:
        before = tuple(self._refused)
        if counted:
            self._refused.append(short)
        if self._kinds is None:
            found = kinds_of_nodes(self._view)
            self._kinds = tuple(found), Columns(tuple(found.values()), self._settings)
        names, kinds = self._kinds
        each = np.minimum(_room_of_each(kinds, short), short.replicas)
        if not each.any():
            return "no further node like those that are there would do"
        row = int(each.argmax())
        alone = ceil(short.replicas / each[row])
        many = least_nodes(kinds.nodes[row], (*before, short), alone, self._settings) if counted else None
        would_do = f"{count(alone if many is None else many, 'node')} like {names[row]} would do"
        if many is None:
            return f"{would_do} for it alone"
        return would_do if many == alone else f"{would_do}, since what was refused before it comes first"


def kinds_of_nodes(view: ClusterView) -> dict[str, NodeCapacity]:
    """A new node of each kind, by the name of one that is there: preferably one that takes work, and no manager.

    It has no name, address or mark of ours yet, and of tasks only those of services in global mode. A node that has
    not told what it has is like no other.
    """
    everywhere = {service.name for service in view.services if service.replicas is None and not service.job}
    elsewhere = {task.id for task in view.tasks if task.service not in everywhere}
    pairs = sorted(zip(view.nodes, seen.nodes(view, without=elsewhere), strict=True), key=lambda pair: _rank(pair[0]))
    found: dict[Hashable, tuple[str, NodeCapacity]] = {}
    for node, capacity in pairs:
        if capacity.cpu is not None and capacity.memory_bytes is not None:
            new = _new(capacity)
            found.setdefault(_kind(new), (node.hostname, new))
    named: dict[str, NodeCapacity] = {}
    for name, new in found.values():
        named.setdefault(name, new)
    return named


def least_nodes(kind: NodeCapacity, shapes: Sequence[TaskShape], least: int, settings: Settings) -> int | None:
    """With how many nodes of a kind the last of `shapes` finds its place after the others, while with one fewer it does
    not: at least `least`, what it needs alone. None beyond `MOST_NODES`, which only several are counted up to.
    """
    if len(shapes) == 1:
        return least
    low, high = least - 1, least
    while high <= MOST_NODES and not _fit(kind, high, shapes, settings):
        low, high = high, high * 2
    if high > MOST_NODES:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fit(kind, middle, shapes, settings) else (middle, high)
    return high


def _fit(kind: NodeCapacity, many: int, shapes: Sequence[TaskShape], settings: Settings) -> bool:
    return not Placer([kind] * many, settings).place(shapes)[-1].unplaced


def _room_of_each(kinds: Columns, shape: TaskShape) -> Column:
    """How many tasks of a shape each of these empty nodes takes; infinite where nothing bounds it."""
    need = Need(shape.need)
    room = np.full(kinds.size, most_per_node(shape))
    for line, value in need.lines:
        room = np.minimum(room, np.floor(kinds.load.room[line] / value))
    for one in SWARMS:
        if one.concerns(kinds, shape):
            room = np.where(one.check(kinds, shape), room, 0.0)
    return room


def _rank(node: Node) -> tuple[bool, bool, str, str]:
    return not takes_work(node), node.role is Role.MANAGER, node.hostname, node.id


def _new(node: NodeCapacity) -> NodeCapacity:
    labels = {key: text for key, text in node.labels.items() if not key.startswith(OURS)}
    ready = replace(node, state=NodeState.READY, availability=Availability.ACTIVE, healthy=True, readings=Readings())
    return replace(ready, name="", id="", address="", labels=labels, images=frozenset())


def _kind(node: NodeCapacity) -> Hashable:
    has = (node.role, node.os, node.arch, node.plugins, node.limits(), node.reserved, node.ports)
    return (*has, *(frozenset(said.items()) for said in (node.labels, node.engine_labels, node.tasks)))
