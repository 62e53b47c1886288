# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy with Swarm's defaults: tasks are replaced one by one, stop first, and it pauses at the first that fails."""

from __future__ import annotations

from swarmherd.model import Task, TaskState, UpdateState
from swarmherd.simulate.cluster.orchestrator import OLD_TASK_SECONDS, Orchestrator
from swarmherd.simulate.cluster.swarm import ENDED

LOOK_SECONDS = 0.5


class Rollout:
    """One service's new image on its way. Another deploy in the meantime ends this one."""

    def __init__(self, orchestrator: Orchestrator, service: str, image: str) -> None:
        self._orchestrator, self._swarm = orchestrator, orchestrator.swarm
        self._service, self._image = service, image
        self._slots: list[int] = []

    def begin(self) -> None:
        now = self._swarm.services[self._service]
        changes = {"image": self._image, "update_state": UpdateState.UPDATING}
        self._swarm.update_service(self._service, now.version, **changes)
        self._slots = sorted({task.slot for task in self._old()}, reverse=True)
        self._next()

    def _old(self) -> list[Task]:
        return [task for task in self._swarm.kept(self._service) if self._swarm.images.get(task.id) != self._image]

    def _superseded(self) -> bool:
        return self._swarm.services[self._service].image != self._image

    def _next(self) -> None:
        if self._superseded():
            return
        if not self._slots:
            self._swarm.rolling(self._service, UpdateState.COMPLETED)
            return
        slot = self._slots.pop()
        olds = [task for task in self._old() if task.slot == slot]
        if not olds:
            self._next()
            return
        heir = self._orchestrator.create(self._service, slot, TaskState.READY)
        for old in olds:
            self._orchestrator.after_end[old.id] = lambda: self._orchestrator.let_run(heir)
            self._orchestrator.stop(old)
        self._swarm.timeline.after(OLD_TASK_SECONDS, lambda: self._orchestrator.let_run(heir))
        self._watch(heir.id)

    def _watch(self, heir: str) -> None:
        task = self._swarm.tasks.get(heir)
        if self._superseded():
            return
        if task is None or task.state in ENDED:
            self._swarm.rolling(self._service, UpdateState.PAUSED)
        elif task.state is TaskState.RUNNING:
            self._next()
        else:
            self._swarm.timeline.after(LOOK_SECONDS, lambda: self._watch(heir))
