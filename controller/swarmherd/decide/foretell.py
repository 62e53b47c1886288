# SPDX-License-Identifier: GPL-3.0-or-later
"""What Swarm itself will do next: where it may put new tasks, and which tasks it may stop.

The answers are sets, since Swarm leaves ties to the order of a map; whoever acts must be content with every member.
The rules are swarmkit's (manager/scheduler/{scheduler,nodeset,filter}.go and
manager/orchestrator/replicated/{services,slot}.go); `tests/integration/test_foretelling.py` holds them against real
engines.

Where Swarm knows more than its API tells, or decides by more than is followed here, `unsure` says so and the set is
the widest: every node that passes the filters, every task of the service.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from swarmherd.decide.choice import Candidate, one_of, some_of
from swarmherd.decide.place import NodeCapacity, Settings, TaskShape, seen
from swarmherd.decide.place.columns import Columns, Need
from swarmherd.decide.place.filters import SWARMS
from swarmherd.model import Availability, ClusterView, Service, Task, TaskState

RECENT = timedelta(minutes=5, seconds=30)
"""Swarm looks back five minutes, by the managers' clocks; the times in a view are the nodes' own."""
SHUNNED = 5
"""With so many recent failures of a service's version a node comes last for it."""
KEPT = 4
"""Ended tasks that Swarm keeps for a slot beside the one that runs, by default: earlier ones are not listed."""
ORDERED = 12
"""Up to so many items Go sorts by insertion, which leaves equals in their order; before 1.19 it first exchanged pairs
that are `PASS` apart and in the wrong order. Beyond, equals may come in any order."""
PASS = 6


@dataclass(frozen=True, slots=True)
class Landing:
    """Where new tasks of a service may go."""

    nodes: frozenset[str]
    """Ids of the nodes that may get at least one of them."""
    fit: frozenset[str]
    """Ids of all nodes that pass Swarm's filters."""
    pending: int = 0
    """How many find no node at all; there may be more where `unsure` says something."""
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Victims:
    """Which tasks of a service may be stopped when it is scaled down."""

    tasks: frozenset[str]
    unsure: tuple[str, ...] = ()
    certain: bool = True
    """Whether exactly these go; else they are fewer of these."""


def landing(
    view: ClusterView, service: Service, tasks: int = 1, *, gone: Collection[str] = (), closed: Collection[str] = ()
) -> Landing:
    """Where so many new tasks of a service may go, it being as it is given here, not as the view has it.

    `gone`: ids of tasks that have ended by then; `closed`: ids of nodes that take no new task of it by then.
    """
    nodes = [_closed(node) if node.id in closed else node for node in seen.nodes(view, without=gone)]
    found = seen.shape(service, tasks)
    candidates = _candidates(Columns(nodes, Settings()), found.shape, service.spread_over)
    fit = frozenset(one.node for one in candidates if one.room)
    pending = max(0, tasks - sum(one.room for one in candidates))
    unsure = (*found.problems, *_doubts(view, service, tasks))
    if unsure:
        return Landing(fit if tasks else frozenset(), fit, pending, unsure)
    return Landing(one_of(candidates) if tasks == 1 else some_of(candidates, tasks), fit, pending)


def gathered(view: ClusterView) -> Columns:
    """The view's nodes, for `fitting`: to be gathered once, however many services are asked about."""
    return Columns(seen.nodes(view), Settings())


def fitting(nodes: Columns, service: Service) -> frozenset[str]:
    """Ids of the nodes that pass Swarm's filters for one more task of the service: `fit` of its landing."""
    rooms = _rooms(nodes, seen.shape(service).shape)
    return frozenset(node.id for node, room in zip(nodes.nodes, rooms, strict=True) if room)


def moved(view: ClusterView, service: Service, source: str, *, task: str = "", avoid: Collection[str] = ()) -> Landing:
    """Where the service's tasks go that leave the node with the id `source`: one of them, or all.

    By the deny label the source refuses this service; by pause and stop it takes no task of any, nor do the nodes of
    `avoid`. For the tasks that leave, both come to the same. Swarm replaces them only if the service `restarts`.
    """
    leaving = [t.id for t in view.tasks if t.service == service.name and t.node_id == source and seen.counted(t)]
    gone = [one for one in leaving if task in ("", one)]
    return landing(view, service, len(gone), gone=gone, closed={source, *avoid})


def victims(view: ClusterView, service: Service, fewer: int = 1) -> Victims:
    """Which tasks may be stopped when a service is to have so many replicas less.

    First those whose slot has several tasks or none with a node; then, on every node, the copy that is one too many:
    the fourth ones before the third ones, and so on. What runs counts before what does not, a low slot before a high
    one; among equals the last goes first.
    """
    slots: dict[int, list[Task]] = defaultdict(list)
    for task in view.tasks:
        if task.service == service.name and seen.wanted(task):
            slots[task.slot].append(task)
    if service.replicas is None:
        return Victims(_ids(slots.values()), ("it is not in replicated mode",), certain=False)
    if len(slots) != service.replicas:
        unsure = f"{len(slots)} of its {service.replicas} slots are filled"
        return Victims(_ids(slots.values()), (unsure,), certain=False)
    if fewer < 1:
        return Victims(frozenset())
    ways = {_ids(way) for way in _last(list(_copies(list(slots.values()))), min(fewer, len(slots)))}
    return Victims(frozenset().union(*ways), certain=len(ways) <= 1)


