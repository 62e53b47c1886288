# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an ill task may be started anew: on any node, on its own one alone, or on another (S10, S12)."""

from __future__ import annotations

from dataclasses import dataclass

from swarmherd.decide.fits import shape_of
from swarmherd.decide.foretell import landing
from swarmherd.decide.place import Placer, seen
from swarmherd.decide.scene import Scene, settings_of
from swarmherd.decide.units import MOST_AVOIDED, Unit, foretold
from swarmherd.model import Service, Task


@dataclass(frozen=True, slots=True)
class Places:
    """Node ids: where it may land, nothing named for anywhere; and which are paused for that moment."""

    allowed: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()


def stays(scene: Scene, service: Service) -> str | None:
    """Why the service's tasks are moved nowhere, wherever there is room.

    That the service is to be healed is consent for its only replica, which serves nobody while it is ill; for data that
    would stay behind it is none (S10).
    """
    wish, followers = scene.wishes.of(service.name), scene.followers(service.name)
    if wish.move.do_not_disturb:
        return "its tasks are to stay where they are (move.do_not_disturb)"
    if service.local_data and not wish.move.local_data:
        return "it keeps data on its node, which would stay behind (move.local_data)"
    if wish.follows is not None:
        return f"it follows {wish.follows}, and goes where {wish.follows} goes"
    return f"{', '.join(followers)} would have to follow it" if followers else None


def elsewhere(scene: Scene, service: Service, task: Task) -> Places | str:
    """The nodes that the task may go to, or why it is not to be moved."""
    if why := stays(scene, service):
        return why
    nodes = seen.nodes(scene.view, without=[task.id])
    ranked = Placer(nodes, settings_of(scene.policy.placement)).ranking(shape_of(scene, service.name))
    good = {one.node for one in ranked} - {task.node_id}
    if not good:
        return "no other node can take it"
    found = foretold(scene, Unit(service, task, (), 0.0, 0), good)
    return Places(found.nodes, found.avoid) if not found.why_not else found.why_not


def again(scene: Scene, service: Service, task: Task) -> Places | str:
    """Where the task may be started again, or why it cannot: with its data only where that is (S10)."""
    if not service.local_data or scene.wishes.of(service.name).move.local_data:
        return Places()
    avoid: set[str] = set()
    while True:
        nodes = landing(scene.view, service, gone=[task.id], closed=avoid).nodes
        if not nodes:
            return "its own node, where its data is, would not take it again"
        if nodes == {task.node_id}:
            return Places((task.node_id,), tuple(sorted(avoid)))
        avoid |= nodes - {task.node_id}
        if len(avoid) > MOST_AVOIDED:
            return (
                f"its data is on its node, and more than {MOST_AVOIDED} others would have to be paused to keep it there"
            )
