# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's moves and drains: the gentlest lever that is safe, and one sentence for what cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from swarmherd.by_hand import (
    find_node,
    manual_availability,
    manual_move,
    manual_resources,
    manual_restart,
    manual_rollback,
)
from swarmherd.decide.advise import Resource, Used, advise
from swarmherd.model import Action, Availability, ClusterView, NodeState, UpdateState
from swarmherd.policy import AdviseKeys, Policy, parse_policy

from tests.controller.described import view_of

NODES = {"n1": "ready", "n2": "ready", "n3": "ready"}


def cluster(tasks: dict[str, int], nodes: dict[str, dict[str, Any]] | None = None, **service: Any) -> ClusterView:
    view = view_of({"nodes": NODES, "services": {"web": {"replicas": sum(tasks.values()), "tasks": tasks}}})
    (web,) = view.services
    there = tuple(replace(node, **(nodes or {}).get(node.id, {})) for node in view.nodes)
    return replace(view, services=(replace(web, **service),), nodes=there)


def move(view: ClusterView, source: str = "n1", **more: Any) -> Action:
    policy = more.pop("policy", Policy())
    return manual_move(view, policy, "web", source, "its disk\nis slow", lambda: "id", **more)


SPREAD = {"running@n1": 2, "running@n2": 1}


def test_a_stateless_service_of_several_replicas_leaves_by_deny_label() -> None:
    said = move(cluster(SPREAD)).parameters
    assert (said["swarmherd_method"], said["swarmherd_task"]) == ("deny_label", "")
    assert (said["swarmherd_node"], said["swarmherd_expected_version"]) == ("n1", 10)
    assert (said["swarmherd_allowed_nodes"], said["swarmherd_avoid_nodes"]) == ([], [])
    assert said["swarmherd_reason"] == "move 2 tasks of web off n1 by hand, because its disk is slow"


def test_what_a_load_balancer_serves_is_drained_there_first() -> None:
    policy = parse_policy({"services": {"web": {"balancer": "shop"}}}, "f.yml")
    assert move(cluster(SPREAD), policy=policy).parameters["swarmherd_balancer_backend"] == "shop"
    labelled = cluster(SPREAD, labels={"swarmherd.balancer": "web"})
    assert move(labelled).parameters["swarmherd_balancer_backend"] == "web"


def test_one_of_several_tasks_on_a_node_is_paused_and_stopped() -> None:
    said = move(cluster(SPREAD), task="web.1").parameters
    assert (said["swarmherd_method"], said["swarmherd_task"]) == ("pause_and_stop", "web.1")


@pytest.mark.parametrize(("service", "method"), [({}, "pause_and_stop"), ({"start_first": True}, "deny_label")])
def test_a_single_replica_overlaps_only_where_it_says_so(service: dict[str, Any], method: str) -> None:
    action = move(cluster({"running@n1": 1}, **service))
    assert action.parameters["swarmherd_method"] == method
    assert action.reason.startswith("move task web.1 of web off n1 by hand")


def test_a_target_alone_is_allowed_and_the_others_that_could_take_it_are_avoided() -> None:
    said = move(cluster(SPREAD), target_name="n3").parameters
    assert (said["swarmherd_allowed_nodes"], said["swarmherd_avoid_nodes"]) == (["n3"], ["n2"])


def test_a_node_that_takes_no_tasks_anyway_is_not_paused() -> None:
    view = cluster(SPREAD, nodes={"n2": {"availability": Availability.DRAIN}})
    assert move(view, target_name="n3").parameters["swarmherd_avoid_nodes"] == []


HOSTS = {name: {"hostname": f"host-{name}"} for name in NODES}


def test_only_a_host_that_could_take_it_is_avoided() -> None:
    view = cluster(SPREAD, nodes=HOSTS, constraints=("node.hostname!=host-n2",))
    assert move(view, "host-n1", target_name="host-n3").parameters["swarmherd_avoid_nodes"] == []
    with pytest.raises(ValueError, match="host-n2 cannot take 2 tasks of web: constraint not satisfied"):
        move(view, "host-n1", target_name="host-n2")


def test_the_undo_clears_what_it_set() -> None:
    action = move(cluster(SPREAD), target_name="n3")
    assert action.undo["swarmherd_state"] == "cleared"
    assert action.undo["swarmherd_avoid_nodes"] == ["n2"]
    assert "swarmherd_expected_version" not in action.undo


WITH_DATA = {"local_data": True}


