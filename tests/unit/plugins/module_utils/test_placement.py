# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement: what is written, what is left alone, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _placement as placement
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError

ANCHOR = "node.labels.swarmherd.anchor.db == yes"


def params(**changes):
    nothing = {
        "constraints": [],
        "remove_constraints": [],
        "preferences": None,
        "max_replicas_per_node": None,
        "follows": None,
    }
    return {**nothing, **changes}


@pytest.fixture
def held(make_service):
    given = {"Constraints": ["node.role==worker"], "Platforms": [{"OS": "linux"}], "MaxReplicas": 3}
    return make_service("shop", Placement=given)["Spec"]


def test_only_what_is_named_changes(held):
    spec = placement.desired_spec(held, params(constraints=["node.labels.a==b"], preferences=["node.labels.zone"]))
    assert spec["TaskTemplate"]["Placement"] == {
        "Constraints": ["node.role==worker", "node.labels.a == b"],
        "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
        "Platforms": [{"OS": "linux"}],
        "MaxReplicas": 3,
    }
    assert {**spec, "TaskTemplate": None} == {**held, "TaskTemplate": None}


@pytest.mark.parametrize(
    "same", [{}, {"constraints": ["node.role == WORKER"]}, {"max_replicas_per_node": 3}, {"preferences": []}]
)
def test_what_means_the_same_is_never_written_again(same, held):
    assert placement.desired_spec(held, params(**same)) == held


def test_zero_takes_the_limit_away_and_the_last_constraint_leaves_no_empty_list(held):
    spec = placement.desired_spec(held, params(max_replicas_per_node=0, remove_constraints=["node.role == worker"]))
    assert spec["TaskTemplate"]["Placement"] == {"Platforms": [{"OS": "linux"}]}


def test_a_service_follows_one_anchor_and_none_after_an_empty_word(held):
    first = placement.desired_spec(held, params(follows="cache"))
    second = placement.desired_spec(first, params(follows="db"))
    assert second["TaskTemplate"]["Placement"]["Constraints"] == ["node.role==worker", ANCHOR]
    assert placement.anchor(second) == "db"
    assert placement.desired_spec(second, params(follows="db")) == second
    assert (
        placement.desired_spec(second, params(follows=""))["TaskTemplate"]["Placement"]
        == held["TaskTemplate"]["Placement"]
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"preferences": ["zone"]}, "preferences: 'zone' is nothing to spread over"),
        ({"max_replicas_per_node": -1}, "max_replicas_per_node: -1 is less than none"),
        ({"constraints": ["a=b"]}, "constraints: 'a=b' compares nothing"),
        ({"remove_constraints": ["a"]}, "remove_constraints: 'a' compares nothing"),
    ],
)
def test_what_cannot_be_is_refused_with_the_option(wrong, words, held):
    with pytest.raises(SwarmError, match=f"^{words}"):
        placement.desired_spec(held, params(**wrong))


# ---------------------------------------------------------------- labels


@pytest.fixture
def nodes(make_node):
    return [make_node("n1"), make_node("n2", labels={"disk": "ssd"})]


def test_labels_are_told_by_node_id_as_text(nodes):
    assert placement.labels_to_set(nodes, {"n2": {"rack": 7, "big": True}}) == {"id-n2": {"rack": "7", "big": "true"}}


@pytest.mark.parametrize(
    ("wanted", "words"), [({"n9": {"a": "b"}}, "has no node n9"), ({"n1": "a=b"}, "node_labels.n1: give the node")]
)
def test_labels_that_cannot_be_set_are_refused(wanted, words, nodes):
    with pytest.raises(SwarmError, match=words):
        placement.labels_to_set(nodes, wanted)


def test_the_anchors_node_gets_the_label_where_it_is_seen_running(nodes, make_service, make_task):
    db = make_service("db", replicas=1)
    wanted = placement.anchor_label(db, [make_task(db, 1, "id-n2")], nodes, {})
    assert wanted == {"id-n2": {"swarmherd.anchor.db": "yes"}}
    labelled = placement.with_labels(nodes, wanted)
    assert labelled[1]["Spec"]["Labels"] == {"disk": "ssd", "swarmherd.anchor.db": "yes"}
    assert nodes[1]["Spec"]["Labels"] == {"disk": "ssd"}
    assert placement.anchor_label(db, [make_task(db, 1, "id-n1")], labelled, {}) == {}


def test_an_anchor_that_is_starting_or_down_labels_nothing(nodes, make_service, make_task):
    db = make_service("db", replicas=1)
    for task in (make_task(db, 1, "id-n2", "starting"), make_task(db, 1, "gone")):
        with pytest.raises(SwarmError, match="db is seen running nowhere"):
            placement.anchor_label(db, [task], nodes, {})


def test_an_anchor_on_two_nodes_is_refused_by_name(nodes, make_service, make_task):
    db = make_service("db")
    tasks = [make_task(db, 1, "id-n1"), make_task(db, 2, "id-n2")]
    with pytest.raises(SwarmError, match=r"db runs on several nodes \(n1, n2\)"):
        placement.anchor_label(db, tasks, nodes, {})


# ---------------------------------------------------------------- tasks


def test_a_service_that_no_node_would_be_left_to_is_refused_with_each_reason(held, nodes):
    spec = placement.desired_spec(held, params(constraints=["node.labels.disk==nvme"]))
    nodes[0]["Status"]["State"] = "down"
    with pytest.raises(SwarmError, match=r"^refused: no node would be left to shop: n1 .*; n2 does not match node.l"):
        placement.refuse_homeless(spec, nodes)
    nodes[1]["Spec"]["Labels"] = {"disk": "nvme"}
    placement.refuse_homeless(spec, nodes)


def test_evicted_are_the_tasks_whose_node_does_not_match_any_more(held, nodes, make_service, make_task):
    spec = placement.desired_spec(held, params(constraints=["node.labels.disk==ssd"]))
    shop = make_service("shop")
    tasks = [make_task(shop, 1, "id-n1"), make_task(shop, 2, "id-n2"), make_task(shop, 3, "id-n1", desired="shutdown")]
    assert placement.evicted(spec, tasks, nodes) == ["task-1-running"]
