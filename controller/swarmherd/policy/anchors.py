# SPDX-License-Identifier: GPL-3.0-or-later
"""Who follows whom, and what cannot be true of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from swarmherd.policy.merge import Contradiction
from swarmherd.policy.wanted import ServicePolicy

NODE_LABEL = "swarmherd.anchor."
"""Completed by the anchor's name: the label of the node that the anchor runs on."""


def anchor_label(anchor: str) -> str:
    return f"{NODE_LABEL}{anchor}"


def anchor_constraint(anchor: str) -> str:
    """What a dependent is given, so that Swarm keeps it beside its anchor."""
    return f"node.labels.{anchor_label(anchor)}==yes"


def chain_of(follows: Mapping[str, str], service: str) -> tuple[str, ...]:
    """`service`, its anchor, that one's anchor, …: up to one that follows nobody, or that stood there before."""
    chain = [service]
    while (anchor := follows.get(chain[-1])) is not None:
        chain.append(anchor)
        if chain.count(anchor) > 1:
            break
    return tuple(chain)


def circle(follows: Mapping[str, str], service: str) -> str | None:
    """The mistake in words, where `service` comes to follow itself."""
    chain = chain_of(follows, service)
    if chain[-1] != service or len(chain) == 1:
        return None
    if len(chain) == 2:
        return f"{service} follows itself"
    return f"it follows itself: {' -> '.join(chain)}"


def followers(follows: Mapping[str, str]) -> dict[str, list[str]]:
    """By anchor: every service that follows it, directly or through others, by name."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(follows):
        for anchor in {*chain_of(follows, name)} - {name}:
            found[anchor].append(name)
    return dict(found)


def between_services(services: Mapping[str, ServicePolicy]) -> Iterator[tuple[str, Contradiction]]:
    """What services say of each other that cannot be true, each with the service that says it."""
    follows = {name: service.follows for name, service in services.items() if service.follows is not None}
    told: set[frozenset[str]] = set()
    for name, service in services.items():
        if why := circle(follows, name):
            ring = frozenset(chain_of(follows, name))
            if ring not in told:
                told.add(ring)
                yield name, Contradiction("follows", why, "let one of them follow nobody")
        yield from ((name, found) for found in _neighbours(name, service))


def _neighbours(name: str, service: ServicePolicy) -> Iterator[Contradiction]:
    near = {other.service for other in service.near if other.weight is None}
    apart = {other.service for other in service.apart_from if other.weight is None}
    if any(other.service == name for other in service.near):
        yield Contradiction("near", f"{name} cannot be near itself", "name another service")
    if both := sorted(near & apart):
        yield Contradiction("apart_from", f"{both[0]} is to be near as well", "keep one of them, or give it a weight")
    if service.follows is not None and service.follows in apart:
        yield Contradiction("apart_from", f"it follows {service.follows}", "keep one of them")