@pytest.mark.parametrize(
    ("view", "more", "said"),
    [
        (cluster(SPREAD), {"source": "n3"}, "web has no task on n3; it has some on n1, n2"),
        (cluster(SPREAD), {"source": "n4"}, "there is no node n4 in cluster shop; there are n1, n2, n3"),
        (cluster(SPREAD), {"task": "x"}, "n1 has no task x of web; it has web.1, web.2"),
        (cluster(SPREAD), {"task": "web."}, "web. is the beginning of several ids"),
        (cluster(SPREAD), {"target_name": "n1"}, "n1 is where it is"),
        (
            cluster(SPREAD, nodes={"n3": {"availability": Availability.PAUSE}}),
            {"target_name": "n3"},
            "n3 cannot take 2 tasks of web: 1 node paused",
        ),
        (
            cluster(SPREAD, constraints=("node.labels.disk==ssd",)),
            {},
            "no other node can take 2 tasks of web: constraint not satisfied",
        ),
        (cluster(SPREAD, update_state=UpdateState.UPDATING), {}, "its update is updating"),
        (cluster({"running@n1": 1, "pending": 1}), {}, "1 of 2 replicas of web run"),
        (cluster(SPREAD, replicas=None), {}, "is not in replicated mode"),
        (cluster(SPREAD, restarts=False), {}, "none would come back"),
        (cluster(SPREAD, **WITH_DATA), {}, "stays behind when its tasks move; --leave-data"),
        (cluster(SPREAD, **WITH_DATA), {"leave_data": True}, "must not run twice, so its tasks move one by one"),
    ],
)
def test_what_cannot_be_is_one_sentence(view: ClusterView, more: dict[str, Any], said: str) -> None:
    with pytest.raises((LookupError, ValueError)) as caught:
        move(view, **more)
    assert said in str(caught.value.args[0])
    assert "\n" not in str(caught.value.args[0])


def test_data_stays_behind_with_consent() -> None:
    action = move(cluster({"running@n1": 1}, **WITH_DATA), leave_data=True)
    assert action.parameters["swarmherd_force"] is True


def test_a_move_that_was_cut_short_may_be_begun_again() -> None:
    """Its own leftovers may be why not all replicas run."""
    left = cluster({"running@n1": 1, "pending": 1}, nodes={"n1": {"labels": {"swarmherd.paused": "web.1772366400"}}})
    assert move(left).kind == "move"


def test_a_node_is_found_by_hostname_or_id() -> None:
    view = cluster(SPREAD, nodes={"n1": {"hostname": "one"}})
    assert find_node(view, "one") == find_node(view, "n1")


def test_a_hostname_of_two_entries_is_ambiguous() -> None:
    """A host that joined anew leaves its old entry behind."""
    view = cluster(SPREAD, nodes={"n1": {"hostname": "one", "state": NodeState.DOWN}, "n2": {"hostname": "one"}})
    with pytest.raises(LookupError, match=r"several nodes are called one: give one of the ids n1 \(down\), n2"):
        find_node(view, "one")


def test_a_drain_knows_what_was_before() -> None:
    view = cluster(SPREAD, nodes={"n1": {"availability": Availability.PAUSE}})
    action = manual_availability(view, "n1", Availability.DRAIN, "a new kernel", lambda: "id")
    assert (action.kind, action.service) == ("drain", "")
    assert action.parameters["swarmherd_availability"] == "drain"
    assert action.undo["swarmherd_availability"] == "pause"
    assert action.reason == "drain n1 by hand, because a new kernel"


def test_the_last_node_is_not_drained() -> None:
    off = {"availability": Availability.DRAIN}
    view = cluster(SPREAD, nodes={"n2": off, "n3": {"state": NodeState.DOWN}})
    with pytest.raises(ValueError, match="no other node takes tasks"):
        manual_availability(view, "n1", Availability.DRAIN, "x", lambda: "id")
    assert manual_availability(view, "n2", Availability.ACTIVE, "x", lambda: "id").kind == "drain"


def restart(view: ClusterView, task: str = "", policy: Policy | None = None) -> Action:
    return manual_restart(view, policy or Policy(), "web", "it\nhangs", lambda: "id", task=task)


@pytest.mark.parametrize("task", ["web.3", "3"])
def test_one_task_is_restarted_by_id_or_slot(task: str) -> None:
    policy = parse_policy({"services": {"web": {"balancer": "shop"}}}, "f.yml")
    said = restart(cluster(SPREAD), task, policy)
    assert said.kind == "restart"
    assert said.parameters == {
        "swarmherd_service": "web",
        "swarmherd_node": "n2",
        "swarmherd_task": "web.3",
        "swarmherd_allowed_nodes": [],
        "swarmherd_avoid_nodes": [],
        "swarmherd_balancer_backend": "shop",
        "swarmherd_expected_version": 10,
        "swarmherd_reason": "restart web.3 on n2 by hand, because it hangs",
    }


def test_the_only_task_needs_no_name() -> None:
    assert restart(cluster({"running@n1": 1})).parameters["swarmherd_task"] == "web.1"


def test_what_has_data_is_restarted_where_that_is() -> None:
    said = restart(cluster({"running@n1": 1}, **WITH_DATA)).parameters
    assert (said["swarmherd_allowed_nodes"], said["swarmherd_avoid_nodes"]) == (["n1"], ["n2", "n3"])
    assert "swarmherd_force" not in said


