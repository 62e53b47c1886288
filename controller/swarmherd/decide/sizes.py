# SPDX-License-Identifier: GPL-3.0-or-later
"""How much nodes hold and tasks take, as measured or as reserved. None is unknown, never 0 (S1)."""

from __future__ import annotations

from collections.abc import Iterable

from swarmherd.decide.place.seen import present
from swarmherd.decide.scene import Scene
from swarmherd.model import Node, Reading, Task


def value(reading: Reading | None) -> float | None:
    return None if reading is None else reading.value


def memory_of_task(scene: Scene, task: Task) -> float | None:
    """Bytes: the larger of what is measured and what is reserved, or the one that is known."""
    use, service = scene.view.task_use.get(task.id), scene.service(task.service)
    known = [value(use.memory) if use else None, service.memory_reservation_bytes if service else None]
    return max((float(bytes_) for bytes_ in known if bytes_ is not None), default=None)


def memory_of_tasks(scene: Scene, tasks: Iterable[Task]) -> float | str:
    """Bytes of all of them, or why nobody knows: the first whose need is neither measured nor reserved."""
    total = 0.0
    for task in tasks:
        size = memory_of_task(scene, task)
        if size is None:
            return (
                f"nobody knows how much memory {task.service} needs: it reserves none, and there is no reading of "
                "its tasks"
            )
        total += size
    return total


def memory_on(scene: Scene, node: Node) -> float | str:
    """Bytes in use on a node: as measured, else what its tasks take; or why nobody knows."""
    use = scene.view.node_use.get(node.id)
    share = value(use.memory) if use else None
    if share is not None:
        return share * node.memory_bytes
    there = [task for task in scene.view.tasks if task.node_id == node.id and present(task)]
    return memory_of_tasks(scene, there)
