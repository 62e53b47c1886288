# SPDX-License-Identifier: GPL-3.0-or-later
"""How each node stands: Swarm's managers and our own look at its host are the two witnesses (S9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from swarmherd.decide.scene import Scene
from swarmherd.decide.words import count, duration, one_line
from swarmherd.model import Node, NodeStanding, NodeState, Probe, Standing
from swarmherd.policy import FailoverKeys

STALE_SECONDS = 30.0
"""A look at a host that is older is none: whoever looks has stopped looking (S1)."""


class Ours(Enum):
    """What our own look says."""

    ANSWERED = "answered"
    SILENT = "silent"
    NOT_SURE = "not sure"
    """It missed a look, but not as many as it takes."""
    NOT_LOOKED = "not looked"


def keys_of(scene: Scene) -> FailoverKeys:
    """The policy's words on failing nodes; the defaults where it says nothing."""
    return scene.policy.failover or FailoverKeys()


def standings(scene: Scene) -> tuple[NodeStanding, ...]:
    """One for each node, by name."""
    nodes = sorted(scene.view.nodes, key=lambda node: (node.hostname, node.id))
    return tuple(_standing(scene, node) for node in nodes)


def by_node(seen: Iterable[NodeStanding]) -> Mapping[str, NodeStanding]:
    """By the node's id."""
    return {one.node: one for one in seen}


def looked(scene: Scene, probe: Probe | None) -> tuple[Ours, str]:
    """What our own look at a host says, and that in words."""
    if probe is None:
        return Ours.NOT_LOOKED, "nobody looked at its host"
    if (age := abs((scene.now - probe.at).total_seconds())) > STALE_SECONDS:
        return Ours.NOT_LOOKED, f"its host was last looked at {duration(age)} ago"
    if probe.misses == 0:
        return Ours.ANSWERED, "its host answers us"
    why = f" ({one_line(probe.problem)})" if probe.problem else ""
    most = scene.policy.probe.pace.misses
    if probe.misses < most:
        return Ours.NOT_SURE, f"its host missed {probe.misses} of {count(most, 'look')}{why}"
    since = probe.silent_since or probe.at
    silent = duration(abs((scene.now - since).total_seconds()))
    return Ours.SILENT, f"its host has been silent for {silent}{why}"


def _standing(scene: Scene, node: Node) -> NodeStanding:
    ours, said = looked(scene, scene.view.probes.get(node.id))
    if node.state is NodeState.READY:
        return _ready(node, ours, said)
    reasons = [f"Swarm has it {node.state.value}", said]
    failed = ours is Ours.SILENT
    if (fence := scene.memory.fences.get(node.id)) is not None:
        word = f"{one_line(fence.who)} says that it is off: {one_line(fence.why)}"
        reasons.append(f"{word}, which cannot be" if ours is Ours.ANSWERED else word)
        failed = failed or ours is not Ours.ANSWERED  # a person at the host is as good a witness as a probe
    return NodeStanding(node.id, node.hostname, Standing.FAILED if failed else Standing.DOUBTED, tuple(reasons))


def _ready(node: Node, ours: Ours, said: str) -> NodeStanding:
    if ours is Ours.SILENT:
        return NodeStanding(node.id, node.hostname, Standing.DOUBTED, (said, "Swarm has it ready"))
    if ours is Ours.NOT_LOOKED:
        return NodeStanding(node.id, node.hostname, Standing.UNWATCHED, ("Swarm has it ready", said))
    return NodeStanding(node.id, node.hostname, Standing.WELL)
