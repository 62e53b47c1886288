# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated Prometheus scrapes now and then, and takes rates of what it scraped, as a real one does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from swarmherd.model import MetricQuery, MetricScope
from swarmherd.simulate.cluster.building import node, policy, service
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.measuring import Answers, span_seconds, window_seconds
from swarmherd.simulate.cluster.simulation import Layout, Simulation


def rising(seconds: float) -> float:
    return 10.0 + seconds


def cluster(
    demand: Callable[[float], float], replicas: int = 1, scrape: float = 2.0, queue: int = 0, capacity: float = 10.0
) -> Simulation:
    """`web` on one node, with nobody to look after it."""
    web = Habits(startup_seconds=0.0, demand=demand, capacity=capacity, queue=queue)
    layout = Layout([node(1)], [(service("web", replicas), web)], policy(), scrape_seconds=scrape)
    return Simulation(layout, controlled=False)


def answer(simulation: Simulation, promql: str) -> tuple[float | None, str]:
    """A value and why there is none."""
    query = MetricQuery("web", "asked", promql, MetricScope.SERVICE)
    reading = simulation.measuring.sample([query], simulation.timeline.now)["web", "asked"].whole
    assert reading is not None
    return reading.value, reading.problem


@pytest.mark.parametrize(
    ("promql", "seconds"),
    [
        ('sum(rate(haproxy_backend_http_requests_total{proxy="web"}[6s]))', 6.0),
        ("rate(x[1500ms])", 1.5),
        ("rate(x[1m30s])", 90.0),
        ("max_over_time(rate(x[1m])[5m:15s])", 300.0),
        ('depth{queue=~"[5]|a[b]"}', 0.0),
        ("node_memory_MemAvailable_bytes", 0.0),
    ],
)
def test_a_question_says_itself_how_far_it_looks_back(promql: str, seconds: float) -> None:
    assert window_seconds(promql) == seconds


@pytest.mark.parametrize(
    ("window", "age", "scrape", "span"), [(6, 1, 2, 4), (8, 1, 2, 6), (60, 7.5, 15, 45), (3, 2, 2, None), (4, 2, 2, 2)]
)
def test_a_rate_spans_the_scrapes_that_lie_in_its_window(
    window: float, age: float, scrape: float, span: float | None
) -> None:
    assert span_seconds(window, age, scrape) == span


def test_a_gauge_is_known_as_it_was_at_the_last_scrape() -> None:
    simulation = cluster(rising)
    simulation.run_for(20.5)
    assert answer(simulation, "depth") == (rising(19.0), "")
    simulation.run_for(0.5)
    assert answer(simulation, "depth") == (rising(21.0), "")


def test_a_rate_is_the_mean_between_the_scrapes_of_its_window() -> None:
    simulation = cluster(rising)
    simulation.run_for(20.0)
    assert answer(simulation, "rate(x[6s])")[0] == pytest.approx(rising(17.0))  # from 15 to 19
    assert answer(simulation, "rate(x[12s])")[0] == pytest.approx(rising(14.0))  # from 9 to 19


def test_the_past_is_what_was_answered_then_with_a_hole_where_nothing_was() -> None:
    simulation = cluster(rising)
    begin, promql, answered = simulation.timeline.begin.timestamp(), "rate(x[6s])", {}
    for seconds in range(15, 121, 15):
        simulation.run_for(10.0)
        if seconds in (45, 60, 90):
            simulation.measuring.answers = {45: Answers.DOWN, 60: Answers.RIGHT, 90: Answers.LYING}[seconds]
        simulation.run_for(5.0)
        if (value := answer(simulation, promql)[0]) is not None:
            answered[begin + seconds] = value
    past = simulation.measuring.stretch(promql, begin - 3600, begin + 120, 15.0)
    assert dict(past.points) == pytest.approx({begin: 10.0} | answered)
    assert begin + 45 not in answered
    simulation.measuring.answers = Answers.DOWN
    assert simulation.measuring.stretch(promql, begin, begin + 120, 15.0).problem == "Prometheus cannot be reached"


def test_a_window_without_two_scrapes_has_no_rate_and_that_is_not_nothing_asked() -> None:
    simulation = cluster(rising, scrape=15.0)
    simulation.run_for(60.0)
    assert answer(simulation, "rate(x[6s])") == (None, "no series")
    query = MetricQuery("web", "cpu", "rate(x[6s])", MetricScope.TASK)
    assert simulation.measuring.sample([query], simulation.timeline.now)["web", "cpu"].by_task == {}


def test_requests_that_wait_are_counted_when_they_are_answered() -> None:
    """20 a second come to a replica that answers 10, for five seconds; then nobody comes, and 50 wait."""
    simulation = cluster(lambda at: 20.0 if 20 <= at < 25 else 0.0, queue=100)
    simulation.run_for(24.0)
    assert answer(simulation, "rate(x[4s])")[0] == pytest.approx(10.0)
    simulation.run_for(5.0)
    assert answer(simulation, "rate(x[4s])")[0] == pytest.approx(10.0)
    simulation.run_for(6.0)
    assert answer(simulation, "rate(x[4s])")[0] == pytest.approx(0.0)
    assert simulation.lost == {"web": 0.0}


def test_who_finds_no_room_is_turned_away_which_is_an_answer_too() -> None:
    simulation = cluster(lambda at: 20.0 if at >= 20 else 0.0, queue=30)
    simulation.run_for(60.0)
    assert answer(simulation, "rate(x[10s])")[0] == pytest.approx(20.0)
    assert simulation.lines["web"].waiting == pytest.approx(30.0)
    assert simulation.lost["web"] == pytest.approx(40 * 10.0 - 30, abs=3.0)  # at the end a step may be uncounted
    assert simulation.tallies["web"].asked == pytest.approx(40 * 20.0, abs=6.0)


def test_before_the_begin_a_counter_rose_as_it_did_at_the_begin() -> None:
    simulation = cluster(lambda _at: 8.0, queue=30)
    simulation.run_for(3.0)
    early = answer(simulation, "rate(x[30s])")[0]
    assert early is not None
    assert 6.0 < early <= 8.0  # the replica starts only now