def test_with_data_only_a_host_that_could_take_it_is_paused() -> None:
    view = cluster({"running@n1": 1}, nodes=HOSTS, constraints=("node.hostname!=host-n2",), **WITH_DATA)
    assert restart(view).parameters["swarmherd_avoid_nodes"] == ["n3"]


@pytest.mark.parametrize(
    ("view", "task", "says"),
    [
        (cluster(SPREAD), "", r"one task is restarted at a time: give --task with one of web\.1 \(slot 1\)"),
        (cluster(SPREAD), "web", "one task is restarted at a time"),
        (cluster(SPREAD), "9", "web has no task 9; it has"),
        (cluster(SPREAD, update_state=UpdateState.UPDATING), "1", "web is not at rest"),
        (cluster(SPREAD, restarts=False), "1", "none would come back"),
        (cluster(SPREAD, replicas=None), "1", "web is not in replicated mode"),
        (cluster({"running@n1": 1, "pending": 1}), "1", "1 of 2 replicas of web run"),
    ],
)
def test_what_cannot_be_restarted_is_refused(view: ClusterView, task: str, says: str) -> None:
    with pytest.raises((LookupError, ValueError), match=says):
        restart(view, task)


@pytest.mark.parametrize("state", [UpdateState.NONE, UpdateState.COMPLETED, UpdateState.PAUSED, UpdateState.UPDATING])
def test_a_service_is_rolled_back_whatever_its_update_does(state: UpdateState) -> None:
    view = cluster(SPREAD, update_state=state, has_previous=True)
    action = manual_rollback(view, "web", "it loses\norders", lambda: "id")
    assert (action.kind, action.undo) == ("rollback", {})
    assert action.parameters == {
        "swarmherd_service": "web",
        "swarmherd_expected_version": 10,
        "swarmherd_reason": "roll web back by hand, because it loses orders",
    }


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ({"update_state": UpdateState.ROLLBACK_COMPLETED, "has_previous": True}, "web is rolled back already"),
        ({"update_state": UpdateState.ROLLBACK_STARTED, "has_previous": True}, "web is rolled back already"),
        ({"has_previous": False}, "Docker keeps no previous specification of web"),
    ],
)
def test_a_rollback_that_would_go_forward_or_nowhere_is_refused(service: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        manual_rollback(cluster(SPREAD, **service), "web", "x", lambda: "id")


def sized(view: ClusterView, cpu: float = 0.2, memory: float | None = 2.0**20) -> Action:
    (web,) = view.services
    hours = 168
    used = {
        Resource.CPU: Used((cpu,) * hours, 3600, 3600.0 * hours),
        Resource.MEMORY: Used((memory,) * hours, 3600, 3600.0 * hours) if memory else Used(problem="no answer"),
    }
    advice = advise(web, used, AdviseKeys(), view.nodes)
    return manual_resources(view, advice, "it was\nguessed", lambda: "id")


def test_a_service_is_sized_on_the_version_that_it_was_advised_on_and_its_undo_is_what_was_there() -> None:
    action = sized(cluster(SPREAD, cpu_limit=2.0, memory_limit_bytes=None, memory_reservation_bytes=5000))
    assert (action.kind, action.service) == ("resources", "web")
    assert action.parameters == {
        "swarmherd_service": "web",
        "swarmherd_reservations": {"cpus": 0.23, "memory": "6291456"},
        "swarmherd_limits": {"cpus": 0.23, "memory": "6291456"},
        "swarmherd_expected_version": 10,
        "swarmherd_reason": "size web by its past, because it was guessed",
    }
    assert action.undo == {
        "swarmherd_service": "web",
        "swarmherd_reservations": {"cpus": 0.0, "memory": "5000"},
        "swarmherd_limits": {"cpus": 2.0, "memory": "0"},
    }


def test_what_is_not_known_stays_as_it_is() -> None:
    said = sized(cluster(SPREAD), memory=None).parameters
    assert (said["swarmherd_reservations"], said["swarmherd_limits"]) == ({"cpus": 0.23}, {})


@pytest.mark.parametrize(
    ("service", "more", "says"),
    [
        ({"update_state": UpdateState.PAUSED}, {}, "web is not at rest"),
        ({}, {"cpu": 1e6}, "no task of web would find a place: no node has so much"),
        ({"local_data": True}, {}, "might start on any of 3 nodes without it: bind it to its node"),
    ],
)
def test_what_would_harm_a_service_is_refused(service: dict[str, Any], more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sized(cluster(SPREAD, nodes={"n1": {"cpus": 4.0}}, **service), **more)


def test_data_that_can_be_on_one_node_only_is_no_hindrance() -> None:
    bound = cluster({"running@n1": 1}, local_data=True, constraints=("node.hostname==n1",))
    assert sized(bound).kind == "resources"
