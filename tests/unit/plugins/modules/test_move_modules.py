# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving, stopping, draining and placing as Ansible runs them, with a Swarm that is played and others who interfere."""

from __future__ import annotations

import re
import time

import pytest
from ansible_collections.swarmherd.cluster.plugins.modules import node_availability, placement, service_move, task_stop

pytestmark = pytest.mark.usefixtures("shop")

DENY = "node.labels.swarmherd.deny.shop != yes"


@pytest.fixture
def shop(engine, make_service, make_node, make_task):
    """A service of two replicas on two of three nodes. Who plays Swarm stands in `swarm`."""
    engine.nodes += [make_node("n1", labels={"disk": "ssd"}), make_node("n2"), make_node("n3")]
    held = make_service("shop", replicas=2)
    engine.services.append(held)
    engine.tasks += [make_task(held, 1, "id-n1", id="t1"), make_task(held, 2, "id-n2", id="t2")]
    return held


@pytest.fixture
def swarm(engine, shop, make_task):
    """Swarm's part: what has to leave a node runs on the first other one that is active."""

    def replace(task, **changes):
        task["DesiredState"] = "shutdown"
        task["Status"]["State"] = "complete"
        free = [n["ID"] for n in engine.nodes if n["Spec"]["Availability"] == "active" and not denied(n)]
        where = changes.pop("node", next(node for node in free if node != task["NodeID"]))
        made = {"id": f"{task['ID']}-new", "created_at": f"2026-01-01T00:01:{len(engine.tasks):02}Z", **changes}
        engine.tasks.append(make_task(shop, task["Slot"], where, **made))

    def denied(node):
        return "swarmherd.deny.shop" in node["Spec"]["Labels"]

    def follow():
        for node in engine.nodes:
            for task in list(engine.tasks):
                if task["NodeID"] == node["ID"] and task["DesiredState"] == "running" and denied(node):
                    replace(task)

    engine.after_write = follow
    return replace


def left_as_they_were(engine):
    return [node["Spec"] for node in engine.nodes] == [
        {"Role": "worker", "Availability": "active", "Labels": labels} for labels in ({"disk": "ssd"}, {}, {})
    ]


# ---------------------------------------------------------------- by deny label


@pytest.mark.usefixtures("swarm")
def test_a_service_leaves_a_node_and_only_that_task_changes(run_module, engine, shop):
    result = run_module(service_move.main, name="shop", node="n1", _ansible_diff=True)
    assert result["changed"]
    assert [one["id"] for one in result["tasks"]["before"]] == ["t1", "t2"]
    assert [one["id"] for one in result["tasks"]["after"]] == ["t1-new", "t2"]
    assert [(one["before"], one["after"], one["to"]) for one in result["moved"]] == [("t1", "t1-new", "n2")]
    assert result["restarted"] == []
    assert result["version"] == 11
    assert shop["Spec"]["TaskTemplate"]["Placement"] == {"Constraints": [DENY]}
    assert left_as_they_were(engine)
    assert result["diff"]["before"]["tasks"] == {"n1": ["shop.1"]}


@pytest.mark.usefixtures("swarm")
def test_the_constraint_is_written_before_the_label_and_once(run_module, engine, shop):
    run_module(service_move.main, name="shop", node="n1")
    assert "Name" in engine.writes[0]
    assert engine.writes[1]["Labels"]["swarmherd.deny.shop"] == "yes"
    engine.writes.clear()
    result = run_module(service_move.main, name="shop", node="n2")
    assert result["moved"]
    assert result["version"] == shop["Version"]["Index"] == 11
    assert not [spec for spec in engine.writes if "Name" in spec]


@pytest.mark.usefixtures("swarm")
def test_a_second_run_finds_nothing_to_move_and_writes_nothing(run_module, engine):
    run_module(service_move.main, name="shop", node="n1")
    engine.writes.clear()
    result = run_module(service_move.main, name="shop", node="n1")
    assert not result["changed"]
    assert result["to_move"] == []
    assert engine.writes == []


@pytest.mark.usefixtures("swarm")
def test_check_mode_foretells_a_move_and_writes_nothing(run_module, engine):
    check = run_module(service_move.main, name="shop", node="n1", _ansible_check_mode=True)
    assert engine.writes == []
    real = run_module(service_move.main, name="shop", node="n1")
    assert (check["changed"], check["diff"]) == (True, real["diff"])


