# SPDX-License-Identifier: GPL-3.0-or-later
"""A service has certain reservations and limits, and all of its tasks run with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.enact.goals.goal import OfService, all_run, complaints, same, update_told
from swarmherd.model import ClusterView, Outcome, Service, UpdateState


@dataclass(frozen=True, slots=True)
class Resources(OfService):
    """See `Goal`."""

    @property
    def leaves_traces(self) -> bool:
        return False

    def landed(self, view: ClusterView) -> bool:
        """Swarm forgets how the last update ended when a service is written, and says how this one did: an update that
        is over is ours. Where no task is wanted there is none."""
        service = view.service(self.action.service)
        if service is None or service.version == self.action.parameters.get("swarmherd_expected_version"):
            return False
        over = service.update_state is UpdateState.COMPLETED
        idle = service.update_state is UpdateState.NONE and not view.tasks_of(service.name)
        return (over or idle) and has(service, self.action.parameters) and all_run(view, service)

    def achieved(self, view: ClusterView) -> str:
        run = len(view.running(self.action.service))
        return f"{self.action.service} has its reservations and limits, and {run} of its tasks run with them"

    def shortfall(self, view: ClusterView) -> str:
        service = view.service(self.action.service)
        if service is None:
            return f"{self.action.service} is gone"
        others = "" if has(service, self.action.parameters) else "its reservations and limits are others, "
        mine = (task for task in view.tasks if task.service == service.name)
        return others + update_told(view, service) + complaints(mine)

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:
        """What was there before, where the update stopped or a task finds no place (S13).

        Not where Swarm still brings it out without a complaint, or where it, or somebody else, has put others in their
        place by now.
        """
        service = view.service(self.action.service)
        if outcome is not Outcome.GIVEN_UP or service is None or not has(service, self.action.parameters):
            return None
        in_trouble = bool(complaints(view.tasks_of(service.name))) or service.update_state is UpdateState.PAUSED
        if not in_trouble or all_run(view, service):
            return None
        return same(self.action.parameters, {**self.action.undo, "swarmherd_expected_version": service.version})

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        """One write: it is there or it is not. What Swarm has begun it goes on with."""
        service = view.service(self.action.service)
        if service is not None and has(service, self.action.parameters):
            return Outcome.DONE, f"its reservations and limits are as wanted; {self.shortfall(view)}"
        if service is not None and has(service, self.action.undo):
            return Outcome.UNDONE, f"nothing of it had happened, or Swarm took it back; {service.name} is as it was"
        return Outcome.GIVEN_UP, self.shortfall(view)


def has(service: Service, variables: Mapping[str, Any]) -> bool:
    """Whether all that `variables` name is set so; 0 stands for nothing."""
    reserved, limited = variables.get("swarmherd_reservations", {}), variables.get("swarmherd_limits", {})
    pairs = (
        (reserved.get("cpus"), service.cpu_reservation),
        (reserved.get("memory"), service.memory_reservation_bytes),
        (limited.get("cpus"), service.cpu_limit),
        (limited.get("memory"), service.memory_limit_bytes),
    )
    return all(math.isclose(float(wanted), found or 0, abs_tol=1e-9) for wanted, found in pairs if wanted is not None)
