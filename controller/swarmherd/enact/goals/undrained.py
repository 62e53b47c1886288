# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is drained at the load balancer any more: what Docker does not show, and only the playbook can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.enact.goals.goal import OfService, same
from swarmherd.model import Action, ClusterView, Outcome

BACKEND = "swarmherd_balancer_backend"
STATE, CLEARED = "swarmherd_state", "cleared"


def left_unseen(action: Action) -> Mapping[str, Any] | None:
    """The playbook's variables for taking away what the action may have left where Docker does not show it: servers
    that are drained. None where it left nothing there."""
    if not action.parameters.get(BACKEND) or action.parameters.get(STATE) == CLEARED:
        return None
    return same(action.parameters, {STATE: CLEARED})


@dataclass(frozen=True, slots=True)
class Undrained(OfService):
    """See `Goal`. It has landed when its playbook ended well: whoever asks must look at that too."""

    @property
    def leaves_traces(self) -> bool:
        return True

    def landed(self, view: ClusterView) -> bool:  # noqa: ARG002  (the protocol's, here and below)
        return True

    def achieved(self, view: ClusterView) -> str:  # noqa: ARG002
        return f"the load balancer uses every server of {self.action.parameters[BACKEND]} again"

    def shortfall(self, view: ClusterView) -> str:  # noqa: ARG002
        return f"servers of {self.action.parameters[BACKEND]} may be drained at the load balancer"

    def undo(self, view: ClusterView, outcome: Outcome) -> Mapping[str, Any] | None:  # noqa: ARG002
        return None

    def cut_short(self, view: ClusterView) -> tuple[Outcome, str]:
        return Outcome.GIVEN_UP, self.shortfall(view)