@pytest.mark.usefixtures("swarm")
def test_swarm_is_kept_from_the_nodes_to_avoid(run_module, engine):
    result = run_module(service_move.main, name="shop", node="n1", avoid_nodes=["n2"], allowed_nodes=["id-n3"])
    assert result["moved"][0]["to"] == "n3"
    assert left_as_they_were(engine)


@pytest.mark.usefixtures("swarm")
def test_the_node_to_leave_is_not_paused_because_a_label_moves_nothing_off_a_paused_node(run_module, engine):
    result = run_module(service_move.main, name="shop", node="n1", avoid_nodes=["n1", "n2"])
    assert result["moved"][0]["to"] == "n3"
    assert not [spec for spec in engine.writes if spec.get("Availability") == "pause" and "disk" in spec["Labels"]]
    engine.nodes[1]["Spec"]["Availability"] = "pause"
    refused = run_module(service_move.main, name="shop", node="n2")
    assert refused["msg"].startswith("refused: n2 is paused, and from a paused node Swarm takes nothing away by label")


def test_a_task_that_does_not_arrive_is_told_and_the_label_is_gone(run_module, engine):
    result = run_module(service_move.main, name="shop", node="n1", wait_timeout=1)
    assert result["failed"]
    assert result["msg"].startswith("waited 1 s for shop to run elsewhere: shop.1 is still on n1")
    assert [one["id"] for one in result["tasks"]["after"]] == ["t1", "t2"]
    assert left_as_they_were(engine)


def test_a_rejected_task_is_told_at_once_and_the_label_is_gone(run_module, engine, swarm):
    follow = engine.after_write

    def reject():
        if engine.nodes[0]["Spec"]["Labels"].get("swarmherd.deny.shop"):
            engine.after_write = follow
            swarm(engine.tasks[0], state="rejected", error="No such image: shop:1")

    engine.after_write = reject
    began = time.monotonic()
    result = run_module(service_move.main, name="shop", node="n1")
    assert time.monotonic() - began < 10
    assert "the new task does not start: shop.1 is rejected on n2 (No such image: shop:1)" in result["msg"]
    assert left_as_they_were(engine)


