# SPDX-License-Identifier: GPL-3.0-or-later
"""What the policy and a service's labels say together about where its tasks run and whether they may be moved.

As with scaling, key by key: the policy's word about the service, then its label, then the policy's defaults.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from swarmherd.model import EMPTY, Service
from swarmherd.policy.anchors import circle
from swarmherd.policy.arranging import MoveKeys, NeighbourKeys
from swarmherd.policy.document import Part
from swarmherd.policy.failing import ServiceFailover
from swarmherd.policy.healing import HealKeys, HealthKeys
from swarmherd.policy.parse import parse
from swarmherd.policy.problem import PolicyError, Problem
from swarmherd.policy.units import resembling
from swarmherd.policy.wanted import Policy, ServicePolicy

OURS = "swarmherd."
MOVE = "swarmherd.move."
NO_CONSENT = MoveKeys()
NORMAL_FAILOVER = ServiceFailover()
HEAL = "swarmherd.heal."
PRIORITY, BALANCER = "swarmherd.priority", "swarmherd.balancer"
HEALTH_LABELS = ("health.endpoint", "health.expect")
"""They say where a service's health is to be seen, to whoever wants to know; read where it is healed."""
NAMED = ("swarmherd.follows", PRIORITY, BALANCER, "swarmherd.failover")
HEAL_LABELS = tuple(HEAL + name for name in ("enabled", "after", "recheck", "stuck_updates"))
_NOTHING = ServicePolicy()
ARRANGING_LABELS = (*NAMED, *(MOVE + name for name in MoveKeys.model_fields), *HEAL_LABELS, *HEALTH_LABELS)


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """What is wanted of one service beside its replicas, complete."""

    follows: str | None = None
    priority: int = 0
    move: MoveKeys = NO_CONSENT
    near: tuple[NeighbourKeys, ...] = ()
    apart_from: tuple[NeighbourKeys, ...] = ()
    """And those that must be apart from it: it is not to run on their nodes either."""
    balancer: str | None = None
    """The backend where its tasks are drained before they are moved (S18)."""
    failover: ServiceFailover = NORMAL_FAILOVER
    heal: HealKeys | None = None
    """What is done about its ill tasks; None where nothing is."""
    health: HealthKeys | None = None
    """How its tasks are checked; None where they are not."""
    opted_in: bool = False
    """Whether the policy or a label of its own names it: others are never touched (S19)."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of each service, or what is wrong with what was written about it."""

    by_service: Mapping[str, ServiceWish] = field(default_factory=lambda: EMPTY)
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=lambda: EMPTY)
    """By service: these are left alone, with the first problem as the reason."""

    def of(self, service: str) -> ServiceWish:
        return self.by_service.get(service, ServiceWish())

    @property
    def follows(self) -> dict[str, str]:
        """Who follows whom, as far as it is sound, by name."""
        return {name: wish.follows for name, wish in sorted(self.by_service.items()) if wish.follows is not None}


def service_wishes(policy: Policy, services: Iterable[Service]) -> Wishes:
    """What is wanted of each of `services`, and of those that only the policy names. Never raises."""
    labels = {service.name: service.labels for service in services}
    sound: dict[str, ServiceWish] = {}
    problems: dict[str, tuple[Problem, ...]] = {}
    for name in {**labels, **policy.services}:
        try:
            sound[name] = _wish(name, policy, labels.get(name, EMPTY))
        except PolicyError as error:
            problems[name] = error.problems
    for name, others in _keeping_out(policy).items():
        if wish := sound.get(name):
            sound[name] = replace(wish, apart_from=(*wish.apart_from, *others))
    follows = {name: wish.follows for name, wish in sound.items() if wish.follows is not None}
    for name in follows:
        if why := circle(follows, name):
            problems[name] = (Problem(f"service {name}", "follows", why, "let one of them follow nobody"),)
    return Wishes({name: wish for name, wish in sound.items() if name not in problems}, problems)


def _keeping_out(policy: Policy) -> dict[str, list[NeighbourKeys]]:
    """By service: those that must be apart from it, by their word alone."""
    found: dict[str, list[NeighbourKeys]] = defaultdict(list)
    musts = {name: [o.service for o in one.apart_from if o.weight is None] for name, one in policy.services.items()}
    for name, others in musts.items():
        for other in others:
            if name not in (other, *musts.get(other, ())):
                found[other].append(NeighbourKeys(service=name))
    return found


