# SPDX-License-Identifier: GPL-3.0-or-later
"""What the enactor must know of an action, whatever its kind. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from swarmherd.model import EMPTY, Action, ClusterView, Node, Outcome, Service, Task, TaskState

SHOWN = 3
ENDED_BADLY = (TaskState.FAILED, TaskState.REJECTED, TaskState.ORPHANED)


class Goal(Protocol):
    """What an action is after, told from what Docker shows."""

    @property
    def reads(self) -> str | None:
        """The service to look at; None for the whole cluster."""

    @property
    def leaves_traces(self) -> bool:
        """Whether an action that broke off may leave something behind that must not stay (S15)."""

    def landed(self, view: ClusterView) -> bool:
        """Whether everything that was wanted is there."""

    def achieved(self, view: ClusterView) -> str:
        """What is there, in words, once it has landed."""

    def will_do(self, view: ClusterView) -> str:
        """What is there, in words, where that is all that was asked for although it has not landed; "" else."""

    def shortfall(self, view: ClusterView) -> str:
        """What is still missing, with what the tasks in trouble say of themselves."""

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:
        """The playbook's variables for setting it back (S13), after a run that ended with `outcome` or, with
        `STARTED`, was cut short. None where nothing is to be set back."""

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        """How to close an action that was cut short and of which nothing is to be set back."""

    def begun(self, view: ClusterView) -> bool:
        """Whether anything of what was wanted may have been done, where Docker shows that."""

    def version(self, view: ClusterView) -> int | None:
        """The version of the action's service, where it is about one."""

    def versions(self, view: ClusterView) -> Mapping[str, int]:
        """The versions that it has left on other services, by name, as far as that is certain."""

    def host_needed(self, view: ClusterView) -> Node | None:
        """The node whose own host the playbook must reach."""


@dataclass(frozen=True, slots=True)
class OfService:
    """What goals have in common that are about one service. See `Goal`."""

    action: Action

    @property
    def reads(self) -> str:
        return self.action.service

    def will_do(self, view: ClusterView) -> str:  # noqa: ARG002  (the protocol's)
        return ""

    def begun(self, view: ClusterView) -> bool:  # noqa: ARG002  (the protocol's)
        return True

    def version(self, view: ClusterView) -> int | None:
        service = view.service(self.action.service)
        return None if service is None else service.version

    def versions(self, view: ClusterView) -> Mapping[str, int]:  # noqa: ARG002  (the protocol's)
        return EMPTY

    def host_needed(self, view: ClusterView) -> Node | None:  # noqa: ARG002  (the protocol's)
        return None


@dataclass(frozen=True, slots=True)
class OfCluster:
    """What goals have in common that are about nodes, or about several services. See `Goal`."""

    action: Action

    @property
    def reads(self) -> None:
        return None

    def will_do(self, view: ClusterView) -> str:  # noqa: ARG002  (the protocol's)
        return ""

    def begun(self, view: ClusterView) -> bool:  # noqa: ARG002  (the protocol's)
        return True

    def version(self, view: ClusterView) -> int | None:  # noqa: ARG002  (the protocol's)
        return None

    def versions(self, view: ClusterView) -> Mapping[str, int]:  # noqa: ARG002  (the protocol's)
        return EMPTY

    def host_needed(self, view: ClusterView) -> Node | None:  # noqa: ARG002  (the protocol's)
        return None


def all_run(view: ClusterView, service: Service) -> bool:
    """Whether as many tasks run as are wanted; of a global service nobody says how many those are."""
    return service.replicas is None or service.replicas == len(view.running(service.name))


def update_told(view: ClusterView, service: Service) -> str:
    """How far the update of a service is: `its update is paused, 1 of 2 replicas run`."""
    wanted = "" if service.replicas is None else f" of {service.replicas} replicas"
    state = service.update_state.value.replace("_", " ")
    return f"its update is {state}, {len(view.running(service.name))}{wanted} run"


def same(parameters: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` with others in their place, and without what was expected to be found before."""
    kept = {name: value for name, value in parameters.items() if "_expected_" not in name}
    return {**kept, **more}


def find_node(view: ClusterView, name: str) -> Node | None:
    """The node of this id, or of this hostname where only one has it."""
    named = [node for node in view.nodes if node.hostname == name]
    return view.node(name) or (named[0] if len(named) == 1 else None)


def called(view: ClusterView, node_id: str) -> str:
    """A node as people call it."""
    node = view.node(node_id)
    return node.hostname if node is not None and node.hostname else node_id


def some(words: Iterable[str]) -> str:
    """A few of them, and how many more there are."""
    said = list(words)
    more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return ", ".join(said[:SHOWN]) + more


def complaints(tasks: Iterable[Task]) -> str:
    """What those of the tasks that are in trouble say, the newest first; empty when none is."""
    troubled = (
        task
        for task in tasks
        if task.message
        and (task.state in ENDED_BADLY or (task.desired is TaskState.RUNNING and task.state is not TaskState.RUNNING))
    )
    newest = sorted(troubled, key=lambda task: task.state_at, reverse=True)[:20]
    counted = Counter(f"{task.state.value}: {task.message}" for task in newest)
    said = [f"{number} x {text}" for text, number in counted.most_common(SHOWN)]
    return f" ({'; '.join(said)})" if said else ""