def test_somebody_elses_deploy_in_mid_move_is_a_conflict_and_keeps_his_change(run_module, engine, shop):
    def deploy():
        if engine.nodes[0]["Spec"]["Labels"].get("swarmherd.deny.shop"):
            shop["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = "shop:2"

    engine.after_write = deploy
    result = run_module(service_move.main, name="shop", node="n1")
    assert result["conflict"] is True
    assert result["found"]["replicas"] == 2
    assert shop["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == "shop:2"
    assert left_as_they_were(engine)


def test_a_service_removed_in_mid_move_is_a_conflict(run_module, engine):
    engine.after_write = lambda: len(engine.writes) == 2 and engine.services.clear()
    result = run_module(service_move.main, name="shop", node="n1")
    assert result["conflict"] is True
    assert left_as_they_were(engine)


@pytest.mark.parametrize("state", ["moved", "prepared"])
def test_a_version_that_was_not_expected_moves_nothing(state, run_module, engine):
    result = run_module(service_move.main, name="shop", node="n1", state=state, expected_version=9)
    assert result["conflict"] is True
    assert result["found"] == {"replicas": 2, "version": 10}
    assert engine.writes == []


@pytest.mark.usefixtures("swarm")
def test_a_service_that_lacks_a_task_is_not_moved_unless_forced(run_module, engine):
    engine.tasks[1]["Status"]["State"] = "pending"
    result = run_module(service_move.main, name="shop", node="n1")
    assert "refused: shop does not stand as it should: 1 of 2 tasks run" in result["msg"]
    assert engine.writes == []
    assert run_module(service_move.main, name="shop", node="n1", force=True)["moved"]


def test_landing_on_the_wrong_node_is_told(run_module, engine, swarm):
    engine.after_write = lambda: (
        engine.nodes[0]["Spec"]["Labels"].get("swarmherd.deny.shop")
        and len(engine.tasks) == 2
        and swarm(engine.tasks[0])
    )
    result = run_module(service_move.main, name="shop", node="n1", allowed_nodes=["n3"])
    assert result["msg"].startswith("landed on the wrong node: shop.1 runs on n2")
    assert result["moved"][0]["to"] == "n2"
    assert left_as_they_were(engine)


# ---------------------------------------------------------------- pause and stop


def prepare(run_module, **changes):
    return run_module(
        service_move.main, **{"name": "shop", "node": "n1", "method": "pause_and_stop", "state": "prepared", **changes}
    )


def finish(run_module, prepared, **changes):
    return run_module(
        service_move.main,
        name="shop",
        node="n1",
        method="pause_and_stop",
        task=prepared["to_move"][0]["id"],
        before=prepared["tasks"]["before"],
        expected_version=prepared["version"],
        **changes,
    )


def test_one_task_is_paused_stopped_and_found_elsewhere(run_module, engine, shop, swarm):
    prepared = prepare(run_module)
    assert [one["id"] for one in prepared["to_move"]] == ["t1"]
    assert prepared["stop_grace_period"] == 10
    assert engine.nodes[0]["Spec"]["Availability"] == "pause"
    mark = engine.nodes[0]["Spec"]["Labels"]["swarmherd.paused"]
    assert mark.startswith("shop.")
    assert int(mark[5:]) > time.time()
    swarm(engine.tasks[0])
    result = finish(run_module, prepared)
    assert result["changed"]
    assert [(one["before"], one["to"]) for one in result["moved"]] == [("t1", "n2")]
    assert left_as_they_were(engine)
    assert "Placement" not in shop["Spec"]["TaskTemplate"], "the service itself is not written"


def test_each_step_run_again_changes_nothing(run_module, engine, swarm):
    prepared = prepare(run_module)
    engine.writes.clear()
    assert not prepare(run_module)["changed"]
    swarm(engine.tasks[0])
    finish(run_module, prepared)
    engine.writes.clear()
    assert not finish(run_module, prepared)["changed"]
    assert engine.writes == []


def test_what_a_person_paused_is_neither_marked_nor_ended(run_module, engine, swarm):
    engine.nodes[0]["Spec"]["Availability"] = "pause"
    prepared = prepare(run_module)
    assert not prepared["changed"]
    swarm(engine.tasks[0])
    finish(run_module, prepared)
    assert engine.nodes[0]["Spec"] == {"Role": "worker", "Availability": "pause", "Labels": {"disk": "ssd"}}


def test_a_deploy_between_pause_and_verification_ends_the_pause(run_module, engine, shop):
    prepared = prepare(run_module)
    shop["Version"] = {"Index": 12}
    result = finish(run_module, prepared)
    assert result["conflict"] is True
    assert result["found"] == {"replicas": 2, "version": 12}
    assert left_as_they_were(engine)


def test_a_pause_that_cannot_be_completed_is_taken_back(run_module, engine):
    def fail():
        if engine.nodes[1]["Spec"]["Availability"] == "pause":
            engine.nodes[0]["Version"]["Index"] += 1

    engine.before_write = fail
    result = prepare(run_module, avoid_nodes=["n2"])
    assert "gave up after 5 attempts" in result["msg"]
    engine.before_write = lambda: None
    run_module(service_move.main, name="shop", state="cleared")
    assert left_as_they_were(engine)


def test_the_last_step_without_the_first_says_what_is_missing(run_module, engine):
    result = run_module(service_move.main, name="shop", node="n1", method="pause_and_stop", task="t1")
    assert result["msg"].startswith("before: with method pause_and_stop a task is moved in three steps")
    assert engine.writes == []


def test_a_node_that_another_move_has_paused_is_left_to_it(run_module, engine):
    until = int(time.time()) + 60
    engine.nodes[0]["Spec"].update(Availability="pause", Labels={"swarmherd.paused": f"queue.{until}"})
    result = prepare(run_module)
    assert "n1 is paused by a move of queue; try again when that is over" in result["msg"]
    assert engine.writes == []


# ---------------------------------------------------------------- what a killed run left


@pytest.fixture
def leftovers(engine):
    """Of a killed move of another service long ago, and of one that may be under way."""
    now = int(time.time())
    engine.nodes[1]["Spec"].update(Availability="pause", Labels={"swarmherd.paused": f"queue.{now - 5}"})
    engine.nodes[2]["Spec"].update(Availability="pause", Labels={"swarmherd.paused": f"mail.{now + 60}"})
    return engine


def test_the_next_move_of_any_service_clears_what_nobody_can_be_behind(run_module, leftovers):
    result = run_module(service_move.main, name="shop", node="n3")
    assert result["cleared"] == [{"node": "n2", "kind": "pause", "service": "queue"}]
    assert [node["Spec"]["Availability"] for node in leftovers.nodes] == ["active", "active", "pause"]


def test_a_move_that_is_refused_clears_what_an_earlier_one_left_all_the_same(run_module, engine):
    prepare(run_module)
    result = run_module(service_move.main, name="shop", node="n1", expected_version=9)
    assert result["conflict"] is True
    assert left_as_they_were(engine)


@pytest.mark.parametrize(
    ("name", "left"), [("mail", ["active", "active"]), ("queue", ["active", "pause"]), (None, ["active", "active"])]
)
def test_clearing_a_service_does_not_wait_for_its_time_to_pass(name, left, run_module, leftovers):
    given = {"name": name} if name else {}
    assert run_module(service_move.main, state="cleared", **given)["changed"]
    assert [node["Spec"]["Availability"] for node in leftovers.nodes[1:]] == left
    assert not run_module(service_move.main, state="cleared", **given)["changed"]


def test_clearing_in_check_mode_tells_and_writes_nothing(run_module, leftovers):
    result = run_module(service_move.main, state="cleared", _ansible_check_mode=True)
    assert len(result["cleared"]) == 2
    assert result["diff"]["after"]["nodes"]["n2"] == {"availability": "active", "marks": []}
    assert leftovers.writes == []


# ---------------------------------------------------------------- stopping a container


def test_the_container_of_the_task_is_stopped_and_no_second_time(run_module, engine):
    engine.containers.append({"Id": "c" * 64, "State": "running"})
    first = run_module(task_stop.main, task="t1", node="id-n1", stop_timeout=0)
    second = run_module(task_stop.main, task="t1", node="id-n1", stop_timeout=0)
    assert (first["changed"], first["stopped"]) == (True, ["c" * 64])
    assert (second["changed"], second["containers"]) == (False, ["c" * 64])


def test_in_check_mode_nothing_is_stopped(run_module, engine):
    engine.containers.append({"Id": "c" * 64, "State": "running"})
    assert run_module(task_stop.main, task="t1", _ansible_check_mode=True)["changed"]
    assert engine.containers[0]["State"] == "running"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"task": "t1", "node": "id-n2"}, "node: this engine is the node id-n1, and not id-n2"),
        ({"task": "t1"}, "this engine has no container of the task t1"),
        ({"task": "shop.1"}, "task: 'shop.1' is no id of a task"),
        ({"task": "t1", "stop_timeout": -1}, "stop_timeout: -1"),
    ],
)
def test_a_stop_in_the_wrong_place_is_refused(given, words, run_module):
    assert run_module(task_stop.main, **given)["msg"].startswith(words)


