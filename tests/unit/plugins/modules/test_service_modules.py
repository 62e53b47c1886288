# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them, with another writer at the same service (S17)."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.parameters import PASS_VARS
from ansible_collections.swarmherd.cluster.plugins.modules import cluster_info, node_labels, service, service_scale

pytestmark = pytest.mark.usefixtures("shop")

NO_LEADER = "rpc error: code = Unknown desc = The swarm does not have a leader."


@pytest.fixture
def shop(engine, make_service, make_task, make_node):
    """A service of two replicas that Swarm, played by the engine, follows."""
    engine.nodes.append(make_node("n1"))
    held = make_service("shop", replicas=2)
    held["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] = ["PASSWORD=geheim"]
    engine.services.append(held)

    def follow():
        count = held["Spec"]["Mode"]["Replicated"]["Replicas"]
        engine.tasks[:] = [make_task(held, slot) for slot in range(1, count + 1)]

    engine.after_write = follow
    follow()
    return held


def other_writer(engine, shop, times=1, **labels):
    """Somebody who writes the service's labels just before our next `times` writes."""
    left = [times]

    def write():
        if left[0] > 0:
            left[0] -= 1
            shop["Spec"]["Labels"].update(labels)
            shop["Version"] = {"Index": shop["Version"]["Index"] + 1}

    engine.before_write = write


def test_scaling_tells_before_and_after_and_what_it_saw(run_module):
    result = run_module(service_scale.main, name="shop", replicas=3)
    assert result["changed"]
    assert result["service"] == "shop"
    assert result["replicas"] == {"before": 2, "after": 3}
    assert (result["version"], result["running"], result["failures"]) == (11, 3, [])
    assert [task["name"] for task in result["tasks"]] == ["shop.1", "shop.2", "shop.3"]


def test_scaling_to_what_is_there_writes_nothing(run_module, engine):
    result = run_module(service_scale.main, name="shop", replicas=2)
    assert not result["changed"]
    assert engine.writes == []


def test_check_mode_tells_the_same_and_writes_nothing(run_module, engine):
    result = run_module(service_scale.main, name="shop", replicas=5, _ansible_check_mode=True, _ansible_diff=True)
    assert result["changed"]
    assert result["diff"] == {"before": {"replicas": 2}, "after": {"replicas": 5}}
    assert (result["version"], result["running"]) == (10, 2)
    assert engine.writes == []


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"expected_replicas": 4}, "replicas 4 was expected and 2 found"),
        ({"expected_version": 9}, "version 9 was expected and 10 found"),
        ({"expected_replicas": 0}, "replicas 0 was expected and 2 found"),
    ],
)
def test_what_was_not_expected_is_a_conflict_and_nothing_is_written(expected, words, run_module, engine):
    result = run_module(service_scale.main, name="shop", replicas=5, **expected)
    assert result["failed"]
    assert result["conflict"] is True
    assert result["found"] == {"replicas": 2, "version": 10}
    assert result["replicas"] == {"before": 2, "after": 2}
    assert words in result["msg"]
    assert engine.writes == []


def test_another_writer_in_between_is_a_conflict_where_a_version_is_expected(run_module, engine, shop):
    other_writer(engine, shop, owner="somebody")
    result = run_module(service_scale.main, name="shop", replicas=5, expected_version=10, expected_replicas=2)
    assert result["failed"]
    assert result["conflict"] is True
    assert result["found"] == {"replicas": 2, "version": 11}
    assert engine.writes == []


def test_another_writer_in_between_keeps_his_change_where_no_version_is_expected(run_module, engine, shop):
    other_writer(engine, shop, owner="somebody")
    result = run_module(service_scale.main, name="shop", replicas=5)
    assert not result.get("failed")
    assert shop["Spec"]["Labels"] == {"owner": "somebody"}
    assert shop["Spec"]["Mode"]["Replicated"]["Replicas"] == 5


def test_a_writer_who_never_stops_is_given_up(run_module, engine, shop):
    other_writer(engine, shop, times=99, owner="somebody")
    result = run_module(service_scale.main, name="shop", replicas=5)
    assert result["failed"]
    assert result["conflict"] is True
    assert "gave up after 5 attempts" in result["msg"]


def test_replicas_that_do_not_run_are_told_with_the_reason(run_module, engine, shop, make_task):
    engine.after_write = lambda: engine.tasks.append(make_task(shop, 3, state="rejected", error="No such image"))
    result = run_module(service_scale.main, name="shop", replicas=3, wait_timeout=1)
    assert result["failed"]
    assert result["changed"]
    assert result["replicas"] == {"before": 2, "after": 3}
    assert result["running"] == 2
    assert "waited 1 s for shop to converge: 2 of 3 tasks run; shop.3 on n1 is rejected: No such image" in result["msg"]
    assert [failure["error"] for failure in result["failures"]] == ["No such image"]


