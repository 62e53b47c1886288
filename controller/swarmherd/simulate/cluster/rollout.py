# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy, a rollback or a forced update with Swarm's defaults: tasks are replaced one by one, stop first.

It pauses at the first task that fails.
"""

from __future__ import annotations

from collections.abc import Iterable

from swarmherd.model import Task, TaskState, UpdateState
from swarmherd.simulate.cluster.orchestrator import OLD_TASK_SECONDS, Orchestrator
from swarmherd.simulate.cluster.swarm import ENDED

LOOK_SECONDS = 0.5
FORWARD = (UpdateState.COMPLETED, UpdateState.PAUSED)
BACK = (UpdateState.ROLLBACK_COMPLETED, UpdateState.ROLLBACK_PAUSED)


class Rollout:
    """One service's new tasks on their way. Another deploy in the meantime ends this one."""

    def __init__(self, orchestrator: Orchestrator, service: str) -> None:
        self._orchestrator, self._swarm = orchestrator, orchestrator.swarm
        self._service, self._image = service, ""
        self._renewed: frozenset[str] = frozenset()
        """Tasks that are replaced whatever their image."""
        self._slots: list[int] = []
        self._done, self._paused = FORWARD

    def begin(self, image: str) -> None:
        """A deploy."""
        version = self._swarm.services[self._service].version
        changes = {"image": image, "update_state": UpdateState.UPDATING}
        self._swarm.update_service(self._service, version, **changes)
        self._go()

    def back(self, version: int) -> None:
        """A rollback by hand. Raises OutOfSequenceError."""
        self._swarm.roll_back(self._service, version)
        self._done, self._paused = BACK
        self._go()

    def anew(self, version: int) -> None:
        """A forced update: every task is replaced. Raises OutOfSequenceError."""
        self._swarm.update_service(self._service, version, update_state=UpdateState.UPDATING)
        there = self._swarm.tasks_of(self._service)
        self._renewed = frozenset(task.id for task in there)
        self._go(there)

    def _go(self, besides: Iterable[Task] = ()) -> None:
        self._image = self._swarm.services[self._service].image
        self._slots = sorted({task.slot for task in (*self._old(), *besides)}, reverse=True)
        self._next()

    def _old(self) -> list[Task]:
        kept = self._swarm.kept(self._service)
        return [t for t in kept if t.id in self._renewed or self._swarm.images.get(t.id) != self._image]

    def _superseded(self) -> bool:
        return self._swarm.services[self._service].image != self._image

    def _next(self) -> None:
        if self._superseded():
            return
        if not self._slots:
            self._swarm.rolling(self._service, self._done)
            return
        slot = self._slots.pop()
        olds = [task for task in self._old() if task.slot == slot]
        if not olds and not self._renewed:
            self._next()
            return
        heir = self._orchestrator.create(self._service, slot, TaskState.READY)
        for old in olds:
            self._orchestrator.after_end[old.id] = lambda: self._orchestrator.let_run(heir)
            self._orchestrator.stop(old)
        if all(self._orchestrator.over(old) for old in olds):
            self._orchestrator.let_run(heir)
        self._swarm.timeline.after(OLD_TASK_SECONDS, lambda: self._orchestrator.let_run(heir))
        self._watch(heir.id)

    def _watch(self, heir: str) -> None:
        task = self._swarm.tasks.get(heir)
        if self._superseded():
            return
        if task is None or task.state in ENDED:
            self._swarm.rolling(self._service, self._paused)
        elif task.state is TaskState.RUNNING:
            self._next()
        else:
            self._swarm.timeline.after(LOOK_SECONDS, lambda: self._watch(heir))