# ---------------------------------------------------------------- availability


def test_a_drain_waits_until_the_node_is_empty_and_tells_where_its_tasks_went(run_module, engine, swarm):
    engine.after_write = lambda: swarm(engine.tasks[0])
    result = run_module(node_availability.main, node="n1", availability="drain")
    assert result["availability"] == {"before": "active", "after": "drain"}
    assert [one["id"] for one in result["tasks"]["before"]] == ["t1"]
    assert [(one["id"], one["node"]) for one in result["tasks"]["after"]] == [("t1-new", "n2")]
    assert engine.writes[0]["Labels"] == {"disk": "ssd"}


def test_a_drain_that_takes_too_long_says_what_is_left(run_module, engine):
    result = run_module(node_availability.main, node="n1", availability="drain", wait_timeout=0)
    assert "waited 0 s for n1 to be empty: 1 tasks are left: shop.1 is running; it stays drained" in result["msg"]
    assert [one["id"] for one in result["tasks"]["left"]] == ["t1"]
    assert engine.nodes[0]["Spec"]["Availability"] == "drain"


def test_somebody_who_ends_the_drain_while_we_wait_is_a_conflict(run_module, engine):
    engine.after_write = lambda: engine.nodes[0]["Spec"].update(Availability="active")
    result = run_module(node_availability.main, node="n1", availability="drain")
    assert result["conflict"] is True


