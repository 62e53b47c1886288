# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves, drains and anchors' labels: verified by what Docker shows, set back where they do not land, and brought to an
end after a controller died (S13, S15, S17)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from swarmherd.model import Action, Memory, Outcome, Result
from swarmherd.service import Cluster, open_cluster

from tests.controller.conftest import Engine

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DENY = "swarmherd.deny.web"
ANCHOR = "swarmherd.anchor.db"
FAILS = "- hosts: m1\n  connection: local\n  gather_facts: false\n  tasks: [{ansible.builtin.fail: }]\n"
WAITS = "- hosts: m1\n  connection: local\n  gather_facts: false\n  tasks: [{ansible.builtin.command: sleep 300}]\n"


@pytest.fixture
def cluster(
    inventory: Path,
    collection: Path,  # noqa: ARG001  (the playbooks must be there)
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cluster]:
    monkeypatch.setattr("swarmherd.enact.playbook.SETTLE_SECONDS", 0.5)
    engine.add_nodes("n2", "n3")
    with open_cluster(inventory) as one:
        yield one


def action(kind: str, undo: dict[str, Any], about: str = "web", /, **parameters: Any) -> Action:
    said = {f"swarmherd_{name}": value for name, value in parameters.items()}
    back = {f"swarmherd_{name}": value for name, value in undo.items()}
    return Action(f"a-{kind}", kind, "loop", about, {**said, "swarmherd_reason": "a test"}, back, "a test")


def move(**parameters: Any) -> Action:
    said = {"service": "web", "node": "node1", "task": "", "allowed_nodes": [], **parameters}
    return action("move", {**said, "state": "cleared"}, expected_version=100, **said)


def drain(availability: str = "drain") -> Action:
    return action("drain", {"node": "node1", "availability": "active"}, "", node="node1", availability=availability)


def relabel(engine: Engine) -> Action:
    engine.constraints["web"] = [f"node.labels.{ANCHOR}==yes"]
    engine.nodes["node1"].labels[ANCHOR] = "yes"
    dependents = [{"name": "web", "expected_version": 100}]
    said = {"anchor": "db", "node": "node2", "old_nodes": ["node1"], "dependents": dependents}
    return action("relabel", {"anchor": "db", "node": "node1", "old_nodes": ["node2"]}, "db", **said)


def done(cluster: Cluster, one: Action) -> Result:
    result = cluster.playbooks().enact(one, NOW)
    assert result is not None
    return result


def test_a_move_is_done_when_the_new_task_runs_elsewhere(cluster: Cluster) -> None:
    result = done(cluster, move(task="web-2"))
    assert result.outcome is Outcome.DONE
    assert result.detail.startswith("web.2 runs on n2 as web-2-moved1, before as web-2 after ")
    assert result.version == 101


def test_a_move_that_does_not_land_is_given_up_and_what_it_set_is_cleared(cluster: Cluster, engine: Engine) -> None:
    engine.move_ends = "stuck"
    result = done(cluster, move())
    assert result.outcome is Outcome.GIVEN_UP
    assert result.detail == (
        "2 of 2 replicas run, still on n1: web-1, web-2; set back: labels and pauses of the move are gone"
    )
    assert DENY not in engine.nodes["node1"].labels
    assert engine.moves_asked[-1]["state"] == "cleared"


def test_a_move_that_landed_and_left_something_is_tidied_up(cluster: Cluster, engine: Engine) -> None:
    engine.move_ends = "untidy"
    result = done(cluster, move())
    assert result.outcome is Outcome.DONE
    assert result.detail.endswith("; set back: labels and pauses of the move are gone")
    assert DENY not in engine.nodes["node1"].labels


