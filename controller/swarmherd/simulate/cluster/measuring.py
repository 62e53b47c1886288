# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Prometheus of the simulated cluster answers, and what becomes of it when it is down, empty, stale or lies."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from swarmherd.model import MetricQuery, MetricScope, Reading, Sample, Task, TaskState
from swarmherd.observe.stretches import Stretch
from swarmherd.policy import HEALTH
from swarmherd.simulate.cluster.swarm import Swarm
from swarmherd.simulate.cluster.waiting import Line

SCRAPE_SECONDS = 15.0
"""Prometheus' own default: everything is known as it was at the last scrape."""
MOST_LOOKS = 20
"""How often the demand of a rate's window is looked at, to take its mean."""
LIE = 100.0
"""A Prometheus that lies says so many times too much."""
ENGINE_SHARE = 0.1
"""Of a node's memory that is used with no task on it."""
ANSWERS_SECONDS = 0.02
"""How soon a node's exporter answers, however busy the node is."""


_RANGE = re.compile(r"\[((?:\d+(?:ms|[smhdw]))+)(?::[^\]]*)?\]", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class Answers(StrEnum):
    """How the server behaves."""

    RIGHT = "right"
    DOWN = "down"
    EMPTY = "empty"
    STALE = "stale"
    LYING = "lying"


_SAYS_NOTHING = {
    Answers.DOWN: "Prometheus cannot be reached",
    Answers.EMPTY: "no series",
    Answers.STALE: "stale: Prometheus' newest scrape is 300 s old",
}


def window_seconds(promql: str) -> float:
    """The longest range that a question looks back over; 0 where it asks for nothing but the newest samples."""
    found = (re.findall(r"(\d+)(ms|[smhdw])", text) for text in _RANGE.findall(promql))
    return max((sum(int(count) * _UNITS[unit] for count, unit in parts) for parts in found), default=0.0)


def span_seconds(window: float, age: float, scrape: float) -> float | None:
    """From the first to the last scrape in a window whose newest one is `age` old. None where there are not two:
    Prometheus has no rate then, and between two that are there its extrapolation keeps to their own rate."""
    steps = math.floor((window - age) / scrape + 1e-9)
    return steps * scrape if steps >= 1 else None


class Measuring:
    """See `observe.Measurements`. Scrapes fall half way between the multiples of `scrape_seconds`, at which cycles
    begin: nobody knows how Prometheus' phase and the controller's lie to each other, and this is the mean of it."""

    def __init__(
        self, swarm: Swarm, scrape_seconds: float = SCRAPE_SECONDS, lines: Mapping[str, Line] = MappingProxyType({})
    ) -> None:
        self._swarm, self._scrape_seconds, self._lines = swarm, scrape_seconds, lines
        self._behaviours = [(0.0, Answers.RIGHT)]
        self._asked: dict[str, MetricQuery] = {}
        """What was asked about services as a whole, by its text."""

    def close(self) -> None:
        """Nothing is open."""

    @property
    def answers(self) -> Answers:
        """How it behaves now."""
        return self._behaviours[-1][1]

    @answers.setter
    def answers(self, answers: Answers) -> None:
        self._behaviours.append((self._swarm.timeline.seconds, answers))

    @property
    def trouble(self) -> str:
        """See `observe.Measurements`."""
        return _SAYS_NOTHING.get(self.answers, "")

    def sample(self, queries: Iterable[MetricQuery], now: datetime) -> Mapping[tuple[str, str], Sample]:
        return {(query.service, query.metric): self._answer(query, now) for query in queries}

    def stretch(self, promql: str, start: float, end: float, step_seconds: float) -> Stretch:
        """See `observe.histories.Past`: of what was asked about a service before. There is a hole where the server had
        nothing to say, what it lied stays in it, and nothing is known of the time before the simulation."""
        if problem := _SAYS_NOTHING.get(self.answers):
            return Stretch(problem=problem)
        query, begin = self._asked[promql], self._swarm.timeline.begin.timestamp()
        first = max(0, math.ceil((begin - start) / step_seconds))
        instants = (start + step * step_seconds for step in range(first, math.floor((end - start) / step_seconds) + 1))
        known = ((at, self._total(query, at - begin)) for at in instants)
        return Stretch(tuple((at, value) for at, value in known if value is not None))

    def _total(self, query: MetricQuery, at: float) -> float | None:
        """Of a service as a whole, as it was known then."""
        behaved = self._behaviours[bisect_right(self._behaviours, at, key=lambda one: one[0]) - 1][1]
        rate = None if behaved in _SAYS_NOTHING else self.demand(query.service, window_seconds(query.promql), at)
        return None if rate is None else rate * (LIE if behaved is Answers.LYING else 1.0)

    def _answer(self, query: MetricQuery, now: datetime) -> Sample:
        if problem := _SAYS_NOTHING.get(self.answers):
            return Sample(whole=Reading(None, now, query.promql, problem))
        if query.scope is MetricScope.SERVICE:
            self._asked[query.promql] = query
            total = self._total(query, self._swarm.timeline.seconds)
            problem = _SAYS_NOTHING[Answers.EMPTY] if total is None else ""
            return Sample(whole=Reading(total, now, query.promql, problem))
        factor = LIE if self.answers is Answers.LYING else 1.0
        values = self._of_nodes(query) if query.scope is MetricScope.NODE else self._of_tasks(query)
        return Sample(by_task={label: Reading(value * factor, now, query.promql) for label, value in values})

    def demand(self, service: str, window: float = 0.0, at: float | None = None) -> float | None:
        """Requests per second, as known then, or now: as they were at the last scrape; with a window what `rate` makes
        of the scrapes in it, which is the mean from the first to the last of them; where requests wait, of those that
        were answered then. None where there are fewer than two."""
        at = self._swarm.timeline.seconds if at is None else at
        asked, newest = self._swarm.habits[service].demand, self._last_scrape(at)
        if not window:
            return asked(max(0.0, newest))
        span = span_seconds(window, at - newest, self._scrape_seconds)
        if span is None:
            return None
        if line := self._lines.get(service):
            return line.rate(newest - span, newest)
        looks = (newest - span * (look + 0.5) / MOST_LOOKS for look in range(MOST_LOOKS))
        return sum(asked(max(0.0, look)) for look in looks) / MOST_LOOKS

    def _last_scrape(self, at: float) -> float:
        every = self._scrape_seconds
        return (math.floor(at / every + 0.5) - 0.5) * every

    def fullness(self, service: str, window: float = 0.0) -> float | None:
        """How busy each of its replicas is; 1 is full. None where the demand is unknown."""
        serving, asked = self._swarm.serving(service), self.demand(service, window)
        if asked is None:
            return None
        return min(1.0, asked / (serving * self._swarm.habits[service].capacity)) if serving else 0.0

    def _running(self) -> Iterator[Task]:
        """Those of which samples come: a silent host's do not."""
        for task in self._swarm.tasks.values():
            if task.state is TaskState.RUNNING and self._swarm.hosts[task.node_id].heard:
                yield task

    def _of_tasks(self, query: MetricQuery) -> Iterator[tuple[str, float]]:
        """In per cent of what a task may use, where it is asked for a service; else in cores and bytes."""
        for task in self._running():
            if query.service in ("", task.service):
                habits, service = self._swarm.habits[task.service], self._swarm.services[task.service]
                if query.metric == HEALTH:
                    yield task.id, 0.0 if task.id in self._swarm.ill else 1.0
                elif query.metric.endswith("memory"):
                    most = service.memory_limit_bytes or service.memory_reservation_bytes
                    yield task.id, habits.memory_bytes * (100.0 / most if query.service and most else 1.0)
                elif (fullness := self.fullness(task.service, window_seconds(query.promql))) is not None:
                    yield task.id, fullness * (100.0 if query.service else habits.cores)

    def _of_nodes(self, query: MetricQuery) -> Iterator[tuple[str, float]]:
        """Shares from 0 to 1, and the seconds in which a node answers."""
        metric, window = query.metric, window_seconds(query.promql)
        for host in self._swarm.hosts.values():
            if host.heard:
                there = [task for task in self._running() if task.node_id == host.node.id]
                if metric == "node:memory":
                    used = sum(self._swarm.habits[task.service].memory_bytes for task in there)
                    share = ENGINE_SHARE + used / host.node.memory_bytes
                elif metric == "node:cpu":
                    full = [(self._swarm.habits[t.service].cores, self.fullness(t.service, window)) for t in there]
                    cores = sum(most * share for most, share in full if share is not None)
                    share = cores / host.node.cpus
                else:
                    share = ANSWERS_SECONDS if metric == "node:response" else ENGINE_SHARE
                yield f"{host.node.address}:9100", min(1.0, share)