def test_a_manager_that_the_others_need_is_not_drained_unless_forced(run_module, engine, make_node):
    engine.nodes.append(make_node("m1", role="manager"))
    result = run_module(node_availability.main, node="m1", availability="drain")
    assert result["msg"].startswith("refused: m1 is the last manager")
    assert engine.writes == []
    assert run_module(node_availability.main, node="m1", availability="drain", force=True)["changed"]
    assert run_module(node_availability.main, node="m1", availability="pause")["changed"]


def test_of_three_managers_one_is_drained_and_no_second_one_while_the_third_is_out_of_reach(
    run_module, engine, make_node
):
    engine.nodes += [make_node(name, role="manager") for name in ("m1", "m2", "m3")]
    assert run_module(node_availability.main, node="m1", availability="drain")["changed"]
    engine.nodes[-1]["ManagerStatus"]["Reachability"] = "unreachable"
    result = run_module(node_availability.main, node="m2", availability="drain")
    assert result["msg"].startswith("refused: without m2 only 1 of 2 managers would be reachable")
    again = run_module(node_availability.main, node="m1", availability="drain")
    assert not again["changed"], "what is drained already is left as it is, and refused nothing"
    assert run_module(node_availability.main, node="m3", availability="drain")["changed"]


def test_a_version_that_was_read_from_another_leader_still_counts(run_module, engine, make_node):
    """The index is the Swarm's: a new leader goes on from it, and refuses what is older (S16)."""
    engine.nodes += [make_node(name, role="manager") for name in ("m1", "m2", "m3")]
    engine.nodes[-3]["ManagerStatus"]["Leader"] = True
    decided_on = engine.nodes[0]["Version"]["Index"]
    engine.nodes[-3]["ManagerStatus"] = {"Reachability": "unreachable", "Addr": "10.0.0.1:2377"}
    engine.nodes[-2]["ManagerStatus"]["Leader"] = True
    assert run_module(node_availability.main, node="n1", availability="pause", expected_version=decided_on)["changed"]
    refused = run_module(node_availability.main, node="n1", availability="active", expected_version=decided_on)
    assert refused["conflict"] is True


def test_a_pause_of_somebodys_is_told_when_it_ends_and_a_moves_is_not(run_module, engine):
    engine.nodes[0]["Spec"]["Availability"] = "pause"
    result = run_module(node_availability.main, node="n1", availability="active")
    assert result["set_by"] == "somebody"
    assert "n1 was on pause, which no move had set" in result["warnings"][0]
    engine.nodes[1]["Spec"].update(Availability="pause", Labels={"swarmherd.paused": "shop.5", "a": "b"})
    result = run_module(node_availability.main, node="n2", availability="pause")
    assert (result["set_by"], result["changed"]) == ("move", True)
    assert engine.nodes[1]["Spec"] == {"Role": "worker", "Availability": "pause", "Labels": {"a": "b"}}


CORDONED = "swarmherd.cordoned"


def test_a_cordon_is_a_pause_that_says_whose_it_is_and_ends_by_itself_alone(run_module, engine):
    result = run_module(node_availability.main, node="n1", availability="pause", cordon_until=1772366700)
    assert result["changed"]
    spec = engine.nodes[0]["Spec"]
    assert (spec["Availability"], spec["Labels"]) == ("pause", {"disk": "ssd", CORDONED: "1772366700"})
    again = run_module(node_availability.main, node="n1", availability="pause", cordon_until=1772366700)
    assert (again["changed"], again["set_by"]) == (False, "cordon")
    result = run_module(node_availability.main, node="n1", availability="active", only_cordoned=True)
    assert (result["changed"], result["set_by"]) == (True, "cordon")
    spec = engine.nodes[0]["Spec"]
    assert (spec["Availability"], spec["Labels"]) == ("active", {"disk": "ssd"})
    assert not run_module(node_availability.main, node="n1", availability="active", only_cordoned=True)["changed"]


def test_a_cordon_takes_away_what_a_move_had_left_on_an_active_node(run_module, engine):
    engine.nodes[0]["Spec"]["Labels"] = {"swarmherd.paused": "queue.1"}
    assert run_module(node_availability.main, node="n1", availability="pause", cordon_until=1772366700)["changed"]
    spec = engine.nodes[0]["Spec"]
    assert (spec["Availability"], spec["Labels"]) == ("pause", {CORDONED: "1772366700"})