def balancer_of(policy: Policy, service: Service) -> str | None:
    """The load balancer's backend that serves it. Looks at this service alone, however many the policy names."""
    named = policy.services.get(service.name)
    if (named is None or named.balancer is None) and BALANCER not in service.labels:
        return None
    try:
        return _wish(service.name, policy, service.labels).balancer
    except PolicyError:
        return None


def priority_of(policy: Policy, service: Service) -> int:
    """Its priority alone, which costs less than all of its wishes; 0 where its label is nonsense. Never raises."""
    said, named = service.labels.get(PRIORITY), policy.services.get(service.name)
    if named is not None and "priority" in named.model_fields_set:
        return named.priority
    if said is None:
        return policy.defaults.priority
    try:
        return parse(ServicePolicy, {"priority": said}, f"service {service.name}", OURS[:-1]).priority
    except PolicyError:
        return 0


def _wish(name: str, policy: Policy, labels: Mapping[str, str]) -> ServiceWish:
    said, named = _from_labels(name, labels), policy.services.get(name)
    move = {**_written(policy.defaults.move), **_written(said.move), **(_written(named.move) if named else {})}
    places = [place for place in (named, said, policy.defaults) if place is not None]
    opted_in = named is not None or any(key.startswith(OURS) for key in labels)
    heal = _healed(policy, said, named) if opted_in else None
    return ServiceWish(
        follows=named.follows if named and named.follows is not None else said.follows,
        priority=next((p.priority for p in places if "priority" in p.model_fields_set), 0),
        move=MoveKeys(**move),
        near=named.near if named else (),
        apart_from=named.apart_from if named else (),
        balancer=named.balancer if named and named.balancer is not None else said.balancer,
        failover=ServiceFailover(**{**_written(said.failover), **(_written(named.failover) if named else {})}),
        heal=heal,
        health=_checked(name, named, labels) if heal is not None else None,
        opted_in=opted_in,
    )


def _healed(policy: Policy, said: ServicePolicy, named: ServicePolicy | None) -> HealKeys | None:
    """None where no place asks for it, or the last word is that it is switched off."""
    places = [place.heal for place in (policy.defaults, said, named) if place is not None and place.heal is not None]
    if not places:
        return None
    keys = HealKeys(**{name: value for place in places for name, value in _written(place).items()})
    return keys if keys.enabled else None


def _checked(name: str, named: ServicePolicy | None, labels: Mapping[str, str]) -> HealthKeys | None:
    """The labels are looked at only here: others may know the same names, and mean something else by them."""
    document = {label.removeprefix("health."): labels[label] for label in HEALTH_LABELS if label in labels}
    said = parse(HealthKeys, document, f"service {name}", "health")
    keys = {**_written(said), **(_written(named.health) if named and named.health else {})}
    return HealthKeys(**keys) if keys else None


def _written(keys: Part | None) -> dict[str, Any]:
    return {} if keys is None else {name: getattr(keys, name) for name in keys.model_fields_set}


def _from_labels(service: str, labels: Mapping[str, str]) -> ServicePolicy:
    """What the labels say, in the policy's own form; raises PolicyError with every mistake in them."""
    if not any(label.startswith(OURS) for label in labels):
        return _NOTHING
    problems = list(_strangers(service, labels))
    document: dict[str, Any] = {}
    for label in ARRANGING_LABELS:
        part, _dot, key = label.removeprefix(OURS).partition(".")
        if label in labels and key and label not in HEALTH_LABELS:
            document.setdefault(part, {})[key] = labels[label]
        elif label in labels and label in NAMED:
            document[part] = labels[label]
    try:
        found = parse(ServicePolicy, document, f"service {service}", OURS[:-1])
    except PolicyError as error:
        raise PolicyError([*problems, *error.problems]) from None
    if problems:
        raise PolicyError(problems)
    return found


def _strangers(service: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    """A misspelt label of ours is told, not passed over; scaling's own are looked at there."""
    for name in sorted(labels):
        strange = name.startswith(OURS) and not name.startswith("swarmherd.scale.") and name not in ARRANGING_LABELS
        if strange and (near := resembling(name, ARRANGING_LABELS)):
            yield Problem(f"service {service}", name, "there is no such label", near)
