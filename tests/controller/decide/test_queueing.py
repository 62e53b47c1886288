# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting as the textbooks have it, as a queue in memory has it, and what must hold for every latency target."""

from __future__ import annotations

import heapq
import math
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide import decide
from swarmherd.decide.judge import MOST
from swarmherd.decide.latency import fewest, seconds_with
from swarmherd.decide.queueing import busiest, chance_to_wait, chances_to_wait, latency_at, response, share_later
from swarmherd.model import Memory
from swarmherd.policy import parse_policy
from swarmherd.policy.queueing import QueueMetric

from tests.controller.described import NOW, view_of


def metric(p: str = "p95", seconds: float = 0.5, **queue: Any) -> QueueMetric:
    return QueueMetric.model_validate({"queue": queue or {"service_time": 0.1}, "target": {p: seconds}})


def quantile(share: float, load: float, servers: int) -> float:
    return response(share, load, servers, chance_to_wait(load, servers))


def by_definition(load: float, servers: int) -> float:
    """Erlang C as it is defined: powers and factorials."""
    busy = load / servers
    last = load**servers / math.factorial(servers) / (1 - busy)
    return last / (sum(load**n / math.factorial(n) for n in range(servers)) + last)


@pytest.mark.parametrize(
    ("load", "servers", "chance"), [(2.0, 3, 4 / 9), (1.0, 2, 1 / 3), (0.5, 1, 0.5), (4.0, 5, 0.55411)]
)
def test_the_chance_to_wait_is_the_one_of_the_tables_of_erlang_c(load: float, servers: int, chance: float) -> None:
    assert chance_to_wait(load, servers) == pytest.approx(chance, abs=1e-5)


@given(st.floats(0.01, 80), st.integers(1, 40))
def test_the_recursion_agrees_with_the_definition(load: float, more: int) -> None:
    servers = math.floor(load) + more
    assert chance_to_wait(load, servers) == pytest.approx(by_definition(load, servers), rel=1e-9)


def test_where_the_recursion_begins_makes_no_difference() -> None:
    load, inverse = 1e4, 1.0
    for servers in range(1, 10_101):
        inverse = 1.0 + servers / load * inverse
    from_the_beginning = 1 / (load / 10_100 + (1 - load / 10_100) * inverse)
    assert chance_to_wait(load, 10_100) == pytest.approx(from_the_beginning, rel=1e-12)


def test_a_single_server_answers_within_an_exponential_time_as_is_well_known() -> None:
    assert quantile(0.95, 0.7, 1) == pytest.approx(math.log(20) / 0.3, rel=1e-5)


@pytest.mark.parametrize("load", [1e-9, 5 - 1e-12, 5.0, 1e6 - 1e-6, 1e6])
def test_hardly_any_load_and_hardly_any_room_have_quantiles_too(load: float) -> None:
    servers, waiting = next(chances_to_wait(load))
    time = response(0.95, load, servers, waiting)
    assert share_later(time, load, servers, waiting) == pytest.approx(0.05, rel=1e-6)


def test_where_waiting_and_service_have_the_same_rate_nothing_cancels_out() -> None:
    waiting = chance_to_wait(2.0, 3)
    exactly = math.exp(-1.5) * (1 + 1.5 * waiting)
    assert share_later(1.5, 2.0, 3, waiting) == pytest.approx(exactly, rel=1e-12)
    assert share_later(1.5, 2.0 + 1e-12, 3, waiting) == pytest.approx(exactly, rel=1e-9)


@pytest.mark.parametrize(("load", "servers"), [(0.8, 1), (2.0, 3), (4.2, 5), (8.5, 10)])
def test_a_queue_that_is_simulated_event_by_event_has_the_same_quantiles(load: float, servers: int) -> None:
    """Independent of every formula: customers, servers, and who is free first."""
    chance, customers = np.random.default_rng(7), 200_000
    arrivals = np.cumsum(chance.exponential(1 / load, customers)).tolist()
    free = [0.0] * servers
    times = []
    for arrival, service in zip(arrivals, chance.exponential(1.0, customers).tolist(), strict=True):
        done = max(arrival, free[0]) + service
        heapq.heapreplace(free, done)
        times.append(done - arrival)
    seen = np.quantile(times[1000:], [0.5, 0.95, 0.99])
    foretold = [quantile(share, load, servers) for share in (0.5, 0.95, 0.99)]
    assert seen == pytest.approx(foretold, rel=0.06)


CURVES = st.lists(
    st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 2.0)), min_size=2, max_size=6, unique_by=lambda point: point[0]
).map(lambda points: list(zip(sorted(u for u, _latency in points), sorted(t for _used, t in points), strict=True)))