def test_an_undo_that_fails_leaves_the_entry_open_for_the_next_cycle(
    cluster: Cluster, engine: Engine, collection: Path
) -> None:
    engine.move_ends = "stuck"
    playbook = collection / "playbooks" / "enact" / "move.yml"
    sound = playbook.read_text()
    playbook.write_text(sound.replace("state={{ swarmherd_state | default('') }}", "state="))
    result = done(cluster, move())
    assert result.outcome is Outcome.STARTED
    assert "setting it back failed" in result.detail
    playbook.write_text(sound)
    cluster.recover()
    (entry,) = cluster.store.history(5)
    assert entry.outcome is Outcome.UNDONE
    assert DENY not in engine.nodes["node1"].labels


def test_a_move_cut_short_behind_a_load_balancer_is_cleared_there_too_though_docker_shows_nothing_of_it(
    cluster: Cluster, engine: Engine
) -> None:
    one = move(task="web-2", balancer_backend="shop")
    cluster.store.begin(one, NOW, datetime.now(UTC), f"{socket.gethostname()}:4194304")
    engine.tasks_moved[("web", 2)] = ["node1", "node2"]
    cluster.recover()
    (entry,) = cluster.store.history(5)
    assert (entry.outcome, [asked["state"] for asked in engine.moves_asked]) == (Outcome.DONE, ["cleared"])


REMEDIES = [
    ("restart", {"service": "web", "task": "web-1", "node": "node1"}),
    ("move", {"service": "web", "task": "web-1", "node": "node1", "allowed_nodes": []}),
    ("rollback", {"service": "web", "expected_version": 100}),
]


@pytest.mark.parametrize(("kind", "said"), REMEDIES, ids=lambda one: one if isinstance(one, str) else "")
def test_a_remedy_that_never_came_to_stop_anything_did_not_run(
    cluster: Cluster, collection: Path, engine: Engine, kind: str, said: dict[str, Any]
) -> None:
    """Its host was not reached, say, or no node would take it: what Docker shows tells."""
    remedy = action(kind, {}, "web", place="web.1", **said)
    (collection / "playbooks" / "enact" / f"{kind}.yml").write_text(FAILS)
    result = done(cluster, remedy)
    assert (result.outcome, result.ran) == (Outcome.GIVEN_UP, False)
    memory = cluster.store.memory()
    assert (memory.ailments, memory.of("web").failures) == ({}, 1)
    left_by_a_dead_controller(cluster, replace(remedy, id="b"))
    cluster.recover()
    assert cluster.store.unfinished() == ()
    assert cluster.store.memory().ailments == {}
    assert engine.moves_asked == []


@pytest.mark.parametrize(("kind", "said"), REMEDIES, ids=lambda one: one if isinstance(one, str) else "")
def test_a_remedy_after_which_it_does_not_run_did_run(
    cluster: Cluster, engine: Engine, kind: str, said: dict[str, Any]
) -> None:
    engine.room = 0
    result = done(cluster, action(kind, {}, "web", place="web.1", **said))
    assert (result.outcome, result.ran) == (Outcome.GIVEN_UP, True)
    assert cluster.store.memory().ailments["web.1"].tries == (kind,)


def test_the_host_of_the_node_is_named_as_the_inventory_names_it(
    inventory: Path, cluster: Cluster, collection: Path, tmp_path: Path
) -> None:
    assert cluster.inventory.hosts["m1"] == "m1"
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text() + "    workers: {hosts: {w-two: {ansible_host: 10.0.0.2}}}\n")
    seen = tmp_path / "seen"
    playbook = collection / "playbooks" / "enact" / "move.yml"
    playbook.write_text(
        playbook.read_text()
        + f"    - ansible.builtin.copy: {{content: '{{{{ swarmherd_node_host }}}}', dest: {seen}}}\n"
    )
    with open_cluster(inventory) as again:
        done(again, move(node="node2"))
    assert seen.read_text() == "w-two"


