# SPDX-License-Identifier: GPL-3.0-or-later
"""The mass-failure brake: where too much looks bad at once, it is likelier that we are cut off (S8).

As in Kubernetes' node controller, whose evictions stop when most of a zone looks dead. What it holds is said in
`plan/brake.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swarmherd.decide.failover.standings import Ours, looked
from swarmherd.decide.scene import Scene
from swarmherd.decide.words import count
from swarmherd.model import Availability, Node, NodeStanding, NodeState

FEWEST = 2
"""One bad node alone is a failure, whatever share of the cluster it is, unless it is the whole of it."""
ASSUMED = "so it is assumed that we are cut off, and nothing is done that disrupts"


def brake(scene: Scene, seen: Sequence[NodeStanding]) -> tuple[str, ...]:
    """Why the brake is on, each reason a sentence; empty where it is off."""
    return tuple(_reasons(scene, seen))


def _reasons(scene: Scene, seen: Sequence[NodeStanding]) -> Iterator[str]:
    counted = [one for one in seen if not _left_out(scene, scene.nodes[one.node], one)]
    bad = [one for one in counted if one.bad]
    if counted and len(bad) == len(counted):
        yield f"{'all nodes look' if bad[1:] else 'the only node looks'} bad ({_names(bad)}), {ASSUMED}"
    elif len(bad) >= FEWEST and 2 * len(bad) >= len(counted):
        yield f"{len(bad)} of {count(len(counted), 'node')} look bad ({_names(bad)}), {ASSUMED}"
    found = {one.node: looked(scene, scene.view.probes.get(one.node))[0] for one in counted}
    asked = [node for node, ours in found.items() if ours is not Ours.NOT_LOOKED]
    if asked and all(found[node] is Ours.SILENT for node in asked) and len(bad) < len(counted):
        yield f"no host that we look at answers ({scene.hostnames(asked)}), {ASSUMED}"


def _left_out(scene: Scene, node: Node, one: NodeStanding) -> bool:
    """A node that is known to be away says nothing about us: one that somebody drained, or that its own host left
    behind when it joined anew."""
    if not one.bad or node.state is NodeState.READY:
        return False
    again = any(
        other.id != node.id and other.hostname == node.hostname and other.state is NodeState.READY
        for other in scene.view.nodes
    )
    return again or node.availability is Availability.DRAIN


def _names(bad: Sequence[NodeStanding]) -> str:
    return ", ".join(one.name or one.node for one in bad)
