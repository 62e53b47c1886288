# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors: the node that one runs on carries a label, and what follows it is constrained to that label.

A label that others depend on changes on positive evidence alone (S4). While the anchor is missing, starting, on a
node that is not up, or on two nodes, every label stays where it is. Once it is seen running on one node that is up,
that node gets the label, the dependents their constraint, and only then other nodes lose theirs: one action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from swarmherd.decide.backoff import backing_off
from swarmherd.decide.fits import fits_beside, homeless
from swarmherd.decide.release import constrained, labelled_with, release
from swarmherd.decide.scene import FOLLOWING, MOVING, Scene
from swarmherd.decide.words import one_line
from swarmherd.model import (
    Availability,
    Evidence,
    Following,
    NodeState,
    Task,
    TaskState,
)
from swarmherd.policy.anchors import NODE_LABEL


def follow(scene: Scene) -> tuple[Following, ...]:
    """One for each anchor that is followed, or was, or whose label lies on a node, by name."""
    follows = scene.wishes.follows
    anchors = {*follows.values(), *_labelled_anchors(scene), *scene.memory.anchors}
    return tuple(
        _about(scene, anchor, [name for name in follows if follows[name] == anchor]) for anchor in sorted(anchors)
    )


def _labelled_anchors(scene: Scene) -> Iterator[str]:
    for node in scene.nodes.values():
        for label in node.labels:
            if label.startswith(NODE_LABEL) and len(label) > len(NODE_LABEL):
                yield label.removeprefix(NODE_LABEL)


@dataclass(frozen=True, slots=True)
class _Sight:
    """Where an anchor is for certain (a node's id), or why that is not certain."""

    node: str = ""
    why: str = ""


def sight(scene: Scene, anchor: str) -> _Sight:
    """S4: missing, stopped, starting, unreachable and twice there are five answers, and none of them is *elsewhere*."""
    service, wanted = scene.service(anchor), scene.wanted(anchor)
    if service is None:
        return _Sight(why=f"Docker has no service {anchor}")
    if service.replicas == 0:
        return _Sight(why=f"{anchor} is set to 0 replicas")
    if not wanted:
        return _Sight(why=f"{anchor} has no task yet")
    if starting := [task for task in wanted if task.state is not TaskState.RUNNING]:
        said = one_line(starting[0].message)
        return _Sight(why=f"{anchor} is not running yet ({starting[0].state.value}{': ' + said if said else ''})")
    if lost := sorted({task.node_id for task in wanted if not _up(scene, task.node_id)}):
        return _Sight(why=f"{anchor} was last seen on {_how(scene, lost[0])}")
    places = {task.node_id for task in (*wanted, *_stopping(scene, anchor))}
    if len(places) > 1:
        return _Sight(why=f"{anchor} runs on {len(places)} nodes ({scene.hostnames(places)})")
    return _Sight(node=places.pop())


def _up(scene: Scene, node_id: str) -> bool:
    node = scene.nodes.get(node_id)
    return node is not None and node.state is NodeState.READY


def _how(scene: Scene, node_id: str) -> str:
    node = scene.nodes.get(node_id)
    return f"{node.hostname}, which is {node.state.value}" if node else "a node that Docker does not list"


def _stopping(scene: Scene, anchor: str) -> list[Task]:
    """Tasks that are to stop and still run on a node which is up: a dead node's go on saying that for a day."""
    return [
        task
        for task in scene.view.tasks
        if task.service == anchor
        and task.desired is not TaskState.RUNNING
        and task.state is TaskState.RUNNING
        and _up(scene, task.node_id)
    ]


def _about(scene: Scene, anchor: str, dependents: list[str]) -> Following:
    labelled = labelled_with(scene.view, anchor)
    here = Following(anchor, tuple(dependents), (), labelled=labelled, followers=scene.followers(anchor))
    there = f" on {scene.hostnames(labelled)}" if labelled else ""
    held = f"leave the label of {anchor}{there} as it is" if labelled else f"give {anchor} no label"
    # First: a label that moves would take along who follows it no longer.
    if (let_go := release(scene, here)) is not None:
        return let_go
    if not dependents:
        return replace(here, reasons=(f"{held}, because nobody follows {anchor} now, and it is not our own",))
    if problem := _misnamed(scene, anchor):
        return replace(here, reasons=(f"{held}, because {problem}",))
    seen = sight(scene, anchor)
    if not seen.node:
        return replace(here, reasons=(f"{held}, because {seen.why}",))
    here = replace(here, node=seen.node, versions=_versions(scene, dependents))
    if _settled(scene, here):
        return replace(here, reasons=tuple(_as_it_should_be(scene, here)))
    why, evidence = _refusal(scene, here)
    if why:
        return replace(here, reasons=(f"{held}, because {why}",), evidence=evidence)
    return replace(here, relabel=True, reasons=(*_unweighed(scene, here), _order(scene, here)), evidence=evidence)


