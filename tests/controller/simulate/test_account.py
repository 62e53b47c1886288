# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of comparisons: what is known when, what is ready when, what is lost and paid for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swarmherd.simulate import Account, Course
from swarmherd.simulate.account import course, known, lost, oracle, outcome

from tests.controller.simulate.made import ACCOUNT, flat, tried


class Scripted:
    """A scaler that has so many replicas from a step on."""

    def __init__(self, first: int, script: dict[int, int]) -> None:
        self.count, self.script = first, script
        self.seen: list[tuple[float, int]] = []

    def first(self, value: float) -> int:  # noqa: ARG002  (the shape of all scalers)
        return self.count

    def decide(self, step: int, metric: float, count: int, ready: int) -> int:
        self.seen.append((metric, ready))
        return self.script.get(step, count)


demands = st.lists(st.floats(0, 500), min_size=2, max_size=60).map(np.array)


def test_what_is_known_is_the_mean_of_a_minute_half_a_minute_ago() -> None:
    found = known(np.array([4.0, 8, 12, 16, 20, 24, 28]))
    assert found.tolist() == [4, 4, 4, 6, 8, 10, 14]


def test_a_replica_serves_after_its_start_and_costs_from_its_decision_on() -> None:
    done = course(flat(10), ACCOUNT, Scripted(2, {3: 5}))
    assert done.counts.tolist() == [2, 2, 2, 5, 5, 5, 5, 5, 5, 5]
    assert done.ready.tolist() == [2, 2, 2, 2, 2, 2, 2, 5, 5, 5]


def test_replicas_that_are_not_ready_are_removed_first() -> None:
    done = course(flat(10), ACCOUNT, Scripted(2, {1: 6, 3: 3, 4: 1}))
    assert done.ready.tolist() == [2, 2, 2, 2, 1, 1, 1, 1, 1, 1]
    done = course(flat(10), ACCOUNT, Scripted(2, {1: 6, 2: 9, 3: 3}))
    assert done.ready.tolist() == [2, 2, 2, 2, 2, 3, 3, 3, 3, 3], "the last to begin is the first to go"


def test_any_number_of_replicas_comes_and_goes_at_once() -> None:
    done = course(flat(10), ACCOUNT, Scripted(2, {1: 10**15, 2: 2, 6: 10**15, 11: 1}))
    assert done.counts.tolist() == [2, 10**15, *[2] * 4, *[10**15] * 4]


def test_without_a_start_up_time_replicas_serve_at_once() -> None:
    done = course(flat(3), Account(10.0, 0.0), Scripted(1, {1: 4}))
    assert done.ready.tolist() == [1, 4, 4]


def test_what_is_above_the_ready_capacity_is_lost() -> None:
    done = Course(np.array([1, 1, 2]), np.array([1, 1, 1]))
    found = outcome(np.array([10.0, 15.0, 25.0]), done, ACCOUNT)
    assert found.lost_fraction == pytest.approx(20 / 50)
    assert found.replica_seconds == 4 * 15
    assert found.oracle_replica_seconds == (1 + 2 + 3) * 15
    assert found.changes == 1
    assert found.max_replicas == 2
    assert found.seconds_under_capacity == 30


def test_a_queue_keeps_what_waits_no_longer_than_asked() -> None:
    ready, asked = np.array([1, 1, 1]), np.array([15.0, 5.0, 10.0])
    assert lost(asked, ready, Account(10.0, queue_seconds=7.5)).sum() == 0
    assert lost(asked, ready, Account(10.0, queue_seconds=2.5)).sum() * 15 == pytest.approx(50)


@given(demands)
def test_the_oracle_loses_nothing_and_one_less_would_lose(values: np.ndarray) -> None:
    counts = oracle(values, 10.0)
    assert lost(values, counts, ACCOUNT).sum() == pytest.approx(0, abs=1e-6)
    assert all(values[counts > 1] > (counts[counts > 1] - 1) * 10 - 1e-6)


@given(demands, st.integers(1, 40), st.integers(0, 20))
def test_more_replicas_never_lose_more_and_a_queue_never_loses_more(values: np.ndarray, few: int, more: int) -> None:
    less, many = np.full(len(values), few), np.full(len(values), few + more)
    assert lost(values, many, ACCOUNT).sum() <= lost(values, less, ACCOUNT).sum()
    queued = lost(values, less, Account(10.0, queue_seconds=30)).sum()
    assert queued <= lost(values, less, ACCOUNT).sum() + 1e-6


@given(demands, st.dictionaries(st.integers(0, 59), st.integers(1, 50), max_size=20))
def test_no_more_are_ready_than_are_paid_for(values: np.ndarray, script: dict[int, int]) -> None:
    done = course(values, ACCOUNT, Scripted(1, script))
    assert (done.ready <= done.counts).all()
    assert (done.ready >= 0).all()
    assert done.counts.tolist() == [script.get(step, done.counts[step]) for step in range(len(values))]


@settings(max_examples=20, deadline=None)
@given(demands.filter(lambda values: values.sum() > 1))
def test_whatever_the_demand_everybody_has_one_replica_and_no_loss_above_all(values: np.ndarray) -> None:
    found = tried(values, ("hpa", "keda", "nomad", "oracle"))
    for one in (found.outcome, *found.compared.values()):
        assert 0 <= one.lost_fraction <= 1 + 1e-9
        assert one.replica_seconds >= 15 * len(values)
    assert found.compared["oracle"].lost_fraction == pytest.approx(0, abs=1e-9)
    assert found.compared["oracle"].replica_seconds == found.outcome.oracle_replica_seconds