def test_an_election_of_managers_ends_no_wait(run_module, engine):
    get, left = engine.get, [1, 1]

    def without_leader(path):
        return (
            (503, {"message": NO_LEADER}) if path == "/nodes" and engine.writes and left and left.pop() else get(path)
        )

    engine.get = without_leader
    result = run_module(service_scale.main, name="shop", replicas=3, wait_timeout=20)
    assert (result["changed"], result["running"], left) == (True, 3, [])


def test_managers_that_find_no_leader_are_told_at_the_bound_with_what_was_written(run_module, engine):
    get = engine.get
    engine.get = lambda path: (503, {"message": NO_LEADER}) if path == "/nodes" and engine.writes else get(path)
    result = run_module(service_scale.main, name="shop", replicas=3, wait_timeout=0)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["msg"] == f"waited 0 s for shop to converge: cannot list the nodes: {NO_LEADER}"


def test_somebody_who_scales_while_we_wait_is_seen(run_module, engine, shop):
    follow = engine.after_write

    def overtake():
        shop["Spec"]["Mode"]["Replicated"]["Replicas"] = 9
        follow()

    engine.after_write = overtake
    result = run_module(service_scale.main, name="shop", replicas=3)
    assert result["failed"]
    assert result["conflict"] is True
    assert result["found"]["replicas"] == 9


def test_a_global_service_is_refused_in_one_sentence(run_module, engine, make_service):
    engine.services.append(make_service("agent", replicas=None))
    result = run_module(service_scale.main, name="agent", replicas=3)
    assert result["msg"] == "replicas: agent is global: it has no count of replicas"


def test_a_service_that_is_not_there_is_told(run_module):
    assert "ghost not found" in run_module(service_scale.main, name="ghost", replicas=3)["msg"]


def test_a_negative_count_is_refused(run_module):
    assert "less than none" in run_module(service_scale.main, name="shop", replicas=-1)["msg"]


def test_a_partial_update_keeps_the_scale_and_everything_else(run_module, shop):
    shop["Spec"]["Labels"]["owner"] = "web"
    run_module(service_scale.main, name="shop", replicas=4)
    result = run_module(service.main, name="shop", labels={"tier": "front"})
    assert result["changes"] == ["labels"]
    assert result["replicas"] == {"before": 4, "after": 4}
    assert shop["Spec"]["Labels"] == {"owner": "web", "tier": "front"}
    assert shop["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["PASSWORD=geheim"]


def test_no_environment_variables_value_is_in_a_result(run_module):
    env = {"PASSWORD": "other-secret", "ONE": 1}
    result = run_module(service.main, name="shop", env=env, _ansible_diff=True, _ansible_verbosity=3)
    assert "secret" not in str(result)
    assert "geheim" not in str(result)
    assert result["diff"]["after"]["env"] == {"PASSWORD": "(hidden, changed)", "ONE": "(hidden)"}
    assert result["tasks"][0]["name"] == "shop.1", "an environment variable 1 must not blank out every 1"


def test_no_volume_drivers_password_is_in_a_result(run_module):
    """They stand within an option that is shown; and an option `1` must not blank out every 1."""
    options = {"o": "username=shop,password=other-secret", "vers": 1}
    mount = {"target": "/data", "source": "data", "driver": "local", "driver_options": options}
    plain = {"target": "/scratch", "type": "tmpfs"}
    # From ansible-core 2.21 on the arguments are in a result only where they are asked for.
    asked = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}
    result = run_module(service.main, name="shop", mounts=[mount, plain], _ansible_diff=True, **asked)
    assert "secret" not in str(result)
    told = result["invocation"]["module_args"]["mounts"]
    assert (told[0]["source"], told[0]["driver_options"], told[1]["driver_options"]) == ("data", "(hidden)", None)
    assert result["tasks"][0]["name"] == "shop.1"


def test_a_service_changed_since_is_a_conflict_for_the_service_module_as_well(run_module, engine):
    result = run_module(service.main, name="shop", image="shop:2", expected_version=3)
    assert result["conflict"] is True
    assert result["found"] == {"replicas": 2, "version": 10}
    assert engine.writes == []


@pytest.mark.parametrize("lost", ["down", "gone"])
def test_a_removed_service_is_not_waited_for_on_a_node_that_is_down_or_gone(lost, run_module, engine, make_node):
    engine.nodes += [make_node("n2", state="down")] if lost == "down" else []
    engine.tasks[:] = [{**engine.tasks[0], "NodeID": "id-n2", "DesiredState": "remove"}]
    engine.after_write = lambda: None
    result = run_module(service.main, name="shop", state="absent", wait_timeout=0)
    assert (result["changed"], "failed" in result, engine.services) == (True, False, [])