def test_a_conflict_is_told_with_the_version_that_was_found(cluster: Cluster, collection: Path) -> None:
    library = collection / "playbooks" / "enact" / "library"
    library.mkdir()
    (library / "conflicting.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule({}).fail_json(msg='changed', conflict=True, found={'version': 8})\n"
    )
    playbook = collection / "playbooks" / "enact" / "move.yml"
    playbook.write_text("- hosts: m1\n  connection: local\n  gather_facts: false\n  tasks: [{conflicting: }]\n")
    result = done(cluster, move())
    assert result.outcome is Outcome.CONFLICT
    assert result.detail == "another writer was quicker: found version 8"


def test_a_drain_is_done_when_the_node_is_empty(cluster: Cluster, engine: Engine) -> None:
    result = done(cluster, drain())
    assert result.outcome is Outcome.DONE
    assert result.detail.startswith("n1 is drained and empty after ")
    assert result.version is None, "the version is a node's, and of no service"
    assert engine.nodes["node1"].availability == "drain"


def test_a_drain_that_does_not_empty_the_node_is_taken_back(cluster: Cluster, engine: Engine) -> None:
    engine.move_ends = "stuck"
    result = done(cluster, drain())
    assert result.outcome is Outcome.GIVEN_UP
    assert result.detail == ("n1 still has web.1 web-1 (running), web.2 web-2 (running); set back: n1 is active")
    assert engine.nodes["node1"].availability == "active"


def test_an_anchors_label_goes_over_and_its_dependents_with_it(cluster: Cluster, engine: Engine) -> None:
    result = done(cluster, relabel(engine))
    assert result.outcome is Outcome.DONE
    assert result.detail.startswith("db's label is on n2, and web beside it after ")
    assert result.versions == {}, "web was bound to it before"


def test_a_dependents_version_that_its_first_label_left_is_ours(cluster: Cluster) -> None:
    dependents = [{"name": "web", "expected_version": 100}]
    result = done(cluster, action("relabel", {}, "db", anchor="db", node="node2", old_nodes=[], dependents=dependents))
    assert (result.outcome, result.versions) == (Outcome.DONE, {"web": 101}), result.detail
    assert cluster.store.memory().of("web").last_version == 101


def test_dependents_that_do_not_come_bring_the_label_back(cluster: Cluster, engine: Engine) -> None:
    engine.move_ends = "stuck"
    result = done(cluster, relabel(engine))
    assert result.outcome is Outcome.GIVEN_UP
    assert result.detail == "0 of 2 replicas of web run on n2; set back: db's label is on n1, and web beside it"
    assert ANCHOR in engine.nodes["node1"].labels
    assert ANCHOR not in engine.nodes["node2"].labels


def test_a_relabel_is_called_off_when_the_node_it_leads_to_goes_down(
    cluster: Cluster, engine: Engine, collection: Path
) -> None:
    """Its playbook would wait for long: what that node's end asks for is not to wait as well."""
    engine.constraints["web"] = [f"node.labels.{ANCHOR}==yes"]
    engine.nodes["node2"].state = "down"
    (collection / "playbooks" / "enact" / "relabel.yml").write_text(WAITS)
    dependents = [{"name": "web", "expected_version": 100}]
    one = action("relabel", {}, "db", anchor="db", node="node2", old_nodes=[], dependents=dependents)
    cluster.breakers.load({})
    result = done(cluster, one)
    assert result.outcome is Outcome.UNDONE
    assert result.detail.startswith("called off, since n2 went down: n2 has no label swarmherd.anchor.db; ")
    assert cluster.breakers.kept(Memory()).breakers == {}, "a playbook that was called off has not failed"


def release(engine: Engine) -> Action:
    engine.constraints["web"] = [f"node.labels.{ANCHOR}==yes"]
    engine.nodes["node1"].labels[ANCHOR] = "yes"
    said = {"anchor": "db", "old_nodes": ["node1"], "dependents": [{"name": "web", "expected_version": 100}]}
    return action("release", {}, "db", **said)


def test_who_follows_no_longer_is_let_go_and_the_label_goes(cluster: Cluster, engine: Engine) -> None:
    result = done(cluster, release(engine))
    assert result.outcome is Outcome.DONE
    assert result.detail.startswith("web may run anywhere again and the label of db is gone after ")
    assert ANCHOR not in engine.nodes["node1"].labels


