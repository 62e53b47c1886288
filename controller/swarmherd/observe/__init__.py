# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins what Docker and Prometheus say into one ClusterView, taken at one instant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from swarmherd.breaker import PROMETHEUS, Breakers
from swarmherd.model import EMPTY, ClusterView, MetricQuery, Node, Probe, Sample, Service
from swarmherd.observe.docker import SwarmState
from swarmherd.observe.health import HealthChecks
from swarmherd.observe.histories import Histories
from swarmherd.observe.prometheus import unknown
from swarmherd.observe.use import node_use, task_use
from swarmherd.policy import Policy, health_queries, queries, use_queries, wants_use

NO_PROMETHEUS = "swarmherd_cluster.prometheus_url is not set"


Probes = Callable[[Sequence[Node]], Mapping[str, Probe]]
"""What our own looks know of these nodes' hosts, by node id."""


def no_probes(nodes: Sequence[Node]) -> Mapping[str, Probe]:  # noqa: ARG001  (as Probes is)
    """Nothing is looked at."""
    return EMPTY


class Managers(Protocol):
    """The Swarm, as its managers tell of it: `observe.docker.Docker` on a live cluster."""

    def read(self, breakers: Breakers | None = None) -> SwarmState:
        """Raises DockerError."""

    def close(self) -> None: ...


class Measurements(Protocol):
    """Who answers questions about metrics: `observe.prometheus.Prometheus` on a live cluster."""

    @property
    def trouble(self) -> str:
        """Why the last look came to nothing; empty where it was answered."""

    def sample(self, queries: Iterable[MetricQuery], now: datetime) -> Mapping[tuple[str, str], Sample]:
        """An answer for each, by service and metric; never raises."""

    def close(self) -> None: ...


class Observe(Protocol):
    """The first step of a cycle."""

    def observe(self, policy: Policy, now: datetime) -> ClusterView:
        """Raises ObserveError when Docker cannot be read: then nothing is decided."""


class Observer:
    """Reads one live cluster. Docker comes first: without it there is nothing to ask Prometheus about.

    `probes` tells what is known of the nodes' hosts beside what Swarm says, `breakers` what is not asked for a while.
    `wants_use` says whether nodes' and tasks' real use is asked for. Those questions come last, after what scaling
    needs, and within the same budget of time; where that is too short for all, each has its turn. `histories`, from
    which strategy `predictive` learns, have a budget of their own.
    """

    def __init__(
        self,
        cluster: str,
        docker: Managers,
        prometheus: Measurements | None,
        wants_use: Callable[[Policy, Sequence[Service]], bool] = wants_use,
        health: HealthChecks | None = None,
        probes: Probes = no_probes,
        breakers: Breakers | None = None,
        histories: Histories | None = None,
    ) -> None:
        self._cluster = cluster
        self._wants_use = wants_use
        self._docker = docker
        self._prometheus = prometheus
        self._health = health or HealthChecks()
        self._probes = probes
        self._breakers = breakers
        self._histories = histories

    def observe(self, policy: Policy, now: datetime) -> ClusterView:
        state = self._docker.read(self._breakers)
        scaling, health = queries(policy, state.services), health_queries(policy, state.services)
        use = use_queries(policy) if self._wants_use(policy, state.services) else ()
        samples = self._answers((*scaling, *health, *use), now)
        histories = self._histories
        outlooks = histories.outlooks(policy, state.services, scaling, samples, now) if histories else EMPTY
        view = ClusterView(
            self._cluster,
            now,
            state.nodes,
            state.services,
            state.tasks,
            MappingProxyType({key: sample for key, sample in samples.items() if key[0]}),
            node_use(state.nodes, use, samples, now) if use else EMPTY,
            task_use(state.tasks, use, samples, now) if use else EMPTY,
            outlooks,
            probes=self._probes(state.nodes),
        )
        return self._health.look(policy, view, samples)

    def _answers(self, asked: Sequence[MetricQuery], now: datetime) -> Mapping[tuple[str, str], Sample]:
        if self._prometheus is None:
            return _all_unknown(asked, now, NO_PROMETHEUS)
        if self._breakers is None or not asked:
            return self._prometheus.sample(asked, now)
        if why := self._breakers.why_not(PROMETHEUS):
            return _all_unknown(asked, now, f"Prometheus is not asked: {why}")
        answers = self._prometheus.sample(asked, now)
        if self._prometheus.trouble:
            self._breakers.failed(PROMETHEUS, self._prometheus.trouble)
        else:
            self._breakers.succeeded(PROMETHEUS)
        return answers

    def close(self) -> None:
        self._docker.close()
        if self._prometheus is not None:
            self._prometheus.close()


def _all_unknown(asked: Sequence[MetricQuery], now: datetime, why: str) -> Mapping[tuple[str, str], Sample]:
    return {(q.service, q.metric): unknown(q, now, why) for q in asked}