@pytest.mark.parametrize("state", ["ready", "unknown"])
def test_a_removed_service_that_still_runs_is_told_and_was_removed(state, run_module, engine):
    engine.nodes[0]["Status"]["State"] = state
    engine.after_write = lambda: None
    result = run_module(service.main, name="shop", state="absent", wait_timeout=0)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["msg"] == "waited 0 s for the tasks of shop to stop: 2 still run"


def test_a_service_is_removed_although_its_network_is_not_there(run_module, engine):
    result = run_module(service.main, name="shop", state="absent", networks=["gone"], wait=False)
    assert (result["changed"], engine.services) == (True, [])


def test_dockers_own_network_is_the_one_of_the_swarm_that_no_list_shows(run_module, engine, shop):
    engine.networks.append({"Name": "host", "Id": "of-the-engine", "Scope": "local"})
    engine.hidden_networks.append({"Name": "host", "Id": "of-the-swarm", "Scope": "swarm"})
    result = run_module(service.main, name="shop", networks=["host"], _ansible_diff=True)
    assert (result["changes"], result["diff"]["after"]) == (["networks"], {"networks": ["host"]})
    assert shop["Spec"]["TaskTemplate"]["Networks"] == [{"Target": "of-the-swarm"}]
    assert not run_module(service.main, name="shop", networks=["host"])["changed"]


def test_a_network_that_is_not_there_is_named(run_module):
    result = run_module(service.main, name="shop", networks=["nowhere"])
    assert result["msg"] == "networks: no network of the Swarm is called nowhere; create it first"


def test_labels_of_a_node_are_written_with_its_version(run_module, engine, make_node):
    engine.nodes.append(make_node("n2", labels={"a": "1"}))
    result = run_module(node_labels.main, node="n2", labels={"b": True}, _ansible_diff=True)
    assert result["labels"] == {"before": {"a": "1"}, "after": {"a": "1", "b": "true"}}
    assert result["version"] == 8
    assert engine.writes == [{"Role": "worker", "Availability": "active", "Labels": {"a": "1", "b": "true"}}]


def test_a_node_changed_since_is_a_conflict(run_module, engine, make_node):
    engine.nodes.append(make_node("n2"))
    result = run_module(node_labels.main, node="n2", labels={"b": 1}, expected_version=3)
    assert result["conflict"] is True
    assert result["found"] == {"labels": {}, "version": 7}
    assert engine.writes == []


def test_cluster_info_counts_what_runs_and_tells_no_environment(run_module, engine):
    get = engine.get
    engine.get = lambda path: (200, SWARM) if path == "/swarm" else get(path)
    result = run_module(cluster_info.main, tasks=True)
    assert [(s["name"], s["replicas"], s["running"]) for s in result["services"]] == [("shop", 2, 2)]
    assert [node["hostname"] for node in result["nodes"]] == ["n1"]
    assert [task["slot"] for task in result["tasks"]] == [1, 2]
    assert "join_tokens" not in result
    assert "geheim" not in str(result)
    assert "worker-token" not in str(result)


SWARM = {
    "ID": "s1",
    "CreatedAt": "2026-01-01T00:00:00Z",
    "Version": {"Index": 1},
    "Spec": {"Dispatcher": {"HeartbeatPeriod": 5_000_000_000}},
    "JoinTokens": {"Worker": "worker-token", "Manager": "manager-token"},
}


# ---------------------------------------------------------------- what goes when a service is scaled down


def on_networks(task, *addresses):
    return {**task, "NetworksAttachments": [{"Addresses": [f"{address}/24"]} for address in addresses]}


def test_scaling_down_tells_beforehand_which_tasks_go_and_their_addresses(run_module, engine):
    engine.tasks[1] = on_networks(engine.tasks[1], "10.0.1.6", "10.0.2.6")
    told = run_module(service_scale.main, name="shop", replicas=1, _ansible_check_mode=True)["leaving"]
    assert (told["certain"], told["why"]) == (True, "")
    assert [(one["name"], one["node"], one["addresses"]) for one in told["tasks"]] == [
        ("shop.2", "n1", ["10.0.1.6", "10.0.2.6"])
    ]
    assert run_module(service_scale.main, name="shop", replicas=3)["leaving"]["tasks"] == []


def test_where_it_is_not_certain_all_that_may_go_are_told(run_module, engine):
    del engine.tasks[1]
    told = run_module(service_scale.main, name="shop", replicas=1, _ansible_check_mode=True)["leaving"]
    assert (told["certain"], told["why"]) == (False, "1 of its 2 slots are filled")


def test_others_than_those_that_were_drained_are_a_conflict_and_nothing_goes(run_module, engine):
    gone = engine.tasks[1]["ID"]
    assert "failed" not in run_module(service_scale.main, name="shop", replicas=1, expected_leaving=[gone])
    engine.writes.clear()
    result = run_module(service_scale.main, name="shop", replicas=0, expected_leaving=[gone])
    assert (result["failed"], result["conflict"], engine.writes) == (True, True, [])
    assert "were expected to go, and now it is task-1-running" in result["msg"]
