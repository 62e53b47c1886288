# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins what Docker and Prometheus say into one ClusterView, taken at one instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from swarmherd.model import EMPTY, ClusterView, MetricQuery, Reading, Sample, Service
from swarmherd.observe.docker import Docker
from swarmherd.observe.histories import Histories
from swarmherd.observe.prometheus import Prometheus
from swarmherd.observe.use import node_use, task_use
from swarmherd.policy import Policy, queries, use_queries, wants_use

NO_PROMETHEUS = "swarmherd_cluster.prometheus_url is not set"


class Observe(Protocol):
    """The first step of a cycle."""

    def observe(self, policy: Policy, now: datetime) -> ClusterView:
        """Raises ObserveError when Docker cannot be read: then nothing is decided."""


class Observer:
    """Reads one live cluster. Docker comes first: without it there is nothing to ask Prometheus about.

    `wants_use` says whether nodes' and tasks' real use is asked for. Those questions come last, after what scaling
    needs, and within the same budget of time. `histories`, from which strategy `predictive` learns, have one of their
    own.
    """

    def __init__(
        self,
        cluster: str,
        docker: Docker,
        prometheus: Prometheus | None,
        wants_use: Callable[[Policy, Sequence[Service]], bool] = wants_use,
        histories: Histories | None = None,
    ) -> None:
        self._cluster = cluster
        self._wants_use = wants_use
        self._docker = docker
        self._prometheus = prometheus
        self._histories = histories

    def observe(self, policy: Policy, now: datetime) -> ClusterView:
        state = self._docker.read()
        scaling = queries(policy, state.services)
        use = use_queries(policy) if self._wants_use(policy, state.services) else ()
        samples = self._answers((*scaling, *use), now)
        histories = self._histories
        outlooks = histories.outlooks(policy, state.services, scaling, samples, now) if histories else EMPTY
        return ClusterView(
            self._cluster,
            now,
            state.nodes,
            state.services,
            state.tasks,
            MappingProxyType({key: sample for key, sample in samples.items() if key[0]}),
            node_use(state.nodes, use, samples, now) if use else EMPTY,
            task_use(state.tasks, use, samples, now) if use else EMPTY,
            outlooks,
        )

    def _answers(self, asked: Sequence[MetricQuery], now: datetime) -> Mapping[tuple[str, str], Sample]:
        if self._prometheus is not None:
            return self._prometheus.sample(asked, now)
        return {(q.service, q.metric): Sample(whole=Reading(None, now, q.promql, NO_PROMETHEUS)) for q in asked}

    def close(self) -> None:
        self._docker.close()
        if self._prometheus is not None:
            self._prometheus.close()
