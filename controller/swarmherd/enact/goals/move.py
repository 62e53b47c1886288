# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of a service have left a node and run elsewhere, or one runs again; and nothing set for that time is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.decide.marks import leftovers
from swarmherd.enact.goals.goal import OfService, called, complaints, find_node, same, some
from swarmherd.model import Action, ClusterView, Node, Outcome, Task, TaskState

CLEARED = "cleared"
RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Move(OfService):
    """See `Goal`. `moving` are the tasks that are to go, as they were before; None where nobody looked before.

    A restart is one that may come back to where it was.
    """

    moving: tuple[Task, ...] | None = None

    @classmethod
    def of(cls, action: Action, before: ClusterView | None) -> Move:
        if before is None:
            return cls(action)
        source = find_node(before, str(action.parameters["swarmherd_node"]))
        task = action.parameters.get("swarmherd_task") or ""
        there = (t for t in before.tasks_of(action.service) if source is not None and t.node_id == source.id)
        return cls(action, tuple(t for t in there if task in ("", t.id)))

    @property
    def leaves_traces(self) -> bool:
        return True

    @property
    def _task(self) -> str:
        return str(self.action.parameters.get("swarmherd_task") or "")

    @property
    def _allowed(self) -> frozenset[str]:
        return frozenset(self.action.parameters.get("swarmherd_allowed_nodes") or ())

    def landed(self, view: ClusterView) -> bool:
        service = view.service(self.action.service)
        if service is None or service.replicas != len(view.running(service.name)) or self._staying(view):
            return False
        return not any(self._astray(view, task) for task in self._heirs(view))

    def achieved(self, view: ClusterView) -> str:
        gone = {task.slot: task for task in self._gone(view)}
        pairs = [(gone[task.slot], task) for task in self._heirs(view) if task.slot in gone]
        said = (
            f"{new.service}.{new.slot} runs on {called(view, new.node_id)} as {new.id}, before as {old.id}"
            for old, new in pairs
        )
        return some(said) or f"{self.action.service} has left {self._source_name(view)}"

    def shortfall(self, view: ClusterView) -> str:
        service = view.service(self.action.service)
        if service is None:
            return f"{self.action.service} is gone"
        words = [f"{len(view.running(service.name))} of {service.replicas} replicas run"]
        staying = self._staying(view)
        if staying:
            words.append(f"still on {self._source_name(view)}: {some(task.id for task in staying)}")
        words += [
            f"{task.service}.{task.slot} went to {called(view, task.node_id)}, where it was not to go"
            for task in self._heirs(view)
            if self._astray(view, task) and task.state is TaskState.RUNNING and task not in staying
        ]
        if gone := [node for node in sorted(self._allowed) if view.node(node) is None]:
            words.append(f"no longer in the Swarm: {some(gone)}")
        return ", ".join(words) + complaints(task for task in view.tasks if task.service == service.name)

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:  # noqa: ARG002  (the protocol's)
        """Whatever came of it, labels and pauses go. A task that has moved stays where it is."""
        if not leftovers(view, self.action.service):
            return None
        return same(self.action.parameters, {**self.action.undo, "swarmherd_state": CLEARED})

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        return Outcome.UNDONE, f"nothing of it is left to clear; {self.shortfall(view)}"

    def begun(self, view: ClusterView) -> bool:
        """A task that runs on where it ran was never stopped."""
        return not (self._task and any(task.state is TaskState.RUNNING for task in self._staying(view)))

    def host_needed(self, view: ClusterView) -> Node | None:
        return find_node(view, str(self.action.parameters["swarmherd_node"]))

    def _source_name(self, view: ClusterView) -> str:
        return called(view, str(self.action.parameters["swarmherd_node"]))

    def _staying(self, view: ClusterView) -> tuple[Task, ...]:
        """Tasks that should have gone, and that Swarm still wants where they are."""
        source = find_node(view, str(self.action.parameters["swarmherd_node"]))
        there = tuple(t for t in view.tasks_of(self.action.service) if source is not None and t.node_id == source.id)
        return tuple(t for t in there if t.id == self._task) if self._task else there

    def _gone(self, view: ClusterView) -> tuple[Task, ...]:
        """The tasks that were to go. Docker lists ended ones for a while, so a single one is found by its id."""
        if self.moving is not None:
            return self.moving
        return tuple(task for task in view.tasks if self._task and task.id == self._task)

    def _heirs(self, view: ClusterView) -> tuple[Task, ...]:
        """What stands in the slots of the tasks that were to go."""
        slots = {task.slot for task in self._gone(view)}
        return tuple(task for task in view.tasks_of(self.action.service) if task.slot in slots)

    def _astray(self, view: ClusterView, task: Task) -> bool:
        """On a node where it was not to go; that a task is to leave is such a node even where any other will do."""
        source = find_node(view, str(self.action.parameters["swarmherd_node"]))
        back = self.action.kind != RESTART and source is not None and task.node_id == source.id
        return back or bool(self._allowed and task.node_id not in self._allowed)


@dataclass(frozen=True, slots=True)
class Cleared(OfService):
    """See `Goal`. Nothing is left that a move of the service has set."""

    @property
    def leaves_traces(self) -> bool:
        return True

    def landed(self, view: ClusterView) -> bool:
        return not leftovers(view, self.action.service)

    def achieved(self, view: ClusterView) -> str:  # noqa: ARG002  (the protocol's)
        return "labels and pauses of the move are gone"

    def shortfall(self, view: ClusterView) -> str:
        return f"left behind: {', '.join(leftovers(view, self.action.service))}"

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:  # noqa: ARG002  (the protocol's)
        """The rest of them, if it was broken off: with some of them gone nothing may ask for it again."""
        return same(self.action.parameters, {}) if leftovers(view, self.action.service) else None

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        return Outcome.GIVEN_UP, self.shortfall(view)

    def host_needed(self, view: ClusterView) -> Node | None:
        """Where marks are cleared that nobody is behind any more, no node is named."""
        node = self.action.parameters.get("swarmherd_node")
        return find_node(view, str(node)) if node else None
