# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's own past for a backtest: its policy, its demand, how fast it starts, and what was really there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from swarmherd.cli.base import InputError
from swarmherd.cli.progress import told
from swarmherd.decide.predict.foreseen import DEFAULT_LEAD_SECONDS
from swarmherd.decide.words import count, duration, number
from swarmherd.model import Outcome, Service
from swarmherd.observe.past import CHUNK_SECONDS, past
from swarmherd.observe.prometheus import Prometheus
from swarmherd.policy import ScaleKeys, ScalePolicy, Strategy, queries, scale_policies
from swarmherd.policy.labels import scale_keys, scale_labels
from swarmherd.policy.merge import seen_from_zero, target_of_total
from swarmherd.policy.metrics import Metric, RatesMetric, RequestsMetric, RequestsRule, named
from swarmherd.policy.queries import REQUESTS, cpu_capacity, fill
from swarmherd.policy.queueing import QueueMetric
from swarmherd.service import Cluster, clock
from swarmherd.simulate import Account, Course, Demand, TraceError, demand_of, metric_of, replicas_of
from swarmherd.simulate.trace import STEP_SECONDS
from swarmherd.store import Wanted

BIN_SECONDS = 60.0
LONGEST_SECONDS = 60 * 86400.0
UNSEEN_SECONDS = 300.0
"""A count of Prometheus holds so long."""
MOST_ENTRIES = 10_000
NOTHING_BEFORE = "nothing is known of what came before: strategy predictive follows the target in its first two hours"


