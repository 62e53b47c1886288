# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an action has landed, told from what Docker shows. Pure."""

from __future__ import annotations

from collections import Counter

from swarmherd.model import Action, ClusterView, TaskState

SHOWN_MESSAGES = 3
ENDED_BADLY = (TaskState.FAILED, TaskState.REJECTED, TaskState.ORPHANED)


def landed(view: ClusterView, service: str, replicas: int) -> bool:
    """`service` is wanted with `replicas`, and just as many tasks of it run."""
    found = view.service(service)
    return found is not None and found.replicas == replicas and len(view.running(service)) == replicas


def attainable(view: ClusterView, action: Action) -> int | None:
    """What to set a scale-up that does not land back to (S13): what runs of it, and never less than before.

    None where nothing is to be set back: it was a scale-down, or somebody else wants another count by now. Left as
    it is, its pending tasks would keep every later decision away from the service (S6).
    """
    wanted = int(action.parameters["swarmherd_replicas"])
    before = int(action.undo.get("swarmherd_replicas", wanted))
    service = view.service(action.service)
    if service is None or service.replicas != wanted or wanted <= before:
        return None
    there = max(before, len(view.running(action.service)))
    return there if there < wanted else None


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
