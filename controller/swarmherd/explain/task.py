# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a task is where it is, and why it does not run or does not move. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from swarmherd.decide.words import duration, number, one_line
from swarmherd.explain.room import room_for
from swarmherd.explain.service import is_waiting, what_holds, why_not_moved, why_waiting
from swarmherd.explain.words import amount
from swarmherd.model import Arrangement, ClusterView, NodeState, Task, TaskState
from swarmherd.policy import Policy

EARLIER = 3


def about_task(view: ClusterView, policy: Policy, task: Task, arrangement: Arrangement, now: datetime) -> Iterator[str]:
    """Sentences, the most telling first."""
    service = view.service(task.service)
    if is_waiting(task) and service is not None:
        yield from why_waiting(view, policy, service, task, now)
    else:
        yield from _state(view, task, now)
    yield from _use(view, task)
    yield from _earlier(view, task, now)
    if service is not None:
        yield from what_holds(view, service)
        if task.state is TaskState.RUNNING and task.desired is TaskState.RUNNING:
            room = room_for(view, policy, service, without=[task.id])
            yield room.sentence("it" if room.takes else "a task of this service")
        yield from why_not_moved(arrangement, service.name)


def _state(view: ClusterView, task: Task, now: datetime) -> Iterator[str]:
    node = view.node(task.node_id)
    where = f" on {node.hostname if node else task.node_id}" if task.node_id else ""
    name, since = f"{task.service}.{task.slot} ({task.id})", _ago(task.state_at, now)
    if task.state is TaskState.RUNNING and task.desired is TaskState.RUNNING:
        yield f"{name} runs{where} since {since} ago."
        yield "Swarm chose the node when it made the task, and does not look again at where a task runs."
    elif task.state is TaskState.RUNNING:
        yield f"{name} still runs{where}, and Swarm wants it to end ({task.desired.value})."
    else:
        said = f": {one_line(task.message)}" if task.message else ""
        yield f"{name} is {task.state.value}{where} since {since} ago{said}."
    if node is not None and node.state is not NodeState.READY:
        yield f"{node.hostname} is {node.state.value}: what is said of its tasks is what it said last."


def _use(view: ClusterView, task: Task) -> Iterator[str]:
    use = view.task_use.get(task.id)
    if use is None:
        return
    for what, reading, shown in (("memory", use.memory, amount), ("CPU", use.cpu, number)):
        if reading is not None and reading.value is not None:
            yield f"It really uses {shown(reading.value)} of {what}."
        elif reading is not None:
            yield f"How much {what} it uses is unknown: {reading.problem}."


def _earlier(view: ClusterView, task: Task, now: datetime) -> Iterator[str]:
    """What stood in its slot before, the newest first."""
    names = {node.id: node.hostname for node in view.nodes}
    before = [
        other
        for other in view.tasks
        if task.slot and (other.service, other.slot) == (task.service, task.slot) and other.created_at < task.created_at
    ]
    for one in sorted(before, key=lambda other: other.created_at, reverse=True)[:EARLIER]:
        where = f" on {names.get(one.node_id, one.node_id)}" if one.node_id else ""
        said = f": {one_line(one.message)}" if one.message else ""
        yield f"Before it, {one.id} was {one.state.value}{where} {_ago(one.state_at, now)} ago{said}."


def _ago(at: datetime, now: datetime) -> str:
    return duration(abs((now - at).total_seconds()))
