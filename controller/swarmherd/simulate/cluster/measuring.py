# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Prometheus of the simulated cluster answers, and what becomes of it when it is down, empty, stale or lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from swarmherd.model import MetricQuery, MetricScope, Reading, Sample, Task, TaskState
from swarmherd.policy import HEALTH
from swarmherd.simulate.cluster.swarm import Swarm

SCRAPE_SECONDS = 15.0
"""Everything is known as it was at the last scrape."""
LIE = 100.0
"""A Prometheus that lies says so many times too much."""
ENGINE_SHARE = 0.1
"""Of a node's memory that is used with no task on it."""


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


class Measuring:
    """See `observe.Measurements`."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self.answers = Answers.RIGHT

    def close(self) -> None:
        """Nothing is open."""

    @property
    def trouble(self) -> str:
        """See `observe.Measurements`."""
        return _SAYS_NOTHING.get(self.answers, "")

    def sample(self, queries: Iterable[MetricQuery], now: datetime) -> Mapping[tuple[str, str], Sample]:
        return {(query.service, query.metric): self._answer(query, now) for query in queries}

    def _answer(self, query: MetricQuery, now: datetime) -> Sample:
        if problem := _SAYS_NOTHING.get(self.answers):
            return Sample(whole=Reading(None, now, query.promql, problem))
        factor = LIE if self.answers is Answers.LYING else 1.0
        if query.scope is MetricScope.SERVICE:
            return Sample(whole=Reading(self.demand(query.service) * factor, now, query.promql))
        values = self._of_nodes(query.metric) if query.scope is MetricScope.NODE else self._of_tasks(query)
        return Sample(by_task={label: Reading(value * factor, now, query.promql) for label, value in values})

    def demand(self, service: str) -> float:
        """Requests per second, as they were at the last scrape."""
        return self._swarm.habits[service].demand(max(0.0, self._swarm.timeline.seconds - SCRAPE_SECONDS))

    def fullness(self, service: str) -> float:
        """How busy each of its replicas is; 1 is full."""
        serving = self._swarm.serving(service)
        return min(1.0, self.demand(service) / (serving * self._swarm.habits[service].capacity)) if serving else 0.0

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
                else:
                    fullness = self.fullness(task.service)
                    yield task.id, fullness * (100.0 if query.service else habits.cores)

    def _of_nodes(self, metric: str) -> Iterator[tuple[str, float]]:
        """Shares from 0 to 1."""
        for host in self._swarm.hosts.values():
            if host.heard:
                there = [task for task in self._running() if task.node_id == host.node.id]
                if metric == "node:memory":
                    used = sum(self._swarm.habits[task.service].memory_bytes for task in there)
                    share = ENGINE_SHARE + used / host.node.memory_bytes
                elif metric == "node:cpu":
                    cores = sum(self._swarm.habits[t.service].cores * self.fullness(t.service) for t in there)
                    share = cores / host.node.cpus
                else:
                    share = ENGINE_SHARE
                yield f"{host.node.address}:9100", min(1.0, share)
