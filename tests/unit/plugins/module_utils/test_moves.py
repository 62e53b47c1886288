# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving tasks: what is refused and why, where tasks could go, and when they have arrived."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _moves as moves
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError


@pytest.fixture
def nodes(make_node):
    return [make_node("n1"), make_node("n2", labels={"disk": "ssd"}), make_node("n3")]


def later(make_task, service, slot, node, state="running", second=9, **changes):
    made = {"id": f"new-{second}", "created_at": f"2026-01-01T00:00:0{second}Z", **changes}
    return make_task(service, slot, node, state, **made)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("method", ["deny_label", "pause_and_stop"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"UpdateStatus": {"State": "updating"}}, "is being updated"),
        ({"UpdateStatus": {"State": "paused"}}, "stopped half way"),
        ({"template": {"RestartPolicy": {"Condition": "on-failure"}}}, "restart condition on-failure"),
        ({"container": {"Mounts": [{"Type": "bind", "Source": "/srv", "Target": "/srv"}]}}, "stays behind"),
        ({"container": {"Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}]}}, "stays behind"),
    ],
)
def test_what_would_be_harmed_is_refused_with_the_remedy(change, words, method, make_service):
    service = make_service("shop", replicas=3)
    service["Spec"]["TaskTemplate"].update(change.get("template", {}))
    service["Spec"]["TaskTemplate"]["ContainerSpec"].update(change.get("container", {}))
    service["UpdateStatus"] = change.get("UpdateStatus")
    with pytest.raises(SwarmError, match=r"^refused: shop .*; force: true") as caught:
        moves.refuse_unmovable(service, method)
    assert words in str(caught.value)


def test_a_volume_that_its_driver_brings_along_may_move(make_service):
    mount = {"Type": "volume", "Target": "/data", "VolumeOptions": {"DriverConfig": {"Name": "nfs"}}}
    service = make_service("shop", ContainerSpec={"Image": "shop:1", "Mounts": [mount, {"Type": "tmpfs"}]})
    assert moves.objection(service, "deny_label") == ""


@pytest.mark.parametrize(
    ("replicas", "order", "refused"), [(1, "stop-first", True), (1, "start-first", False), (2, "stop-first", False)]
)
def test_a_deny_label_is_for_what_may_overlap(replicas, order, refused, make_service):
    service = make_service("shop", replicas=replicas)
    service["Spec"]["UpdateConfig"] = {"Order": order}
    assert bool(moves.objection(service, "deny_label")) is refused
    assert moves.objection(service, "pause_and_stop") == ""


def test_an_update_that_was_rolled_back_is_over(make_service):
    service = make_service("shop")
    service["UpdateStatus"] = {"State": "rollback_completed"}
    assert moves.objection(service, "deny_label") == ""


def test_a_global_service_has_no_task_to_move(make_service):
    with pytest.raises(SwarmError, match=r"^agent is global: "):
        moves.refuse_without_replicas(make_service("agent", replicas=None))


# ---------------------------------------------------------------- what moves


def test_without_a_task_all_on_the_node_move_by_label(make_service, make_task):
    here = [make_task(make_service(), slot) for slot in (1, 2)]
    assert moves.chosen(here, "", "deny_label", "n1") == here


def test_pause_and_stop_wants_one_task_named_where_there_are_several(make_service, make_task):
    here = [make_task(make_service(), slot) for slot in (1, 2)]
    with pytest.raises(SwarmError, match=r"name one of task-1-running, task-2-running$"):
        moves.chosen(here, "", "pause_and_stop", "n1")
    assert moves.chosen(here, "task-2", "pause_and_stop", "n1") == here[1:]


def test_a_deny_label_cannot_pick_one_of_several(make_service, make_task):
    here = [make_task(make_service(), slot) for slot in (1, 2)]
    with pytest.raises(SwarmError, match="sends all 2 tasks off n1"):
        moves.chosen(here, "task-2", "deny_label", "n1")
    assert moves.chosen(here[:1], "task-1", "deny_label", "n1") == here[:1]


def test_the_beginning_of_two_ids_is_refused_and_a_task_elsewhere_is_none(make_service, make_task):
    here = [make_task(make_service(), slot) for slot in (1, 2)]
    with pytest.raises(SwarmError, match="beginning of several ids"):
        moves.chosen(here, "task-", "pause_and_stop", "n1")
    assert moves.chosen(here, "other", "pause_and_stop", "n1") == []


# ---------------------------------------------------------------- where to


def test_every_node_that_cannot_take_it_says_why(make_service, make_node, nodes):
    nodes += [make_node("n4", state="down"), make_node("n5", availability="drain"), make_node("n6")]
    service = make_service("shop", Placement={"Constraints": ["node.labels.disk == ssd"]})
    found = moves.places(service, [], nodes, "id-n1", ["id-n2", "id-n4", "id-n5", "id-n3", "gone"], ["id-n3"])
    assert found.nodes == ("id-n2",)
    assert found.why_not == (
        "gone is not in the Swarm",
        "n1 is the node to leave",
        "n3 is among avoid_nodes",
        "n4 is down",
        "n5 has the availability drain",
        "n6 is not among allowed_nodes",
    )


@pytest.mark.parametrize(
    "limit",
    [
        {"Placement": {"MaxReplicas": 1}},
        {"ports": [{"TargetPort": 80, "PublishedPort": 80, "PublishMode": "host"}]},
    ],
)
def test_a_node_that_is_full_of_the_service_takes_no_more(limit, make_service, make_task, nodes):
    service = make_service("shop", Placement=limit.get("Placement"))
    service["Spec"]["EndpointSpec"] = {"Ports": limit.get("ports")}
    found = moves.places(service, [make_task(service, 2, "id-n2")], nodes, "id-n1", [], [])
    assert found.nodes == ("id-n3",)
    assert "n2 has 1 of at most 1 tasks already" in found.why_not


# ---------------------------------------------------------------- arriving


@pytest.fixture
def under_way(make_service, make_task, nodes):
    """The service, its tasks, what was told before, and one more look."""
    service = make_service("shop", replicas=2)
    tasks = [make_task(service, 1), make_task(service, 2, "id-n2")]
    before = moves.kept(service, tasks, nodes)

    def look():
        return moves.landing(before, ["task-1-running"], service, tasks, nodes)

    return service, tasks, before, look


def test_a_task_that_is_not_stopped_yet_is_still_there(under_way):
    look = under_way[3]
    assert (look().done, look().over) == (False, False)
    assert look().sentence == "shop.1 is still on n1"


def test_it_has_landed_when_its_successor_runs_on_a_node_that_is_up(under_way, make_task, nodes):
    service, tasks, before, look = under_way
    tasks[0]["DesiredState"] = "shutdown"
    tasks.append(later(make_task, service, 1, "id-n3", id="new"))
    seen = look()
    assert seen.done
    assert (seen.moved[0]["before"], seen.moved[0]["after"]) == ("task-1-running", "new")
    assert (seen.moved[0]["from"], seen.moved[0]["to"], seen.moved[0]["to_id"]) == ("n1", "n3", "id-n3")
    assert [task["id"] for task in seen.tasks] == ["new", "task-2-running"]
    assert moves.restarted(before, ["task-1-running"], seen) == []
    nodes[2]["Status"]["State"] = "down"
    assert not look().done, "a node that vanished runs nothing, whatever its tasks say"


def test_a_successor_that_waits_for_the_restart_delay_is_under_way(under_way, make_task):
    service, tasks, _before, look = under_way
    tasks[0]["DesiredState"] = "shutdown"
    tasks.append(later(make_task, service, 1, "id-n3", "ready", desired="ready"))
    assert (look().over, look().sentence) == (False, "shop.1 is ready on n3")


def test_a_new_task_that_is_rejected_ends_the_wait_and_says_why(under_way, make_task):
    service, tasks, _before, look = under_way
    tasks[0]["DesiredState"] = "shutdown"
    tasks.append(later(make_task, service, 1, "id-n3", "rejected", error="No such image: shop:1"))
    assert look().over
    assert not look().done
    assert look().sentence == "shop.1 is rejected on n3 (No such image: shop:1)"


def test_failures_of_the_slot_from_last_week_are_history(under_way, make_task):
    service, tasks, _before, look = under_way
    tasks[0]["DesiredState"] = "shutdown"
    tasks.append(make_task(service, 1, "id-n3", "failed", created_at="2025-12-24T00:00:00Z", error="old"))
    assert not look().over


def test_a_task_that_runs_after_a_rejected_one_has_landed(under_way, make_task):
    service, tasks, _before, look = under_way
    tasks[0]["DesiredState"] = "shutdown"
    tasks.append(later(make_task, service, 1, "id-n3", "rejected", second=8, desired="shutdown"))
    tasks.append(later(make_task, service, 1, "id-n2", second=9))
    assert look().done


def test_another_task_that_was_replaced_meanwhile_is_told(under_way, make_task):
    service, tasks, before, look = under_way
    tasks[0]["DesiredState"] = tasks[1]["DesiredState"] = "shutdown"
    tasks.append(later(make_task, service, 1, "id-n3"))
    assert moves.restarted(before, ["task-1-running"], look()) == ["task-2-running"]


@pytest.mark.parametrize(("node", "allowed"), [("id-n1", []), ("id-n3", ["id-n2"])])
def test_landing_where_it_was_not_to_go_is_an_error(node, allowed, under_way, make_task):
    service, tasks, _before, look = under_way
    tasks[0]["DesiredState"] = "shutdown"
    tasks.append(later(make_task, service, 1, node))
    with pytest.raises(SwarmError, match=r"^landed on the wrong node: shop.1 runs on n"):
        moves.refuse_wrong_landing(look(), "id-n1", allowed)
