# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that Swarm leaves without a place, or that nodes refuse, for longer than a moment: why, and what helps.

Whether a mark of ours is the reason is tried out: without it, would Swarm's own filters let a node take the task?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property

from swarmherd.decide.backoff import clearing_waits
from swarmherd.decide.failover.standings import by_node, keys_of
from swarmherd.decide.foretell import fitting, gathered
from swarmherd.decide.marks import DENY, DENY_UNTIL, PAUSED, denied, forgotten, is_cordoned, paused_for
from swarmherd.decide.place.columns import Columns
from swarmherd.decide.place.constraints import Constraint, ConstraintError, Operator, parse_constraint
from swarmherd.decide.release import labelled_with
from swarmherd.decide.scene import Scene
from swarmherd.decide.words import count, duration, one_line
from swarmherd.model import (
    Availability,
    Finding,
    Node,
    NodeStanding,
    NodeState,
    Service,
    Standing,
    Task,
    TaskState,
)
from swarmherd.policy.anchors import NODE_LABEL

PINS = ("node.hostname", "node.id")
"""What a constraint names that leaves one node."""
_UNPLACED = (TaskState.NEW, TaskState.ALLOCATED, TaskState.PENDING)


def findings(scene: Scene, seen: Sequence[NodeStanding]) -> tuple[Finding, ...]:
    """One for each service that has opted in and has waited for longer than the policy's `pending_after`, by name."""
    nodes = _Nodes(scene)
    found = (_about(scene, seen, nodes, service) for service in sorted(scene.view.services, key=lambda one: one.name))
    return tuple(one for one in found if one is not None)


def pinned(service: Service) -> tuple[tuple[str, Constraint], ...]:
    """The constraints that leave the service one node, each as Docker holds it and taken apart."""
    return tuple(
        (text, parsed)
        for text in service.constraints
        if (parsed := _parsed(text)) is not None and parsed.attribute in PINS and parsed.operator is Operator.IN
    )


def pinned_to(scene: Scene, constraint: Constraint) -> list[Node]:
    """The nodes that a pin means: none where it has left the Swarm, several where they share a hostname."""
    by_id = constraint.attribute == "node.id"
    return [node for node in scene.view.nodes if constraint.holds(node.id if by_id else node.hostname)]


class _Nodes:
    """A cycle's nodes as they are, and as they would be without what we have set on them; gathered once, if ever."""

    def __init__(self, scene: Scene) -> None:
        self._view, self._now = scene.view, scene.now
        self.marked = {node.id: node for node in scene.view.nodes if forgotten(node, scene.now)}
        """Those with marks that nobody can be behind any more."""
        ready = (node for node in scene.view.nodes if node.state is NodeState.READY)
        self.cordoned = {node.id: node for node in ready if is_cordoned(node)}

    def helped(self, service: Service) -> frozenset[str]:
        """The ids of the nodes that would take the service without such marks, where none takes it as they are."""
        if not self.marked or fitting(self._as_they_are, service):
            return frozenset()
        return fitting(self._cleared, service).intersection(self.marked)

    def needed(self, service: Service) -> frozenset[str]:
        """The ids of the nodes of which our cordon alone keeps the service."""
        if not self.cordoned or fitting(self._as_they_are, service):
            return frozenset()
        return fitting(self._opened, service).intersection(self.cordoned)

    @cached_property
    def _as_they_are(self) -> Columns:
        return gathered(self._view)

    @cached_property
    def _cleared(self) -> Columns:
        return self._with({name: _cleared(node, self._now) for name, node in self.marked.items()})

    @cached_property
    def _opened(self) -> Columns:
        active = Availability.ACTIVE
        return self._with({name: replace(node, availability=active) for name, node in self.cordoned.items()})

    def _with(self, changed: Mapping[str, Node]) -> Columns:
        nodes = tuple(changed.get(node.id, node) for node in self._view.nodes)
        return gathered(replace(self._view, nodes=nodes))


def _about(scene: Scene, seen: Sequence[NodeStanding], nodes: _Nodes, service: Service) -> Finding | None:
    stuck = list(_stuck(scene, service))
    if not stuck or not scene.wishes.of(service.name).opted_in:
        return None
    since = min(at for at, _task in stuck)
    ago = (scene.now - since).total_seconds()
    if ago < keys_of(scene).pending_after:
        return None
    tasks = [task for _at, task in stuck]
    marks, needed = _helpful_marks(scene, nodes, service), nodes.needed(service)
    reasons = [*marks, *_bounds(scene, seen, service)]
    if needed:
        reasons.append(f"only {scene.hostnames(needed)} would take it, which we have cordoned")
    said = one_line(tasks[0].message)
    reasons.append(f"Swarm says: {said}" if said else "Swarm does not say why")
    what = f"{count(len(tasks), 'task')} of {service.name} {'has' if len(tasks) == 1 else 'have'}"
    waits = f"{what} had no place for {duration(ago)}: {reasons[0]}"
    off = _switched_off(scene) or clearing_waits(scene.memory.of(service.name), scene.policy, scene.now)
    if marks and not off:
        last = f"clear what moves have left on nodes, because {waits}"
    else:
        last = f"leave {service.name} waiting, because {waits}" + (f"; {off}" if marks and off else "")
    waiting, clear = tuple(task.id for task in tasks), bool(marks) and not off
    return Finding(service.name, waiting, since, (*reasons, last), clear, needed)


