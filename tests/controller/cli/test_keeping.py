# SPDX-License-Identifier: GPL-3.0-or-later
"""Pausing, looking back, deciding again, backing up: the commands, as people type them."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from swarmherd import replay as room
from swarmherd.running import Runner

from tests.controller.cli.test_cli import call, call_json, edit
from tests.controller.conftest import Engine


def cycle(runner: Runner) -> bool:
    """One more, whose log goes nowhere: the commands' standard error is closed with each of them."""
    structlog.reset_defaults()
    return runner.once()


# ---------------------------------------------------------------- pause and resume


def test_a_pause_holds_from_the_next_cycle_on_and_is_said_until_it_is_taken_away(
    runner: Runner, inventory: Path, engine: Engine
) -> None:
    words = ["pause", "--reason", "release at noon", "--who", "ana"]
    assert call("-i", inventory, *words).stdout == "loop: ana paused everything: release at noon\n"
    assert cycle(runner)
    assert engine.replicas["web"] == 2
    assert "ana paused everything: release at noon" in call("-i", inventory, "plan").stdout
    assert "ana paused everything: release at noon" in call("-i", inventory, "status").stdout
    assert call("-i", inventory, "resume").stdout == "loop: nothing is paused\n"
    assert cycle(runner)
    assert engine.replicas["web"] == 5


