# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about nodes that fail, and about what Swarm leaves without a place: scene -> rescue. Pure.

Swarm's own rescheduling is never raced (S9): stateless replicas of a dead node are its business. Here is what it cannot
do: knowing whether it is we who are cut off (S8), services that are bound to the dead node (S10), marks that were left
behind, and nodes that come and go.
"""

from __future__ import annotations

from swarmherd.decide.failover.brake import brake
from swarmherd.decide.failover.flapping import cordons
from swarmherd.decide.failover.recreate import recreations
from swarmherd.decide.failover.standings import standings
from swarmherd.decide.failover.waiting import findings
from swarmherd.decide.scene import Scene
from swarmherd.model import Rescue

__all__ = ["brake", "rescue", "standings"]


def rescue(scene: Scene) -> Rescue:
    """The standing of every node, the brake, and what is put right.

    Nothing is held back here because of the brake: planning does that, with all else that is disruptive.
    """
    seen = standings(scene)
    waiting = findings(scene, seen)
    return Rescue(
        standings=seen,
        brake=brake(scene, seen),
        findings=waiting,
        recreations=recreations(scene, seen, waiting),
        cordons=cordons(scene, seen, waiting),
    )
