# SPDX-License-Identifier: GPL-3.0-or-later
"""The program as it is run: signals, several clusters, an inventory that changes, no drift."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from swarmherd.cli import app
from swarmherd.model import Outcome
from swarmherd.replay import replay
from swarmherd.running import Runner
from swarmherd.store import StoreError
from typer.testing import CliRunner

from tests.controller.conftest import Engine, Metrics
from tests.waiting import until

PROGRAM = [sys.executable, "-c", "from swarmherd.cli import app; app()"]


@contextmanager
def program(*words: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stderr:
        child = subprocess.Popen([*PROGRAM, *words], stderr=stderr, stdout=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def sentences(log: Path, cluster: str = "loop") -> list[str]:
    """What was said of each cycle."""
    return [said for said in told(log, cluster) if said != "this controller leads"]


def told(log: Path, cluster: str = "loop") -> list[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line["event"] for line in lines if line.get("cluster") == cluster]


def another(inventory: Path, tmp_path: Path, more: str = "") -> Path:
    """The same as the cluster `other`, with more settings."""
    other = tmp_path / "other"
    shutil.copytree(inventory, other)
    policy = other / "group_vars" / "all" / "swarmherd.yml"
    policy.write_text(policy.read_text().replace("name: loop", f"name: other{more}"))
    return other


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_after_the_cycle_in_hand(
    inventory: Path, tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    with program("-i", str(inventory), "run", "--mode", "observe", "--interval", "60", log=log) as child:
        until("the first cycle", lambda: sentences(log))
        started = time.monotonic()
        child.send_signal(number)
        assert child.wait(10) == 0
        assert time.monotonic() - started < 5
    assert f"{number.name}: stopping" in log.read_text()


def test_a_signal_in_mid_action_lets_it_end_and_closes_its_entry(
    inventory: Path, collection: Path, engine: Engine, tmp_path: Path
) -> None:
    playbook = collection / "playbooks" / "enact" / "scale.yml"
    pause = "  tasks:\n    - ansible.builtin.command: sleep 2\n"
    playbook.write_text(playbook.read_text().replace("  tasks:\n", pause, 1))
    log = tmp_path / "log"
    with program("-i", str(inventory), "run", log=log) as child:
        until("the action to begin", lambda: '"started' in log.read_text() or engine.asked.count("/info") >= 1)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
    assert engine.replicas["web"] == 5
    assert sentences(log)[-1].startswith("web 2 -> 5 done")


def test_clusters_run_side_by_side_and_one_that_fails_does_not_hold_the_other_up(
    inventory: Path, tmp_path: Path
) -> None:
    other = another(inventory, tmp_path)
    hosts = other / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("tcp://127.0.0.1:", "tcp://127.0.0.1:1 #"))
    hosts.write_text("all: {children: {managers: {hosts: {m1: {swarmherd_docker_host: 'tcp://127.0.0.1:1'}}}}}\n")
    log = tmp_path / "log"
    words = ["-i", str(inventory), "-i", str(other), "run", "--mode", "observe", "--interval", "0.5"]
    with program(*words, log=log) as child:
        until("three cycles of each", lambda: min(len(sentences(log)), len(sentences(log, "other"))) >= 3)
        child.terminate()
        child.wait(10)
    assert sentences(log)[0].startswith("would scale web")
    assert sentences(log, "other")[0].startswith("nothing decided: m1 (tcp://127.0.0.1:1)")


def test_once_is_one_cycle_and_says_by_its_exit_code_whether_it_was_abandoned(
    inventory: Path, engine: Engine, tmp_path: Path
) -> None:
    words = ["-i", str(inventory), "run", "--once", "--mode", "observe"]
    with program(*words, log=tmp_path / "log") as child:
        assert child.wait(30) == 0
    engine.broken["/nodes"] = (500, "text/plain", b"no")
    with program(*words, log=tmp_path / "log2") as child:
        assert child.wait(30) == 1
    assert len(sentences(tmp_path / "log")) == len(sentences(tmp_path / "log2")) == 1


@pytest.mark.parametrize("state", ["", "\n  state_url: sqlite:////proc/no/state.db"])
def test_the_same_cluster_twice_is_refused(inventory: Path, tmp_path: Path, state: str) -> None:
    """Also where its database does not answer yet."""
    file, log = inventory / "group_vars" / "all" / "swarmherd.yml", tmp_path / "log"
    file.write_text(file.read_text().replace("name: loop", f"name: loop{state}"))
    with program("-i", str(inventory), "-i", str(inventory), "run", "--mode", "observe", log=log) as child:
        assert child.wait(30) == 2
    assert f"{inventory}: the cluster loop is given twice" in log.read_text()


def test_an_entry_left_open_by_a_cycle_that_broke_off_is_closed_in_the_next(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    def full(*_: object) -> None:
        raise StoreError("state: database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("swarmherd.store.Store.end", full)
        assert not runner.once()
    assert engine.replicas["web"] == 5
    store = runner.cluster.store
    assert [entry.outcome for entry in store.history(9)] == [Outcome.STARTED]
    assert runner.once()
    assert [entry.outcome for entry in store.history(9)] == [Outcome.DONE]


def test_a_kill_switch_in_the_inventory_holds_in_the_next_cycle(
    runner: Runner, inventory: Path, engine: Engine
) -> None:
    file = inventory / "group_vars" / "all" / "swarmherd.yml"
    file.write_text(file.read_text().replace("mode: enforce", "mode: observe"))
    assert runner.once()
    assert engine.replicas["web"] == 2


def test_a_mistake_in_a_changed_inventory_stops_deciding_until_it_is_put_right(
    runner: Runner, inventory: Path, engine: Engine, metrics: Metrics
) -> None:
    file = inventory / "group_vars" / "all" / "swarmherd.yml"
    right = file.read_text()
    file.write_text(right.replace("min: 1", "min: 9"))
    assert not runner.once()
    assert engine.replicas["web"] == 2
    file.write_text(right)
    os.utime(file)
    metrics.value = "40"
    assert runner.once()
    assert engine.replicas["web"] == 4


@pytest.mark.parametrize("missing", ["inventory", "collection"])
def test_what_is_away_for_a_moment_costs_the_cycles_of_that_moment(
    runner: Runner, inventory: Path, collection: Path, engine: Engine, missing: str
) -> None:
    """As while a deployment puts another one in its place."""
    place = {"inventory": inventory, "collection": collection}[missing]
    os.utime(inventory / "hosts.yml")
    place.rename(away := place.with_name("away"))
    assert not runner.once()
    assert not runner.once()
    away.rename(place)
    assert runner.once()
    assert engine.replicas["web"] == 5


def test_a_surprise_outside_of_a_cycle_costs_that_one_alone(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "_lead", lambda _self: 1 / 0)
        assert not runner.once()
    assert runner.once()
    assert engine.replicas["web"] == 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # That is what it is about.
def test_where_a_cluster_is_served_no_longer_the_program_ends_and_says_so_by_its_exit_code(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its supervisor would take it for well, and the lease would be renewed by nobody who decides."""
    monkeypatch.setattr(Runner, "run", lambda _self: 1 / 0)
    run = CliRunner().invoke(app, ["-i", str(inventory), "run", "--mode", "observe"])
    assert run.exit_code == 1


