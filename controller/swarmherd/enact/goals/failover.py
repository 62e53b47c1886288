# SPDX-License-Identifier: GPL-3.0-or-later
"""A node is cordoned or open again; a service that a dead node held is up elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.decide.marks import CORDONED, is_cordoned
from swarmherd.decide.place.constraints import ConstraintError, parse_constraint
from swarmherd.enact.goals.goal import OfCluster, OfService, called, complaints, find_node, same, some
from swarmherd.model import ClusterView, Outcome, Service


@dataclass(frozen=True, slots=True)
class Cordoned(OfCluster):
    """See `Goal`. One write does all of it or nothing, so there is nothing to set back."""

    @property
    def leaves_traces(self) -> bool:
        return False

    @property
    def _closing(self) -> bool:
        return bool(self.action.parameters["swarmherd_measure"] == "cordon")

    @property
    def _name(self) -> str:
        return str(self.action.parameters["swarmherd_node"])

    def landed(self, view: ClusterView) -> bool:
        node = find_node(view, self._name)
        return node is not None and (is_cordoned(node) if self._closing else CORDONED not in node.labels)

    def achieved(self, view: ClusterView) -> str:
        node = find_node(view, self._name)
        how = node.availability.value if node is not None else ""
        name = called(view, node.id if node is not None else self._name)
        return f"{name} is cordoned" if self._closing else f"{name} bears no cordon of ours and is {how}"

    def shortfall(self, view: ClusterView) -> str:
        node = find_node(view, self._name)
        if node is None:
            return f"{self._name} is no longer in the Swarm"
        cordon = "the" if CORDONED in node.labels else "no"
        return f"{node.hostname} is {node.availability.value} and bears {cordon} label of a cordon"

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:  # noqa: ARG002  (the protocol's)
        return None

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        return Outcome.UNDONE, f"nothing of it had happened, {self.shortfall(view)}"


@dataclass(frozen=True, slots=True)
class Recreated(OfService):
    """See `Goal`."""

    @property
    def leaves_traces(self) -> bool:
        return bool(self._wanted)

    @property
    def _wanted(self) -> tuple[str, ...]:
        return tuple(self.action.parameters.get("swarmherd_constraints") or ())

    @property
    def _unwanted(self) -> tuple[str, ...]:
        return tuple(self.action.parameters.get("swarmherd_remove_constraints") or ())

    def landed(self, view: ClusterView) -> bool:
        service = view.service(self.action.service)
        return service is not None and not any(self._missing(view, service))

    def achieved(self, view: ClusterView) -> str:
        at = some(sorted({called(view, task.node_id) for task in view.running(self.action.service)}))
        return f"{self.action.service} runs on {at}"

    def shortfall(self, view: ClusterView) -> str:
        service = view.service(self.action.service)
        if service is None:
            return f"{self.action.service} is gone"
        mine = (task for task in view.tasks if task.service == service.name)
        return ", ".join(self._missing(view, service)) + complaints(mine)

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:
        """What does not come up where it was bound to is bound to its old node again, unless some of it runs now.

        Nothing is set back where somebody else has changed the constraints since.
        """
        service = view.service(self.action.service)
        if outcome is Outcome.DONE or service is None or not self._wanted or view.running(service.name):
            return None
        if not all(_bears(service, text) for text in self._wanted):
            return None
        bound = {
            "swarmherd_constraints": list(self._unwanted),
            "swarmherd_remove_constraints": list(self._wanted),
            "swarmherd_expected_version": service.version,
            "swarmherd_fence_hook": "",
            "swarmherd_force": True,
            "swarmherd_wait": False,
        }
        return same(self.action.parameters, bound)

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        service = view.service(self.action.service)
        if service is not None and self._wanted and not any(_bears(service, text) for text in self._wanted):
            return Outcome.UNDONE, "nothing of it had happened, it is bound as before"
        return Outcome.GIVEN_UP, self.shortfall(view)

    def _missing(self, view: ClusterView, service: Service) -> Iterator[str]:
        yield from (f"it lacks the constraint {text}" for text in self._wanted if not _bears(service, text))
        yield from (f"it still has the constraint {text}" for text in self._unwanted if _bears(service, text))
        run = len(view.running(service.name))
        # Set back to a node that is down it runs nowhere, and that is how it was.
        if run != service.replicas and self.action.parameters.get("swarmherd_wait", True):
            yield f"{run} of {service.replicas} replicas run"


def _bears(service: Service, text: str) -> bool:
    wanted = _meaning(text)
    return any(_meaning(one) == wanted for one in service.constraints)


def _meaning(text: str) -> object:
    """The same for two texts that mean the same."""
    try:
        found = parse_constraint(text)
    except ConstraintError:
        return "".join(text.split())
    return found.attribute, found.operator, tuple(value.casefold() for value in found.values)
