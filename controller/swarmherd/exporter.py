# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller tells Prometheus of itself and of its clusters, at an address of its own.

Of a cluster that another controller leads it tells that alone: a sum over both controllers counts everything once.
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

import swarmherd
from swarmherd.loop import Cycle
from swarmherd.model import BreakerState, Memory, Plan

EVERYWHERE = "0.0.0.0"  # noqa: S104  (where no address is given)
CYCLE_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Bounds of the buckets: what looking alone takes, and what a cycle with a few playbooks does."""


class Exporter(Collector):
    """Holds what the last cycle of each cluster came to, and counts. May be told and asked from several threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._cycles = Counter(
            "swarmherd_cycles", "Cycles that this controller led.", ("cluster", "outcome"), registry=self.registry
        )
        self._seconds = Histogram(
            "swarmherd_cycle_duration_seconds",
            "How long a cycle took, its playbooks included.",
            ("cluster",),
            buckets=CYCLE_SECONDS,
            registry=self.registry,
        )
        self._actions = Counter(
            "swarmherd_actions",
            "Actions by what became of them; observed: told and not done, in mode observe.",
            ("cluster", "kind", "outcome"),
            registry=self.registry,
        )
        self._lock = threading.Lock()
        self._led: dict[str, bool] = {}
        self._last: dict[str, Cycle] = {}
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def tried(self, cluster: str, cycle: Cycle | None, seconds: float, leads: bool) -> None:
        """A cycle and how long it took; None for one that could not begin. It may not be known whether we lead."""
        if cycle is None or cycle.failed:
            self.abandoned(cluster)
        else:
            self._cycles.labels(cluster, "completed").inc()
        self._seconds.labels(cluster).observe(seconds)
        if cycle is not None and cycle.plan is not None:
            for action, result in zip(cycle.plan.actions, cycle.results, strict=False):
                outcome = "observed" if result is None else result.outcome.value
                self._actions.labels(cluster, action.kind, outcome).inc()
        with self._lock:
            self._led[cluster] = leads
            if cycle is not None and not cycle.failed:
                self._last[cluster] = cycle

    def abandoned(self, cluster: str) -> None:
        """A cycle in which nothing was decided."""
        self._cycles.labels(cluster, "abandoned").inc()

    def stands_by(self, cluster: str) -> None:
        """Another controller leads the cluster, or nobody does."""
        with self._lock:
            self._led[cluster] = False
            self._last.pop(cluster, None)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            led, last = dict(self._led), dict(self._last)
        yield InfoMetricFamily("swarmherd_build", "This controller.", {"version": swarmherd.__version__})
        families = _Families()
        for cluster, leads in led.items():
            families.leader.add_metric([cluster], leads)
        for cluster, cycle in last.items():
            families.last.add_metric([cluster], cycle.at.timestamp())
            if cycle.plan is not None:
                families.planned(cluster, cycle.plan)
            if cycle.memory is not None:
                families.remembered(cluster, cycle.memory)
        yield from families.all


class _Families:
    """The gauges of one scrape: a service or a node that is gone has none in the next."""

    def __init__(self) -> None:
        self.all: list[GaugeMetricFamily] = []
        self.leader = self._gauge("leader", "1 where this controller leads the cluster.")
        self.last = self._gauge(
            "last_cycle_timestamp_seconds", "When the last cycle that was not abandoned began, in Unix time."
        )
        self._replicas = self._gauge("service_replicas", "Replicas that the service is set to.", "service")
        self._decided = self._gauge(
            "service_decided_replicas", "Replicas that the last cycle decided on, after every limit.", "service"
        )
        self._wished = self._gauge(
            "service_wished_replicas", "Replicas that the metrics asked for, before any limit.", "service"
        )
        self._blind = self._gauge("service_blind", "1 where a metric that the policy names is unknown.", "service")
        self._failures = self._gauge("service_failures", "Actions given up in a row.", "service")
        self._waiting = self._gauge(
            "service_waiting_tasks", "Tasks that Swarm has no place for, of services that are to be healed.", "service"
        )
        self._standing = self._gauge("node_standing", "1 for how the node stands.", "node", "standing")
        self._brake = self._gauge(
            "brake", "1 while so much looks bad that the controller takes itself to be cut off, and disrupts nothing."
        )
        self._pauses = self._gauge("pauses", "Pauses that people set and that hold.")
        self._breaker = self._gauge("breaker_open", "1 while what failed again and again is not asked.", "breaker")

    def _gauge(self, name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"swarmherd_{name}", documentation, labels=("cluster", *labels))
        self.all.append(family)
        return family

    def planned(self, cluster: str, plan: Plan) -> None:
        """What was decided, and how the nodes stand."""
        for one in plan.decisions:
            labels = [cluster, one.service]
            counts = ((self._replicas, one.now), (self._decided, one.then), (self._wished, one.wish))
            for family, replicas in counts:
                if replicas is not None:
                    family.add_metric(labels, replicas)
            self._blind.add_metric(labels, one.blind)
        rescue = plan.arrangement.rescue
        # Names of nodes may repeat, and Prometheus takes nothing of an answer that has a series twice.
        for node, standing in {(node.name, node.standing.value) for node in rescue.standings}:
            self._standing.add_metric([cluster, node, standing], 1)
        waiting = Tally[str]()
        for finding in rescue.findings:
            waiting[finding.service] += len(finding.waiting)
        for service, tasks in waiting.items():
            self._waiting.add_metric([cluster, service], tasks)
        self._brake.add_metric([cluster], bool(rescue.brake))

    def remembered(self, cluster: str, memory: Memory) -> None:
        """What the next cycle will know."""
        for service, one in memory.services.items():
            self._failures.add_metric([cluster, service], one.failures)
        self._pauses.add_metric([cluster], len(memory.pauses))
        for name, breaker in memory.breakers.items():
            self._breaker.add_metric([cluster, name], breaker.state is not BreakerState.CLOSED)


class ListenError(Exception):
    """Nothing can answer at the address: one sentence."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host is every address of this machine."""

    host: str
    port: int

    @classmethod
    def parsed(cls, text: str) -> Address:
        """`HOST:PORT` or `:PORT`; an address of IPv6 stands in brackets. Raises ListenError."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ListenError(f"{text!r} ends in no port")
        if ":" in host and not bracketed:
            raise ListenError(f"{text!r} is no address and port; one of IPv6 stands in brackets")
        return cls(host[1:-1] if bracketed else host, int(port))


@contextmanager
def serving(exporter: Exporter, address: Address | None) -> Iterator[None]:
    """Answers there meanwhile; nowhere without an address. Raises ListenError."""
    if address is None:
        yield
        return
    try:
        server, thread = start_http_server(address.port, address.host or EVERYWHERE, exporter.registry)
    except OSError as error:
        where = f"{address.host}:{address.port}"
        raise ListenError(f"nothing can answer for the metrics at {where}: {error.strerror}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
