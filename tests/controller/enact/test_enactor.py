# SPDX-License-Identifier: GPL-3.0-or-later
"""An action is journaled first, run by playbook, and its outcome is what Docker shows (S15, S17, S21)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from swarmherd.lease import LeaseLostError
from swarmherd.model import Action, Decision, Outcome, Result
from swarmherd.service import Cluster, open_cluster

from tests.controller.conftest import Engine

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def cluster(inventory: Path, collection: Path) -> Iterator[Cluster]:  # noqa: ARG001  (the playbook must be there)
    with open_cluster(inventory) as one:
        yield one


def to(replicas: int) -> Action:
    return Action(
        id=f"to-{replicas}",
        kind="scale",
        cluster="loop",
        service="web",
        parameters={
            "swarmherd_service": "web",
            "swarmherd_replicas": replicas,
            "swarmherd_expected_replicas": 2,
            "swarmherd_expected_version": 100,
            "swarmherd_reason": "a test",
        },
        undo={"swarmherd_service": "web", "swarmherd_replicas": 2},
        reason="a test",
    )


def write_playbook(collection: Path, tasks: str) -> None:
    (collection / "playbooks" / "enact" / "scale.yml").write_text(
        '- hosts: "{{ swarmherd_manager }}"\n  connection: local\n  gather_facts: false\n  tasks:\n' + tasks
    )


def test_what_docker_shows_running_is_done(cluster: Cluster, engine: Engine) -> None:
    result = cluster.playbooks().enact(to(4), NOW)
    assert result is not None
    assert (result.outcome, engine.replicas["web"]) == (Outcome.DONE, 4)
    assert result.detail.startswith("4 replicas run after ")
    assert result.version == 101
    assert result.running_at is not None
    assert result.started_at <= result.running_at <= result.finished_at
    (entry,) = cluster.store.history(5)
    assert (entry.outcome, entry.decided_at, entry.action.undo["swarmherd_replicas"]) == (Outcome.DONE, NOW, 2)


def test_the_entry_with_its_undo_stands_before_the_playbook_starts(
    cluster: Cluster, collection: Path, private_state: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    write_playbook(collection, f"    - ansible.builtin.shell: cat {private_state}/swarmherd/loop.db* > {copy}\n")
    cluster.playbooks().enact(to(2), NOW)
    assert b"to-2" in copy.read_bytes()


def test_a_good_exit_without_the_replicas_is_given_up_with_what_the_tasks_say(
    cluster: Cluster, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 1.0)
    engine.task_state, engine.task_error = "rejected", "No such image: shop:2"
    result = cluster.playbooks().enact(to(4), NOW)
    assert result is not None
    assert result.outcome is Outcome.GIVEN_UP
    assert result.detail.startswith("0 of 4 replicas run (4 x rejected: No such image: shop:2: started); ")


def test_a_scale_up_that_cannot_land_is_set_back_to_what_runs(
    cluster: Cluster, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its pending tasks would keep every later decision away from the service."""
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 1.0)
    engine.room = 3
    result = cluster.playbooks().enact(to(5), NOW)
    assert result is not None
    assert result.outcome is Outcome.GIVEN_UP
    assert result.detail == "3 of 5 replicas run (2 x pending: no suitable node: started); set back: 3 replicas run"
    assert (engine.replicas["web"], result.version) == (3, 102)


