# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about tasks that are ill: restart, then move, then give up (S13); and about updates that are stuck.

Illness is a check's own word, seen again and again for as long as the policy says. What Docker's health check finds,
Swarm has replaced already, and a task that ends is started again by it: neither is ours (S9). A service that crashes
again and again is left alone, since it does the same wherever it is put (S24).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from swarmherd.decide import objections
from swarmherd.decide.backoff import backing_off
from swarmherd.decide.budgets import moves_spent
from swarmherd.decide.heal.ailments import ailments, doubt, ill_for, place_of
from swarmherd.decide.heal.cure import Places, again, elsewhere, stays
from swarmherd.decide.heal.stuck import about_update
from swarmherd.decide.protect import lost
from swarmherd.decide.scene import MOVING, Scene
from swarmherd.decide.words import count, duration, one_line
from swarmherd.model import Ailment, Evidence, Healing, Health, Reading, Remedy, Service, Task, TaskHealth, TaskState
from swarmherd.policy import HealKeys, Step, address_of
from swarmherd.policy.healing import MOST_STEPS

MANY_ILL = 3
"""So many ill tasks, of two services and half of all that are checked, are taken for one cause beside them."""
CHOICE = 3
"""So many tasks of a service get a remedy of each kind: one is done in a cycle, and planning may hold the first. Where
each of many would go is not worth the time (S25)."""


def heal(scene: Scene) -> tuple[Healing, ...]:
    """One for each update that is stuck, each crash loop and each task that is ill, by service and slot."""
    known, common = ailments(scene), common_cause(scene)
    found: list[Healing] = []
    for name in sorted({*scene.wishes.by_service, *scene.wishes.problems}):
        service, keys = scene.service(name), scene.wishes.of(name).heal
        if service is None:
            continue
        if name in scene.wishes.problems:
            found += _misspelt(scene, service)
        elif keys is not None:
            found += _about(scene, service, keys, known, common)
    return tuple(found)


def common_cause(scene: Scene) -> str | None:
    """S8: that so many are ill at once is likelier to be our own view, or something that they all need."""
    told = {task_id: one for task_id, one in scene.view.health.items() if one.health is not Health.STARTING}
    ill = {task_id for task_id, one in told.items() if one.health is Health.UNHEALTHY}
    services = {task.service for task in scene.view.tasks if task.id in ill}
    if len(ill) < MANY_ILL or len(services) < 2 or 2 * len(ill) < len(told):
        return None
    return (
        f"{len(ill)} of the {count(len(told), 'task')} that are checked are ill at once, of {len(services)} services: "
        "that has another cause than each of them, or we do not see them"
    )


def _misspelt(scene: Scene, service: Service) -> Iterator[Healing]:
    """Only what is said of health and healing: others tell the rest."""
    for problem in scene.wishes.problems[service.name]:
        if problem.key.startswith(("health.", "swarmherd.heal.")):
            why = f"leave {service.name} unhealed, because {problem.key}: {problem.message}; {problem.remedy}"
            yield Healing(service.name, Remedy.NONE, (why,), version=service.version)
            return


def _about(
    scene: Scene, service: Service, keys: HealKeys, known: Mapping[str, Ailment], common: str | None
) -> Iterator[Healing]:
    if (update := about_update(scene, service, keys, known)) is not None:
        yield update
        return
    if why := scene.objection(service, (objections.looping,)):
        words = f"leave {service.name} alone, because {why}; Swarm starts it again by itself, wherever it is"
        yield Healing(service.name, Remedy.NONE, (words,), version=service.version)
        return
    if (blind := _unaskable(scene, service)) is not None:
        yield blind
    first: list[tuple[Step, str]] = []
    for task in scene.wanted(service.name):
        health = scene.view.health.get(task.id)
        if health is not None and health.health is Health.UNHEALTHY:
            case = _Case(scene, service, keys, task, health, known, common, tuple(first))
            one = _decided(case)
            first += [(case.looked_for, one.place)] if one.remedy is not Remedy.NONE else []
            yield one


def _unaskable(scene: Scene, service: Service) -> Healing | None:
    """An endpoint that the operator named, and that nobody can ask, is told: else nothing would be heard of it."""
    keys = scene.wishes.of(service.name).health
    running = scene.cycle.index.running(service.name)
    if keys is None or keys.endpoint is None or keys.query is not None or not running:
        return None
    port, _path = address_of(keys.endpoint)
    if all(sum(port in (None, inside) for inside, _outside in task.host_ports) == 1 for task in running):
        return None
    what = f"port {port} is not" if port is not None else "not exactly one port is"
    why = f"leave {service.name} unhealed, because its endpoint cannot be asked: {what} published in host mode"
    return Healing(service.name, Remedy.NONE, (f"{why} (health.endpoint)",), version=service.version)


@dataclass(frozen=True, slots=True)
class _Case:
    """One task whose check says that it is ill."""

    scene: Scene
    service: Service
    keys: HealKeys
    task: Task
    health: TaskHealth
    known: Mapping[str, Ailment]
    common: str | None
    first: tuple[tuple[Step, str], ...] = ()
    """The service's places that have a remedy already, each with what one was looked for."""

    @property
    def place(self) -> str:
        return place_of(self.task)

    @property
    def ailment(self) -> Ailment:
        return self.known.get(self.place, Ailment(self.service.name))

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.keys.steps[:MOST_STEPS]

    @property
    def due(self) -> Step:
        """The next of the steps, while one is left."""
        return self.steps[len(self.ailment.tries)]

    @property
    def looked_for(self) -> Step:
        """What a place is looked for: a move that may not be is another restart."""
        return Step.MOVE if self.due is Step.MOVE and not stays(self.scene, self.service) else Step.RESTART

    @property
    def ill(self) -> str:
        how = one_line(f"{self.health.source}: {self.health.why}" if self.health.why else self.health.source)
        return f"it has been unhealthy for {duration(ill_for(self.ailment, self.scene.now))} ({how})"