def _last(ordered: list[tuple[float, list[Task]]], fewer: int) -> list[list[list[Task]]]:
    """The slots that go, in each way that Swarm may sort them; beyond `ORDERED`, without and with all equals."""
    if len(ordered) <= ORDERED:
        passed = list(ordered)
        for index in range(PASS, len(passed)):
            if passed[index][0] < passed[index - PASS][0]:
                passed[index], passed[index - PASS] = passed[index - PASS], passed[index]
        return [[slot for _copy, slot in _by_copy(one)[-fewer:]] for one in (ordered, passed)]
    least = _by_copy(ordered)[-fewer][0]
    sure = [slot for copy, slot in ordered if copy > least]
    equals = [slot for copy, slot in ordered if copy == least]
    return [sure + equals[: fewer - len(sure)], sure + equals]


def _by_copy(slots: list[tuple[float, list[Task]]]) -> list[tuple[float, list[Task]]]:
    return sorted(slots, key=lambda slot: slot[0])


def _copies(slots: list[list[Task]]) -> Iterator[tuple[float, list[Task]]]:
    """Each slot, with the number of its copy on its node; infinite where it has no single node."""
    slots.sort(key=lambda tasks: (all(task.state is not TaskState.RUNNING for task in tasks), tasks[0].slot))
    copies: Counter[str] = Counter()
    for tasks in slots:
        node = tasks[0].node_id if len(tasks) == 1 else ""
        copies[node] += 1
        yield (copies[node] if node else float("inf")), tasks


def _ids(slots: Collection[list[Task]]) -> frozenset[str]:
    return frozenset(task.id for tasks in slots for task in tasks)


def _closed(node: NodeCapacity) -> NodeCapacity:
    return replace(node, availability=Availability.PAUSE)


def _candidates(columns: Columns, shape: TaskShape, spread_over: tuple[str, ...]) -> list[Candidate]:
    labels = [found for text in spread_over if (found := _label(text))]
    return [
        Candidate(
            node.id,
            node.tasks.get(shape.service, 0),
            sum(node.tasks.values()),
            room,
            tuple(_value(node, *label) for label in labels),
        )
        for node, room in zip(columns.nodes, _rooms(columns, shape), strict=True)
    ]


def _rooms(columns: Columns, shape: TaskShape) -> list[int]:
    """How many tasks of the shape Swarm's filters let each node take, one after the other; no more than are asked
    for, and whether there is room for one even where none is."""
    need, most = Need(shape.need), max(shape.replicas, 1)
    rooms = np.full(columns.size, 1.0 if shape.ports else float(most))
    for line, amount in need.lines:
        free = columns.capacity[line] - columns.load.used[line]
        rooms = np.minimum(rooms, np.floor(free / amount))
    if shape.max_per_node:
        rooms = np.minimum(rooms, shape.max_per_node - columns.own(shape.service))
    for one in SWARMS:
        if one.concerns(columns, shape):
            rooms = np.where(one.check(columns, shape), rooms, 0.0)
    return [int(room) for room in np.maximum(rooms, 0.0)]


def _label(descriptor: str) -> tuple[bool, str] | None:
    """Whether a preference is about a node's own label, and its name. Swarm passes over all others."""
    for prefix, own in (("node.labels.", True), ("engine.labels.", False)):
        if descriptor[: len(prefix)].lower() == prefix and len(descriptor) > len(prefix):
            return own, descriptor[len(prefix) :]
    return None


def _value(node: NodeCapacity, own: bool, label: str) -> str:
    labels: Mapping[str, str] = node.labels if own else node.engine_labels
    return labels.get(label, "")


def _doubts(view: ClusterView, service: Service, tasks: int) -> Iterator[str]:
    """Why Swarm's order of nodes is not known."""
    if service.replicas is None:
        yield "it is not in replicated mode"
    if service.more_filters:
        yield "it needs generic resources or cluster volumes"
    if tasks > 1 and service.spread_over:
        yield "several tasks are spread by preferences"
    if _may_be_shunned(view, service):
        yield "nodes may come last because its tasks failed there"


def _may_be_shunned(view: ClusterView, service: Service) -> bool:
    """Whether some node may have failed it too often. Swarm keeps that count to itself: it begins anew with a leader
    and with a version of the service. It can only be high where so many failures are listed, or others have pushed
    them out of a slot's list."""
    since = view.at - RECENT
    ended = [t for t in view.tasks if t.service == service.name and seen.ended(t) and t.state_at >= since]
    failures = Counter(task.node_id for task in ended if task.state in (TaskState.FAILED, TaskState.REJECTED))
    by_slot = Counter(task.slot for task in ended)
    return max(failures.values(), default=0) >= SHUNNED or max(by_slot.values(), default=0) >= KEPT