def test_of_several_clusters_all_are_read_before_one_is_held_back(inventory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(inventory, other)
    edit(other, "name: loop", "name: other")
    both = ("-i", inventory, "-i", other)

    def paused() -> list[int]:
        return [len(one["pauses"]) for one in call_json(*both, "plan")]

    call("-i", inventory, "-i", tmp_path / "nowhere", "pause", "--reason", "x", code=2)
    assert paused() == [0, 0]
    documents = call_json(*both, "pause", "--reason", "x")
    assert [(one["cluster"], len(one["pauses"])) for one in documents] == [("loop", 1), ("other", 1)]
    call("-i", other, "resume")
    assert "other: there is no such pause; nothing is paused" in call(*both, "resume", code=2).output
    assert paused() == [1, 0]


@pytest.mark.parametrize(
    ("scope", "held"), [(["--service", "web", "--direction", "up"], True), (["--direction", "down"], False)]
)
def test_a_pause_holds_what_it_names_and_nothing_else(inventory: Path, scope: list[str], held: bool) -> None:
    call("-i", inventory, "pause", *scope, "--reason", "x")
    (plan,) = call_json("-i", inventory, "plan")
    assert (plan["actions"] == []) is held
    assert len(plan["pauses"]) == 1


def test_a_pause_ends_by_itself_when_its_time_is_over(inventory: Path, runner: Runner, engine: Engine) -> None:
    call("-i", inventory, "pause", "--reason", "lunch", "--for", "1h30m")
    (plan,) = call_json("-i", inventory, "plan")
    (paused,) = plan["pauses"]
    at, until = (datetime.fromisoformat(paused[name]) for name in ("at", "until"))
    assert until - at == timedelta(hours=1, minutes=30)
    assert cycle(runner)
    assert engine.replicas["web"] == 2
    store = runner.cluster.store
    store.pause(replace(store.memory().pauses[0], until=datetime.now(UTC)))
    assert call_json("-i", inventory, "plan")[0]["pauses"] == []
    assert cycle(runner)
    assert engine.replicas["web"] == 5


def test_resume_takes_away_one_scope_or_all(inventory: Path) -> None:
    for scope in ([], ["--service", "web"], ["--direction", "down"]):
        call("-i", inventory, "pause", *scope, "--reason", "x", "--who", "bo")
    left = call_json("-i", inventory, "resume", "--service", "web")["pauses"]
    assert [(one["service"], one["direction"]) for one in left] == [(None, "down"), (None, None)]
    assert "bo paused scaling down: x" in call("-i", inventory, "resume", "--service", "db", code=2).output
    assert call_json("-i", inventory, "resume", "--all")["pauses"] == []
    assert "nothing is paused" in call("-i", inventory, "resume", code=2).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause"], "--reason"),
        (["pause", "--reason", " "], "a pause needs a reason"),
        (["pause", "--reason", "x", "--for", "soon"], "--for: 'soon' is not a duration"),
        (["pause", "--reason", "x", "--direction", "left"], "left"),
        (["resume", "--all", "--service", "web"], "--all is every pause"),
        (["history", "--since", "yesterday"], "--since: 'yesterday' is no time"),
        (["history", "--outcome", "fine"], "fine"),
        (["replay", "abc"], "abc: no action's id begins so"),
        (["replay", "last"], "last: what it was decided on is not kept"),
        (["restore", "/nowhere/backup.db"], "/nowhere/backup.db: there is no such file"),
        (["backup", "/nowhere/backup.db"], "/nowhere/backup.db: cannot be written"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(inventory: Path, words: list[str], said: str) -> None:
    assert said in call("-i", inventory, *words, code=2).output


def test_a_service_that_nobody_saw_is_paused_with_a_word_about_it(inventory: Path) -> None:
    call("-i", inventory, "run", "--once", "--mode", "observe")
    done = call("-i", inventory, "pause", "--service", "wbe", "--reason", "x")
    assert "no service wbe was seen there so far" in done.output
    assert "so far" not in call("-i", inventory, "pause", "--service", "web", "--reason", "x").output


# ---------------------------------------------------------------- history and replay


@pytest.fixture
def acted(inventory: Path, runner: Runner) -> Path:
    """One scale-up by a cycle."""
    assert cycle(runner)
    return inventory


@pytest.mark.slow
def test_history_is_filtered_and_what_a_cycle_did_comes_to_the_same_again(acted: Path) -> None:
    call("-i", acted, "scale", "web", "3", "--reason", "sale")

    def of(*words: str) -> list[Any]:
        return [one["parameters"]["swarmherd_replicas"] for one in call_json("-i", acted, "history", *words)]

    assert of("--service", "web", "--kind", "scale", "--outcome", "done", "--since", "1h") == [3, 5]
    assert of("--outcome", "given_up") == of("--since", "2099-01-01T00:00") == of("--node", "n1") == []
    by_hand, by_cycle = call_json("-i", acted, "history")
    edit(acted, "max: 5", "max: 4")
    again = call_json("-i", acted, "replay", by_cycle["id"][:8])
    assert again["same"]
    assert again["plan"]["decisions"][0]["then"] == 5
    assert "the same as then: 1 decision and 1 action" in call("-i", acted, "replay", by_cycle["decided_at"]).stdout
    assert "a person's own action has none" in call("-i", acted, "replay", by_hand["id"], code=2).output


def test_a_cycle_that_would_be_decided_otherwise_now_exits_1_and_says_where(
    acted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a later version might do."""
    real = room.conclude

    def other(*inputs: Any) -> Any:
        plan, after = real(*inputs)
        decisions = tuple(replace(one, then=4) for one in plan.decisions)
        return replace(plan, decisions=decisions), after

    monkeypatch.setattr(room, "conclude", other)
    output = call("-i", acted, "replay", "last", code=1).output
    assert "not as then" in output
    assert "decisions.web.then: 5 then, 4 now" in output


# ---------------------------------------------------------------- backup and restore


def test_a_state_is_backed_up_and_restored_but_not_while_a_controller_leads(
    acted: Path, runner: Runner, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    assert f"{file}: the state of loop is there: 1 action, 1 cycle" in call("-i", acted, "backup", file).stdout
    assert "it is there already" in call("-i", acted, "backup", file, code=2).output
    call("-i", acted, "pause", "--reason", "later")
    refused = call("-i", acted, "restore", file, code=2).output
    assert "another controller leads (host " in refused
    assert "stop it first" in refused
    assert len(runner.cluster.store.memory().pauses) == 1
    runner.close()
    call("-i", acted, "restore", file)
    (status,) = call_json("-i", acted, "status")
    assert (status["pauses"], status["leader"]) == ([], None)
    assert [one["outcome"] for one in call_json("-i", acted, "history")] == ["done"]


def test_status_says_who_leads(acted: Path) -> None:
    (status,) = call_json("-i", acted, "status")
    assert status["leader"]["pid"] == str(os.getpid())
    assert "led by host " in call("-i", acted, "status").stdout


def test_windows_hold_and_are_shown_with_how_they_stand(inventory: Path, runner: Runner, engine: Engine) -> None:
    edit(inventory, "  mode: enforce", "  mode: enforce\n  windows: {forbid: up, cron: '@hourly', duration: 1h}")
    (plan,) = call_json("-i", inventory, "plan")
    assert plan["windows"] == ["up forbidden for 1 h from each @hourly UTC: now, it never ends"]
    assert plan["decisions"][0]["reasons"][-1] == (
        "leave web at 2, because scaling up is forbidden for 1 h from each @hourly UTC; it never ends"
    )
    assert "window: up forbidden" in call("-i", inventory, "plan").stdout
    assert cycle(runner)
    assert engine.replicas["web"] == 2


def test_a_pause_of_moves_or_anchors_is_said_as_such(inventory: Path) -> None:
    call("-i", inventory, "pause", "--direction", "moves", "--service", "web", "--reason", "x", "--who", "bo")
    said = call("-i", inventory, "pause", "--direction", "anchors", "--reason", "x", "--who", "bo").stdout
    assert "bo paused moves of web: x" in said
    assert "bo paused changes of anchors' labels: x" in said