@dataclass(frozen=True, slots=True)
class OwnPast:
    """All that a backtest on the own history works with."""

    service: str
    demand: Demand
    keys: ScaleKeys
    """As written: what completes the policy's own strategy is no part of other settings."""
    policy: ScalePolicy
    account: Account
    course: Course | None
    """What was there; None where neither Prometheus nor the journal tells."""
    notes: tuple[str, ...]
    """What to know of it, a sentence each."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """What was typed, None where it is to be found out."""

    replica_capacity: float | None
    startup_seconds: float | None
    queue_seconds: float


def own_past(cluster: Cluster, name: str, since_seconds: float, assumed: Assumed, *, ahead: bool = False) -> OwnPast:
    """`ahead`: whatever the policy says, strategy `predictive` will be tried too, which knows what came before.

    Raises InputError where it cannot be tried at all, ObserveError where Docker or Prometheus do not answer.
    """
    prometheus = cluster.prometheus
    if prometheus is None:
        raise InputError("swarmherd_cluster.prometheus_url is not set; a past needs a Prometheus, or give --trace FILE")
    if since_seconds > LONGEST_SECONDS:
        raise InputError(f"--since: more than {LONGEST_SECONDS / 86400:g} days are not read; write 7d")
    service = _service(cluster, name)
    metric_name, metric, scale = _chosen(cluster, service)
    asked = {query.metric: query.promql for query in queries(cluster.policy, [service])}
    end = clock().timestamp()
    notes = [f"{metric_name} alone is tried, for what the others would have been is not known"][
        : len(scale.metrics) - 1
    ]
    demand = _demand(prometheus, name, asked[metric_name], end - since_seconds, end, notes)
    if ahead or scale.strategy is Strategy.PREDICTIVE:
        demand = _with_before(prometheus, asked[metric_name], demand, scale.ahead.history, notes)
    account = _account(cluster, name, scale, metric, assumed, notes)
    written, tried = scale_keys(name, cluster.policy, scale_labels(service)), {"metrics": (_as_requests(metric),)}
    keys, policy = written.model_copy(update=tried), scale.model_copy(update=tried)
    return OwnPast(
        name, demand, keys, policy, account, _happened(cluster, prometheus, service, demand, notes), tuple(notes)
    )


def _service(cluster: Cluster, name: str) -> Service:
    view = cluster.view()
    service = view.service(name)
    if service is None:
        known = ", ".join(sorted(one.name for one in view.services)) or "none"
        raise InputError(f"--service: there is no service {name[:60]!r}; there are: {known}")
    return service


def _chosen(cluster: Cluster, service: Service) -> tuple[str, Metric, ScalePolicy]:
    """The metric that says what is asked of the service as a whole: one with a target before others."""
    policies = scale_policies(cluster.policy, [service])
    if problems := policies.problems.get(service.name):
        raise InputError(str(problems[0]))
    scale = policies.by_service.get(service.name)
    if scale is None:
        raise InputError(f"neither the policy nor its labels say how to scale {service.name}; write scale: with a max")
    if service.replicas is None:
        raise InputError(f"{service.name} is not in replicated mode and has no replicas to choose")
    found = [(name, metric) for name, metric in named(scale.metrics) if seen_from_zero(metric)]
    found.sort(key=lambda one: target_of_total(one[1]) is None)
    if not found or not (cluster.policy.enabled and scale.enabled):
        raise InputError(
            f"{service.name} is scaled on nothing that could be tried on its past; "
            "add requests_per_replica, rates, queue or a query per service"
        )
    name, metric = found[0]
    return (REQUESTS if isinstance(metric, RatesMetric) else name), metric, scale


def _as_requests(metric: Metric) -> Metric:
    """A query per service is to a trial what requests are: a total that replicas share."""
    if isinstance(metric, RatesMetric | RequestsMetric | QueueMetric):
        return metric
    written = metric.rule.model_dump(include={"target", "up", "down", "step"}, exclude_none=True)
    return RequestsMetric(requests_per_replica=RequestsRule.model_validate(written))


def _demand(prometheus: Prometheus, name: str, promql: str, start: float, end: float, notes: list[str]) -> Demand:
    points = list(_points(prometheus, promql, start, end, "reading what was asked for"))
    try:
        demand = demand_of(name, points, BIN_SECONDS)
    except TraceError as error:
        raise InputError(str(error)) from None
    if (missing := demand.first_second - start) > 3600:
        days = f"{missing / 86400:.1f} of {(end - start) / 86400:.1f} days"
        notes.append(f"the history is shorter than asked for: {days} are missing at its beginning")
    if demand.gaps and demand.holes is not None:
        hours = float(demand.holes.sum()) * STEP_SECONDS / 3600
        notes.append(f"it has {count(demand.gaps, 'hole')} of {number(hours)} h together, where nothing is counted")
    return demand


def _with_before(
    prometheus: Prometheus, promql: str, demand: Demand, history_seconds: float, notes: list[str]
) -> Demand:
    """As the controller would have read it when it began."""
    first = demand.first_second
    before = tuple(
        _points(prometheus, promql, first - history_seconds, first - BIN_SECONDS, "reading what came before")
    )
    known = duration(len(before) * BIN_SECONDS)
    notes.append(f"strategy predictive knows {known} of what came before" if before else NOTHING_BEFORE)
    return replace(demand, before=metric_of(before, BIN_SECONDS))


def _points(prometheus: Prometheus, promql: str, start: float, end: float, words: str) -> Iterator[tuple[float, float]]:
    days = math.ceil((end - start) / CHUNK_SECONDS)
    for points in told(words, past(prometheus, promql, start, end, BIN_SECONDS), days):
        yield from points


def _account(
    cluster: Cluster, name: str, scale: ScalePolicy, metric: Metric, assumed: Assumed, notes: list[str]
) -> Account:
    capacity = assumed.replica_capacity
    if capacity is None:
        capacity = _capacity(scale, metric)
        notes.append(
            f"a replica is taken to serve {number(capacity)}, by the policy; --replica-capacity says otherwise"
        )
    startup = assumed.startup_seconds
    if startup is None:
        measured = cluster.measured_lead(name)
        startup = measured or DEFAULT_LEAD_SECONDS
        how = "as the journal measured it" if measured else "for too few starts are in the journal"
        notes.append(f"a replica is ready after {number(startup)} s, {how}; --startup says otherwise")
    return Account(capacity, startup, assumed.queue_seconds)


def _capacity(scale: ScalePolicy, metric: Metric) -> float:
    """What the policy takes a replica to serve: its target with room, its upper threshold, or what it says."""
    if isinstance(metric, RatesMetric):
        if metric.rates.replica_capacity is None:
            raise InputError("rates without replica_capacity do not say what a replica serves; give --replica-capacity")
        return metric.rates.replica_capacity
    if isinstance(metric, QueueMetric):
        return metric.queue.capacity
    rule = metric.rule
    return rule.target * scale.ahead.full / 100 if rule.target is not None else rule.up or 1.0


def _happened(
    cluster: Cluster, prometheus: Prometheus, service: Service, demand: Demand, notes: list[str]
) -> Course | None:
    """The replicas that there were: tasks with a sample of CPU in Prometheus, else what the journal says."""
    texts = cluster.policy.queries
    promql = f"count({fill(texts.cpu, service.name, texts.window, cpu_capacity(service))})"
    start, end = demand.first_second, demand.first_second + demand.seconds
    seen = list(_points(prometheus, promql, start, end, "reading how many replicas there were"))
    if (course := replicas_of(seen, demand, UNSEEN_SECONDS)) is not None:
        if course.unseen is not None and (steps := int(course.unseen.sum())):
            unseen = f"no replica was seen in {number(steps * STEP_SECONDS / 3600)} h, asleep or not measured"
            notes.append(f"{unseen}; that time is left out of what happened")
        return course
    if (course := replicas_of(_journaled(cluster, service.name), demand, math.inf)) is not None:
        notes.append("how many replicas there were is told by the journal; what others changed is not in it")
        return course
    notes.append("what really happened is not known: neither its tasks' CPU nor the journal tells it")
    return None


def _journaled(cluster: Cluster, name: str) -> list[tuple[float, float]]:
    done = cluster.store.history(MOST_ENTRIES, name, Wanted("scale", Outcome.DONE))
    points: list[tuple[float, float]] = []
    for entry in reversed(done):
        at, said = (entry.running_at or entry.started_at).timestamp(), entry.action.parameters
        if not points:
            points.append((0.0, float(said["swarmherd_expected_replicas"])))
        points.append((at, float(said["swarmherd_replicas"])))
    return points
