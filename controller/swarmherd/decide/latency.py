# SPDX-License-Identifier: GPL-3.0-or-later
"""The fewest replicas that answer so many of the requests within a time (`decide/queueing.py` has the formulas).

What is asked for follows from the arrivals alone, not from how the replicas that there are do: more requests never ask
for fewer replicas. Unknown arrivals are unknown (S1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from swarmherd.decide.judge import MOST, Wish, needed, unknown
from swarmherd.decide.measure import whole
from swarmherd.decide.queueing import busiest, chances_to_wait, latency_at, response, share_later
from swarmherd.decide.situation import Situation
from swarmherd.decide.words import count, latency, number
from swarmherd.model import Evidence, Reading
from swarmherd.policy.queueing import QueueMetric

_IDLE = 1e-9


@dataclass(frozen=True, slots=True)
class Answer:
    """The fewest replicas, and how fast they and one fewer would be."""

    replicas: int
    seconds: float
    """Within which the target's share of the requests is answered."""
    seconds_of_one_fewer: float
    """Infinite where it would not keep up, or where no curve reaches so far."""


def wish_of_queue(s: Situation, name: str, metric: QueueMetric) -> Wish:
    """What a latency target asks for; unknown where the arrivals are, or where no replica runs that should."""
    reading, target = whole(s, name), f"{metric.name} {latency(metric.seconds)}"
    if reading.value is not None and s.replicas > 0 and not s.running:
        reading = Reading(None, s.now, "", "no replica runs on a node that is up")
    if reading.value is None:
        return unknown(name, target, reading)
    if reading.value <= _IDLE:
        replicas, why = 0, f"{name}: no requests come"
    else:
        replicas, why = _judged(s, metric, reading.value)
    return Wish(replicas, why, (Evidence(name, reading, target, replicas),))


def _judged(s: Situation, metric: QueueMetric, arrivals: float) -> tuple[int, str]:
    """Up as soon as it is needed; down only so far that the tolerance more requests could come (S5)."""
    answer = fewest(metric, arrivals)
    why = _sentence(metric, arrivals, answer)
    if answer.replicas >= s.replicas:
        return answer.replicas, why
    more = arrivals * (1 + s.scale.tolerance)
    roomy = min(s.replicas, fewest(metric, more).replicas)
    return roomy, why if roomy == answer.replicas else f"{why}, and {number(more)} would take {roomy} or more"


def fewest(metric: QueueMetric, arrivals: float) -> Answer:
    """The fewest replicas that keep the target with so many requests per second, above 0; at most MOST."""
    if arrivals / metric.queue.capacity >= MOST:
        return Answer(MOST, math.inf, math.inf)
    return _by_curve(metric, arrivals) if metric.queue.curve else _by_formula(metric, arrivals)


def _by_formula(metric: QueueMetric, arrivals: float) -> Answer:
    """Replicas of `concurrency` servers each, one more at a time, until no more are late than may be."""
    unit, each = metric.queue.service_seconds, metric.queue.concurrency
    load, allowed = arrivals * unit, metric.seconds / unit
    counts = ((servers, waiting) for servers, waiting in chances_to_wait(load) if servers % each == 0)
    fewer, (servers, waiting) = None, next(counts)
    while share_later(allowed, load, servers, waiting) > 1.0 - metric.share:
        fewer, (servers, waiting) = (servers, waiting), next(counts)
    before = response(metric.share, load, *fewer) if fewer else math.inf
    return Answer(servers // each, response(metric.share, load, servers, waiting) * unit, before * unit)


def _by_curve(metric: QueueMetric, arrivals: float) -> Answer:
    """So many replicas that none is busier than the curve allows."""
    curve = [(point.utilisation, point.latency) for point in metric.queue.curve]
    capacity = metric.queue.capacity
    replicas = max(1, needed(arrivals, capacity * busiest(curve, metric.seconds)))
    fewer = replicas - 1
    before = latency_at(curve, arrivals / (capacity * fewer)) if fewer else math.inf
    return Answer(replicas, latency_at(curve, arrivals / (capacity * replicas)), before)


def _sentence(metric: QueueMetric, arrivals: float, answer: Answer) -> str:
    """`42 requests/s at 10/s each: 5 replicas would answer 95 % within 1.2 s, 6 within 480 ms (target 500 ms)`."""
    said = f"{number(arrivals)} requests/s at {number(metric.queue.capacity)}/s each"
    if answer.replicas >= MOST:
        return f"{said} are too many for any number of replicas"
    share, fewer = f"{float(metric.name[1:]):g} %", answer.replicas - 1
    these = f"within {latency(answer.seconds)} (target {latency(metric.seconds)})"
    if fewer == 0:
        return f"{said}: 1 replica would answer {share} {these}"
    if math.isfinite(answer.seconds_of_one_fewer):
        before = f"{count(fewer, 'replica')} would answer {share} within {latency(answer.seconds_of_one_fewer)}"
        return f"{said}: {before}, {answer.replicas} {these}"
    too_few = "would be busier than the curve goes" if metric.queue.curve else "would not keep up"
    return f"{said}: {count(fewer, 'replica')} {too_few}, {answer.replicas} would answer {share} {these}"
