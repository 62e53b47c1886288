# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an action has landed, told from what Docker shows. Pure."""

from __future__ import annotations

from collections import Counter

from swarmherd.model import ClusterView, TaskState

SHOWN_MESSAGES = 3
ENDED_BADLY = (TaskState.FAILED, TaskState.REJECTED, TaskState.ORPHANED)


def landed(view: ClusterView, service: str, replicas: int) -> bool:
    """`service` is wanted with `replicas`, and just as many tasks of it run."""
    found = view.service(service)
    return found is not None and found.replicas == replicas and len(view.running(service)) == replicas


def shortfall(view: ClusterView, service: str, replicas: int) -> str:
    """What is still missing, with what the tasks in trouble say of themselves."""
    found = view.service(service)
    if found is None:
        return f"{service} is gone"
    words = [f"{len(view.running(service))} of {replicas} replicas run"]
    if found.replicas != replicas:
        words.append(f"{found.replicas} are wanted")
    return ", ".join(words) + _complaints(view, service)


def _complaints(view: ClusterView, service: str) -> str:
    troubled = (
        task
        for task in view.tasks
        if task.service == service
        and task.message
        and (task.state in ENDED_BADLY or (task.desired is TaskState.RUNNING and task.state is not TaskState.RUNNING))
    )
    newest = sorted(troubled, key=lambda task: task.state_at, reverse=True)[:20]
    counted = Counter(f"{task.state.value}: {task.message}" for task in newest)
    said = [f"{number} x {text}" for text, number in counted.most_common(SHOWN_MESSAGES)]
    return f" ({'; '.join(said)})" if said else ""
