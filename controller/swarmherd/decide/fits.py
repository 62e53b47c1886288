# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node takes a group of tasks: their memory in all with headroom, then Swarm's filters and ours (S12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from swarmherd.decide.place import Constraint, Neighbour, Placer, TaskShape, seen
from swarmherd.decide.scene import Scene, settings_of
from swarmherd.decide.sizes import memory_of_task, memory_of_tasks, memory_on
from swarmherd.decide.words import count, number
from swarmherd.model import Evidence, Node, NodeState, Reading, Task
from swarmherd.policy import NeighbourKeys
from swarmherd.policy.anchors import NODE_LABEL

MEBIBYTE = 2**20


def fits_beside(
    scene: Scene, node: Node, movers: Sequence[Task], also_bytes: float = 0.0
) -> tuple[str | None, tuple[Evidence, ...]]:
    """Why `movers` cannot run on `node` once it carries their anchors' labels, or None; and what was looked at.

    `also_bytes` go there besides: an anchor whose followers these are. Memory that is not known keeps those away that
    have a place (S1); what has none loses nothing by going there.
    """
    if not movers:
        return None, ()
    unweighed = {task.id for task in homeless(scene, movers)}
    weighed = [task for task in movers if task.id not in unweighed]
    used, needed = memory_on(scene, node), memory_of_tasks(scene, weighed)
    if isinstance(needed, str):
        return f"{needed}; give it a memory reservation", ()
    if isinstance(used, str):
        return f"how full {node.hostname} is cannot be told: {used}", ()
    limit = scene.policy.placement.memory_limit
    evidence = (_evidence(scene, node, used, limit),)
    if used + also_bytes + needed > limit * node.memory_bytes:
        return _too_full(node, len(movers), used + also_bytes, needed, limit), evidence
    return _refused(scene, node, movers), evidence


def homeless(scene: Scene, movers: Sequence[Task]) -> list[Task]:
    """Those that are on no node which is up, and of which nobody knows how much memory they need."""
    up = {node.id for node in scene.nodes.values() if node.state is NodeState.READY}
    return [task for task in movers if task.node_id not in up and memory_of_task(scene, task) is None]


def _evidence(scene: Scene, node: Node, used: float, limit: float) -> Evidence:
    use = scene.view.node_use.get(node.id)
    reading = use.memory if use else None
    if reading is None or reading.value is None:
        share = used / node.memory_bytes if node.memory_bytes else None
        problem = "" if share else "the node's memory is unknown"
        reading = Reading(share, scene.view.at, "what the tasks there take", problem)
    return Evidence(f"memory of {node.hostname}", reading, f"at most {number(100 * limit)} %", None)


def _too_full(node: Node, tasks: int, used: float, needed: float, limit: float) -> str:
    room = max(0.0, limit * node.memory_bytes - used)
    return (
        f"{node.hostname} has room for {_mebibytes(room)} within {number(100 * limit)} % of its memory, and the "
        f"{count(tasks, 'task')} that would come need {_mebibytes(needed)}"
    )


def _mebibytes(amount: float) -> str:
    return f"{number(round(amount / MEBIBYTE, 1))} MiB"


def _refused(scene: Scene, node: Node, movers: Sequence[Task]) -> str | None:
    """Swarm's own filters and ours, asked of this node alone, for all of the movers together.

    How busy the processor is at this moment is no reason to stay away, whatever their priority: beside their anchor is
    where they must be. Nor is it that one is to be near another that comes as well.
    """
    here = [one for one in seen.nodes(scene.view) if one.id == node.id]
    anyhow = replace(settings_of(scene.policy.placement), cpu_limit=1.0, performance=-1.0)
    placer = Placer(here, anyhow)
    services = Counter(task.service for task in movers)
    come = services.keys() | {scene.wishes.of(name).follows for name in services}
    for name, many in sorted(services.items()):
        shape = shape_of(scene, name)
        near = tuple(other for other in shape.near if other.service not in come)
        shape = replace(shape, replicas=many, constraints=_lasting(shape), near=near)
        [placed] = placer.place([shape])
        if placed.unplaced:
            return f"{node.hostname} cannot take {name}: {placed.explanation}"
    return None


def _lasting(shape: TaskShape) -> tuple[Constraint, ...]:
    """Its constraints but for those to anchors, whose labels are yet to come."""
    return tuple(c for c in shape.constraints if not c.attribute.startswith(f"node.labels.{NODE_LABEL}"))


def shape_of(scene: Scene, name: str) -> TaskShape:
    """One task of a service as placement sees it, with what the policy wishes of its neighbours and priority."""
    service, wish = scene.cycle.index.services[name], scene.wishes.of(name)
    return seen.shape(
        service, near=_neighbours(wish.near), apart_from=_neighbours(wish.apart_from), priority=wish.priority
    ).shape


def _neighbours(keys: Iterable[NeighbourKeys]) -> tuple[Neighbour, ...]:
    return tuple(Neighbour(key.service, key.weight) for key in keys)
