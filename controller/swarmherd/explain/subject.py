# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person means by a word: a service, a node or a task. Pure."""

from __future__ import annotations

from swarmherd.decide.words import one_line
from swarmherd.explain.words import listed
from swarmherd.model import ClusterView, Node, Service, Task
from swarmherd.policy.units import resembling

SHORTEST_ID = 4
"""So much of a task's id must be given at least."""
Subject = Service | Node | Task


def find_subject(view: ClusterView, word: str) -> Subject:
    """By name or id; of a task also the beginning of its id, and `shop_web.2` for the one that stands in slot 2.

    Raises LookupError for what is not there and ValueError for what may be several things, with one sentence.
    """
    found: list[Subject] = [service for service in view.services if word in (service.name, service.id)]
    found += [node for node in view.nodes if word in (node.hostname, node.id)]
    found += _tasks(view, word)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{one_line(word)} may be {listed(map(_called, found))}: give an id in full")
    known = [*(service.name for service in view.services), *(node.hostname for node in view.nodes)]
    near = resembling(word, known)
    raise LookupError(
        f"there is no service, node or task {one_line(word)} in cluster {view.cluster}{f'; {near}' if near else ''}"
    )


def _tasks(view: ClusterView, word: str) -> list[Task]:
    if exact := [task for task in view.tasks if task.id == word]:
        return exact
    service, _dot, slot = word.rpartition(".")
    if slot.isdigit() and (standing := [t for t in view.tasks_of(service) if t.slot == int(slot)]):
        return standing
    return [task for task in view.tasks if len(word) >= SHORTEST_ID and task.id.startswith(word)]


def _called(subject: Subject) -> str:
    if isinstance(subject, Service):
        return f"the service {subject.name} ({subject.id})"
    if isinstance(subject, Node):
        return f"the node {subject.hostname} ({subject.id})"
    return f"the task {subject.id} of {subject.service}"
