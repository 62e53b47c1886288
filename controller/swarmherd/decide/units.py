# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be moved as one, where it may go, and where Swarm would put it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarmherd.decide.fits import fits_beside, shape_of
from swarmherd.decide.foretell import moved
from swarmherd.decide.loads import TINY
from swarmherd.decide.measured import CPU, MEMORY, Loads, Measure, measured, size_of
from swarmherd.decide.place import Placer, seen
from swarmherd.decide.protect import budgets, ripe
from swarmherd.decide.scene import Scene, settings_of
from swarmherd.decide.sizes import memory_of_task
from swarmherd.model import NodeScore, Service, Task

MOST_AVOIDED = 5
"""So many nodes at most are paused for the moment of one move."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A task, with the tasks of all that follow its service."""

    service: Service
    task: Task
    followers: tuple[Task, ...]
    size: float
    """What it takes in all, in the measure's unit."""
    row: int
    """The index of its node."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (self.task, *self.followers)

    @property
    def name(self) -> str:
        """As people name a task."""
        return f"{self.service.name}.{self.task.slot}"


def units(scene: Scene, loads: Loads, stays: Mapping[str, str]) -> Iterator[Unit]:
    """What can be moved of what is on the nodes, in the order of names and slots. What nobody has measured stays."""
    for service in sorted(scene.view.services, key=lambda one: one.name):
        if service.name in stays:
            continue
        followers = tuple(task for name in scene.followers(service.name) for task in scene.wanted(name))
        for task in ripe(scene, service):
            beside = all(follower.node_id == task.node_id for follower in followers)
            sizes = [size_of(scene, loads.measure, loads.by, one) for one in (task, *followers)]
            known = [size for size in sizes if size is not None]
            row = loads.index(task.node_id)
            if row is not None and beside and len(known) == len(sizes):
                yield Unit(service, task, followers, sum(known), row)


class Targets:
    """Which nodes may get a unit: those that pass Swarm's filters and ours, with room for the group."""

    def __init__(self, scene: Scene, loads: Loads) -> None:
        self._scene = scene
        self._loads = loads
        self._placer = Placer(seen.nodes(scene.view), settings_of(scene.policy.placement))
        self._names = {node.id: node.hostname for node in loads.nodes}
        self._rankings: dict[str, tuple[NodeScore, ...]] = {}
        self._means: dict[str, float] = {}
        self._others = [found for other in (MEMORY, CPU) if (found := self._other(other)) is not None]

    def ranking(self, service: str) -> tuple[NodeScore, ...]:
        """The nodes that would take one more task of `service`, the best first."""
        if service not in self._rankings:
            ranked = self._placer.ranking(shape_of(self._scene, service))
            self._rankings[service] = tuple(
                NodeScore(one.node, one.total, one.scores, self._names[one.node])
                for one in ranked
                if one.node in self._names
            )
        return self._rankings[service]

    def mean(self, service: str) -> float:
        """The mean share of the nodes that tasks of `service` could run on. Others never take part of their load."""
        if service not in self._means:
            reached = self._placer.reach(shape_of(self._scene, service))
            rows = [row for row, node in enumerate(self._loads.nodes) if node.id in reached]
            load = sum(self._loads.loads[row] for row in rows)
            self._means[service] = load / sum(self._loads.capacities[row] for row in rows) if rows else 0.0
        return self._means[service]

    def of(self, unit: Unit, among: Collection[int]) -> tuple[int, ...]:
        """Indices into the loads' nodes, of those in `among`."""
        wanted = {one.node for one in self.ranking(unit.service.name)} - {unit.task.node_id}
        rows = [row for row in among if self._loads.nodes[row].id in wanted]
        return tuple(
            row for row in rows if self._takes_group(unit, row) and all(o.bears(unit, row) for o in self._others)
        )

    def _takes_group(self, unit: Unit, row: int) -> bool:
        """S12: what follows an anchor must fit beside it, before the anchor goes."""
        if not unit.followers:
            return True
        anchor = memory_of_task(self._scene, unit.task)
        why, _evidence = fits_beside(self._scene, self._loads.nodes[row], unit.followers, anchor or 0.0)
        return why is None and anchor is not None

    def _other(self, other: Measure) -> _Other | None:
        if other is self._loads.measure:
            return None
        found = measured(self._scene, other, self._loads.by)
        return None if isinstance(found, str) else _Other(self._scene, found)


class _Other:
    """The check that evening out one measure does not upset another, as far as that one is known."""

    def __init__(self, scene: Scene, loads: Loads) -> None:
        keys, placement = budgets(scene), scene.policy.placement
        memory = loads.measure is MEMORY
        rule = keys.memory if memory else keys.cpu
        self._scene, self._loads, self._shares = scene, loads, loads.shares
        self._limit = placement.memory_limit if memory else placement.cpu_limit
        self._most = max(rule.spread, loads.spread) if rule else None
        order = sorted(range(len(self._shares)), key=lambda row: self._shares[row])
        self._ends = {*order[:3], *order[-3:]}
        """Whichever two nodes change, the fullest and the emptiest of the others are among these."""

    def bears(self, unit: Unit, row: int) -> bool:
        sizes = [size_of(self._scene, self._loads.measure, self._loads.by, task) for task in unit.tasks]
        size, capacities = sum(one for one in sizes if one is not None), self._loads.capacities
        there = self._shares[row] + size / capacities[row]
        here = self._shares[unit.row] - size / capacities[unit.row]
        after = [there, here, *(self._shares[end] for end in self._ends if end not in (row, unit.row))]
        return there <= self._limit and (self._most is None or max(after) - min(after) <= self._most + TINY)


@dataclass(frozen=True, slots=True)
class Foretold:
    """Where Swarm may put a unit, or why it must not be moved."""

    nodes: tuple[str, ...] = ()
    """Ids; every one of them will do."""
    avoid: tuple[str, ...] = ()
    """Ids of nodes that must be paused for that."""
    why_not: str = ""


def foretold(scene: Scene, unit: Unit, good: Collection[str]) -> Foretold:
    """Swarm's own choice held against `good`, the ids of the nodes that will do. A few others may be paused (S12)."""
    avoid: set[str] = set()
    while True:
        landing = moved(scene.view, unit.service, unit.task.node_id, task=unit.task.id, avoid=avoid)
        if not landing.nodes:
            return Foretold(why_not="no other node would take it")
        bad = landing.nodes - set(good)
        if not bad:
            return Foretold(_sorted(scene, landing.nodes), _sorted(scene, avoid))
        avoid |= bad
        if len(avoid) > MOST_AVOIDED:
            far = f"more than {MOST_AVOIDED} nodes would have to be paused to keep it from there"
            return Foretold(why_not=f"Swarm might put it on {scene.hostnames(bad)}, and {far}")


def _sorted(scene: Scene, node_ids: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(node_ids, key=lambda node_id: (scene.hostname(node_id), node_id)))


def node_ids(loads: Loads, rows: Sequence[int]) -> list[str]:
    return [loads.nodes[row].id for row in rows]