def test_a_release_that_stops_half_way_is_given_up_and_not_set_back(cluster: Cluster, engine: Engine) -> None:
    engine.move_ends = "stuck"
    result = done(cluster, release(engine))
    assert result.outcome is Outcome.GIVEN_UP
    assert result.detail.startswith("n1 still has the label swarmherd.anchor.db")
    assert engine.constraints["web"] == []


# ---------------------------------------------------------------- after a controller died


def left_by_a_dead_controller(cluster: Cluster, one: Action) -> None:
    cluster.store.begin(one, NOW, datetime.now(UTC), f"{socket.gethostname()}:4194304")


def closed(cluster: Cluster) -> tuple[Outcome, str]:
    cluster.recover()
    (entry,) = cluster.store.history(5)
    return entry.outcome, entry.detail


def test_a_move_cut_short_after_its_label_is_cleared(cluster: Cluster, engine: Engine) -> None:
    left_by_a_dead_controller(cluster, move())
    engine.nodes["node1"].labels[DENY] = "yes"
    outcome, detail = closed(cluster)
    assert outcome is Outcome.UNDONE
    assert detail.endswith("set back: labels and pauses of the move are gone")
    assert DENY not in engine.nodes["node1"].labels


def test_a_move_cut_short_after_it_landed_is_rolled_forward_and_tidied_up(cluster: Cluster, engine: Engine) -> None:
    left_by_a_dead_controller(cluster, move(task="web-1"))
    engine.tasks_moved["web", 1] = ["node1", "node2"]
    engine.nodes["node1"].labels[DENY] = "yes"
    outcome, detail = closed(cluster)
    assert outcome is Outcome.DONE
    assert "web.1 runs on n2 as web-1-moved1, before as web-1" in detail
    assert DENY not in engine.nodes["node1"].labels


def test_a_move_cut_short_before_anything_happened_runs_no_playbook(cluster: Cluster, engine: Engine) -> None:
    left_by_a_dead_controller(cluster, move())
    outcome, detail = closed(cluster)
    assert (outcome, engine.moves_asked) == (Outcome.UNDONE, [])
    assert "nothing of it is left to clear" in detail


def test_a_relabel_cut_short_gives_the_old_node_its_label_before_the_new_one_loses_it(
    cluster: Cluster, engine: Engine
) -> None:
    left_by_a_dead_controller(cluster, relabel(engine))
    engine.nodes["node2"].labels[ANCHOR] = "yes"
    outcome, _detail = closed(cluster)
    assert outcome is Outcome.UNDONE
    assert engine.moves_asked == [{"anchor": "db", "node": "node1", "old": "node2", "services": "web"}]


def anchor_runs_on(engine: Engine, node: str) -> None:
    engine.replicas["db"] = 1
    engine.tasks_moved["db", 1] = ["node1", node]


def test_a_relabel_cut_short_is_rolled_forward_where_the_anchor_still_runs(cluster: Cluster, engine: Engine) -> None:
    left_by_a_dead_controller(cluster, relabel(engine))
    anchor_runs_on(engine, "node2")
    engine.nodes["node2"].labels[ANCHOR] = "yes"
    assert closed(cluster) == (
        Outcome.DONE,
        "it was left in mid-action; rolled forward: db's label is on n2, and web beside it",
    )
    assert engine.moves_asked == [{"anchor": "db", "node": "node2", "old": "node1", "services": "web"}]
    assert ANCHOR not in engine.nodes["node1"].labels


def fails_towards(collection: Path, node: str, why: str) -> Callable[[], None]:
    """The playbook of relabels fails where `node` is to get the label. What is answered mends it."""
    playbook = collection / "playbooks" / "enact" / "relabel.yml"
    sound = playbook.read_text()
    fails = f"    - ansible.builtin.fail: {{msg: {why}}}\n      when: swarmherd_node == '{node}'\n"
    playbook.write_text(sound.replace("  tasks:\n", f"  tasks:\n{fails}"))

    def mend() -> None:
        playbook.write_text(sound)

    return mend


