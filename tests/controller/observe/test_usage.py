# SPDX-License-Identifier: GPL-3.0-or-later
"""What the busiest task used, read from a Prometheus over loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from swarmherd.decide.advise import Resource
from swarmherd.observe.prometheus import Prometheus
from swarmherd.observe.usage import NO_TIME, used
from swarmherd.policy import Policy

from tests.controller.conftest import Metrics
from tests.controller.observe.past import HOUR, Past

NOW = 1_772_500_000.0
DAY = 24 * HOUR
POLICY = Policy()


@pytest.fixture
def prometheus(metrics: Metrics) -> Iterator[Prometheus]:
    one = Prometheus(metrics.url, timeout_seconds=2, scrape_interval_seconds=15)
    yield one
    one.close()


def test_every_minute_of_the_past_is_read_for_both_resources(metrics: Metrics, prometheus: Prometheus) -> None:
    Past(metrics, lambda _at: 0.5)
    found = used(prometheus, POLICY, "web", 2 * DAY, NOW)
    for resource in Resource:
        assert set(found[resource].values) == {0.5}
        assert 2 * DAY <= found[resource].known_seconds <= 2 * DAY + 120
        assert found[resource].late_seconds < 60
        assert found[resource].problem == ""


def test_the_policys_own_questions_are_asked_of_a_capacity_of_one(metrics: Metrics, prometheus: Prometheus) -> None:
    past = Past(metrics, lambda _at: 1.0)
    used(prometheus, POLICY, 'we"b', HOUR, NOW)
    cpu, memory = [asked["query"] for asked in past.metrics.asked if "start" in asked]
    assert cpu.startswith("max(\n100 * sum by (")
    assert cpu.endswith("[60s])) / 1.0\n) / 100")
    assert "container_memory_working_set_bytes" in memory
    for query in (cpu, memory):
        assert 'service_name="we\\"b"' in query, "a name never leaves its quotes (S25)"


def test_of_a_longer_past_fewer_instants_are_asked_for_and_nothing_between_them_is_left_out(
    metrics: Metrics, prometheus: Prometheus
) -> None:
    past = Past(metrics, lambda _at: 1.0)
    found = used(prometheus, POLICY, "web", 30 * DAY, NOW)
    assert found[Resource.CPU].step_seconds == 300
    assert len(found[Resource.CPU].values) == 8641
    assert "[300s]" in next(asked["query"] for asked in past.metrics.asked if "start" in asked)


def test_what_is_not_there_is_left_out_and_late_is_told(metrics: Metrics, prometheus: Prometheus) -> None:
    past = Past(metrics, lambda at: None if NOW - 2 * HOUR < at < NOW - HOUR else 1.0, since=NOW - 6 * HOUR)
    found = used(prometheus, POLICY, "web", DAY, NOW)[Resource.MEMORY]
    assert found.late_seconds == pytest.approx(18 * HOUR, abs=61)
    assert found.known_seconds == pytest.approx(5 * HOUR, abs=181)
    past.since = NOW + 1
    assert used(prometheus, POLICY, "web", DAY, NOW)[Resource.MEMORY].values == ()


def test_less_than_nothing_is_not_known(metrics: Metrics, prometheus: Prometheus) -> None:
    Past(metrics, lambda _at: -1.0)
    assert used(prometheus, POLICY, "web", HOUR, NOW)[Resource.CPU].values == ()


def test_a_refusal_is_the_problem(metrics: Metrics, prometheus: Prometheus) -> None:
    past = Past(metrics)
    past.broken = (503, "text/plain", b"starting up")
    assert "Prometheus refused" in used(prometheus, POLICY, "web", DAY, NOW)[Resource.CPU].problem


def test_past_the_deadline_nothing_more_is_asked(metrics: Metrics, prometheus: Prometheus) -> None:
    past = Past(metrics)
    found = used(prometheus, POLICY, "web", DAY, NOW, deadline=time.monotonic())
    assert [one.problem for one in found.values()] == [NO_TIME, NO_TIME]
    assert past.ranges == []


def test_a_question_without_the_capacity_says_so(metrics: Metrics, prometheus: Prometheus) -> None:
    Past(metrics, lambda _at: 1.0)
    policy = Policy.model_validate({"queries": {"cpu": "my_percent"}})
    found = used(prometheus, policy, "web", HOUR, NOW)
    assert found[Resource.CPU].problem == "queries.cpu has no $capacity, so its answer cannot be told in cores"
    assert found[Resource.MEMORY].problem == ""