def _misnamed(scene: Scene, anchor: str) -> str | None:
    problems = scene.wishes.problems.get(anchor)
    return f"{problems[0].key}: {problems[0].message}; {problems[0].remedy}" if problems else None


def _versions(scene: Scene, names: list[str]) -> dict[str, int]:
    return {name: service.version for name in names if (service := scene.service(name)) is not None}


def _unbound(scene: Scene, here: Following) -> list[str]:
    """Dependents without the constraint."""
    found = ((name, scene.service(name)) for name in here.versions)
    return [name for name, service in found if service is not None and not constrained(service, here.anchor)]


def _settled(scene: Scene, here: Following) -> bool:
    return (here.labelled == (here.node,) and not _unbound(scene, here)) or not here.versions


def _as_it_should_be(scene: Scene, here: Following) -> Iterator[str]:
    """What is amiss beside an anchor that has its label is told; Swarm itself goes on trying there."""
    host = scene.hostname(here.node)
    for name in here.dependents:
        service = scene.service(name)
        if service is None:
            yield f"{name} is to follow {here.anchor}, but there is no such service"
        elif why := scene.objection(service, MOVING[-2:]):
            yield f"{name} does not run beside {here.anchor} on {host}: {why}"
    yield (
        f"leave the label of {here.anchor} as it is, because it is on {host}, where {here.anchor} runs"
        if (here.labelled == (here.node,))
        else f"give {here.anchor} no label, because none of its dependents is there"
    )


def _order(scene: Scene, here: Following) -> str:
    host, old = scene.hostname(here.node), [node for node in here.labelled if node != here.node]
    if here.labelled == (here.node,):
        return f"bind {', '.join(_unbound(scene, here))} to {host}, because {here.anchor} runs there"
    last = f", then take it off {scene.hostnames(old)}" if old else ""
    return f"put the label of {here.anchor} on {host}{last}, because {here.anchor} runs on {host}"


def _unweighed(scene: Scene, here: Following) -> Iterator[str]:
    for name in sorted({task.service for task in homeless(scene, movers_to(scene, here.anchor, here.node))}):
        yield f"how much memory {name} needs is not known, but it has no place now that it could lose"


def _refusal(scene: Scene, here: Following) -> tuple[str | None, tuple[Evidence, ...]]:
    """Why the label cannot be set right now."""
    if why := _objection(scene, here):
        return why, ()
    node = scene.nodes[here.node]
    if node.availability is not Availability.ACTIVE:
        return f"{node.hostname} is set to {node.availability.value}, so nothing can start there", ()
    movers = movers_to(scene, here.anchor, here.node)
    if why := unwilling(scene, {task.service for task in movers}):
        return why, ()
    return fits_beside(scene, node, movers)


def _objection(scene: Scene, here: Following) -> str | None:
    if not scene.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    anchor = scene.cycle.index.services[here.anchor]
    if why := scene.objection(anchor, MOVING):
        return f"{here.anchor} is left alone: {why}"
    if (why := backing_off(anchor, scene.policy, scene.memory, scene.now)) and not _changed_since(scene, here):
        return f"what follows {here.anchor} did not start beside it: {why}"
    for name in scene.followers(here.anchor):
        service = scene.cycle.index.services[name]
        if service.replicas is None:
            return f"{name} is not in replicated mode, so it cannot follow"
        if why := scene.objection(service, FOLLOWING):
            return f"{name} follows it and is left alone: {why}"
    return None


def _changed_since(scene: Scene, here: Following) -> bool:
    """Whether somebody else has changed a dependent since the last failure: that may have been the cure. Well after it,
    for what that action itself has written, or set back, is not remembered of each."""
    failed = scene.memory.of(here.anchor).last_failure_at
    later = timedelta(seconds=scene.policy.settle_seconds)
    others = (name for name, version in here.versions.items() if version != scene.memory.of(name).last_version)
    return failed is not None and any(scene.cycle.index.services[one].updated_at > failed + later for one in others)


def movers_to(scene: Scene, anchor: str, node_id: str) -> list[Task]:
    """The wanted tasks of all that follow `anchor`, chained ones too, that are not on this node yet."""
    found = (task for name in scene.followers(anchor) for task in scene.wanted(name))
    return [task for task in found if task.node_id != node_id]


def unwilling(scene: Scene, services: set[str]) -> str | None:
    """S10, S11: who of these must not be moved without a person's word. Following is consent for single replicas.

    S14: nor what runs and would only be stopped; what has ended or waits loses nothing.
    """
    for name in sorted(services):
        service, consent = scene.cycle.index.services[name], scene.wishes.of(name).move
        if consent.do_not_disturb:
            return f"{name} follows it and is not to be disturbed (move.do_not_disturb)"
        if service.local_data and not consent.local_data:
            return f"{name} follows it and keeps data on its node, which would stay behind (move.local_data)"
        if not service.restarts and scene.cycle.index.running(name):
            return f"{name} follows it, and Swarm would stop its tasks and not replace them (restart condition)"
    return None