@pytest.mark.parametrize("found", ["pause", "drain"])
def test_a_cordon_refuses_a_pause_of_somebodys(run_module, engine, found):
    engine.nodes[0]["Spec"]["Availability"] = found
    result = run_module(node_availability.main, node="n1", availability="pause", cordon_until=1772366700)
    assert result["failed"]
    assert result["conflict"]
    assert f"n1 is on {found}, which is no cordon of ours; nothing was changed" in result["msg"]
    assert CORDONED not in engine.nodes[0]["Spec"]["Labels"]


@pytest.mark.parametrize("found", ["drain", "active"])
def test_the_end_of_a_cordon_leaves_what_somebody_has_set_meanwhile(run_module, engine, found):
    engine.nodes[0]["Spec"].update(Availability=found, Labels={CORDONED: "1772366700"})
    result = run_module(node_availability.main, node="n1", availability="active", only_cordoned=True)
    assert result["availability"] == {"before": found, "after": found}
    assert engine.nodes[0]["Spec"]["Labels"] == {}


@pytest.mark.parametrize("wanted", ["pause", "drain", "active"])
def test_what_somebody_sets_is_no_cordon_any_more(run_module, engine, wanted):
    engine.nodes[0]["Spec"].update(Availability="pause", Labels={CORDONED: "1772366700"})
    assert run_module(node_availability.main, node="n1", availability=wanted, wait=False)["changed"]
    assert (engine.nodes[0]["Spec"]["Availability"], engine.nodes[0]["Spec"]["Labels"]) == (wanted, {})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"availability": "drain", "cordon_until": 5}, "cordon_until: a cordon is a pause"),
        ({"availability": "pause", "only_cordoned": True}, "only_cordoned: it ends a cordon"),
    ],
)
def test_what_is_no_cordon_is_refused(run_module, words, says):
    assert says in run_module(node_availability.main, node="n1", **words)["msg"]


def test_a_node_that_changed_since_keeps_its_availability(run_module, engine):
    result = run_module(node_availability.main, node="n1", availability="pause", expected_version=3)
    assert result["found"] == {"availability": "active", "version": 7}
    assert engine.writes == []


def test_a_move_in_the_middle_of_an_election_leaves_no_mark(run_module, engine):
    """The wait ends at its bound, and what the move had set is undone once a manager leads again."""
    get, left = engine.get, [1, 1, 1]

    def without_leader(path):
        denied = any("swarmherd.deny.shop" in node["Spec"]["Labels"] for node in engine.nodes)
        return (503, {"message": "The swarm does not have a leader."}) if denied and left and left.pop() else get(path)

    engine.get = without_leader
    result = run_module(service_move.main, name="shop", node="n1", avoid_nodes=["n3"], wait_timeout=0)
    assert result["msg"].startswith("waited 0 s for shop to run elsewhere: ")
    assert result["msg"].endswith("The swarm does not have a leader.")
    assert left == []
    assert left_as_they_were(engine)


# ---------------------------------------------------------------- placement


def test_labels_come_before_the_constraint_that_needs_them(run_module, engine):
    wanted = {"n1": {"tier": "front"}, "n2": {"tier": "front"}}
    result = run_module(
        placement.main, name="shop", node_labels=wanted, constraints=["node.labels.tier==front"], _ansible_diff=True
    )
    assert result["changed"]
    assert result["evicted"] == []
    assert ["Name" in spec for spec in engine.writes] == [False, False, True]
    assert result["diff"]["after"]["node_labels"] == wanted
    assert not run_module(placement.main, name="shop", node_labels=wanted)["changed"]


def test_a_service_is_not_bound_to_the_label_of_a_node_that_left_before_it_got_it(run_module, engine):
    words = {"name": "shop", "node_labels": {"n2": {"tier": "front"}}, "constraints": ["node.labels.tier==front"]}
    get, looks = engine.get, []

    def later(path):
        looks.append(path)
        if looks.count("/nodes") > 1:
            engine.nodes[:] = [node for node in engine.nodes if node["ID"] != "id-n2"]
        return get(path)

    engine.get = later
    result = run_module(placement.main, **words, force=True, wait=False)
    assert result["msg"] == "node id-n2 left the Swarm before it got its labels (tier); the service is unchanged"
    assert engine.writes == []


