# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes: finding one, ghosts, the majority, labels."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _nodes
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import NotFoundError, SwarmError


def test_a_node_is_found_by_hostname_or_id(make_node):
    nodes = [make_node("n1"), make_node("n2")]
    assert _nodes.find(nodes, "n2") is nodes[1]
    assert _nodes.find(nodes, "id-n1") is nodes[0]


def test_an_unknown_node_is_told_with_those_that_are_known(make_node):
    with pytest.raises(NotFoundError, match="no node n3; it has n1, n2"):
        _nodes.find([make_node("n2"), make_node("n1")], "n3")


def test_of_two_namesakes_the_living_one_is_meant(make_node):
    ghost, living = make_node("n1", id="old", state="down"), make_node("n1", id="new")
    assert _nodes.find([ghost, living], "n1") is living
    assert _nodes.find([ghost, living], "old") is ghost


def test_two_living_namesakes_are_ambiguous(make_node):
    with pytest.raises(SwarmError, match="give the id of one: a, b"):
        _nodes.find([make_node("n1", id="b"), make_node("n1", id="a")], "n1")


def test_a_ghost_is_down_older_and_of_the_same_name(make_node):
    new = make_node("n1", id="new", created_at="2026-02-01T00:00:00Z")
    others = {
        "ghost": make_node("n1", id="ghost", state="down", created_at="2026-01-01T00:00:00Z"),
        "up": make_node("n1", id="up", created_at="2026-01-01T00:00:00Z"),
        "unknown": make_node("n1", id="unknown", state="unknown", created_at="2026-01-01T00:00:00Z"),
        "newer": make_node("n1", id="newer", state="down", created_at="2026-03-01T00:00:00Z"),
        "other": make_node("n2", id="other", state="down", created_at="2026-01-01T00:00:00Z"),
    }
    assert [node["ID"] for node in _nodes.ghosts([new, *others.values()], new)] == ["ghost"]


@pytest.mark.parametrize("reachable", list(itertools.product([True, False], repeat=2)))
def test_with_three_managers_one_goes_only_while_both_others_are_reachable(reachable, make_node):
    states = ["reachable" if up else "unreachable" for up in reachable]
    managers = [make_node(f"m{i}", role="manager", reachability=state) for i, state in enumerate(states)]
    leaving = make_node("leaving", role="manager")
    assert (_nodes.majority_problem([*managers, leaving], leaving) == "") == all(reachable)


@pytest.mark.parametrize("managers", [2, 3, 4, 5])
def test_a_dead_manager_can_always_be_removed_while_the_others_are_reachable(managers, make_node):
    dead = make_node("dead", role="manager", state="down", reachability="unreachable")
    others = [make_node(f"m{i}", role="manager") for i in range(managers - 1)]
    assert _nodes.majority_problem([*others, dead], dead) == ""


def test_a_manager_that_takes_no_tasks_votes_like_any_other_and_so_does_the_leader(make_node):
    kept = {"m1": "drain", "m2": "drain", "m3": "active"}
    managers = [make_node(name, role="manager", availability=kept[name]) for name in kept]
    managers[0]["ManagerStatus"]["Leader"] = True
    nodes = [*managers, make_node("n1"), make_node("n2", state="down")]
    assert {_nodes.majority_problem(nodes, one) for one in managers} == {""}
    managers[1]["ManagerStatus"]["Reachability"] = "unreachable"
    for one in (managers[0], managers[2]):
        assert "only 1 of 2 managers would be reachable" in _nodes.majority_problem(nodes, one)
    assert _nodes.majority_problem(nodes, managers[1]) == "", "nobody misses it"


def test_the_last_manager_is_missed(make_node):
    last = make_node("m1", role="manager")
    assert "m1 is the last manager" in _nodes.majority_problem([last, make_node("n1")], last)


def test_a_worker_is_no_part_of_the_majority(make_node):
    worker = make_node("n1")
    assert _nodes.majority_problem([make_node("m1", role="manager"), worker], worker) == ""


def test_a_managers_address_is_that_of_its_raft_and_not_what_the_engine_listens_on(make_node):
    assert _nodes.address(make_node("m1", role="manager", address="0.0.0.0")) == "10.0.0.1"  # noqa: S104 - what engines say
    assert _nodes.address(make_node("n1", address="10.0.0.9")) == "10.0.0.9"


@pytest.mark.parametrize(
    ("exact", "after"), [(False, {"a": "1", "b": "9", "d": "4"}), (True, {"b": "9", "d": "4"})], ids=["merge", "exact"]
)
def test_labels_are_merged_or_exact(exact, after):
    held = {"a": "1", "b": "2", "c": "3"}
    assert _nodes.labels_after(held, {"b": "9", "d": "4"}, ["c", "z"], exact) == after


def test_a_label_both_set_and_removed_is_refused():
    with pytest.raises(SwarmError, match="remove: a stands in labels as well"):
        _nodes.labels_after({}, {"a": "1"}, ["a"], exact=False)


@pytest.mark.parametrize("description", [{}, {"Hostname": "", "Resources": {}}], ids=["nothing", "empty"])
def test_a_node_that_never_told_its_hostname_is_called_by_its_id(description, make_node):
    nameless = {**make_node("n1", id="joining", state="unknown"), "Description": description}
    assert _nodes.hostname(nameless) == _nodes.told(nameless)["hostname"] == "joining"
    assert _nodes.find([nameless, make_node("n2")], "n2")["ID"] == "id-n2"
    with pytest.raises(NotFoundError, match="it has joining"):
        _nodes.find([nameless], "n3")
