# SPDX-License-Identifier: GPL-3.0-or-later
"""What the policy and a service's labels say together about where its tasks run and whether they may be moved.

As with scaling, key by key: the policy's word about the service, then its label, then the policy's defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmherd.model import EMPTY, Service
from swarmherd.policy.anchors import circle
from swarmherd.policy.arranging import MoveKeys, NeighbourKeys
from swarmherd.policy.document import Part
from swarmherd.policy.failing import ServiceFailover
from swarmherd.policy.parse import parse
from swarmherd.policy.problem import PolicyError, Problem
from swarmherd.policy.units import resembling
from swarmherd.policy.wanted import Policy, ServicePolicy

OURS = "swarmherd."
MOVE = "swarmherd.move."
NO_CONSENT = MoveKeys()
NORMAL_FAILOVER = ServiceFailover()
ARRANGING_LABELS = (
    *("swarmherd.follows", "swarmherd.priority", "swarmherd.balancer", "swarmherd.failover"),
    *(MOVE + name for name in MoveKeys.model_fields),
)


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """What is wanted of one service beside its replicas, complete."""

    follows: str | None = None
    priority: int = 0
    move: MoveKeys = NO_CONSENT
    near: tuple[NeighbourKeys, ...] = ()
    apart_from: tuple[NeighbourKeys, ...] = ()
    balancer: str | None = None
    """The backend where its tasks are drained before they are moved (S18)."""
    failover: ServiceFailover = NORMAL_FAILOVER
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
    follows = {name: wish.follows for name, wish in sound.items() if wish.follows is not None}
    for name in follows:
        if why := circle(follows, name):
            problems[name] = (Problem(f"service {name}", "follows", why, "let one of them follow nobody"),)
    return Wishes({name: wish for name, wish in sound.items() if name not in problems}, problems)


def _wish(name: str, policy: Policy, labels: Mapping[str, str]) -> ServiceWish:
    said, named = _from_labels(name, labels), policy.services.get(name)
    move = {**_written(policy.defaults.move), **_written(said.move), **(_written(named.move) if named else {})}
    places = [place for place in (named, said, policy.defaults) if place is not None]
    return ServiceWish(
        follows=named.follows if named and named.follows is not None else said.follows,
        priority=next((p.priority for p in places if "priority" in p.model_fields_set), 0),
        move=MoveKeys(**move),
        near=named.near if named else (),
        apart_from=named.apart_from if named else (),
        balancer=named.balancer if named and named.balancer is not None else said.balancer,
        failover=ServiceFailover(**{**_written(said.failover), **(_written(named.failover) if named else {})}),
        opted_in=named is not None or any(key.startswith(OURS) for key in labels),
    )


def _written(keys: Part | None) -> dict[str, Any]:
    return {} if keys is None else {name: getattr(keys, name) for name in keys.model_fields_set}


def _from_labels(service: str, labels: Mapping[str, str]) -> ServicePolicy:
    """What the labels say, in the policy's own form; raises PolicyError with every mistake in them."""
    problems = list(_strangers(service, labels))
    document: dict[str, Any] = {}
    for label in ARRANGING_LABELS:
        if label in labels and label.startswith(MOVE):
            document.setdefault("move", {})[label.removeprefix(MOVE)] = labels[label]
        elif label in labels:
            document[label.removeprefix(OURS)] = labels[label]
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