def test_a_relabel_that_cannot_be_rolled_forward_is_set_back_and_counts_as_failed(
    cluster: Cluster, engine: Engine, collection: Path
) -> None:
    """So that it is not tried again at once (S13)."""
    left_by_a_dead_controller(cluster, relabel(engine))
    anchor_runs_on(engine, "node2")
    engine.nodes["node2"].labels[ANCHOR] = "yes"
    fails_towards(collection, "node2", "no room")
    outcome, detail = closed(cluster)
    assert outcome is Outcome.GIVEN_UP
    assert "rolling it forward failed: m1: no room" in detail
    assert detail.endswith("set back: db's label is on n1, and web beside it")
    assert ANCHOR not in engine.nodes["node2"].labels


def test_what_failed_and_could_not_be_set_back_is_set_back_later_and_never_rolled_forward(
    cluster: Cluster, engine: Engine, collection: Path
) -> None:
    """It has been tried: its dependents would go there and back with each cycle (S13)."""
    one = relabel(engine)
    anchor_runs_on(engine, "node2")
    engine.move_ends = "stuck"
    mended = fails_towards(collection, "node1", "no answer")
    assert done(cluster, one).outcome is Outcome.STARTED
    mended()
    assert closed(cluster)[0] is Outcome.UNDONE
    assert [asked["node"] for asked in engine.moves_asked] == ["node2", "node1"]


def test_what_could_neither_be_rolled_forward_nor_set_back_is_set_back_in_the_next_cycle(
    cluster: Cluster, engine: Engine, collection: Path
) -> None:
    left_by_a_dead_controller(cluster, relabel(engine))
    anchor_runs_on(engine, "node2")
    engine.nodes["node2"].labels[ANCHOR] = "yes"
    playbook = collection / "playbooks" / "enact" / "relabel.yml"
    sound = playbook.read_text()
    playbook.write_text(FAILS)
    outcome, detail = closed(cluster)
    assert outcome is Outcome.STARTED
    assert "rolling it forward failed" in detail
    playbook.write_text(sound)
    assert closed(cluster)[0] is Outcome.UNDONE
    assert [asked["node"] for asked in engine.moves_asked] == ["node1"]


def test_a_release_cut_short_is_closed_without_a_playbook_and_decided_again(cluster: Cluster, engine: Engine) -> None:
    left_by_a_dead_controller(cluster, release(engine))
    engine.constraints["web"] = []
    outcome, detail = closed(cluster)
    assert (outcome, engine.moves_asked) == (Outcome.UNDONE, [])
    assert detail.endswith("n1 still has the label swarmherd.anchor.db; it is decided again")


def test_a_drain_cut_short_is_taken_back_or_rolled_forward(cluster: Cluster, engine: Engine) -> None:
    left_by_a_dead_controller(cluster, drain())
    engine.nodes["node1"].availability = "drain"
    assert closed(cluster)[0] is Outcome.UNDONE
    assert engine.nodes["node1"].availability == "active"


def test_a_recovery_whose_undo_fails_is_tried_again(cluster: Cluster, engine: Engine, collection: Path) -> None:
    left_by_a_dead_controller(cluster, move())
    engine.nodes["node1"].labels[DENY] = "yes"
    playbook = collection / "playbooks" / "enact" / "move.yml"
    sound = playbook.read_text()
    playbook.write_text(FAILS)
    assert closed(cluster)[0] is Outcome.STARTED
    playbook.write_text(sound)
    assert closed(cluster)[0] is Outcome.UNDONE


def test_a_kind_of_a_newer_version_is_closed_and_told(cluster: Cluster) -> None:
    left_by_a_dead_controller(cluster, action("teleport", {}))
    outcome, detail = closed(cluster)
    assert outcome is Outcome.GIVEN_UP
    assert "knows no action of the kind teleport" in detail
