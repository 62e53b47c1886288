# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins what Docker and Prometheus say into one ClusterView, taken at one instant."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from swarmherd.model import ClusterView, Reading, Sample
from swarmherd.observe.docker import Docker
from swarmherd.observe.prometheus import Prometheus
from swarmherd.policy import Policy, queries

NO_PROMETHEUS = "swarmherd_cluster.prometheus_url is not set"


class Observe(Protocol):
    """The first step of a cycle."""

    def observe(self, policy: Policy, now: datetime) -> ClusterView:
        """Raises ObserveError when Docker cannot be read: then nothing is decided."""


class Observer:
    """Reads one live cluster. Docker comes first: without it there is nothing to ask Prometheus about."""

    def __init__(self, cluster: str, docker: Docker, prometheus: Prometheus | None) -> None:
        self._cluster = cluster
        self._docker = docker
        self._prometheus = prometheus

    def observe(self, policy: Policy, now: datetime) -> ClusterView:
        state = self._docker.read()
        asked = queries(policy, state.services)
        if self._prometheus is not None:
            samples = self._prometheus.sample(asked, now)
        else:
            samples = MappingProxyType(
                {(q.service, q.metric): Sample(whole=Reading(None, now, q.promql, NO_PROMETHEUS)) for q in asked}
            )
        return ClusterView(self._cluster, now, state.nodes, state.services, state.tasks, samples)

    def close(self) -> None:
        self._docker.close()
        if self._prometheus is not None:
            self._prometheus.close()
