# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes could take a task of a service, and why the others could not: placing's filters, in words. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from swarmherd.decide.place import Neighbour, Placer, TaskShape
from swarmherd.decide.place.filters import explain as why_not
from swarmherd.decide.place.seen import nodes as seen_nodes
from swarmherd.decide.place.seen import shape as seen_shape
from swarmherd.decide.scene import settings_of
from swarmherd.explain.words import listed
from swarmherd.model import ClusterView, Service
from swarmherd.plan.capacity import AS_SWARM, as_swarm_counts
from swarmherd.policy import Policy, service_wishes
from swarmherd.policy.arranging import NeighbourKeys


@dataclass(frozen=True, slots=True)
class Room:
    """`takes` are hostnames, the best node first; `refusals` tells of all others, and `problems` what is unreadable."""

    takes: tuple[str, ...]
    refusals: str
    problems: tuple[str, ...]
    by_swarm: tuple[str, ...] = ()
    """Those of the others that Swarm itself would choose from: it knows neither real use nor our wishes."""

    def sentence(self, what: str) -> str:
        """`what` is the task in question: `another task of it`."""
        others = f"; the others do not take it: {self.refusals}" if self.refusals else ""
        also = f". Swarm itself looks at less, and may start it on {listed(self.by_swarm)}" if self.by_swarm else ""
        if not self.takes:
            return f"By its filters no node takes {what}: {self.refusals or 'there are no nodes'}{also}."
        return f"{what[0].upper()}{what[1:]} fits on {listed(self.takes)}{others}{also}."


def room_for(view: ClusterView, policy: Policy, service: Service, *, without: Collection[str] = ()) -> Room:
    """For one more task of `service`; the tasks `without` are taken to be gone."""
    shape, problems = _shape(view, policy, service)
    seen = seen_nodes(view, without=without)
    placer = Placer(seen, settings_of(policy.placement))
    names = {node.id: node.hostname for node in view.nodes}
    takes = tuple(names[ranked.node] for ranked in placer.ranking(shape))
    swarms = Placer(list(map(as_swarm_counts, seen)), AS_SWARM).ranking(seen_shape(service).shape)
    by_swarm = sorted({names[ranked.node] for ranked in swarms} - set(takes))
    return Room(takes, why_not(placer.columns, shape) if seen else "", problems, tuple(by_swarm))


def _shape(view: ClusterView, policy: Policy, service: Service) -> tuple[TaskShape, tuple[str, ...]]:
    wish = service_wishes(policy, view.services).of(service.name)
    seen = seen_shape(
        service, near=map(_neighbour, wish.near), apart_from=map(_neighbour, wish.apart_from), priority=wish.priority
    )
    return seen.shape, seen.problems


def _neighbour(keys: NeighbourKeys) -> Neighbour:
    return Neighbour(keys.service, keys.weight)
