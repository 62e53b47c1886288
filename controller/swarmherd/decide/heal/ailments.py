# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the health of each place over time: since when it is ill, and which remedies were tried.

A place is a slot of a service, whatever task stands in it, so that a remedy which replaces the task is still counted;
or the service by its name, for its update. Unknown teaches nothing (S1): it makes nothing ill, and nothing well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from swarmherd.decide.scene import Scene
from swarmherd.model import Action, Ailment, Health, Memory, Outcome, Result, Service, Task, TaskHealth, UpdateState
from swarmherd.policy import HealKeys

PLACE = "swarmherd_place"
"""The variable of an action that names what it heals."""
UNWATCHED = timedelta(seconds=60)
"""Longer than the pause between two cycles; after a longer one illness is timed anew."""
AT_REST = frozenset({UpdateState.NONE, UpdateState.COMPLETED, UpdateState.ROLLBACK_COMPLETED})


def place_of(task: Task) -> str:
    """As people name a task."""
    return f"{task.service}.{task.slot}"


def ailments(scene: Scene) -> dict[str, Ailment]:
    """By place, after this look. What there is nothing to say of is left out."""
    found = dict(_seen(scene))
    for place, past in scene.memory.ailments.items():
        if place not in found and _lasts(scene, past):
            found[place] = past
    return {place: one for place, one in sorted(found.items()) if one != Ailment(one.service)}


def _seen(scene: Scene) -> Iterator[tuple[str, Ailment]]:
    for name, wish in scene.wishes.by_service.items():
        service = scene.service(name)
        if wish.heal is None or service is None or service.replicas is None:
            continue
        for task in scene.wanted(name):
            past = _unless_changed(scene, service, _past(scene, place_of(task), name))
            health = scene.view.health.get(task.id)
            believed = None if health is None or doubt(scene, task, health, past) else health
            yield place_of(task), looked(past, task, believed, wish.heal, scene.now)
        if name in scene.memory.ailments:
            well = service.update_state in AT_REST
            yield name, _well(_past(scene, name, name), wish.heal, scene.now) if well else _past(scene, name, name)


def _past(scene: Scene, place: str, service: str) -> Ailment:
    return scene.memory.ailments.get(place, Ailment(service))


def _lasts(scene: Scene, past: Ailment) -> bool:
    """A place where nothing stands for the moment is remembered as long as its remedies count."""
    wish, tried_at = scene.wishes.of(past.service).heal or HealKeys(), past.tried_at
    there = scene.service(past.service) is not None
    return there and tried_at is not None and abs(scene.now - tried_at) < timedelta(seconds=wish.stable)


def _unless_changed(scene: Scene, service: Service, past: Ailment) -> Ailment:
    """What somebody else has deployed since is another thing: that may have been the cure."""
    if past.tried_at is None or service.update_state not in AT_REST:
        return past
    later = past.tried_at + timedelta(seconds=scene.policy.settle_seconds)
    changed = service.updated_at > later and service.version != scene.memory.of(service.name).last_version
    return replace(past, tries=(), tried_at=None, well_since=None) if changed else past


def doubt(scene: Scene, task: Task, health: TaskHealth, past: Ailment) -> str | None:
    """S1, S9: why that nothing answers says nothing of the task. It needs a witness that the way to it is open."""
    if health.answered:
        return None
    if not past.answered:
        return "nothing has ever answered there, so that the way to it may be closed"
    if (probe := scene.view.probes.get(task.node_id)) is not None:
        return f"{scene.hostname(task.node_id)} itself does not answer us either" if probe.misses else None
    if any(one.answered for task_id, one in scene.view.health.items() if task_id != task.id):
        return None
    return "nothing else that is checked answers us, so that it may be our own network"


def looked(past: Ailment, task: Task, health: TaskHealth | None, keys: HealKeys, now: datetime) -> Ailment:
    """The ailment of a place after one look at the task that stands there; `health` is None when unknown."""
    if health is None:
        return replace(past, well_since=None)
    past = replace(past, answered=True)
    if health.health is Health.HEALTHY:
        return _well(replace(past, task="", ill_since=None, ill_at=None), keys, now)
    past = replace(past, well_since=None)
    if health.health is Health.STARTING:
        return past
    gap = max(UNWATCHED, timedelta(seconds=keys.after))
    goes_on = past.task == task.id and past.ill_at is not None and abs(now - past.ill_at) <= gap
    return replace(past, task=task.id, ill_since=past.ill_since if goes_on else now, ill_at=now)


def _well(past: Ailment, keys: HealKeys, now: datetime) -> Ailment:
    """Remedies are forgotten once it has been well for long."""
    if not past.tries:
        return Ailment(past.service, past.answered)
    since = past.well_since or now
    if abs(now - since) >= timedelta(seconds=keys.stable):
        return Ailment(past.service, past.answered)
    return replace(past, well_since=since)


def remember_remedy(memory: Memory, action: Action, result: Result) -> Memory:
    """A remedy counts whatever came of it, unless nothing was done: another was quicker (S17), or it never ran."""
    place = action.parameters.get(PLACE)
    if not place or not result.ran or result.outcome in (Outcome.STARTED, Outcome.CONFLICT):
        return memory
    past = memory.ailments.get(str(place), Ailment(action.service))
    tried = replace(past, tries=(*past.tries, action.kind), tried_at=result.finished_at, well_since=None)
    return replace(memory, ailments={**memory.ailments, str(place): tried})


def ill_for(one: Ailment, now: datetime) -> float:
    """Seconds that it has been seen ill without a break."""
    return 0.0 if one.ill_since is None else abs((now - one.ill_since).total_seconds())
