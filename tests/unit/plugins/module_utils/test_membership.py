# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps between what is found and what is wanted of a host."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _membership
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._membership import Membership


def member(state="active", manager=False, node_id="id-n1", managers=("10.0.0.1:2377",), error=""):
    return Membership(state, manager, node_id, "10.0.0.9", managers, error)


def wanted(**params):
    defaults = {
        "role": None,
        "remote_addrs": [],
        "join_token": None,
        "force": False,
        "remove_ghosts": True,
        "dispatcher_heartbeat": None,
    }
    return {**defaults, **params}


def steps_here(here, nodes=(), known=(), heartbeat=False, **params):
    steps = _membership.steps_here(here, list(nodes), wanted(**params), known, heartbeat)
    return [(step.kind, step.node["ID"] if step.node else "") for step in steps]


JOINING = {"remote_addrs": ["10.0.0.1"], "join_token": "t"}
OUTSIDE = member(state="inactive", node_id="")


def test_a_host_outside_initialises_a_swarm():
    assert steps_here(OUTSIDE) == [("init", "")]


def test_a_host_outside_joins_where_managers_are_named():
    assert steps_here(OUTSIDE, **JOINING) == [("join", "")]


@pytest.mark.parametrize(
    ("params", "message"),
    [({"role": "worker"}, "^remote_addrs: "), ({"remote_addrs": ["10.0.0.1"]}, "^join_token: ")],
)
def test_what_is_missing_to_join_is_named(params, message):
    with pytest.raises(SwarmError, match=message):
        steps_here(OUTSIDE, **params)


def test_a_member_stays_as_it_is():
    assert steps_here(member(), role="worker", remote_addrs=["10.0.0.1"], known={"10.0.0.1"}) == []


def test_a_member_of_another_swarm_is_not_taken_for_a_member():
    with pytest.raises(
        SwarmError, match=r"in a Swarm already, whose managers are 10\.0\.0\.1, 10\.0\.0\.9; leave it first"
    ):
        steps_here(member(), known={"10.7.7.7"})


@pytest.mark.parametrize(("state", "word"), [("locked", "unlock"), ("error", "broken: certificate expired")])
def test_a_broken_membership_is_told_with_its_remedy(state, word):
    with pytest.raises(SwarmError, match=word):
        steps_here(member(state=state, error="certificate expired"))


def test_a_worker_cannot_promote_itself():
    with pytest.raises(SwarmError, match="run the task on a manager"):
        steps_here(member(), role="manager")


def test_a_host_whose_join_goes_on_is_waited_for_whatever_role_it_is_to_have():
    assert steps_here(member(state="pending"), role="manager") == []


@pytest.fixture
def cluster(make_node):
    return [make_node(f"m{i}", role="manager") for i in (1, 2, 3)] + [make_node("n1")]


def test_a_manager_demotes_itself_while_the_others_hold_the_majority(cluster):
    assert steps_here(member(manager=True, node_id="id-m1"), cluster, role="worker") == [("demote", "id-m1")]


def test_a_demotion_that_costs_the_majority_is_refused_unless_forced(cluster):
    cluster[1]["ManagerStatus"]["Reachability"] = "unreachable"
    here = member(manager=True, node_id="id-m1")
    with pytest.raises(SwarmError, match="refused: without m1 only 1 of 2 managers would be reachable"):
        steps_here(here, cluster, role="worker")
    assert steps_here(here, cluster, role="worker", force=True) == [("demote", "id-m1")]


def test_a_heartbeat_is_set_where_it_differs(cluster):
    here = member(manager=True, node_id="id-m1")
    assert steps_here(here, cluster, heartbeat=True, dispatcher_heartbeat="2s") == [("heartbeat", "")]


def test_a_manager_removes_what_its_host_left_behind(cluster, make_node):
    ghost = make_node("m1", id="ghost", role="manager", state="down", reachability="unreachable", created_at="2025")
    here = member(manager=True, node_id="id-m1")
    assert steps_here(here, [*cluster, ghost]) == [("demote", "ghost"), ("remove", "ghost")]
    assert steps_here(here, [*cluster, ghost], remove_ghosts=False) == []


def test_promotion_is_one_step_and_none_where_the_role_is_right(cluster):
    worker = cluster[3]
    assert [s.kind for s in _membership.role_steps(cluster, worker, "manager", force=False)] == ["promote"]
    assert _membership.role_steps(cluster, worker, "worker", force=False) == []
    assert _membership.role_steps(cluster, worker, None, force=False) == []


def leave(here, nodes, force=False):
    return [step.kind for step in _membership.leave_steps(here, nodes, force)]


def test_who_is_outside_has_nothing_to_leave():
    assert leave(OUTSIDE, []) == []


def test_a_worker_just_leaves():
    assert leave(member(), []) == ["leave"]


def test_a_manager_is_demoted_before_it_leaves(cluster):
    assert leave(member(manager=True, node_id="id-m1"), cluster) == ["demote", "leave"]


def test_the_last_manager_leaves_by_force_only(make_node):
    here, nodes = member(manager=True, node_id="id-m1"), [make_node("m1", role="manager")]
    with pytest.raises(SwarmError, match="m1 is the last manager"):
        leave(here, nodes)
    assert leave(here, nodes, force=True) == ["leave"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 2377)),
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("manager1", ("manager1", 2377)),
        ("eth0:7000", ("eth0", 7000)),
        ("fe80::1", ("fe80::1", 2377)),
        ("[fe80::1]:7000", ("fe80::1", 7000)),
        ("[fe80::1]", ("fe80::1", 2377)),
    ],
)
def test_addresses_have_a_host_and_a_port(address, expected):
    assert _membership.host_port(address) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", "10.0.0.1:2377"),
        ("manager1:7000", "manager1:7000"),
        ("2001:db8::1", "[2001:db8::1]:2377"),
        ("[2001:db8::1]:7000", "[2001:db8::1]:7000"),
    ],
)
def test_an_address_to_join_is_told_as_docker_takes_it(address, expected):
    assert _membership.host_and_port(address) == expected


def test_what_is_no_address_is_refused():
    with pytest.raises(SwarmError, match="HOST:PORT"):
        _membership.host_port("10.0.0.1:port")


@pytest.mark.parametrize(("nodes", "fast"), [(1, "1s"), (20, "1s"), (21, "2s"), (100, "2s"), (101, "3s")])
def test_the_fast_heartbeat_is_longer_in_larger_swarms(nodes, fast):
    assert _membership.heartbeat("fast", nodes) == fast
    assert _membership.heartbeat("normal", nodes) == "5s"
    assert _membership.heartbeat(None, nodes) is None
