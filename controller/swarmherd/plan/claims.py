# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions of a cycle touch: each service and each node is one action's at most (S11)."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarmherd.model import Action, Following, Healing, Move


@dataclass(slots=True)
class Claims:
    """The actions so far, and the services and nodes that they touch."""

    actions: list[Action] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    moves: int = 0
    remedies: int = 0

    def add(self, action: Action, services: set[str], nodes: set[str]) -> None:
        self.actions.append(action)
        self.services |= services
        self.nodes |= nodes
        self.moves += action.kind == "move"


def touched_by_following(following: Following) -> tuple[set[str], set[str]]:
    """Services and node ids. A label that moves takes the whole chain along; one that is taken off moves nobody."""
    taken_along = following.followers if following.relabel else ()
    services = {following.anchor, *following.dependents, *taken_along, *following.freed}
    return services, {following.node, *following.labelled} - {""}


def touched_by_move(move: Move) -> tuple[set[str], set[str]]:
    """Services and node ids: a move concerns each node that it may land on, and those that are paused for it."""
    return {move.service, *move.followers}, {move.source, *move.allowed, *move.avoid}


def touched_by_healing(one: Healing) -> tuple[set[str], set[str]]:
    """Services and node ids."""
    return {one.service}, {node for node in (one.node, *one.allowed, *one.avoid) if node}
