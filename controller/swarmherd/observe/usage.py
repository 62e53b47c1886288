# SPDX-License-Identifier: GPL-3.0-or-later
"""What the busiest task of a service used, as Prometheus remembers it. What is not known is left out, not zero (S1)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from swarmherd.decide.advise import Resource, Used
from swarmherd.observe.past import UnreadableError, past
from swarmherd.observe.prometheus import Prometheus
from swarmherd.policy import Policy
from swarmherd.policy.past_use import BusiestQuery, busiest_cpu, busiest_memory

STEP_SECONDS = 60.0
MOST_INSTANTS = 10_080
"""A week of minutes: of a longer past every second, third, … minute is asked for (S25)."""
NO_TIME = "it was not read in time"


def used(
    prometheus: Prometheus, policy: Policy, service: str, since_seconds: float, now: float, deadline: float = math.inf
) -> Mapping[Resource, Used]:
    """Of the `since_seconds` before `now` (seconds since the epoch). Never raises for what Prometheus says.

    What is not read when the monotonic clock shows `deadline` is not known.
    """
    step = STEP_SECONDS * math.ceil(since_seconds / STEP_SECONDS / MOST_INSTANTS)
    asked = {Resource.CPU: busiest_cpu(policy, service, step), Resource.MEMORY: busiest_memory(policy, service)}
    return {
        resource: _used(prometheus, query, now - since_seconds, now, step, deadline)
        for resource, query in asked.items()
    }


def _used(prometheus: Prometheus, query: BusiestQuery, start: float, end: float, step: float, deadline: float) -> Used:
    if query.problem:
        return Used(problem=query.problem)
    found: list[tuple[float, float]] = []
    days = past(prometheus, query.promql, start, end, step)
    try:
        while time.monotonic() < deadline:
            if (points := next(days, None)) is None:
                return _of(found, start, end, step)
            found += ((at, value) for at, value in points if value >= 0)
    except UnreadableError as error:
        return Used(problem=str(error))
    return Used(problem=NO_TIME)


def _of(points: list[tuple[float, float]], start: float, end: float, step: float) -> Used:
    late = max(0.0, points[0][0] - start) if points else end - start
    return Used(tuple(value for _at, value in points), step, end - start, late)
