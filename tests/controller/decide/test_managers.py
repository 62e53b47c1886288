# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of three managers and three workers: managers are nodes like any others where they take work, and no places
at all where they are drained; and which of them leads decides nothing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from swarmherd.by_hand import manual_availability
from swarmherd.decide import arrange
from swarmherd.decide.foretell import landing, moved, victims
from swarmherd.decide.place import Placer, seen
from swarmherd.model import Availability, ClusterView, Following, Memory, NodeMemory, NodeState, Plan, Role
from swarmherd.plan import conclude
from swarmherd.policy import parse_policy

from tests.controller.arranged import view_of
from tests.controller.described import NOW, ago

MANAGERS, WORKERS = ("m1", "m2", "m3"), ("n1", "n2", "n3")
DRAINED = {"availability": "drain"}
ON_WORKERS = {"constraints": ["node.role == worker"]}


def cluster(managers: Mapping[str, Any] | None = None, services: Mapping[str, Any] | None = None, **nodes: Any) -> Any:
    """Six nodes, all of them idle unless told: `managers` says something of all managers, `nodes` of one."""
    found = {name: {"role": "manager", "memory": 5, "cpu": 5, **(managers or {})} for name in MANAGERS}
    found |= {name: {"memory": 5, "cpu": 5} for name in WORKERS}
    for name, more in nodes.items():
        found[name] = {**found[name], **more}
    return view_of({"nodes": found, "services": services or {}})


def led_by(view: ClusterView, name: str) -> ClusterView:
    return replace(view, nodes=tuple(replace(node, leader=node.id == name) for node in view.nodes))


def concluded(view: ClusterView, memory: Memory | None = None, **policy: Any) -> Plan:
    ids = map(str, itertools.count())
    return conclude(view, parse_policy(policy, "made up"), memory or Memory(), NOW, lambda: next(ids))[0]


def placed(view: ClusterView, service: str, replicas: int) -> tuple[list[str], str]:
    """Where our own placement puts so many tasks, and why not more of them."""
    found = view.service(service)
    assert found is not None
    (placement,) = Placer(seen.nodes(view)).place([seen.shape(found, replicas).shape])
    return sorted({view.nodes[row].id for row in placement.nodes}), placement.explanation


WEB = {"at": [], "replicas": 6}


def test_managers_that_take_work_get_tasks_like_any_node() -> None:
    view = cluster(services={"web": WEB})
    assert placed(view, "web", 6) == ([*MANAGERS, *WORKERS], "")
    assert landing(view, view.services[0], 6).nodes == {*MANAGERS, *WORKERS}


def test_drained_managers_get_none_and_neither_does_what_a_constraint_keeps_off_them() -> None:
    for view in (cluster(DRAINED, {"web": WEB}), cluster(services={"web": {**WEB, **ON_WORKERS}})):
        assert placed(view, "web", 6) == ([*WORKERS], "")
        assert landing(view, view.services[0], 6).fit == {*WORKERS}


def test_what_is_for_managers_alone_waits_where_all_are_drained_and_says_why() -> None:
    view = cluster(DRAINED, {"agent": {**WEB, "constraints": ["node.role == manager"]}})
    where, why = placed(view, "agent", 3)
    assert (where, why) == ([], "3 nodes draining; constraint not satisfied (node.role==manager) on 3 nodes")
    assert landing(view, view.services[0], 3).pending == 3


def test_a_task_that_leaves_a_worker_goes_to_no_drained_manager_however_empty_it_is() -> None:
    at = {"web": {"at": ["n1", "n2", "n2", "n3", "n3"]}}
    view = cluster(DRAINED, at)
    assert moved(view, view.services[0], "n1").nodes == {"n2", "n3"}
    assert moved(cluster({}, at), view.services[0], "n1").nodes == {*MANAGERS}
    assert moved(cluster(DRAINED, at, m2={"availability": "active"}), view.services[0], "n1").nodes == {"m2"}


def test_a_task_on_a_manager_is_as_likely_to_be_stopped_as_one_on_a_worker() -> None:
    view = cluster(services={"web": {"at": ["m1", "n1", "m1", "n2"]}})
    assert victims(view, view.services[0]).tasks == {"web.3"}, "the one copy too many is on m1"


# ---------------------------------------------------------------- which of them leads


UNEVEN = {
    "shop": {"at": ["n1", "n1", "n1"], "gib": 1, **ON_WORKERS},
    "db": {"at": ["m2"]},
    "api": {"at": ["n3"], "gib": 0.5},
}
POLICY = {
    "services": {"shop": {}, "db": {}, "api": {"follows": "db"}},
    "rebalance": {"memory": "20%"},
    "mode": "enforce",
}


