# SPDX-License-Identifier: GPL-3.0-or-later
"""A service has a number of replicas, and just as many tasks run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.decide.objections import ON_THEIR_NODE
from swarmherd.enact.goals.goal import OfService, complaints, same
from swarmherd.enact.goals.undrained import BACKEND, left_unseen
from swarmherd.model import ClusterView, Outcome, TaskState
from swarmherd.policy import Capacity


@dataclass(frozen=True, slots=True)
class Scale(OfService):
    """See `Goal`."""

    @property
    def leaves_traces(self) -> bool:
        """Servers that are drained at the load balancer."""
        return left_unseen(self.action) is not None

    @property
    def _replicas(self) -> int:
        return int(self.action.parameters["swarmherd_replicas"])

    def landed(self, view: ClusterView) -> bool:
        found = view.service(self.action.service)
        return found is not None and found.replicas == self._replicas == len(view.running(self.action.service))

    def achieved(self, view: ClusterView) -> str:  # noqa: ARG002  (the protocol's)
        run, backend = f"{self._replicas} replicas run", self.action.parameters.get(BACKEND)
        if not backend:
            return run
        if self.action.parameters.get("swarmherd_drain") == "none":
            return f"{run}; nothing was drained at {backend} first, for it was not certain what would go"
        return f"{run}, and what went was drained at {backend} first"

    def will_do(self, view: ClusterView) -> str:
        """Where the policy lets replicas wait for a node (`capacity: ignore`), they are wanted as they are."""
        found, waiting = view.service(self.action.service), self._waiting(view)
        wanted, run = self._replicas, len(view.running(self.action.service))
        if not waiting or found is None or found.replicas != wanted or run + waiting != wanted:
            return ""
        return f"{wanted} replicas are wanted, of which {waiting} {'waits' if waiting == 1 else 'wait'} for a node"

    def shortfall(self, view: ClusterView) -> str:
        found = view.service(self.action.service)
        if found is None:
            return f"{self.action.service} is gone"
        words = [f"{len(view.running(self.action.service))} of {self._replicas} replicas run"]
        if found.replicas != self._replicas:
            words.append(f"{found.replicas} are wanted")
        mine = [task for task in view.tasks if task.service == self.action.service]
        if starting := sum(task.desired is TaskState.RUNNING and task.state in ON_THEIR_NODE for task in mine):
            start = f"{starting} still start{'s' if starting == 1 else ''}"
            words.append(f"{start} (if they need longer, raise swarmherd_cluster.playbook_timeout_seconds)")
        return ", ".join(words) + complaints(mine)

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:
        """A scale-up that does not land goes back to what runs of it, or is to wait for a node, never below what was
        there before.

        Left as it is, its pending tasks would keep every later decision away from the service (S6). Nothing is set
        back of a scale-down, or where somebody else wants another count by now.
        """
        wanted, service = self._replicas, view.service(self.action.service)
        before = int(self.action.undo.get("swarmherd_replicas", wanted))
        if outcome is not Outcome.GIVEN_UP or service is None or service.replicas != wanted or wanted <= before:
            return None
        there = max(before, len(view.running(self.action.service)) + self._waiting(view))
        if there >= wanted:
            return None
        return same(
            self.action.parameters,
            {
                "swarmherd_replicas": there,
                "swarmherd_expected_replicas": wanted,
                "swarmherd_expected_version": service.version,
            },
        )

    def _waiting(self, view: ClusterView) -> int:
        """How many of its tasks have no node yet, where the policy wants that."""
        if self.action.parameters.get("swarmherd_capacity") != Capacity.IGNORE:
            return 0
        return sum(not task.node_id for task in view.tasks_of(self.action.service))

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        """Nothing is written to Docker: what is then still to be done, the next cycle decides afresh."""
        service, before = view.service(self.action.service), self.action.undo.get("swarmherd_replicas")
        if service is not None and service.replicas == self._replicas:
            run = len(view.running(self.action.service))
            return Outcome.DONE, f"{self._replicas} replicas are wanted as decided, and {run} run so far"
        if service is not None and service.replicas == before:
            return Outcome.UNDONE, f"nothing of it had happened, {before} replicas are wanted as before"
        return Outcome.GIVEN_UP, self.shortfall(view)
