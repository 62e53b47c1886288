# SPDX-License-Identifier: GPL-3.0-or-later
"""Two controllers of one cluster, as processes: killed, frozen, woken. They never act twice (S16)."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from swarmherd.model import Outcome
from swarmherd.policy import ClusterSettings
from swarmherd.store import Store

from tests.controller.conftest import Engine
from tests.controller.loop.test_service import program, sentences, told, until

TTL = 4
LATEST = 1.5
"""Of the ttl: how soon after the end of one that leads another does, at the latest."""
ENDED = """
  tasks:
    - ansible.builtin.command: sh -c 'while [ -e {gate} ]; do sleep 0.1; done'
      changed_when: false
"""


@pytest.fixture
def shared(inventory: Path, collection: Path) -> Iterator[Path]:  # noqa: ARG001  (the playbook must be there)
    """The inventory with a short ttl; both controllers keep their state in the default place."""
    file = inventory / "group_vars" / "all" / "swarmherd.yml"
    file.write_text(file.read_text().replace("  name: loop", f"  name: loop\n  lease_ttl_seconds: {TTL}"))
    yield inventory


def journal(private_state: Path) -> list[tuple[str, str, int]]:
    """Service, outcome and token of every entry, oldest first."""
    with sqlite3.connect(private_state / "swarmherd" / "loop.db") as connection:
        return connection.execute("SELECT service, outcome, token FROM journal ORDER BY started_at").fetchall()


def leads(log: Path) -> bool:
    return "this controller leads" in told(log)


def test_two_at_once_never_act_twice_and_the_one_that_waits_says_who_leads(
    shared: Path, engine: Engine, state_url: str, tmp_path: Path
) -> None:
    file = shared / "group_vars" / "all" / "swarmherd.yml"
    file.write_text(file.read_text().replace("  name: loop", f"  name: loop\n  state_url: '{state_url}'"))
    logs = [tmp_path / "one", tmp_path / "two"]
    words = ["-i", str(shared), "run", "--interval", "0.3"]
    with program(*words, log=logs[0]) as first, program(*words, log=logs[1]) as second:
        until("one to lead and the other to wait", lambda: sorted(map(leads, logs)) == [False, True])
        leader, waiting = sorted(logs, key=leads, reverse=True)
        until("the leader to act", lambda: engine.replicas["web"] == 5)
        until("three more cycles", lambda: len(sentences(leader)) >= 4)
        until("the other to say why it waits", lambda: sentences(waiting))
        pid = (first if leader == logs[0] else second).pid
        said = sentences(waiting)
        assert len(said) == 1, said
        assert said[0].startswith("another controller leads (host ")
        assert f"pid {pid}, since " in said[0]
    assert engine.asked.count("/test/scale") == 1
    store = Store(state_url, "loop")
    assert [(entry.action.service, entry.outcome) for entry in store.history(9)] == [("web", Outcome.DONE)]
    store.close()


def test_a_leader_that_is_killed_hands_over_at_once_to_one_that_sees_it_gone(
    shared: Path, engine: Engine, tmp_path: Path
) -> None:
    words = ["-i", str(shared), "run", "--interval", "60"]
    with program(*words, log=tmp_path / "one") as leader:
        until("the first to act", lambda: leads(tmp_path / "one") and sentences(tmp_path / "one"))
        with program(*words, log=tmp_path / "two"):
            until("the second to wait", lambda: sentences(tmp_path / "two"))
            engine.replicas["web"] = 9
            leader.send_signal(signal.SIGKILL)
            leader.wait(10)
            killed = time.monotonic()
            until("the second to lead", lambda: leads(tmp_path / "two"))
            assert time.monotonic() - killed < 2
            until("the second to put the count right", lambda: engine.replicas["web"] == 5)


def test_with_the_default_lease_the_next_one_leads_within_15_seconds() -> None:
    assert LATEST * ClusterSettings(name="shop").lease_ttl_seconds <= 15


def test_a_leader_whose_end_nobody_sees_is_followed_within_half_as_long_again_as_its_ttl(
    shared: Path, tmp_path: Path
) -> None:
    """A frozen one renews as little as one on a host that is gone."""
    words = ["-i", str(shared), "run", "--mode", "observe", "--interval", "60"]
    with program(*words, log=tmp_path / "one") as leader:
        until("the first to lead", lambda: leads(tmp_path / "one"))
        with program(*words, log=tmp_path / "two"):
            until("the second to wait", lambda: sentences(tmp_path / "two"))
            leader.send_signal(signal.SIGSTOP)
            frozen = time.monotonic()
            until("the second to lead", lambda: leads(tmp_path / "two"))
            assert TTL / 2 < time.monotonic() - frozen < LATEST * TTL


def test_a_leader_that_ends_hands_over_at_once(shared: Path, tmp_path: Path) -> None:
    words = ["-i", str(shared), "run", "--mode", "observe", "--interval", "60"]
    with program(*words, log=tmp_path / "one") as leader:
        until("the first to lead", lambda: leads(tmp_path / "one"))
        with program(*words, log=tmp_path / "two"):
            until("the second to wait", lambda: sentences(tmp_path / "two"))
            leader.terminate()
            leader.wait(10)
            started = time.monotonic()
            until("the second to lead", lambda: leads(tmp_path / "two"))
            assert time.monotonic() - started < 2


def test_a_leader_frozen_in_mid_plan_does_nothing_when_it_wakes_and_its_playbook_neither(
    shared: Path, collection: Path, engine: Engine, private_state: Path, tmp_path: Path
) -> None:
    """Two actions are planned. The first one's playbook hangs when the leader is frozen."""
    engine.replicas["api"] = 2
    policy = shared / "group_vars" / "all" / "swarmherd.yml"
    line = "      scale: {min: 1, max: 5, metrics: [{query: 'sum(load)', target: 10}]}\n"
    policy.write_text(policy.read_text().replace(line, f"{line}    api:\n{line}  backoff_seconds: 1\n"))
    playbook, gate = collection / "playbooks" / "enact" / "scale.yml", tmp_path / "gate"
    playbook.write_text(playbook.read_text().replace("\n  tasks:\n", ENDED.format(gate=gate), 1))
    gate.touch()
    words = ["-i", str(shared), "run", "--interval", "1"]
    with program(*words, log=tmp_path / "one") as frozen:
        until("the first action to begin", lambda: len(begun(private_state)) == 1)
        with program(*words, log=tmp_path / "two"):
            until("the second to wait", lambda: sentences(tmp_path / "two"))
            frozen.send_signal(signal.SIGSTOP)
            until("the second to close what it found", lambda: closed(private_state), 20)
            gate.unlink()
            until("the second to act on both", lambda: set(engine.replicas.values()) == {5}, 60)
            acted = engine.asked.count("/test/scale")
            frozen.send_signal(signal.SIGCONT)
            first = tmp_path / "one"
            until("the first to say that it stopped", lambda: "nothing more is done" in " ".join(sentences(first)))
            until("a further cycle of the second", cycles_of(tmp_path / "two"))
        assert "nothing more is done: the lease was lost: another controller leads (host " in " ".join(sentences(first))
    assert acted == engine.asked.count("/test/scale") == 2, "one write for each service, and none by the first"
    assert [token for _service, _outcome, token in journal(private_state)] == [1, 2, 2]


def begun(private_state: Path) -> list[tuple[str, str, int]]:
    """As `journal`, while there may be no database yet."""
    try:
        return journal(private_state)
    except sqlite3.OperationalError:
        return []


def closed(private_state: Path) -> bool:
    return [outcome for _service, outcome, token in journal(private_state) if token == 1] == ["undone"]


def cycles_of(log: Path) -> object:
    before = len(sentences(log))
    return lambda: len(sentences(log)) > before