def _decided(case: _Case) -> Healing:
    name, host = case.place, case.scene.hostname(case.task.node_id)
    if why := next((why for rule in _RULES if (why := rule(case))), None):
        return _healing(case, Remedy.NONE, (f"leave {name} on {host} as it is: {case.ill}, but {why}",))
    said: tuple[str, ...] = ()
    turn = len(case.ailment.tries) + 1
    if case.due is Step.MOVE:
        places = elsewhere(case.scene, case.service, case.task)
        if isinstance(places, Places):
            because = f"move {name} off {host}, because {case.ill}; remedy {turn} of {len(case.steps)}"
            return _healing(case, Remedy.MOVE, (because,), places)
        said = (f"do not move {name}, because {places}",)
    places = again(case.scene, case.service, case.task)
    if not isinstance(places, Places):
        return _healing(case, Remedy.NONE, (*said, f"leave {name} on {host} as it is: {case.ill}, but {places}"))
    because = f"restart {name} on {host}, because {case.ill}; remedy {turn} of {len(case.steps)}"
    return _healing(case, Remedy.RESTART, (*said, because), places)


def _healing(case: _Case, remedy: Remedy, reasons: tuple[str, ...], places: Places | None = None) -> Healing:
    reading = Reading(0.0, case.health.at, case.health.source, case.health.why)
    return Healing(
        service=case.service.name,
        remedy=remedy,
        reasons=reasons,
        task=case.task.id,
        place=case.place,
        node=case.task.node_id,
        allowed=places.allowed if places else (),
        avoid=places.avoid if places else (),
        tries=len(case.ailment.tries),
        evidence=(Evidence(f"health of {case.place}", reading, "1 for healthy", None),),
        version=case.service.version,
    )


# ---------------------------------------------------------------- why nothing is done


def _switched_off(case: _Case) -> str | None:
    return None if case.scene.policy.enabled else "the policy is switched off (swarmherd_policy.enabled)"


def _not_counted(case: _Case) -> str | None:
    return "it is not in replicated mode" if case.service.replicas is None else None


def _not_believed(case: _Case) -> str | None:
    """S1, S8, S9."""
    past = case.scene.memory.ailments.get(case.place, case.ailment)
    return doubt(case.scene, case.task, case.health, past) or case.common


def _not_long_enough(case: _Case) -> str | None:
    after = case.keys.after
    return None if ill_for(case.ailment, case.scene.now) >= after else f"it is given {duration(after)} to recover"


def _given_up(case: _Case) -> str | None:
    tries = case.ailment.tries
    if len(tries) < len(case.steps):
        return None
    words = f"{count(len(tries), 'remedy') if len(tries) == 1 else f'{len(tries)} remedies'} ({', '.join(tries)})"
    return f"given up after {words}, until it is well for {duration(case.keys.stable)} or the service is changed"


def _waits(case: _Case) -> str | None:
    """The last remedy is given time to help, twice as long each time; and one task of a service is healed at a time."""
    now, tries, tried_at = case.scene.now, case.ailment.tries, case.ailment.tried_at
    if tries and tried_at is not None:
        wait, ago = case.keys.recheck * 2.0 ** (len(tries) - 1), abs((now - tried_at).total_seconds())
        if ago < wait:
            return f"its last remedy ({tries[-1]}) was {duration(ago)} ago, and is given {duration(wait)} to help"
    others = [one.tried_at for one in case.known.values() if one.service == case.service.name and one.tried_at]
    rest = timedelta(seconds=case.keys.cooldown)
    if others and abs(now - max(others)) < rest:
        return f"{case.service.name} had a remedy less than {duration(case.keys.cooldown)} ago (heal.cooldown)"
    return None


def _not_to_be_touched(case: _Case) -> str | None:
    """S6, S9, S13, S19: as for moves, since both stop a task."""
    scene, service = case.scene, case.service
    if not service.restarts:
        return "Swarm would not replace it (restart condition)"
    if case.task.state is not TaskState.RUNNING:
        return f"it is {case.task.state.value}"
    return (
        scene.objection(service, MOVING) or backing_off(service, scene.policy, scene.memory, scene.now) or lost(scene)
    )


def _moves_spent(case: _Case) -> str | None:
    """Planning would hold it for up to an hour (S11): that is no reason to look where it would go, nor for others to
    wait."""
    if case.looked_for is not Step.MOVE:
        return None
    scene, source = case.scene, case.scene.nodes.get(case.task.node_id)
    return moves_spent(scene.policy, scene.memory, scene.now, case.service.name, source)


def _not_its_turn(case: _Case) -> str | None:
    first = [place for step, place in case.first if step is case.looked_for]
    return None if len(first) < CHOICE else f"{first[0]} comes first"


def _few_running(case: _Case) -> str | None:
    """S11: the others must go on. Those that are ill count as well, else a service that is ill as a whole stays so."""
    replicas, least = case.service.replicas or 0, case.scene.wishes.of(case.service.name).move.min_running
    others = len(case.scene.cycle.index.running(case.service.name)) - 1
    if others >= min(least, replicas - 1):
        return None
    return f"{others} others of it run, and {min(least, replicas - 1)} must go on meanwhile (move.min_running)"


_RULES: tuple[Callable[[_Case], str | None], ...] = (
    *(
        _switched_off,
        _not_counted,
        _not_believed,
        _not_long_enough,
        _given_up,
        _waits,
        _moves_spent,
        _not_its_turn,
        _not_to_be_touched,
        _few_running,
    ),
)
