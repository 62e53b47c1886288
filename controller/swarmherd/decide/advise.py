# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service's tasks should reserve and may use at most, by what they have used. Advice: nothing acts on it.

The method is that of the recommender of Kubernetes' Vertical Pod Autoscaler (`pkg/recommender/logic` of
kubernetes/autoscaler): a percentile of what was used, with a safety margin of 15 %. CPU is reserved by p90, since more
only makes a task wait; memory by p99 and limited by the peak, since more ends a task. It differs in three things: what
counts at each instant is the busiest task, for Swarm reserves the same for each; all samples weigh the same; and where
the past is shorter than was asked for, or has holes, the peak stands in for every percentile, for nobody knows what
else was used. Of a past that is too short nothing is proposed (S1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarmherd.decide.words import duration, number
from swarmherd.model import Node, NodeState, Service
from swarmherd.policy import AdviseKeys

WHOLE = 0.95
"""A past of which so much is known counts as known."""
AT_LIMIT = 0.95
"""Who used so much of a limit may have been held by it."""
MEBIBYTE = 2**20


class Resource(StrEnum):
    CPU = "cpu"
    """In cores."""
    MEMORY = "memory"
    """In bytes."""


LEAST: Mapping[Resource, float] = {Resource.CPU: 0.01, Resource.MEMORY: 6.0 * MEBIBYTE}
"""Docker takes no limit below these (docs.docker.com, resource constraints of a container)."""


@dataclass(frozen=True, slots=True)
class Used:
    """What the busiest task of a service used at each instant that is known; in cores or bytes."""

    values: tuple[float, ...] = ()
    step_seconds: float = 60.0
    """From one instant to the next."""
    asked_seconds: float = 0.0
    late_seconds: float = 0.0
    """How long after the beginning of what was asked for the first known instant is."""
    problem: str = ""
    """Why nothing is known; empty where something is."""

    @property
    def known_seconds(self) -> float:
        return len(self.values) * self.step_seconds


@dataclass(frozen=True, slots=True)
class Present:
    """What is set now, in cores or bytes; None where nothing is."""

    reservation: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed for one resource of a service, in cores or bytes."""

    resource: Resource
    now: Present
    then: Present
    """What is proposed; None where nothing is."""
    usual: float | None = None
    """The percentile that was asked for; None, as is the peak, where the past is not known well enough."""
    peak: float | None = None
    differs: bool = False
    """Whether it is far enough from what is set to be told."""
    reasons: tuple[str, ...] = ()
    problem: str = ""
    """Why nothing is proposed."""
    too_large: bool = False
    """Whether no node has so much: then no task would find a place."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is proposed for one service."""

    service: Service
    cpu: Proposal
    memory: Proposal

    @property
    def proposals(self) -> tuple[Proposal, Proposal]:
        return (self.cpu, self.memory)

    @property
    def differs(self) -> bool:
        return any(one.differs for one in self.proposals)


def advise(service: Service, used: Mapping[Resource, Used], keys: AdviseKeys, nodes: Sequence[Node]) -> Advice:
    """`used` has both resources; of `nodes` the largest that is ready bounds what can be reserved at all."""
    cpu = Present(service.cpu_reservation, service.cpu_limit)
    memory = Present(service.memory_reservation_bytes, service.memory_limit_bytes)
    ready = [node for node in nodes if node.state is NodeState.READY]
    most_cpu, most_memory = (max(sizes, default=0.0) for sizes in _sizes(ready))
    return Advice(
        service,
        propose(Resource.CPU, used[Resource.CPU], cpu, keys, most_cpu),
        propose(Resource.MEMORY, used[Resource.MEMORY], memory, keys, most_memory),
    )


def propose(resource: Resource, used: Used, now: Present, keys: AdviseKeys, largest: float = 0.0) -> Proposal:
    """`largest` is what the largest node has, 0 for unknown.

    A limit of memory is always proposed; one of CPU only where there is one: without it nobody is slowed down.
    """
    if problem := _too_little(used, keys):
        return Proposal(resource, now, Present(None, None), problem=problem)
    gaps = list(_gaps(used))
    asked = keys.cpu if resource is Resource.CPU else keys.memory
    usual, peak = percentile(used.values, asked), max(used.values)
    reservation = rounded_up(resource, with_margin(peak if gaps else usual, keys.margin))
    limit = None
    if resource is Resource.MEMORY or now.limit is not None:
        limit = max(reservation, rounded_up(resource, with_margin(peak, keys.margin)))
    then = Present(reservation, limit)
    reasons = [
        f"{percentile_name(asked)} of {duration(used.known_seconds)} is {amount(resource, usual)}, "
        f"the peak {amount(resource, peak)}; {number(100 * keys.margin)} % are added"
    ]
    reasons += [f"{gap}, so the peak stands in for {percentile_name(asked)}" for gap in gaps]
    reasons += _warnings(resource, now, then, peak, largest)
    differs, too_large = _differs(now, then, keys.differs), 0 < largest < reservation
    return Proposal(resource, now, then, usual, peak, differs, tuple(reasons), too_large=too_large)


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of `values` (at least one) that `percent` (above 0, up to 100) of them do not exceed.

    The nearest rank, which is the first definition of Hyndman and Fan, *Sample Quantiles in Statistical Packages*
    (1996): always a value that was seen, and never below the percentile by any other definition that lies between two.
    """
    rank = math.ceil(len(values) * percent / 100 - 1e-9)
    return sorted(values)[max(1, rank) - 1]


def with_margin(value: float, margin: float) -> float:
    """`margin` is a part of one."""
    return value * (1 + margin)


def rounded_up(resource: Resource, value: float) -> float:
    """To whole hundredths of a core or mebibytes, and to what Docker takes at all."""
    grain = 100.0 if resource is Resource.CPU else 1 / MEBIBYTE
    return max(LEAST[resource], math.ceil(value * grain - 1e-9) / grain)


def percentile_name(percent: float) -> str:
    return "the peak" if percent == 100 else f"p{percent:g}"


def amount(resource: Resource, value: float | None) -> str:
    """`0.25 cores`, `256 MiB`, `1.5 GiB`; `-` for nothing."""
    if value is None:
        return "-"
    if resource is Resource.CPU:
        return f"{value:.3g} {'core' if value == 1 else 'cores'}"
    for unit, name in ((2**30, "GiB"), (MEBIBYTE, "MiB"), (2**10, "KiB")):
        if value >= unit:
            return f"{value / unit:.4g} {name}"
    return f"{value:.0f} bytes"


def _sizes(nodes: Sequence[Node]) -> tuple[list[float], list[float]]:
    return [node.cpus for node in nodes], [float(node.memory_bytes) for node in nodes]


def _too_little(used: Used, keys: AdviseKeys) -> str:
    if used.problem:
        return used.problem
    if not used.values:
        return "nothing is known of its tasks' use in that time"
    if used.known_seconds < WHOLE * keys.at_least:
        return f"too little history: {duration(used.known_seconds)} of {duration(keys.at_least)}"
    return ""


def _gaps(used: Used) -> Iterator[str]:
    """Why the past is not known as a whole."""
    since = used.asked_seconds - used.late_seconds
    if since < WHOLE * used.asked_seconds:
        yield f"the history is shorter than asked for, {duration(since)} of {duration(used.asked_seconds)}"
    if used.known_seconds < WHOLE * since:
        yield f"it has holes of {duration(since - used.known_seconds)} together"


def _warnings(resource: Resource, now: Present, then: Present, peak: float, largest: float) -> Iterator[str]:
    if now.limit is not None and peak >= AT_LIMIT * now.limit:
        yield f"it was at its limit of {amount(resource, now.limit)}, and might use more without it: look again then"
    if then.reservation is not None and 0 < largest < then.reservation:
        yield f"no node has so much: the largest has {amount(resource, largest)}"


def _differs(now: Present, then: Present, share: float) -> bool:
    pairs = ((now.reservation, then.reservation), (now.limit, then.limit))
    return any(b is not None and (a is None or abs(a - b) > share * b) for a, b in pairs)
