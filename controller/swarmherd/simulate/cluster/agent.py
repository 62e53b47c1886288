# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's engine does with the tasks that the managers give it: pulls, prepares, starts, stops, fails.

What happens on a host that nobody hears is told when it is heard again; what was to happen on a dead one does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from swarmherd.model import Task, TaskState
from swarmherd.simulate.cluster.hosts import Host
from swarmherd.simulate.cluster.swarm import ENDED, Swarm

HEARS_SECONDS = 0.1
PULL_SECONDS = 0.3
Ended = Callable[[Task, TaskState, str], None]


class Agent:
    """All hosts' engines. `ended` is told of each task's end."""

    def __init__(self, swarm: Swarm, ended: Ended) -> None:
        self._swarm, self._ended = swarm, ended

    def take(self, task: Task) -> None:
        """A task that was assigned: its image first."""
        self._later(task, HEARS_SECONDS, lambda: self._prepare(task.id))

    def go_on(self, task: Task) -> None:
        """A task that was to wait may run, once it is ready."""
        if task.state is TaskState.READY:
            self._later(task, HEARS_SECONDS, lambda: self._start(task.id))

    def stop(self, task: Task) -> None:
        """A container that runs gets its time to stop; where there is none yet the task is over at once."""
        if task.state in ENDED:
            return
        seconds = self._swarm.habits[task.service].stop_seconds if task.state is TaskState.RUNNING else 0.0
        self._later(task, HEARS_SECONDS + seconds, lambda: self._ended(task, TaskState.SHUTDOWN, ""))

    def fail(self, task_id: str, message: str) -> None:
        """The container ends by itself, or is stopped behind Swarm's back."""
        task = self._swarm.tasks.get(task_id)
        if task is not None and task.state not in ENDED:
            self._later(task, 0.0, lambda: self._ended(task, TaskState.FAILED, message))

    def lose_all(self, host: Host) -> None:
        """The host dies, its containers with it. The managers hear of it when it comes back."""
        host.alive, host.unsaid = False, []
        host.deaths += 1
        for task in list(self._swarm.tasks.values()):
            if task.node_id == host.node.id and task.state not in ENDED:
                host.unsaid.append(partial(self._ended, task, TaskState.FAILED, "task: non-zero exit (137)"))

    def _prepare(self, task_id: str) -> None:
        if (task := self._alive(task_id)) is None:
            return
        task = self._state(task, TaskState.PREPARING)
        image = self._swarm.images.get(task_id, "")
        if image in self._swarm.missing_images:
            self._later(task, 1.0, lambda: self._ended(task, TaskState.REJECTED, f"No such image: {image}"))
            return
        self._later(task, PULL_SECONDS, lambda: self._ready(task_id))

    def _ready(self, task_id: str) -> None:
        if (task := self._alive(task_id)) is not None:
            task = self._state(task, TaskState.READY)
            if task.desired is TaskState.RUNNING:
                self._start(task_id)

    def _start(self, task_id: str) -> None:
        task = self._alive(task_id)
        if task is None or task.state is not TaskState.READY:
            return
        self._state(task, TaskState.STARTING)
        seconds = self._swarm.habits[task.service].startup_seconds
        self._later(task, seconds, lambda: self._run(task_id))

    def _run(self, task_id: str) -> None:
        if (task := self._alive(task_id)) is None:
            return
        self._state(task, TaskState.RUNNING)
        seconds = self._swarm.habits[task.service].crashes_after_seconds
        if seconds is not None:
            self._later(task, seconds, lambda: self._ended(task, TaskState.FAILED, "task: non-zero exit (1)"))

    def _alive(self, task_id: str) -> Task | None:
        """The task, unless it has ended or is to end."""
        task = self._swarm.tasks.get(task_id)
        stopping = task is None or task.state in ENDED or task.desired is TaskState.SHUTDOWN
        return None if stopping else task

    def _state(self, task: Task, state: TaskState) -> Task:
        return self._swarm.put(replace(task, state=state, state_at=self._swarm.timeline.now))

    def _later(self, task: Task, seconds: float, do: Callable[[], None]) -> None:
        """On the task's node, in its own time. A host that died meanwhile does nothing of it, also when it is back."""
        host = self._swarm.hosts.get(task.node_id)
        if host is None:
            self._swarm.timeline.after(seconds, do)
            return
        died = host.deaths

        def due() -> None:
            if host.deaths != died:
                return
            if host.heard:
                do()
            else:
                host.unsaid.append(lambda: do() if host.deaths == died else None)

        self._swarm.timeline.after(seconds * host.slowness, due)
