# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of action is after: one file per kind, told from what Docker shows. Pure."""

from __future__ import annotations

from swarmherd.enact.goals.drain import Drain
from swarmherd.enact.goals.goal import Goal
from swarmherd.enact.goals.move import CLEARED, Cleared, Move
from swarmherd.enact.goals.relabel import Relabel
from swarmherd.enact.goals.release import Release
from swarmherd.enact.goals.scale import Scale
from swarmherd.model import Action, ClusterView

__all__ = ["Goal", "UnknownKindError", "goal_of"]


class UnknownKindError(ValueError):
    """The journal of a newer version may hold actions that this one does not know."""


def goal_of(action: Action, before: ClusterView | None = None) -> Goal:
    """What `action` is after. `before` is the cluster as it was seen before the action, where anyone looked.

    Raises UnknownKindError.
    """
    match action.kind:
        case "scale":
            return Scale(action)
        case "move" if action.parameters.get("swarmherd_state") == CLEARED:
            return Cleared(action)
        case "move":
            return Move.of(action, before)
        case "relabel":
            return Relabel(action)
        case "release":
            return Release(action)
        case "drain":
            return Drain(action)
    raise UnknownKindError(f"this version knows no action of the kind {action.kind}")