def test_replicas_that_are_to_wait_for_a_node_are_not_set_back_and_nothing_has_failed(
    cluster: Cluster, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`capacity: ignore`."""
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 1.0)
    engine.room = 3
    waiting = replace(to(5), parameters={**to(5).parameters, "swarmherd_capacity": "ignore"})
    result = cluster.playbooks().enact(waiting, NOW)
    assert result is not None
    assert (result.outcome, engine.replicas["web"], result.running_at) == (Outcome.DONE, 5, None), result.detail
    assert result.detail == "5 replicas are wanted, of which 2 wait for a node"
    assert cluster.store.memory().of("web").failures == 0


def test_a_scale_down_is_never_set_back(cluster: Cluster, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 1.0)
    engine.room = 0
    result = cluster.playbooks().enact(to(1), NOW)
    assert result is not None
    assert (result.outcome, engine.replicas["web"]) == (Outcome.GIVEN_UP, 1)


def test_a_failed_playbook_is_given_up_with_its_words(cluster: Cluster, collection: Path) -> None:
    write_playbook(collection, "    - ansible.builtin.fail: {msg: no rights}\n")
    result = cluster.playbooks().enact(to(4), NOW)
    assert result is not None
    assert (result.outcome, result.version) == (Outcome.GIVEN_UP, None)
    assert result.detail == "m1: no rights: 2 of 4 replicas run, 2 are wanted"


def test_a_failed_playbook_whose_work_is_there_is_done(cluster: Cluster, collection: Path, engine: Engine) -> None:
    """Confirmed by observation, and not by the exit code."""
    engine.replicas["web"] = 4
    write_playbook(collection, "    - ansible.builtin.fail: {msg: late}\n")
    result = cluster.playbooks().enact(to(4), NOW)
    assert result is not None
    assert result.outcome is Outcome.DONE
    assert result.detail.endswith("although m1: late")


def test_another_writer_is_a_conflict(cluster: Cluster, collection: Path) -> None:
    library = collection / "playbooks" / "enact" / "library"
    library.mkdir()
    (library / "conflicting.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule({}).fail_json(msg='changed', conflict=True, found={'replicas': 4, 'version': 8})\n"
    )
    write_playbook(collection, "    - conflicting:\n")
    result = cluster.playbooks().enact(to(3), NOW)
    assert result is not None
    assert result.outcome is Outcome.CONFLICT
    assert result.detail == "another writer was quicker: found 4 replicas at version 8"


def test_the_playbook_gives_up_waiting_before_it_is_ended(cluster: Cluster, collection: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    write_playbook(collection, f"    - ansible.builtin.shell: echo {{{{ swarmherd_wait_timeout }}}} > {seen}\n")
    cluster.playbooks().enact(to(2), NOW)
    assert 0 < int(seen.read_text()) < cluster.settings.playbook_timeout_seconds


def test_without_a_manager_no_playbook_is_run(cluster: Cluster, engine: Engine) -> None:
    engine.control_available = False
    result = cluster.playbooks().enact(to(4), NOW)
    assert result is not None
    assert (result.outcome, result.ran, result.reached) == (Outcome.GIVEN_UP, False, False)
    assert "/test/scale" not in engine.asked


@pytest.mark.parametrize(
    ("tasks", "ran"),
    [
        ("    - ansible.builtin.fail: {msg: no rights}\n", True),
        ("    - no.such.module:\n", False),
    ],
)
def test_a_result_tells_whether_anything_can_have_been_done(
    cluster: Cluster, collection: Path, tasks: str, ran: bool
) -> None:
    write_playbook(collection, tasks)
    result = cluster.playbooks().enact(to(4), NOW)
    assert result is not None
    assert (result.outcome, result.ran, result.reached) == (Outcome.GIVEN_UP, ran, ran)


def test_a_host_that_is_not_reached_is_told_from_a_playbook_that_says_no(cluster: Cluster, collection: Path) -> None:
    tasks = "    - ansible.builtin.ping:\n      vars: {ansible_connection: ssh, ansible_port: 1}\n"
    write_playbook(collection, tasks.replace("ssh,", "ssh, ansible_host: 127.0.0.1,"))
    result = cluster.playbooks().enact(to(4), NOW)
    assert result is not None
    assert (result.outcome, result.reached) == (Outcome.GIVEN_UP, False), result.detail


def begin_elsewhere(cluster: Cluster, replicas: int, owner: str = "another.host.long.gone:1") -> None:
    """An entry of a controller that is gone: its owner is of this host and no such process runs."""
    import socket

    dead = f"{socket.gethostname()}:4194304" if owner.startswith("another") else owner
    cluster.store.begin(to(replicas), NOW, datetime.now(UTC), dead)


@pytest.mark.parametrize(
    ("found", "outcome", "words"),
    [
        (4, Outcome.DONE, "4 replicas run"),
        (2, Outcome.UNDONE, "nothing of it had happened"),
        (3, Outcome.GIVEN_UP, "3 are wanted"),
    ],
)
def test_an_action_cut_short_is_closed_by_what_docker_shows(
    cluster: Cluster, engine: Engine, found: int, outcome: Outcome, words: str
) -> None:
    begin_elsewhere(cluster, 4)
    engine.replicas["web"] = found
    cluster.recover()
    (entry,) = cluster.store.history(5)
    assert entry.outcome is outcome
    assert words in entry.detail
    assert cluster.store.unfinished() == ()


def test_a_playbook_that_outlived_its_controller_is_ended_before_anything_is_decided(cluster: Cluster) -> None:
    import os
    import subprocess

    begin_elsewhere(cluster, 4)
    environment = {**os.environ, "SWARMHERD_ACTION": "to-4"}
    with subprocess.Popen(["sleep", "300"], env=environment, start_new_session=True) as orphan:
        cluster.recover()
        assert orphan.wait(5) == -9
    assert cluster.store.unfinished() == ()


def test_an_action_that_another_process_is_at_is_left_to_it(cluster: Cluster) -> None:
    import os
    import socket

    begin_elsewhere(cluster, 4, owner=f"{socket.gethostname()}:{os.getppid()}")
    cluster.recover()
    assert [entry.action.id for entry in cluster.store.unfinished()] == ["to-4"]


def test_an_unfinished_action_stays_open_while_docker_cannot_be_read(cluster: Cluster, engine: Engine) -> None:
    begin_elsewhere(cluster, 4)
    engine.broken["/services"] = (500, "text/plain", b"no")
    cluster.recover()
    assert len(cluster.store.unfinished()) == 1


def test_a_decision_and_an_action_survive_the_store(cluster: Cluster) -> None:
    decision = Decision("web", 2, 4, 4, ("because",), version=100)
    cluster.store.record((decision,), "sentence", NOW)
    assert cluster.store.last_decisions()["web"].decision == decision


def test_a_lease_lost_right_before_the_playbook_leaves_the_entry_open_and_nothing_done(
    cluster: Cluster, engine: Engine
) -> None:
    """Who leads now closes it by what Docker shows."""

    def refuse() -> None:
        raise LeaseLostError("another controller leads")

    cluster.permit = refuse
    with pytest.raises(LeaseLostError):
        cluster.playbooks().enact(to(4), NOW)
    assert (engine.replicas["web"], engine.asked.count("/test/scale")) == (2, 0)
    assert [entry.outcome for entry in cluster.store.history(5)] == [Outcome.STARTED]


def test_a_lease_lost_during_the_playbook_sets_nothing_back(
    cluster: Cluster, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would be a further playbook."""
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 1.0)
    engine.room = 3
    asked = iter(range(9))

    def once() -> None:
        if next(asked):
            raise LeaseLostError("another controller leads")

    cluster.permit = once
    with pytest.raises(LeaseLostError):
        cluster.playbooks().enact(to(4), NOW)
    assert engine.replicas["web"] == 4
    assert [entry.outcome for entry in cluster.store.unfinished()] == [Outcome.STARTED]


