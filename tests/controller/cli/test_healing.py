# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that heal by hand, and a whole cycle that heals by itself, on a Swarm on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from swarmherd.loop import cycle
from swarmherd.model import Ailment, Health, Memory, Outcome, UpdateState
from swarmherd.service import clock, open_cluster

from tests.controller.cli.test_cli import call, call_json, edit
from tests.controller.conftest import Engine, Loopback, as_json

pytestmark = pytest.mark.usefixtures("collection")


def test_restart_says_which_task_became_which_and_that_no_other_changed(inventory: Path) -> None:
    output = call("-i", inventory, "restart", "web", "--task", "web-1", "--reason", "it hangs").stdout
    assert output.startswith("web: done: web.1 runs on n1 as web-1-moved1, before as web-1 after ")
    assert "1 other tasks are as they were" in output
    (entry,) = call_json("-i", inventory, "history", "--kind", "restart")
    assert entry["reason"] == "restart web.1 on n1 by hand, because it hangs"
    assert "web task web-1" in call("-i", inventory, "history").stdout


def test_a_restart_that_fails_exits_1(inventory: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 0.5)
    engine.move_ends = "stuck"
    output = call("-i", inventory, "restart", "web", "--task", "2", code=1).stdout
    assert "given up: 2 of 2 replicas run, still on n1: web-2" in output


def test_what_cannot_be_restarted_is_one_sentence_and_exits_2(inventory: Path) -> None:
    said = call("-i", inventory, "restart", "web", code=2).stderr
    assert said.startswith("swarmherd: one task is restarted at a time: give --task with one of web-1 (slot 1), web-2")


def test_rollback_goes_back_and_is_told(inventory: Path, engine: Engine) -> None:
    engine.updates["web"] = "paused"
    done = call_json("-i", inventory, "rollback", "web", "--reason", "it loses orders")
    assert (done["outcome"], done["kind"], engine.updates["web"]) == ("done", "rollback", "rollback_completed")
    assert done["detail"].startswith("web is rolled back, and 2 of its tasks run after ")
    assert "web to its previous specification" in call("-i", inventory, "history").stdout
    assert "web is rolled back already" in call("-i", inventory, "rollback", "web", code=2).stderr


def test_a_rollback_that_is_paused_is_told(inventory: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 0.5)
    engine.updates["web"], engine.move_ends = "paused", "stuck"
    output = call("-i", inventory, "rollback", "web", code=1).stdout
    assert "given up: its update is rollback paused, 2 of 2 replicas run" in output


@pytest.fixture
def ill(inventory: Path, engine: Engine) -> Iterator[list[int]]:
    """The status that web's health answers with, to be changed; and a policy that heals it quickly."""
    status = [503]
    server = Loopback(lambda _path, _parameters: as_json({}, status[0]))
    engine.ports["web"] = server.port
    heal = {"after": 1, "recheck": 0.1, "cooldown": 0, "stable": 3600, "steps": ["restart", "restart"]}
    health = {"endpoint": "http://:8080/health", "start_period": 0}
    file = inventory / "group_vars" / "all" / "swarmherd.yml"
    settings, _policy, _rest = file.read_text().partition("swarmherd_policy:")
    policy = {"mode": "enforce", "services": {"web": {"heal": heal, "health": health}}}
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("m1: {", "n1: {ansible_host: 127.0.0.1, "))
    file.write_text(f"{settings}swarmherd_policy: {json.dumps(policy)}\n")
    yield status
    server.close()


def test_a_cycle_heals_what_was_ill_for_long_and_counts_it_until_it_is_given_up(
    inventory: Path, ill: list[int]
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=30)
    with open_cluster(inventory) as cluster:
        remembered = {
            place: Ailment("web", True, f"web-{place[-1]}", since, datetime.now(UTC)) for place in ("web.1", "web.2")
        }
        cluster.store.remember(Memory(), Memory(ailments=remembered))
        done = cycle(cluster.steps(cluster.playbooks()))
        (result,) = done.results
        assert result is not None
        assert result.outcome is Outcome.DONE
        assert done.sentence.startswith("web task web-1 done: web.1 runs on n1 as web-1-moved1")
        assert "503" in done.sentence
        known = cluster.store.memory().ailments
        assert (known["web.1"].tries, known["web.2"].tries) == (("restart",), ())
        view = cluster.observer.observe(cluster.policy, clock())
        assert {one.health for one in view.health.values()} == {Health.UNHEALTHY}
    assert "Of its health: leave web.1 on n1 as it is" in " ".join(
        call_json("-i", inventory, "explain", "web")["sentences"]
    )
    (planned,) = call_json("-i", inventory, "plan")
    assert {one["place"]: one["tries"] for one in planned["healing"]} == {"web.1": 1, "web.2": 0}
    assert "health of web.1" in call("-i", inventory, "plan").stdout
    ill[0] = 200
    with open_cluster(inventory) as cluster:
        assert cycle(cluster.steps(cluster.playbooks())).results == ()
        assert cluster.store.memory().ailments["web.1"].well_since is not None
        assert cluster.store.memory().ailments["web.2"] == Ailment("web", answered=True)


@pytest.mark.usefixtures("ill")
def test_what_heals_is_no_part_of_evening_out_the_load(inventory: Path, engine: Engine) -> None:
    engine.add_nodes("n2")
    engine.memory_bytes = 4096
    edit(inventory, '["restart", "restart"]', '["move"]')
    edit(inventory, '"enforce"', '"observe"')
    now = datetime.now(UTC)
    with open_cluster(inventory) as cluster:
        ailing = Ailment("web", answered=True, task="web-1", ill_since=now - timedelta(seconds=30), ill_at=now)
        cluster.store.remember(Memory(), Memory(ailments={"web.1": ailing}))
    (planned,) = call_json("-i", inventory, "plan")
    assert [action["kind"] for action in planned["actions"]] == ["move"], "a cycle would heal it"
    assert call_json("-i", inventory, "rebalance")["results"] == []
    edit(inventory, '"mode"', '"rebalance": {"memory": "20%", "by": "reservations"}, "mode"')
    (moved,) = call_json("-i", inventory, "rebalance")["results"]
    assert "apart" in moved["reason"], "its budgets are for the load alone"
    assert len(engine.moves_asked) == 1


def test_what_a_manager_says_of_updates_and_ports_is_read(inventory: Path, engine: Engine) -> None:
    engine.updates["web"], engine.ports["web"] = "paused", 18080
    with open_cluster(inventory) as cluster:
        view = cluster.view()
    (web,) = view.services
    assert (web.update_state, web.update_message, web.has_previous) == (UpdateState.PAUSED, "so it is", True)
    assert web.update_started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (web.update_parallelism, web.update_pause_seconds) == (1, 5)
    assert {task.host_ports for task in view.tasks} == {((8080, 18080),)}
