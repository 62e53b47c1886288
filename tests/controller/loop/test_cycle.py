# SPDX-License-Identifier: GPL-3.0-or-later
"""One cycle end to end: loopback Docker and Prometheus, a real playbook, a real database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from swarmherd.enact import RecordingEnactor
from swarmherd.loop import Cycle, Steps, run_cycle
from swarmherd.model import Action, Outcome, Pause
from swarmherd.policy import Mode
from swarmherd.service import Cluster, clock, described, open_cluster

from tests.controller.conftest import Engine, Metrics, as_json


@pytest.fixture
def cluster(inventory: Path, collection: Path) -> Iterator[Cluster]:  # noqa: ARG001  (the playbook must be there)
    with open_cluster(inventory) as one:
        yield one


def run(cluster: Cluster, later_seconds: float = 0, steps: Steps | None = None) -> Cycle:
    steps = steps or cluster.steps(cluster.enactor())
    done = run_cycle(lambda: replace(steps, clock=lambda: clock() + timedelta(seconds=later_seconds)))
    assert done is not None
    return done


def test_a_load_over_target_is_scaled_up_by_playbook_and_verified(cluster: Cluster, engine: Engine) -> None:
    done = run(cluster)
    assert engine.replicas["web"] == 5, "load 50 at target 10"
    assert not done.failed
    assert done.sentence.startswith("web 2 -> 5 done: 5 replicas run after ")
    assert cluster.store.history(1)[0].outcome is Outcome.DONE
    remembered = cluster.store.memory().of("web")
    assert remembered.last_up_at is not None
    assert remembered.last_version == 101
    last = cluster.store.last_cycle()
    assert last is not None
    assert last.sentence == done.sentence


def test_a_second_cycle_has_nothing_left_to_do(cluster: Cluster, engine: Engine) -> None:
    run(cluster)
    asked = engine.asked.count("/test/scale")
    done = run(cluster)
    assert engine.asked.count("/test/scale") == asked
    assert not done.results


def test_observe_mode_decides_the_same_and_does_nothing(inventory: Path, engine: Engine) -> None:
    with Cluster(*described(inventory, Mode.OBSERVE)) as cluster:
        enactor = cluster.enactor()
        assert isinstance(enactor, RecordingEnactor)
        done = run(cluster, steps=cluster.steps(enactor))
        assert [a.parameters["swarmherd_replicas"] for a in enactor.actions] == [5]
        assert cluster.store.history(9) == ()
        assert cluster.store.memory().of("web").last_up_at is None
    assert engine.replicas["web"] == 2
    assert done.sentence.startswith("would scale web 2 -> 5 because ")


def test_an_abandoned_cycle_that_may_not_be_written_down_is_only_said(cluster: Cluster, engine: Engine) -> None:
    """The lease went to another controller while Docker was asked."""
    with closing(cluster.leases()) as leases:
        cluster.store.token = leases.take(None, "ours", clock())
        leases.take(leases.read(), "another's", clock())
        engine.broken["/nodes"] = (500, "text/plain", b"no")
        assert run(cluster).sentence.startswith("nothing decided: m1 ")
    assert cluster.store.last_cycle() is None


@pytest.mark.parametrize("what", ["gone", "empty", "nan", "html", "stale"])
def test_without_a_metric_nothing_is_scaled_down(cluster: Cluster, engine: Engine, metrics: Metrics, what: str) -> None:
    engine.replicas["web"] = 4
    if what == "gone":
        metrics.close()
    elif what == "stale":
        metrics.up_age_seconds = 3600
    elif what == "html":
        metrics.answer = lambda _: (200, "text/html", b"<html></html>")
    elif what == "empty":
        metrics.answer = lambda _: as_json({"status": "success", "data": {"resultType": "vector", "result": []}})
    else:
        metrics.value = "NaN"
    for cycle in range(8):
        done = run(cluster, later_seconds=cycle * 600)
        assert not done.failed
        assert done.plan is not None
        assert done.plan.decisions[0].blind
    assert engine.replicas["web"] == 4


def test_docker_lost_in_mid_cycle_abandons_the_cycle(cluster: Cluster, engine: Engine) -> None:
    engine.broken["/tasks"] = (500, "text/plain", b"the engine is shutting down")
    done = run(cluster)
    assert done.failed
    assert done.sentence.startswith("nothing decided: m1 (tcp://")
    assert "shutting down" in done.sentence
    assert cluster.store.last_decisions() == {}
    last = cluster.store.last_cycle()
    assert last is not None
    assert last.failed
    engine.broken.clear()
    assert not run(cluster).failed


def test_a_fault_of_ours_abandons_the_cycle_and_no_more(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("swarmherd.loop.conclude", broken)
    assert run(cluster).sentence == "nothing decided, the cycle broke off: ZeroDivisionError: a fault"


def test_told_to_stop_no_further_action_is_begun(cluster: Cluster, engine: Engine) -> None:
    done = run(cluster, steps=cluster.steps(cluster.enactor(), lambda: True))
    assert engine.replicas["web"] == 2
    assert done.sentence.startswith("web 2 -> 5 not begun: stopping")


def test_a_pause_that_comes_in_mid_plan_keeps_the_next_action_from_being_begun(
    cluster: Cluster, engine: Engine
) -> None:
    engine.replicas["api"] = 2
    services = dict.fromkeys(("api", "web"), cluster.policy.services["web"])

    class Interrupted(RecordingEnactor):
        def enact(self, action: Action, decided_at: datetime) -> None:
            super().enact(action, decided_at)
            cluster.store.pause(Pause("ada", "stop it", clock(), service="db"))

    enactor = Interrupted()
    policy = cluster.policy.model_copy(update={"services": services})
    done = run(cluster, steps=replace(cluster.steps(enactor), policy=policy))
    assert [action.service for action in enactor.actions] == ["api"]
    assert "; web 2 -> 5 not begun: ada set a pause meanwhile: stop it" in done.sentence


def test_a_cooldown_survives_a_restart(cluster: Cluster, engine: Engine, metrics: Metrics, inventory: Path) -> None:
    run(cluster)
    metrics.value = "10"
    with open_cluster(inventory) as restarted:
        for minutes in itertools.count(1):
            done = run(restarted, later_seconds=minutes * 60)
            if done.results:
                break
            assert minutes < 30, "it scales down after its window and cooldown"
    assert minutes >= 5, "the stabilization window of 300 s began before the restart"
    assert engine.replicas["web"] == 1
