# SPDX-License-Identifier: GPL-3.0-or-later
"""How a service stands, from the lists of its tasks and of all nodes."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _tasks as tasks


@pytest.fixture
def nodes(make_node):
    return [make_node("n1"), make_node("n2")]


def test_all_wanted_tasks_running_is_converged(nodes, make_service, make_task):
    service = make_service(replicas=2)
    seen = tasks.progress(service, [make_task(service, 1), make_task(service, 2, "id-n2")], nodes)
    assert (seen.wanted, seen.running, seen.converged, seen.failures) == (2, 2, True, ())


def test_a_node_that_has_not_told_its_hostname_yet_is_no_hindrance(nodes, make_service, make_task):
    nodes[1]["Description"] = {}
    service = make_service(replicas=1)
    broken = make_task(service, 1, "id-n2", state="rejected", error="no image")
    assert tasks.progress(service, [broken], nodes).failures[0]["node"] == "id-n2"
    assert tasks.failures_of(service["Spec"], service, [broken], nodes)[0]["node"] == "id-n2"


def test_a_task_of_a_dead_node_says_running_and_does_not_count(nodes, make_service, make_task):
    nodes[1]["Status"]["State"] = "down"
    service = make_service(replicas=2)
    seen = tasks.progress(service, [make_task(service, 1), make_task(service, 2, "id-n2")], nodes)
    assert (seen.running, seen.converged) == (1, False)


def test_a_task_of_the_spec_before_does_not_count(nodes, make_service, make_task):
    service = make_service(replicas=1)
    old = make_task(service, 1)
    service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = "shop:2"
    assert not tasks.progress(service, [old], nodes).converged


def test_other_constraints_restart_nothing_so_the_task_counts(nodes, make_service, make_task):
    service = make_service(replicas=1)
    old = make_task(service, 1)
    service["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": ["node.role==worker"]}
    assert tasks.progress(service, [old], nodes).converged


def test_what_docker_adds_to_a_services_template_is_no_difference(nodes, make_service, make_task):
    service = make_service(replicas=1, Runtime="container", Resources={"Limits": {}})
    made = make_task(service, 1, spec={"ContainerSpec": {"Image": "shop:1"}})
    assert tasks.progress(service, [made], nodes).converged


def test_a_surplus_task_is_not_converged_until_swarm_lets_it_go(nodes, make_service, make_task):
    service = make_service(replicas=1)
    two = [make_task(service, 1), make_task(service, 2)]
    seen = tasks.progress(service, two, nodes)
    assert not seen.converged
    assert "1 more are not stopped yet" in seen.sentence
    two[1]["DesiredState"] = "shutdown"
    assert tasks.progress(service, two, nodes).converged


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_while_an_update_is_under_way_nothing_is_converged(state, nodes, make_service, make_task):
    service = make_service(replicas=1)
    service["UpdateStatus"] = {"State": state, "Message": "in progress"}
    assert not tasks.progress(service, [make_task(service, 1)], nodes).converged


def test_a_paused_update_is_stopped(nodes, make_service, make_task):
    service = make_service(replicas=1)
    service["UpdateStatus"] = {"State": "paused", "Message": "update paused due to failure"}
    seen = tasks.progress(service, [make_task(service, 1)], nodes)
    assert seen.stopped
    assert "update paused (update paused due to failure)" in seen.sentence


def test_a_slot_that_does_not_run_is_told_with_its_newest_reason(nodes, make_service, make_task):
    service = make_service(replicas=2)
    listed = [
        make_task(service, 1),
        make_task(service, 2, state="failed", desired="shutdown", error="exit 1", created_at="2026-01-01T00:00:01Z"),
        make_task(
            service, 2, state="rejected", desired="shutdown", error="no image", created_at="2026-01-01T00:00:02Z"
        ),
        make_task(service, 2, state="preparing", created_at="2026-01-01T00:00:03Z"),
    ]
    seen = tasks.progress(service, listed, nodes)
    assert [failure["error"] for failure in seen.failures] == ["no image"]
    assert "shop.2 on n1 is rejected: no image" in seen.sentence


def test_a_task_without_a_node_says_why(nodes, make_service, make_task):
    service = make_service(replicas=1)
    pending = make_task(service, 1, node="", state="pending", error="no suitable node (2 nodes not available)")
    seen = tasks.progress(service, [pending], nodes)
    assert "shop.1 is pending: no suitable node (2 nodes not available)" in seen.sentence


def test_a_slot_that_waits_for_its_restart_is_told(nodes, make_service, make_task):
    service = make_service(replicas=1)
    listed = [
        make_task(
            service, 1, state="rejected", desired="shutdown", error="no image", created_at="2026-01-01T00:00:01Z"
        ),
        make_task(service, 1, state="ready", desired="ready", created_at="2026-01-01T00:00:02Z"),
    ]
    assert [failure["error"] for failure in tasks.progress(service, listed, nodes).failures] == ["no image"]


@pytest.mark.parametrize(("state", "desired"), [("failed", "remove"), ("shutdown", "shutdown")])
def test_a_slot_that_was_scaled_away_or_drained_has_not_failed(state, desired, nodes, make_service, make_task):
    service = make_service(replicas=1)
    listed = [make_task(service, 1), make_task(service, 2, state=state, desired=desired, error="exit 1")]
    assert tasks.progress(service, listed, nodes).failures == ()


def test_failures_of_a_slot_that_runs_again_are_history(nodes, make_service, make_task):
    service = make_service(replicas=1)
    listed = [make_task(service, 1, state="failed", desired="shutdown", error="exit 1"), make_task(service, 1)]
    assert tasks.progress(service, listed, nodes).failures == ()


def test_the_order_of_nodes_and_tasks_carries_no_meaning(nodes, make_service, make_task):
    service = make_service(replicas=2)
    listed = [make_task(service, 1), make_task(service, 2, "id-n2", state="failed", error="exit 1")]
    assert tasks.progress(service, listed, nodes) == tasks.progress(service, listed[::-1], nodes[::-1])


def test_a_global_service_wants_one_task_on_each_node_that_takes_it(make_node, make_service):
    nodes = [
        make_node("n1", labels={"disk": "ssd"}),
        make_node("n2", labels={"disk": "hdd"}),
        make_node("n3", labels={"disk": "ssd"}, availability="drain"),
        make_node("n4", labels={"disk": "ssd"}, state="down"),
        make_node("n5", labels={"disk": "SSD"}, availability="pause"),
    ]
    service = make_service(replicas=None, Placement={"Constraints": ["node.labels.disk == ssd"]})
    assert tasks.wanted_tasks(service, [], nodes) == 1, "what is paused gets none"


@pytest.mark.parametrize("state", ["running", "starting"])
def test_of_a_global_service_a_paused_node_has_what_it_had_of_whatever_spec(state, make_node, make_service, make_task):
    nodes = [make_node("n1"), make_node("n2", availability="pause"), make_node("n3", availability="pause")]
    service = make_service(replicas=None)
    before = make_task(service, 0, "id-n2", state, spec={"ContainerSpec": {"Image": "shop:0"}})
    seen = tasks.progress(service, [make_task(service, 0), before], nodes)
    assert (seen.wanted, seen.converged) == (2, state == "running")
    outdated = make_task(service, 0, spec={"ContainerSpec": {"Image": "shop:0"}})
    assert not tasks.progress(service, [outdated], nodes).converged, "an active node is updated"


def test_of_a_global_service_what_has_to_leave_a_paused_node_is_waited_for(make_node, make_service, make_task):
    service = make_service(replicas=None, Placement={"Constraints": ["node.labels.disk == ssd"]})
    nodes = [make_node("n1", labels={"disk": "ssd"}), make_node("n2", availability="pause")]
    listed = [make_task(service, 0), make_task(service, 0, "id-n2")]
    assert not tasks.progress(service, listed, nodes).converged
    listed[1]["DesiredState"] = "shutdown"
    assert tasks.progress(service, listed, nodes).converged


def test_a_replica_on_a_paused_node_is_updated_like_any_other(make_node, make_service, make_task):
    service = make_service(replicas=1)
    outdated = make_task(service, 1, spec={"ContainerSpec": {"Image": "shop:0"}})
    assert not tasks.progress(service, [outdated], [make_node("n1", availability="pause")]).converged


@pytest.mark.parametrize(
    ("constraint", "matches"),
    [
        ("node.role==manager", True),
        ("node.role != manager", False),
        ("node.hostname==N1", True),
        ("node.id == id-n1", True),
        ("node.labels.absent != yes", True),
        ("node.labels.absent == yes", False),
        ("engine.labels.rack == 7", True),
        ("node.platform.os == linux", True),
    ],
)
def test_constraints_are_read_as_swarm_reads_them(constraint, matches, make_node):
    node = make_node("n1", role="manager")
    node["Description"].update(Engine={"Labels": {"rack": "7"}}, Platform={"OS": "linux", "Architecture": "x86_64"})
    assert tasks.takes_tasks(node, [constraint]) is matches


def test_progress_changes_nothing_of_what_it_reads(nodes, make_service, make_task):
    service = make_service()
    listed = [make_task(service, 1)]
    before = copy.deepcopy((service, listed, nodes))
    tasks.progress(service, listed, nodes)
    assert (service, listed, nodes) == before


@pytest.mark.parametrize(
    ("mode", "name", "count"),
    [
        ({"Replicated": {"Replicas": 0}}, "replicated", 0),
        ({"Replicated": {}}, "replicated", 1),
        ({"Global": {}}, "global", None),
        ({"GlobalJob": {}}, "global-job", None),
        ({"ReplicatedJob": {"MaxConcurrent": 1}}, "replicated-job", None),
    ],
)
def test_modes(mode, name, count):
    service = {"Spec": {"Mode": mode}}
    assert (tasks.mode_name(service), tasks.replicas(service)) == (name, count)
