# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's previous specification is in force, and all of its tasks run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.enact.goals.goal import OfService, all_run, complaints, update_told
from swarmherd.model import ClusterView, Outcome, Service, UpdateState

OVER = (UpdateState.NONE, UpdateState.COMPLETED, UpdateState.ROLLBACK_COMPLETED)


@dataclass(frozen=True, slots=True)
class Rollback(OfService):
    """See `Goal`. Nothing is set back: to roll back a rollback is to bring the failed specification in force again."""

    @property
    def leaves_traces(self) -> bool:
        return False

    def landed(self, view: ClusterView) -> bool:
        """A rollback that is paused is only resumed: whatever its state was called, it is over when all tasks run."""
        service = view.service(self.action.service)
        if service is None or service.update_state not in OVER or not self._written(service):
            return False
        return all_run(view, service)

    def achieved(self, view: ClusterView) -> str:
        return f"{self.action.service} is rolled back, and {len(view.running(self.action.service))} of its tasks run"

    def shortfall(self, view: ClusterView) -> str:
        service = view.service(self.action.service)
        if service is None:
            return f"{self.action.service} is gone"
        return update_told(view, service) + complaints(task for task in view.tasks if task.service == service.name)

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:  # noqa: ARG002  (the protocol's)
        return None

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        """What Swarm has begun it goes on with; what is then still to be done, the next cycle decides afresh."""
        service = view.service(self.action.service)
        if service is not None and not self._written(service):
            return Outcome.UNDONE, f"nothing of it had happened, {service.name} is as it was"
        if service is not None and service.update_state is UpdateState.ROLLBACK_STARTED:
            return Outcome.DONE, f"Swarm is rolling it back; {self.shortfall(view)}"
        return Outcome.GIVEN_UP, self.shortfall(view)

    def begun(self, view: ClusterView) -> bool:
        service = view.service(self.action.service)
        return service is None or self._written(service)

    def _written(self, service: Service) -> bool:
        return service.version != self.action.parameters.get("swarmherd_expected_version")
