# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks an action replaced, told from what Docker showed before and after it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.model import ClusterView, Task, TaskState

Place = tuple[str, str]
"""A service's name and the slot; of a service without slots the node."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The tasks of one slot, before and after; None where there was none."""

    name: str
    before: Task | None
    after: Task | None


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """Two looks at a cluster. `after` is None when the second could not be taken."""

    before: ClusterView
    after: ClusterView | None

    def replaced(self) -> tuple[Replaced, ...]:
        """Every slot whose task is another one now, whichever service it is of, by name."""
        if self.after is None:
            return ()
        earlier, later = _by_place(self.before), _by_place(self.after)
        return tuple(
            Replaced(".".join(place), earlier.get(place), later.get(place))
            for place in sorted(earlier.keys() | later.keys())
            if _id(earlier.get(place)) != _id(later.get(place))
        )

    def unchanged(self) -> int:
        """How many tasks are the same ones as before."""
        if self.after is None:
            return 0
        return len({task.id for task in _wanted(self.before)} & {task.id for task in _wanted(self.after)})

    def document(self, service: str) -> dict[str, Any]:
        """Task ids before and after: of `service`, where the action is about one, and of every other it changed."""
        replaced = self.replaced()
        names = {service} | {task.service for one in replaced for task in (one.before, one.after) if task is not None}
        return {
            "tasks": {
                "before": _documents(self.before, names),
                "after": None if self.after is None else _documents(self.after, names),
            },
            "replaced": [
                {"name": one.name, "before": _id(one.before) or None, "after": _id(one.after) or None}
                for one in replaced
            ],
            "unchanged": self.unchanged(),
        }


def _wanted(view: ClusterView) -> Iterable[Task]:
    return (task for task in view.tasks if task.desired is TaskState.RUNNING)


def _by_place(view: ClusterView) -> Mapping[Place, Task]:
    names = {node.id: node.hostname for node in view.nodes}
    return {(t.service, str(t.slot) if t.slot else names.get(t.node_id, t.node_id)): t for t in _wanted(view)}


def _id(task: Task | None) -> str:
    return "" if task is None else task.id


def _documents(view: ClusterView, services: set[str]) -> list[dict[str, Any]]:
    names = {node.id: node.hostname for node in view.nodes}
    found = sorted((t for t in _wanted(view) if t.service in services), key=lambda t: (t.service, t.slot, t.id))
    return [
        {
            "id": task.id,
            "service": task.service,
            "slot": task.slot,
            "node": names.get(task.node_id, task.node_id),
            "state": task.state.value,
        }
        for task in found
    ]