@pytest.mark.parametrize("leader", MANAGERS)
@pytest.mark.parametrize("without", [(), ("api", "db")], ids=["a label", "a move"])
def test_whoever_leads_the_same_is_planned(leader: str, without: tuple[str, ...]) -> None:
    """So that a new leader between two cycles turns no decision round."""
    services = {name: text for name, text in UNEVEN.items() if name not in without}
    view = cluster(services=services, n1={"memory": 60})
    policy = {**POLICY, "services": {name: {} for name in services} if without else POLICY["services"]}
    plan = concluded(led_by(view, leader), **policy)
    assert [action.kind for action in plan.actions] == (["move"] if without else ["relabel"])
    assert plan.actions == concluded(view, **policy).actions


# ---------------------------------------------------------------- anchors


def followed(view: ClusterView, **policy: Any) -> Following:
    document = parse_policy({"services": {"api": {"follows": "db"}}, **policy}, "made up")
    (found,) = arrange(view, document, Memory(), NOW).following
    return found


def test_an_anchor_on_a_manager_gets_its_label_there_and_its_dependents_with_it() -> None:
    found = followed(cluster(services={"db": {"at": ["m2"]}, "api": {"at": ["n1"], "gib": 0.5}}))
    assert (found.relabel, found.node) == (True, "m2")


def test_from_a_manager_that_died_the_label_goes_on_to_where_the_anchor_runs_now() -> None:
    services = {"db": {"at": ["n2"]}, "api": {"at": ["n1"], "gib": 0.5, "follows": ["db"]}}
    found = followed(cluster({}, services, m1={"anchors": ["db"], "state": "down"}))
    assert (found.relabel, found.node, found.labelled) == (True, "n2", ("m1",))


def test_dependents_that_may_not_run_on_managers_do_not_follow_their_anchor_onto_one() -> None:
    found = followed(cluster(services={"db": {"at": ["m2"]}, "api": {"at": ["n1"], "gib": 0.5, **ON_WORKERS}}))
    assert not found.relabel
    assert "m2 cannot take api: constraint not satisfied (node.role==worker)" in found.reasons[-1]


def test_beside_an_anchor_on_a_manager_that_is_being_drained_nothing_can_start() -> None:
    services = {"db": {"at": ["m2"]}, "api": {"at": ["n1"], "gib": 0.5}}
    found = followed(cluster({}, services, m2=DRAINED))
    assert not found.relabel
    assert "m2 is set to drain, so nothing can start there" in found.reasons[-1]


# ---------------------------------------------------------------- moves, and nodes that fail


def test_drained_managers_are_no_part_of_what_is_evened_out() -> None:
    """They are empty, and would be the emptiest of all."""
    even = {name: {"memory": 40} for name in WORKERS}
    shop = {"shop": {"at": [*WORKERS, *WORKERS], "gib": 1}}
    policy = {"services": {"shop": {}}, "rebalance": {"memory": "20%"}, "mode": "enforce"}
    (balance,) = concluded(cluster({**DRAINED, "memory": 2}, shop, **even), **policy).arrangement.balances
    assert "within 20 %" in balance.reasons[-1]
    assert concluded(cluster({"memory": 2}, shop, **even), **policy).actions, "but they are where they take work"


def test_one_manager_of_three_that_fails_stops_nothing_and_two_of_them_with_a_worker_do() -> None:
    """S8: of six nodes three are half."""
    uneven, policy = {"shop": UNEVEN["shop"]}, {**POLICY, "services": {"shop": {}}}
    heavy, down = {"n1": {"memory": 60}}, {"state": "down"}
    assert [action.kind for action in concluded(cluster({}, uneven, m1=down, **heavy), **policy).actions] == ["move"]
    blind = concluded(cluster({}, uneven, m1=down, m2=down, n2=down, **heavy), **policy)
    assert blind.actions == ()
    assert blind.arrangement.rescue.brake


def test_a_manager_that_flaps_is_paused_which_takes_no_vote_from_it() -> None:
    """S23: never drained, never demoted."""
    memory = Memory(nodes={"m1": NodeMemory(ago(30), falls=tuple(ago(s) for s in (300, 200, 100)))})
    (action,) = concluded(cluster(), memory, failover={"flapping": {"falls": 3}}, mode="enforce").actions
    assert (action.kind, action.parameters["swarmherd_measure"]) == ("failover", "cordon")
    assert action.parameters["swarmherd_node"] == "m1"


def test_a_worker_is_drained_by_hand_only_while_another_node_takes_its_tasks_and_drained_managers_do_not() -> None:
    others = {"n2": {"state": "down"}, "n3": {"availability": "pause"}}
    with pytest.raises(ValueError, match="no other node takes tasks"):
        manual_availability(cluster(DRAINED, **others), "n1", Availability.DRAIN, "memory", lambda: "a")
    one = cluster(DRAINED, **others, m3={"availability": "active"})
    assert manual_availability(one, "n1", Availability.DRAIN, "memory", lambda: "a").kind == "drain"


def test_of_such_a_cluster_the_roles_are_what_they_are_called() -> None:
    """Else nothing above would say anything."""
    view = cluster(DRAINED)
    assert [node.id for node in view.nodes if node.role is Role.MANAGER] == [*MANAGERS]
    assert all(node.state is NodeState.READY for node in view.nodes)