def test_a_placement_that_swarm_rolls_back_is_told(run_module, engine, shop):
    def back():
        if engine.writes:
            shop["UpdateStatus"] = {"State": "rollback_completed", "Message": "rollback completed"}

    engine.after_write = back
    result = run_module(placement.main, name="shop", max_replicas_per_node=1, wait_timeout=1)
    assert result["msg"].startswith("Swarm stopped the update of shop: ")
    assert "msg" not in run_module(placement.main, name="shop", max_replicas_per_node=1, wait_timeout=1)


def test_a_service_follows_its_anchor_to_the_node_that_gets_the_label(run_module, engine, make_service):
    engine.services.append(make_service("db", replicas=1))
    engine.tasks[:] = [{**engine.tasks[0], "NodeID": "id-n3"}]
    check = run_module(placement.main, name="shop", follows="db", wait=False, _ansible_check_mode=True)
    assert engine.writes == []
    result = run_module(placement.main, name="shop", follows="db", wait=False)
    assert check["diff"] == result["diff"]
    assert engine.nodes[2]["Spec"]["Labels"] == {"swarmherd.anchor.db": "yes"}
    assert engine.services[0]["Spec"]["TaskTemplate"]["Placement"]["Constraints"] == [
        "node.labels.swarmherd.anchor.db == yes"
    ]


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ("ghost", "follows: the Swarm has no service called ghost"),
        ("id-db", "follows: the Swarm has no service called id-db"),
        ("shop", "follows: shop follows shop: a service cannot follow itself"),
        ("db", "follows: shop follows db follows shop: a service cannot follow itself"),
    ],
)
def test_an_anchor_that_cannot_be_is_refused(anchor, words, run_module, engine, make_service):
    circle = {"Constraints": ["node.labels.swarmherd.anchor.shop==yes"]}
    engine.services.append(make_service("db", Placement=circle))
    assert run_module(placement.main, name="shop", follows=anchor)["msg"] == words
    assert engine.writes == []


def test_a_placement_that_leaves_no_node_is_refused_unless_forced(run_module, engine):
    result = run_module(placement.main, name="shop", constraints=["node.labels.disk==nvme"])
    assert result["msg"].startswith("refused: no node would be left to shop: n1 does not match")
    assert engine.writes == []
    forced = run_module(placement.main, name="shop", constraints=["node.labels.disk==nvme"], force=True, wait=False)
    assert sorted(forced["evicted"]) == ["t1", "t2"]


def test_a_placement_is_not_over_before_swarm_has_let_go_what_it_evicts(run_module, engine):
    assert all(node["Spec"]["Availability"] == "active" for node in engine.nodes)
    words = {"name": "shop", "constraints": ["node.labels.disk==nvme"], "node_labels": {"n2": {"disk": "nvme"}}}
    result = run_module(placement.main, **words, wait_timeout=1)
    assert result["msg"].startswith("waited 1 s for what is evicted to go: ['t1']")
    assert result["evicted"] == ["t1"]


def test_a_placement_waits_for_all_of_it_within_one_bound(run_module, engine, shop):
    """Swarm lets the evicted task go at the second look, and gives it no successor."""
    get, looks = engine.get, []

    def later(path):
        looks.append(path)
        if path == "/tasks" and shop["Version"]["Index"] == 11 and looks.count("/tasks") > 2:
            engine.tasks[0]["DesiredState"] = "shutdown"
        return get(path)

    engine.get = later
    words = {"name": "shop", "constraints": ["node.labels.disk==nvme"], "node_labels": {"n2": {"disk": "nvme"}}}
    result = run_module(placement.main, **words, wait_timeout=1)
    assert re.match(r"waited 0(\.\d)? s for shop to converge: 1 of 2 tasks run", result["msg"])


@pytest.mark.parametrize("mode", ["ReplicatedJob", "GlobalJob"])
def test_a_job_is_placed_and_not_waited_for(mode, run_module, engine, shop):
    shop["Spec"]["Mode"] = {mode: {}}
    engine.tasks[:] = [{**engine.tasks[0], "DesiredState": "complete"}]
    result = run_module(placement.main, name="shop", constraints=["node.labels.disk==ssd"], wait_timeout=0)
    assert (result["changed"], "failed" in result) == (True, False)


def test_a_placement_decided_on_an_older_version_is_a_conflict(run_module, engine):
    result = run_module(placement.main, name="shop", max_replicas_per_node=1, expected_version=4)
    assert result["conflict"] is True
    assert result["found"] == {"replicas": 2, "version": 10}
    assert engine.writes == []
