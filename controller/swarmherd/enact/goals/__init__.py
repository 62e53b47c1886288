# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of action is after: one file per kind, told from what Docker shows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swarmherd.enact.goals.bootstrap import Bootstrap
from swarmherd.enact.goals.drain import Drain
from swarmherd.enact.goals.failover import Cordoned, Recreated
from swarmherd.enact.goals.goal import Goal
from swarmherd.enact.goals.in_vain import MAY_BE_IN_VAIN, in_vain
from swarmherd.enact.goals.move import CLEARED, Cleared, Move
from swarmherd.enact.goals.relabel import Relabel
from swarmherd.enact.goals.release import Release
from swarmherd.enact.goals.resources import Resources
from swarmherd.enact.goals.rollback import Rollback
from swarmherd.enact.goals.scale import Scale
from swarmherd.enact.goals.undrained import BACKEND, Undrained, left_unseen
from swarmherd.model import Action, ClusterView

__all__ = ["BACKEND", "MAY_BE_IN_VAIN", "Goal", "UnknownKindError", "goal_of", "in_vain", "left_unseen", "onward"]


_OTHERS: Mapping[str, Callable[[Action], Goal]] = {
    "bootstrap": Bootstrap,
    "drain": Drain,
    "release": Release,
    "resources": Resources,
    "rollback": Rollback,
}


class UnknownKindError(ValueError):
    """The journal of a newer version may hold actions that this one does not know."""


def goal_of(action: Action, before: ClusterView | None = None) -> Goal:
    """What `action` is after. `before` is the cluster as it was seen before the action, where anyone looked.

    Raises UnknownKindError.
    """
    clears = action.parameters.get("swarmherd_state") == CLEARED
    match action.kind:
        case "scale":
            return Undrained(action) if clears else Scale(action)
        case "move" | "restart":
            return Cleared(action) if clears else Move.of(action, before)
        case "relabel":
            return Relabel(action, before)
        case "failover":
            return _rescuing(action)
        case kind if kind in _OTHERS:
            return _OTHERS[kind](action)
    raise UnknownKindError(f"this version knows no action of the kind {action.kind}")


def onward(goal: Goal, view: ClusterView) -> Mapping[str, Any] | None:
    """The playbook's variables for what is left to do of an action that was cut short, where that is as right as it was
    when it was decided (S15); None where it is there already, or is not to be gone on with."""
    return goal.onward(view) if isinstance(goal, Relabel) and not goal.landed(view) else None


def _rescuing(action: Action) -> Goal:
    """Of what a failed node asks for."""
    match action.parameters.get("swarmherd_measure"):
        case "cordon" | "uncordon":
            return Cordoned(action)
        case "recreate":
            return Recreated(action)
        case "clear":
            return Cleared(action)
    raise UnknownKindError(f"this version knows no such measure of failing over: {action.parameters}")
