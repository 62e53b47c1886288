# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that go down again and again are kept from new tasks for ever longer times.

A cordon pauses the node and labels it as ours: its tasks stay, a person's pause or drain is never touched, and no
manager loses its vote by it (S23). It is not done where too few nodes would go on taking tasks, or where what runs
there would fit nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil

from swarmherd.decide.failover.standings import by_node, keys_of
from swarmherd.decide.fits import shape_of
from swarmherd.decide.marks import CORDONED, cordoned_until, is_cordoned, paused_for
from swarmherd.decide.place import Placer, seen
from swarmherd.decide.scene import Scene, settings_of
from swarmherd.decide.words import count, duration
from swarmherd.model import (
    Availability,
    Cordon,
    Finding,
    Node,
    NodeMemory,
    NodeStanding,
    NodeState,
    Standing,
)

DAY = timedelta(days=1)
"""So long a cordon makes the next one longer."""
_NO_PAST = NodeMemory(None)


def cordons(scene: Scene, standings: Sequence[NodeStanding], findings: Sequence[Finding]) -> tuple[Cordon, ...]:
    """One for each node that is cordoned or flaps, by name; at most one begins in a cycle."""
    why, wanted = by_node(standings), _wanted(findings)
    found: list[Cordon] = []
    for node in sorted(scene.view.nodes, key=lambda one: (one.hostname, one.id)):
        if CORDONED in node.labels:
            found.append(_ended(scene, node, why[node.id], wanted.get(node.id, "")))
        elif falls := _flaps(scene, node):
            found.append(_begun(scene, node, why[node.id], falls, any(one.cordon for one in found)))
    return tuple(found)


def _past(scene: Scene, node: Node) -> NodeMemory:
    return scene.memory.nodes.get(node.id, _NO_PAST)


def _recent(scene: Scene, node: Node) -> list[datetime]:
    """Its falls within the policy's window, as far as the last cordon was not about them."""
    past, window = _past(scene, node), timedelta(seconds=keys_of(scene).flapping.within)
    since = max([scene.now - window, *past.cordons[-1:]])
    return [at for at in past.falls if since < at <= scene.now]


def _flaps(scene: Scene, node: Node) -> int:
    """How often it fell of late, if that is too often and nobody has taken it out of use himself."""
    falls = len(_recent(scene, node))
    idle = node.availability is not Availability.ACTIVE or paused_for(node) is not None
    return 0 if idle or falls < keys_of(scene).flapping.falls else falls


def _wanted(findings: Sequence[Finding]) -> Mapping[str, str]:
    """By node id: the service that only this cordoned node would take."""
    return {node_id: one.service for one in reversed(findings) for node_id in one.needed}


# ---------------------------------------------------------------- beginning


def _begun(scene: Scene, node: Node, standing: NodeStanding, falls: int, another: bool) -> Cordon:
    keys = keys_of(scene).flapping
    flaps = f"{node.hostname} went down {falls} times within {duration(keys.within)}"
    refusal = next(_refusals(scene, node, standing, another), None)
    if refusal is not None:
        return Cordon(node.id, (f"leave {node.hostname} as it is, although it flaps ({flaps}), because {refusal}",))
    lasts = min(keys.longest, keys.pause * 2.0 ** len(_lately_cordoned(scene, node)))
    done = f"cordon {node.hostname} for {duration(lasts)}, because it flaps: {flaps}"
    return Cordon(node.id, (done,), True, scene.now + timedelta(seconds=lasts), node.version)


def _lately_cordoned(scene: Scene, node: Node) -> list[datetime]:
    return [at for at in _past(scene, node).cordons if scene.now - at < DAY]


def _refusals(scene: Scene, node: Node, standing: NodeStanding, another: bool) -> Iterator[str]:
    if not scene.policy.enabled:
        yield "the policy is switched off (swarmherd_policy.enabled)"
    if scene.policy.failover is None:
        yield "the policy does not speak of failover"
    elif not scene.policy.failover.flapping.cordon:
        yield "the policy wants no cordons (failover.flapping.cordon)"
    if node.state is not NodeState.READY:
        yield f"it is {node.state.value} now, and takes no tasks anyway"
    if standing.bad:
        yield standing.because
    if another:
        yield "another node is cordoned in this cycle"
    yield from _too_few(scene, node)
    yield from _no_room(scene, node)


def _too_few(scene: Scene, node: Node) -> Iterator[str]:
    others = [
        other
        for other in scene.view.nodes
        if other.id != node.id and other.state is NodeState.READY and other.availability is Availability.ACTIVE
    ]
    share = keys_of(scene).flapping.keep_active
    least = max(1, ceil(share * len(scene.view.nodes)))
    if len(others) < least:
        yield (
            f"only {count(len(others), 'other node')} would take tasks, and {least} of {len(scene.view.nodes)} must "
            "(failover.flapping.keep_active)"
        )


def _no_room(scene: Scene, node: Node) -> Iterator[str]:
    """Its tasks stay where they are; but should it fall again, they must find a place."""
    there = [task for name in scene.cycle.index.wanted for task in scene.wanted(name) if task.node_id == node.id]
    many = Counter(task.service for task in there)
    nodes = [one for one in seen.nodes(scene.view, without=[task.id for task in there]) if one.id != node.id]
    placer = Placer(nodes, settings_of(scene.policy.placement))
    for name, tasks in sorted(many.items()):
        service = scene.service(name)
        if service is None or service.replicas is None:
            continue
        [placed] = placer.place([replace(shape_of(scene, name), replicas=tasks)])
        if placed.unplaced:
            yield f"the other nodes would not take its {count(tasks, 'task')} of {name}: {placed.explanation}"


# ---------------------------------------------------------------- ending


def _ended(scene: Scene, node: Node, standing: NodeStanding, wanted: str) -> Cordon:
    here = Cordon(node.id, (), version=node.version)
    if not is_cordoned(node):
        why = f"somebody has set it to {node.availability.value} meanwhile"
        done = f"take the label of our cordon off {node.hostname}, because {why}"
        return replace(here, cordon=False, reasons=(done,))
    if why := _stays(scene, node, standing, wanted):
        return replace(here, until=cordoned_until(node), reasons=(f"leave {node.hostname} cordoned, because {why}",))
    because = f"only it would take {wanted}" if wanted else "its time is over, and it has stayed up"
    return replace(here, cordon=False, reasons=(f"let {node.hostname} take tasks again, because {because}",))


def _stays(scene: Scene, node: Node, standing: NodeStanding, wanted: str) -> str:
    if not scene.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    if node.state is not NodeState.READY:
        return f"it is {node.state.value}"
    if standing.standing is Standing.DOUBTED:
        return standing.because
    if wanted:
        return ""
    keys, until = keys_of(scene).flapping, cordoned_until(node)
    if until is not None and scene.now < until:
        return f"its time is over in {duration((until - scene.now).total_seconds())}"
    recent = _recent(scene, node)
    if len(recent) >= keys.falls:
        return f"it went down {len(recent)} times since"
    if recent and (ago := (scene.now - recent[-1]).total_seconds()) < keys.pause:
        return f"it went down again {duration(ago)} ago"
    return ""