def test_of_several_clusters_one_whose_database_does_not_answer_keeps_no_other_waiting(
    inventory: Path, tmp_path: Path
) -> None:
    other = another(inventory, tmp_path, "\n  state_url: sqlite:////proc/no/state.db")
    log, words = tmp_path / "log", ("run", "--mode", "observe", "--interval", "0.5")
    with program("-i", str(other), "-i", str(inventory), *words, log=log) as child:
        until("two cycles of the other", lambda: len(sentences(log)) >= 2)
        child.terminate()
        assert child.wait(10) == 0
    assert told(log, "other")[0].startswith("nothing decided: state sqlite:////proc/no/state.db: ")
    with program("-i", str(other), *words, log=log) as child:
        assert child.wait(10) == 1


def test_what_cannot_be_written_down_is_not_done_and_observation_goes_on(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, engine: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    """A full disk, first found by the cycle, then by the lease as well."""

    def full(*_: object) -> None:
        raise StoreError("state: database or disk is full; make room")

    with monkeypatch.context() as patch:
        patch.setattr("swarmherd.store.inputs.write", full)
        assert not runner.once()
        patch.setattr("swarmherd.store.leases.Leases.take", full)
        runner._step_down()
        assert not runner.once()
    said = capfd.readouterr().out
    words = "nothing is done, for it cannot be written down (state: database or disk is full; make room)"
    assert said.count(f"{words}; seen: would scale web 2 -> 5 because ") == 2
    assert engine.replicas["web"] == 2
    until("the lease", lambda: runner._token is not None)
    assert runner.once()
    assert engine.replicas["web"] == 5


def test_what_a_cycle_was_decided_on_is_kept_before_anything_is_done(runner: Runner, collection: Path) -> None:
    (collection / "playbooks" / "enact" / "scale.yml").unlink()
    runner.once()
    store = runner.cluster.store
    kept, (entry,) = store.kept(), store.history(9)
    assert kept is not None
    assert (kept.inputs.now, kept.plan.actions[0].id) == (entry.decided_at, entry.action.id)
    assert replay(kept)[1] == ()
