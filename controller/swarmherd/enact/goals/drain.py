# SPDX-License-Identifier: GPL-3.0-or-later
"""A node is active, paused, or drained and empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.decide.words import count
from swarmherd.enact.goals.goal import OfCluster, complaints, find_node, same, some
from swarmherd.model import Availability, ClusterView, Node, Outcome, Task, TaskState

ON_ITS_NODE = frozenset({TaskState.PREPARING, TaskState.READY, TaskState.STARTING, TaskState.RUNNING})


def present(view: ClusterView, node: Node) -> tuple[Task, ...]:
    """The tasks that a node still has, also those that are on their way out."""
    return tuple(task for task in view.tasks if task.node_id == node.id and task.state in ON_ITS_NODE)


@dataclass(frozen=True, slots=True)
class Drain(OfCluster):
    """See `Goal`."""

    @property
    def leaves_traces(self) -> bool:
        return True

    @property
    def _availability(self) -> Availability:
        return Availability(self.action.parameters["swarmherd_availability"])

    def _node(self, view: ClusterView) -> Node | None:
        return find_node(view, str(self.action.parameters["swarmherd_node"]))

    def landed(self, view: ClusterView) -> bool:
        node = self._node(view)
        if node is None or node.availability is not self._availability:
            return False
        return self._availability is not Availability.DRAIN or not present(view, node)

    def achieved(self, view: ClusterView) -> str:
        node = self._node(view)
        name = node.hostname if node else self.action.parameters["swarmherd_node"]
        if self._availability is not Availability.DRAIN:
            return f"{name} is {_word(self._availability)}"
        homeless = [task for task in view.tasks if not task.node_id and task.desired is TaskState.RUNNING]
        have = f"{count(len(homeless), 'task')} {'has' if len(homeless) == 1 else 'have'}"
        words = f", but {have} no node{complaints(homeless)}" if homeless else ""
        return f"{name} is drained and empty{words}"

    def shortfall(self, view: ClusterView) -> str:
        node = self._node(view)
        if node is None:
            return f"{self.action.parameters['swarmherd_node']} is no longer in the Swarm"
        if node.availability is not self._availability:
            return f"{node.hostname} is {_word(node.availability)}"
        there = present(view, node)
        said = some(f"{task.service}.{task.slot} {task.id} ({task.state.value})" for task in there)
        return f"{node.hostname} still has {said}"

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:
        """The availability before; where somebody else has set another one by now, that stays."""
        node, before = self._node(view), self.action.undo.get("swarmherd_availability")
        if outcome is Outcome.DONE or node is None or before in (None, self._availability.value):
            return None
        if node.availability is not self._availability:
            return None
        return same(self.action.parameters, {"swarmherd_availability": before})

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        node = self._node(view)
        if node is not None and node.availability.value == self.action.undo.get("swarmherd_availability"):
            return Outcome.UNDONE, f"nothing of it is left, {node.hostname} is {_word(node.availability)} as before"
        return Outcome.GIVEN_UP, self.shortfall(view)


def _word(availability: Availability) -> str:
    return {Availability.PAUSE: "paused", Availability.DRAIN: "drained"}.get(availability, availability.value)
