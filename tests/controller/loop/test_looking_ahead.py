# SPDX-License-Identifier: GPL-3.0-or-later
"""A cycle with strategy `predictive`: history from Prometheus, start-up times from the journal, and its replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from swarmherd.loop import Cycle, run_cycle
from swarmherd.model import Action, Outcome, Result
from swarmherd.policy import Mode
from swarmherd.replay import replay
from swarmherd.running import serve
from swarmherd.service import Cluster, described

from tests.controller.conftest import Engine, Metrics
from tests.controller.observe.past import Past

NOW = datetime(2026, 3, 3, 12, 30, tzinfo=UTC)
"""Two minutes before the demand is usually four times as much."""
TARGET = "min: 1, max: 5,"
AHEAD = "min: 1, max: 99, strategy: predictive, predictive: {history: 12h},"


@pytest.fixture
def past(metrics: Metrics) -> Past:
    return Past(metrics)


@pytest.fixture
def cluster(inventory: Path, engine: Engine, past: Past) -> Iterator[Cluster]:  # noqa: ARG001  (it answers the cycle)
    policy = inventory / "group_vars" / "all" / "swarmherd.yml"
    policy.write_text(policy.read_text().replace(TARGET, AHEAD))
    engine.replicas["web"] = 12
    with Cluster(*described(inventory, Mode.OBSERVE)) as one:
        one.be_patient()
        yield one


def run(cluster: Cluster, later_seconds: float = 0) -> Cycle:
    steps = replace(cluster.steps(cluster.enactor()), clock=lambda: NOW + timedelta(seconds=later_seconds))
    done = run_cycle(lambda: steps)
    assert done is not None
    assert not done.failed, done.sentence
    return done


def start(cluster: Cluster, name: str, seconds: float, replicas: int = 3, before: int = 2) -> None:
    """A scaling in the journal, whose replicas ran so long after it was decided."""
    parameters = {"swarmherd_replicas": replicas, "swarmherd_expected_replicas": before}
    store, ran = cluster.store, NOW + timedelta(seconds=seconds)
    action = Action(name, "scale", "loop", "web", parameters, {}, "busy")
    store.begin(action, NOW, NOW, "test")
    store.end(Result(name, Outcome.DONE, "", NOW, ran, running_at=ran))


def test_it_scales_before_the_demand_comes_and_says_in_a_sentence_why(cluster: Cluster) -> None:
    done = run(cluster)
    assert done.plan is not None
    [decision] = done.plan.decisions
    assert (decision.now, decision.then) == (12, 24), "doubled, as the step allows: 400 requests/s are near"
    assert "of the hour is usually" in decision.because or "of the hour is usually" in decision.reasons[0]


@pytest.mark.usefixtures("cluster")
def test_the_past_is_read_in_the_steps_that_the_loop_takes_whoever_says_so(inventory: Path, past: Past) -> None:
    assert serve([inventory], Mode.OBSERVE, interval_seconds=40, once=True)
    assert past.steps == {40}


def test_what_was_foretold_is_kept_and_a_replay_needs_no_learner(cluster: Cluster) -> None:
    run(cluster)
    kept = cluster.store.kept()
    assert kept is not None
    assert kept.inputs.view.outlooks["web", "query:0"].need > 300
    assert replay(kept)[1] == ()


def test_without_a_history_it_follows_the_target_and_says_so(cluster: Cluster, past: Past) -> None:
    past.since = NOW.timestamp()
    done = run(cluster)
    assert done.plan is not None
    assert "(not foretold: its history is only" in done.plan.decisions[0].because


def test_how_long_a_replica_takes_is_measured_from_the_journal(cluster: Cluster) -> None:
    assert cluster.measured_lead("web") is None
    for number, seconds in enumerate((20.0, 30.0, 200.0, 40.0)):
        start(cluster, f"up{number}", seconds)
    start(cluster, "down", 500.0, replicas=1)
    assert cluster.measured_lead("web") == 40.0, "the upper quartile of what scaling up took"
    assert cluster.measured_lead("other") is None


def test_two_starts_say_nothing(cluster: Cluster) -> None:
    start(cluster, "one", 20.0)
    start(cluster, "two", 30.0)
    assert cluster.measured_lead("web") is None
