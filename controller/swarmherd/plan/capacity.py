# SPDX-License-Identifier: GPL-3.0-or-later
"""How many more replicas find a node, for services that ask one after the other: each takes its room from the next.

Asked are Swarm's own filters alone, on the nodes as they are: reservations, constraints, platform, plugins, host ports,
the maximum per node. What the nodes really use does not count, nor do our own limits: Swarm would start the task there,
and more replicas are wanted just when the nodes are busy. Unknown never refuses (S1).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from swarmherd.decide.measured import takes_work
from swarmherd.decide.place import NodeCapacity, Placer, Readings, Settings, TaskShape, seen
from swarmherd.decide.place.settings import WEIGHTS
from swarmherd.decide.words import count
from swarmherd.model import ClusterView, Decision, Direction, NodeState, Service
from swarmherd.plan.more_nodes import MoreNodes
from swarmherd.policy import Capacity, Policy

AS_SWARM = Settings(weights={**dict.fromkeys(WEIGHTS[Settings().strategy], 0.0), "replicas": 1000.0, "resources": 8.0})
"""Fewest tasks of the service first, as Swarm has it (swarmkit, scheduler.go), then the emptiest node."""


class Room:
    """The nodes of one cycle, as they fill up with what is scaled up. Nothing is computed until somebody asks."""

    def __init__(self, view: ClusterView, policy: Policy) -> None:
        self._view, self._policy = view, policy
        self._open = any(map(takes_work, view.nodes))
        self._placer: Placer | None = None
        self._further = MoreNodes(view, AS_SWARM)
        self._refusals: dict[TaskShape, str] = {}
        """By what a task asks for, whoever asks: why no node takes it. Forgotten when anything is placed."""

    def bound(self, decision: Decision, service: Service) -> Decision:
        """The decision, for no more replicas than find a node, and never for fewer than there are."""
        if decision.direction is not Direction.UP or decision.now is None or decision.then is None:
            return decision
        if not self._view.nodes:
            return decision  # a Swarm without nodes is one of which nobody told them
        more = decision.then - decision.now
        found = seen.shape(service, more)
        asked = _asked(found.shape)
        fit, why = self._take(found.shape, asked)
        if fit == more or ignored(self._policy, service.name):
            return decision
        missing = f"{_not_fitting(more - fit, more)}: {why}"
        # What is not read of the service, nobody knows of another node either.
        if not found.problems and not service.more_filters:
            missing = f"{missing}; {self._further.sentence(found.shape, asked, more - fit)}"
        return _at_most(decision, decision.now, fit, missing)

    def _take(self, shape: TaskShape, asked: TaskShape) -> tuple[int, str]:
        """How many of these tasks find a node, which they then hold, and why the others do not."""
        if self._open and _asks_for_nothing(shape):
            return shape.replicas, ""
        if (known := self._refusals.get(asked)) is not None:
            return 0, known
        [placed] = self._nodes().place([shape])
        if placed.nodes:
            self._refusals.clear()
        if placed.unplaced:
            self._refusals[asked] = placed.explanation
        return len(placed.nodes), placed.explanation

    def _nodes(self) -> Placer:
        """The nodes with what is there. What waits for a node already is served before anything new."""
        if self._placer is None:
            there = sorted(map(as_swarm_counts, seen.nodes(self._view)), key=lambda node: (node.name, node.id))
            self._placer = Placer(there, AS_SWARM)
            self._placer.place(_waiting(self._view))
        return self._placer


def _asked(shape: TaskShape) -> TaskShape:
    """What one task asks for, whoever asks: the service itself matters only where its other tasks do."""
    return replace(shape, service=shape.service if shape.max_per_node else "", replicas=1, image="")


def _asks_for_nothing(shape: TaskShape) -> bool:
    """Every node that takes work will do then, and no other task finds less room for it."""
    asked = (shape.constraints, shape.platforms, shape.plugins, shape.ports, shape.max_per_node)
    return not any(asked) and not any(shape.need.each())


def as_swarm_counts(node: NodeCapacity) -> NodeCapacity:
    """Without readings. A node of which the managers do not know yet whether it is up may well be (S1)."""
    state = NodeState.READY if node.state is NodeState.UNKNOWN else node.state
    return replace(node, state=state, healthy=True, readings=Readings())


def _waiting(view: ClusterView) -> list[TaskShape]:
    """The tasks of replicated services that have no node yet, by service."""
    lacking = (task for task in view.tasks if seen.wanted(task) and not seen.ended(task) and not seen.present(task))
    waiting = Counter(task.service for task in lacking)
    services = {service.name: service for service in view.services if service.replicas is not None}
    return [seen.shape(services[name], many).shape for name, many in sorted(waiting.items()) if name in services]


def ignored(policy: Policy, service: str) -> bool:
    """Whether replicas that find no node are to wait for one. No label speaks of it: the policy alone tells, of the
    service before of all."""
    named = policy.services.get(service)
    places = (named.scale if named else None, policy.defaults.scale)
    said = (place.capacity for place in places if place is not None and "capacity" in place.model_fields_set)
    return next(said, Capacity.CHECK) is Capacity.IGNORE


def _not_fitting(short: int, more: int) -> str:
    many = count(more, "more replica") if short == more else f"{short} of {count(more, 'more replica')}"
    return f"{many} {'does' if short == 1 else 'do'} not fit"


def _at_most(decision: Decision, now: int, fit: int, missing: str) -> Decision:
    name, then = decision.service, now + fit
    verdict = f"scale {name} from {now} to {then}" if fit else f"leave {name} at {now}"
    return replace(decision, then=then, reasons=(*decision.reasons, f"{verdict}, because {missing}"))
