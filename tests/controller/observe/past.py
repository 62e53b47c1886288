# SPDX-License-Identifier: GPL-3.0-or-later
"""A past for the loopback Prometheus: a demand as a function of time, that range queries and instant ones answer by."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.controller.conftest import Answer, Metrics, as_json, vector

Demand = Callable[[float], float | None]
"""Requests per second at an instant (seconds since the epoch); None where there is no series."""
HOUR = 3600.0


def usual(at: float) -> float:
    """Four times as much from minute 32 to minute 37 of each hour as at any other time."""
    return 400.0 if 32 * 60 <= at % HOUR < 37 * 60 else 100.0 + 3.0 * math.sin(at / 97.0)


def matrix(points: list[tuple[float, str]]) -> Answer:
    series = [{"metric": {}, "values": [[at, text] for at, text in points]}] if points else []
    return as_json({"status": "success", "data": {"resultType": "matrix", "result": series}})


class Past:
    """What `metrics` answers from now on."""

    def __init__(self, metrics: Metrics, demand: Demand = usual, since: float = 0.0) -> None:
        self.metrics, self.demand, self.since = metrics, demand, since
        self.ranges: list[tuple[float, float]] = []
        """Those that were asked for."""
        self.steps: set[float] = set()
        self.broken: Answer | None = None
        """Stands in for the answer to any range query."""
        metrics.answer = self.answer

    def answer(self, parameters: dict[str, str]) -> Answer:
        if "start" not in parameters:
            at = float(parameters["time"])
            value = self.demand(at)
            return vector([] if value is None else [({}, str(value))], at)
        start, end, step = (float(parameters[key]) for key in ("start", "end", "step"))
        self.ranges.append((start, end))
        self.steps.add(step)
        if self.broken is not None:
            return self.broken
        times = (start + step * n for n in range(int((end - start) / step) + 1))
        known = ((at, self.demand(at)) for at in times if at >= self.since)
        return matrix([(at, str(value)) for at, value in known if value is not None])
