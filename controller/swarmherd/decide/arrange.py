# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about where tasks run, beside how many there are: (view, policy, memory, now) -> arrangement."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from swarmherd.decide.failover import rescue
from swarmherd.decide.follow import follow
from swarmherd.decide.heal import heal
from swarmherd.decide.protect import why_services_stay
from swarmherd.decide.rebalance import balance
from swarmherd.decide.scene import Scene
from swarmherd.model import Arrangement, Balance, ClusterView, Memory
from swarmherd.policy import Policy


def arrange(view: ClusterView, policy: Policy, memory: Memory, now: datetime) -> Arrangement:
    """Anchors first; tasks are moved to even out the load only while every anchor's label is where it belongs. What is
    made of nodes that fail stands beside it.

    Like `decide`, the mode is none of its business, and nonsense in a label leaves that service alone.
    """
    scene = Scene.of(view, policy, memory, now)
    following, rescued, healing = follow(scene), rescue(scene), heal(scene)
    arranged = Arrangement(following, rescue=rescued, healing=healing)
    if policy.rebalance is None and policy.refill is None:
        return arranged
    stays = why_services_stay(scene)
    busy = [one.anchor for one in following if one.acts]
    found = balance(scene, stays)
    balances = tuple(_later(one, busy) for one in found) if busy else found
    return replace(arranged, balances=balances, stays=stays)


def _later(one: Balance, busy: list[str]) -> Balance:
    if not one.moves:
        return one
    why = f"leave tasks where they are for now, because the label of {busy[0]} comes first"
    return Balance(one.cause, one.measure, (*one.reasons, why), (), one.evidence)