def _switched_off(scene: Scene) -> str:
    if not scene.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    return "" if scene.policy.failover is not None else "the policy does not speak of failover"


def _stuck(scene: Scene, service: Service) -> Iterator[tuple[datetime, Task]]:
    """Tasks without a node, and slots whose tasks are refused again and again; each with the beginning of it."""
    for task in scene.wanted(service.name):
        if not task.node_id and task.state in _UNPLACED:
            yield task.created_at, task
    running = {task.slot for task in scene.wanted(service.name) if task.state is TaskState.RUNNING}
    refused: dict[int, list[Task]] = {}
    for task in scene.cycle.index.failed.get(service.name, ()):
        recent = scene.now - task.state_at < timedelta(seconds=scene.policy.crash_loop.within)
        if task.state is TaskState.REJECTED and task.slot not in running and recent:
            refused.setdefault(task.slot, []).append(task)
    for tasks in refused.values():
        yield min(task.created_at for task in tasks), tasks[-1]


def _helpful_marks(scene: Scene, nodes: _Nodes, service: Service) -> list[str]:
    """Marks that nobody can be behind any more, if the service would find a node without them."""
    return [
        f"{scene.hostname(node_id)} bears marks of a move of {', '.join(forgotten(nodes.marked[node_id], scene.now))} "
        "that nobody is behind any more"
        for node_id in sorted(nodes.helped(service), key=scene.hostname)
    ]


def _cleared(node: Node, now: datetime) -> Node:
    gone = {key for name in forgotten(node, now) if name in denied(node) for key in (DENY + name, DENY_UNTIL + name)}
    opened = node.availability
    if paused_for(node) in forgotten(node, now):
        gone.add(PAUSED)
        opened = Availability.ACTIVE if opened is Availability.PAUSE else opened
    return replace(
        node, availability=opened, labels={key: text for key, text in node.labels.items() if key not in gone}
    )


def _bounds(scene: Scene, seen: Sequence[NodeStanding], service: Service) -> Iterator[str]:
    """What binds it to nodes that do not take it: its anchor, or one node by name."""
    for text in service.constraints:
        parsed = _parsed(text)
        if parsed is None:
            continue
        label = parsed.attribute.removeprefix("node.labels.")
        if label.startswith(NODE_LABEL) and parsed.operator is Operator.IN:
            yield from _anchored(scene, label.removeprefix(NODE_LABEL))
        elif parsed.attribute in PINS and parsed.operator is Operator.IN:
            yield from _pinned_away(scene, seen, text, parsed)


def _anchored(scene: Scene, anchor: str) -> Iterator[str]:
    labelled = labelled_with(scene.view, anchor)
    if not labelled:
        yield f"it follows {anchor}, and no node has the label of {anchor}"
        return
    closed = [node for node in labelled if not _takes_tasks(scene.nodes[node])]
    if len(closed) == len(labelled):
        yield (
            f"it follows {anchor}, whose label is on {_how(scene, closed)}: "
            f"the label goes to where {anchor} is seen running"
        )


def _pinned_away(scene: Scene, seen: Sequence[NodeStanding], text: str, parsed: Constraint) -> Iterator[str]:
    nodes, standing = pinned_to(scene, parsed), by_node(seen)
    if not nodes:
        yield f"it is bound to a node that is not in the Swarm ({one_line(text)})"
    elif not any(_takes_tasks(node) for node in nodes):
        failed = all(standing[node.id].standing is Standing.FAILED for node in nodes)
        how = f"{scene.hostnames(node.id for node in nodes)}, which failed" if failed else ""
        yield f"it is bound to {how or _how(scene, [node.id for node in nodes])} ({one_line(text)})"


def _how(scene: Scene, node_ids: Sequence[str]) -> str:
    """`n1, which is down`"""
    states = {_state(scene.nodes[node_id]) for node_id in node_ids}
    return f"{scene.hostnames(node_ids)}, which {'is' if len(node_ids) == 1 else 'are'} {' or '.join(sorted(states))}"


def _state(node: Node) -> str:
    return node.state.value if node.state is not NodeState.READY else f"set to {node.availability.value}"


def _takes_tasks(node: Node) -> bool:
    return node.state is NodeState.READY and node.availability is Availability.ACTIVE


def _parsed(text: str) -> Constraint | None:
    try:
        return parse_constraint(text)
    except ConstraintError:
        return None
