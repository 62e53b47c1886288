# SPDX-License-Identifier: GPL-3.0-or-later
"""The fewest replicas that answer so many of the requests within a time (`decide/queueing.py` has the formulas).

What is asked for follows from the arrivals alone, not from how the replicas that there are do: more requests never ask
for fewer replicas. Unknown arrivals are unknown (S1).
"""

from __future__ import annotations

import math

from swarmherd.decide.judge import MOST, Wish, needed, unknown
from swarmherd.decide.measure import whole
from swarmherd.decide.queueing import busiest, chance_to_wait, chances_to_wait, latency_at, response, share_later
from swarmherd.decide.situation import Situation
from swarmherd.decide.words import count, latency, number
from swarmherd.model import Evidence, Reading
from swarmherd.policy.queueing import Queue, QueueMetric

_IDLE = 1e-9


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
    least = fewest(metric, arrivals)
    why = _sentence(metric, arrivals, least)
    if least >= s.replicas:
        return least, why
    more = arrivals * (1 + s.scale.tolerance)
    roomy = min(s.replicas, fewest(metric, more))
    return roomy, why if roomy == least else f"{why}, and {number(more)} would take {roomy} or more"


def fewest(metric: QueueMetric, arrivals: float) -> int:
    """The fewest replicas that keep the target with so many requests per second, above 0; at most MOST."""
    queue = metric.queue
    if arrivals / queue.capacity >= MOST:
        return MOST
    if queue.curve:
        return max(1, needed(arrivals, queue.capacity * busiest(_points(queue), metric.seconds)))
    load, allowed, late = arrivals * queue.service_seconds, metric.seconds / queue.service_seconds, 1.0 - metric.share
    return next(
        servers // queue.concurrency
        for servers, waiting in chances_to_wait(load)
        if servers % queue.concurrency == 0 and share_later(allowed, load, servers, waiting) <= late
    )


def seconds_with(metric: QueueMetric, arrivals: float, replicas: int) -> float:
    """Within how long so many replicas answer the target's share of the requests.

    Infinite where they would not keep up, and where no curve reaches so far.
    """
    queue = metric.queue
    if queue.curve:
        return latency_at(_points(queue), arrivals / (queue.capacity * replicas)) if replicas else math.inf
    load, servers = arrivals * queue.service_seconds, replicas * queue.concurrency
    if servers <= load:
        return math.inf
    return response(metric.share, load, servers, chance_to_wait(load, servers)) * queue.service_seconds


def _points(queue: Queue) -> list[tuple[float, float]]:
    return [(point.utilisation, point.latency) for point in queue.curve]


def _sentence(metric: QueueMetric, arrivals: float, replicas: int) -> str:
    """`42 requests/s at 10/s each: 5 replicas would answer 95 % within 1.2 s, 6 within 480 ms (target 500 ms)`."""
    said = f"{number(arrivals)} requests/s at {number(metric.queue.capacity)}/s each"
    if replicas >= MOST:
        return f"{said} are too many for any number of replicas"
    share, fewer = f"{float(metric.name[1:]):g} %", replicas - 1
    these = f"within {latency(seconds_with(metric, arrivals, replicas))} (target {latency(metric.seconds)})"
    if fewer == 0:
        return f"{said}: 1 replica would answer {share} {these}"
    before = seconds_with(metric, arrivals, fewer)
    if before < math.inf:
        return f"{said}: {count(fewer, 'replica')} would answer {share} within {latency(before)}, {replicas} {these}"
    too_few = "would be busier than the curve goes" if metric.queue.curve else "would not keep up"
    return f"{said}: {count(fewer, 'replica')} {too_few}, {replicas} would answer {share} {these}"