@st.composite
def metrics(draw: st.DrawFn) -> QueueMetric:
    """Any sound one: by the formula with a target above the bare service time, or by a curve."""
    percentile = draw(st.sampled_from(["p50", "p90", "p95", "p99", "p99.9"]))
    speed = draw(st.sampled_from([{"service_time": 0.08}, {"service_time": 2}, {"replica_capacity": 30}]))
    queue = {**speed, "concurrency": draw(st.sampled_from([1, 1, 4, 16]))}
    if draw(st.booleans()):
        curve = draw(CURVES)
        return metric(percentile, curve[0][1] * draw(st.floats(1.0, 50.0)), **queue, curve=curve)
    bare = metric("p50", 1e6, **queue).queue.fastest(float(percentile[1:]) / 100)
    return metric(percentile, bare * draw(st.floats(1.0001, 20.0)), **queue)


@given(metrics(), st.floats(1e-6, 3000), st.floats(1.0, 3.0))
def test_more_requests_never_ask_for_fewer_replicas(one: QueueMetric, arrivals: float, times: float) -> None:
    assert fewest(one, arrivals) <= fewest(one, arrivals * times)


@given(metrics(), st.floats(1e-6, 3000))
def test_the_replicas_keep_the_target_and_one_fewer_would_not(one: QueueMetric, arrivals: float) -> None:
    replicas = fewest(one, arrivals)
    assert replicas >= 1
    assert seconds_with(one, arrivals, replicas) <= one.seconds * (1 + 1e-5)
    assert replicas == 1 or seconds_with(one, arrivals, replicas - 1) > one.seconds * (1 - 1e-5)


@given(metrics(), st.integers(1, 99), st.floats(0.1, 900), st.floats(1.0, 3.0), st.sampled_from([0.0, 0.1, 0.5]))
def test_a_decision_never_asks_for_too_few_and_goes_down_only_to_what_has_room(
    one: QueueMetric, replicas: int, arrivals: float, times: float, tolerance: float
) -> None:
    scale = {"max": 100, "tolerance": tolerance, "metrics": [one.model_dump(exclude_unset=True)]}
    policy = parse_policy({"services": {"shop_api": {"scale": scale}}}, "made up")
    wishes = []
    for load in (arrivals, arrivals * times):
        [decision] = decide(
            view_of({"services": {"shop_api": {"replicas": replicas, "queue": load}}}), policy, Memory(), NOW
        )
        least, roomy = (fewest(one, load * more) for more in (1, 1 + tolerance))
        assert decision.wish == (least if least >= replicas else min(replicas, roomy))
        wishes.append(decision.wish)
    assert wishes[0] <= wishes[1]


@given(metrics(), st.floats(1e-6, 3000))
def test_a_looser_target_never_asks_for_more(one: QueueMetric, arrivals: float) -> None:
    looser = one.model_copy(update={"target": {one.name: 2 * one.seconds}})
    assert fewest(looser, arrivals) <= fewest(one, arrivals)


@given(st.floats(0.01, 500), st.sampled_from([0.5, 0.95, 0.999]))
def test_the_quantile_is_where_so_many_are_late_and_another_server_makes_it_shorter(load: float, share: float) -> None:
    found = list(islice(chances_to_wait(load), 5))
    times = [response(share, load, servers, waiting) for servers, waiting in found]
    for (servers, waiting), time in zip(found, times, strict=True):
        assert share_later(time, load, servers, waiting) == pytest.approx(1 - share, rel=1e-3)
    assert all(more <= fewer * (1 + 1e-5) for fewer, more in pairwise(times))


@pytest.mark.parametrize("arrivals", [1e12, 1e300])
def test_a_reading_beyond_all_reason_has_a_bound(arrivals: float) -> None:
    assert fewest(metric(), arrivals) == MOST
    assert fewest(metric("p99", 20, service_time=1, concurrency=1000), arrivals) == MOST


def test_at_exactly_the_capacity_of_the_replicas_they_do_not_keep_up() -> None:
    slow = metric("p95", 100, replica_capacity=10)
    assert fewest(slow, 50.0) == 6
    assert seconds_with(slow, 50.0, 5) == math.inf


CURVE = [(0.5, 0.1), (0.7, 0.2), (0.9, 0.2), (1.0, 0.8)]


@pytest.mark.parametrize(
    ("utilisation", "latency"), [(0.0, 0.1), (0.5, 0.1), (0.6, 0.15), (0.8, 0.2), (0.95, 0.5), (1.0, 0.8)]
)
def test_between_its_points_a_curve_is_a_line_and_below_the_first_it_is_level(
    utilisation: float, latency: float
) -> None:
    assert latency_at(CURVE, utilisation) == pytest.approx(latency)


@pytest.mark.parametrize(
    ("latency", "utilisation"), [(0.1, 0.5), (0.15, 0.6), (0.2, 0.9), (0.5, 0.95), (0.8, 1.0), (9.0, 1.0)]
)
def test_the_busiest_that_a_curve_allows_is_the_last_place_with_the_latency(latency: float, utilisation: float) -> None:
    assert busiest(CURVE, latency) == pytest.approx(utilisation)


def test_nobody_knows_what_is_beyond_the_end_of_a_curve() -> None:
    assert latency_at(CURVE[:2], 0.71) == math.inf
    assert fewest(metric("p95", 60, replica_capacity=10, curve=CURVE[:2]), 70.0) == 10