def test_an_entry_that_is_closed_stays_as_who_leads_closed_it(cluster: Cluster) -> None:
    store = cluster.store
    store.begin(to(4), NOW, NOW, "n1:1")
    store.end(Result("to-4", Outcome.UNDONE, "by who leads", NOW, NOW))
    store.end(Result("to-4", Outcome.DONE, "by who led, late", NOW, NOW))
    assert [(entry.outcome, entry.detail) for entry in store.history(5)] == [(Outcome.UNDONE, "by who leads")]


# ---------------------------------------------------------------- behind a load balancer


def behind(replicas: int, which: str = "certain") -> Action:
    more = {"swarmherd_balancer_backend": "shop", "swarmherd_drain": which}
    return replace(to(replicas), parameters={**to(replicas).parameters, **more})


def test_what_was_drained_or_was_not_is_said_with_what_came_of_it(cluster: Cluster, engine: Engine) -> None:
    first, second = (cluster.playbooks().enact(one, NOW) for one in (behind(1), behind(0, "none")))
    assert first is not None
    assert first.detail.startswith("1 replicas run, and what went was drained at shop first after ")
    assert second is not None
    assert "; nothing was drained at shop first, for it was not certain what would go after" in second.detail
    assert engine.undrained == []


@pytest.mark.parametrize(("found", "outcome"), [(1, Outcome.DONE), (2, Outcome.UNDONE), (4, Outcome.UNDONE)])
def test_servers_that_a_dead_controller_left_drained_serve_again_however_far_it_had_come(
    cluster: Cluster, engine: Engine, found: int, outcome: Outcome
) -> None:
    import socket

    cluster.store.begin(behind(1), NOW, datetime.now(UTC), f"{socket.gethostname()}:4194304")
    engine.replicas["web"] = found
    cluster.recover()
    (entry,) = cluster.store.history(5)
    assert (entry.outcome, engine.undrained, engine.replicas["web"]) == (outcome, ["shop"], found)
    assert entry.detail.endswith("set back: the load balancer uses every server of shop again")


def test_while_the_balancer_cannot_be_reached_they_are_tried_again(
    cluster: Cluster, engine: Engine, collection: Path
) -> None:
    import socket

    playbook = collection / "playbooks" / "enact" / "scale.yml"
    sound = playbook.read_text()
    write_playbook(collection, "    - ansible.builtin.fail: {msg: cannot be reached}\n")
    cluster.store.begin(behind(1), NOW, datetime.now(UTC), f"{socket.gethostname()}:4194304")
    cluster.recover()
    assert len(cluster.store.unfinished()) == 1
    playbook.write_text(sound)
    cluster.recover()
    assert (cluster.store.unfinished(), engine.undrained) == ((), ["shop"])


def test_a_run_that_could_not_let_its_servers_serve_again_is_followed_by_one_that_does(
    cluster: Cluster, engine: Engine, collection: Path
) -> None:
    """As where the balancer restarts between draining and the end."""
    library = collection / "playbooks" / "enact" / "library"
    library.mkdir()
    (library / "drained.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule({}).fail_json(msg='no answer', not_ready=True)\n"
    )
    playbook = collection / "playbooks" / "enact" / "scale.yml"
    failing = "    - drained:\n      when: swarmherd_state is not defined\n"
    playbook.write_text(playbook.read_text().replace("  tasks:\n", f"  tasks:\n{failing}"))
    result = cluster.playbooks().enact(behind(1), NOW)
    assert result is not None
    assert (result.outcome, engine.undrained) == (Outcome.GIVEN_UP, ["shop"])
    assert result.detail.startswith("m1: no answer: 2 of 1 replicas run")
