# SPDX-License-Identifier: GPL-3.0-or-later
"""S25: what is looked at in a cycle stays bounded however many nodes and tasks there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from swarmherd.decide import arrange, foretell, rebalance
from swarmherd.decide.heal import healing
from swarmherd.model import Balance, Breaker, BreakerState, Memory, NodeMemory, Remedy
from swarmherd.plan import conclude
from swarmherd.policy import anchors, parse_policy

from tests.controller.arranged import memory_of, view_of
from tests.controller.described import NOW

NODES = [f"n{number:02}" for number in range(12)]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[str]]:
    """Has each call of a module's function write its name into a list."""

    def replaced(module: Any, name: str) -> list[str]:
        calls: list[str] = []
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args: [calls.append(name), real(*args)][1])
        return calls

    return replaced


def balanced(services: dict[str, Any], **shares: float) -> Balance:
    """Of nodes that are half full but for those that are named."""
    nodes = {name: {"memory": shares.get(name, 50)} for name in NODES}
    policy = parse_policy({"services": {name: {} for name in services}, "rebalance": {}}, "made up")
    view = view_of({"nodes": nodes, "services": services})
    [found] = [one for one in arrange(view, policy, Memory(), NOW).balances if one.measure == "memory"]
    return found


def test_what_swarm_would_not_do_as_wanted_costs_one_search_and_not_one_each(
    counted: Callable[[Any, str], list[str]],
) -> None:
    """Every node has as many tasks as any other, so that Swarm might choose each of them."""
    searches = counted(rebalance, "fewest_moves")
    found = balanced({f"web{n}": {"at": NODES, "gib": 0.3 + n / 100} for n in range(9)}, n00=90, n01=20)
    assert not found.moves
    refused = [why for why in found.reasons if "more than 5 nodes would have to be paused" in why]
    assert len(refused) == 9
    assert len(searches) <= 3, "the plan's further steps are tried before it is planned anew"


def test_where_the_first_step_is_refused_the_next_of_the_same_plan_is_made(
    counted: Callable[[Any, str], list[str]],
) -> None:
    searches = counted(rebalance, "fewest_moves")
    shop = {"at": ["n00", "n00", *NODES[2:]], "gib": 0.5}
    found = balanced({"web": {"at": NODES, "gib": 1}, "shop": shop, "log": {"at": ["n01"]}}, n00=90, n01=20)
    assert found.reasons[0].startswith("web.1 stays on n00")
    assert len(searches) == 1
    assert [move.service for move in found.moves] == ["shop"]


def test_of_tasks_that_swarm_would_treat_alike_one_is_looked_at() -> None:
    found = balanced({"web": {"at": [*NODES, "n00", "n00"], "gib": 0.4}}, n00=90, n01=20)
    assert len([why for why in found.reasons if "web." in why and "stays on n00" in why]) == 1


def test_a_cluster_that_is_too_large_for_a_second_search_gets_one(
    counted: Callable[[Any, str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebalance, "PAIRS", 1)
    searches = counted(rebalance, "fewest_moves")
    balanced({f"web{n}": {"at": NODES, "gib": 0.3 + n / 100} for n in range(9)}, n00=90, n01=20)
    assert len(searches) == 1


@pytest.mark.parametrize("bound", ["PAIRS", "TRIES"])
def test_a_search_that_was_cut_short_is_not_said_to_have_found_nothing_better(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    services = {f"web{n}": {"at": NODES, "gib": 0.3 + n / 100} for n in range(9)}
    whole = balanced(services, n00=90, n01=20)
    assert whole.reasons[-1].endswith("but no move that may be made would better both of its nodes")
    monkeypatch.setattr(rebalance, bound, 1)
    cut = balanced(services, n00=90, n01=20)
    assert cut.reasons[-1].endswith("none of the moves that were looked at may be made, and a cycle looks no further")


def test_of_many_ill_tasks_of_a_service_few_are_looked_at_closely(counted: Callable[[Any, str], list[str]]) -> None:
    looked = counted(healing, "elsewhere")
    ill = {f"web.{slot}": {"ill": 75, "tries": ["restart"], "tried": 200} for slot in range(1, 11)}
    described = {
        "nodes": {name: {} for name in NODES},
        "services": {
            "web": {"at": NODES[:10], "health": ["ill"] * 10},
            "shop": {"at": NODES, "health": ["well"] * 12},
        },
        "ailments": ill,
    }
    policy = parse_policy({"services": {"web": {"heal": {}}}}, "made up")
    plan, _memory = conclude(view_of(described), policy, memory_of(described), NOW, lambda: "id")
    assert [action.parameters["swarmherd_place"] for action in plan.actions] == ["web.1"]
    assert len(looked) == healing.CHOICE
    told = plan.arrangement.healing
    assert len(told) == 10
    assert all(one.remedy is Remedy.NONE and "web.1 comes first" in one.because for one in told[healing.CHOICE :])


HELD = {
    "nodes": {name: {} for name in NODES},
    "services": {
        "web": {"at": NODES[:10], "health": ["ill"] * 10},
        "shop": {"at": NODES, "health": ["well"] * 12},
    },
    "ailments": {
        **{f"web.{slot}": {"ill": 75, "tries": ["restart"], "tried": 200} for slot in range(1, 6)},
        **{f"web.{slot}": {"ill": 75} for slot in range(6, 11)},
    },
}


@pytest.mark.parametrize(
    ("rebalance", "moves", "restarted"),
    [
        ({}, {"memory": {"web": {"moves": [700, 650, 600]}}}, "web.6"),
        ({"moves_per_hour": 1}, {"memory": {"shop": {"moves": [700]}}}, "web.6"),
        ({"moves_per_hour": 1}, {"memory": {"shop": {"moves": [3700]}}}, None),
    ],
    ids=["of the service", "of all", "spent no more"],
)
def test_s25_what_waits_for_the_budget_of_moves_keeps_no_other_remedy_from_its_turn(
    counted: Callable[[Any, str], list[str]], rebalance: dict[str, Any], moves: dict[str, Any], restarted: str | None
) -> None:
    looked = counted(healing, "elsewhere")
    policy = parse_policy({"services": {"web": {"heal": {}}}, "rebalance": rebalance}, "made up")
    plan, _memory = conclude(view_of(HELD), policy, memory_of({**HELD, **moves}), NOW, lambda: "id")
    [action] = [one for one in plan.actions if "swarmherd_place" in one.parameters]
    if restarted is None:
        assert (action.kind, action.parameters["swarmherd_place"]) == ("move", "web.1")
    else:
        assert (action.kind, action.parameters["swarmherd_place"]) == ("restart", restarted)
        assert not looked, "where it would go is not asked of what may not go"
        assert "per hour is used up" in plan.arrangement.healing[0].because


def test_s25_moves_that_planning_holds_keep_no_restart_from_its_turn() -> None:
    """The playbooks of moves fail, as those of restarts do not."""
    broken = Memory(breakers={"playbook move": Breaker(BreakerState.OPEN, 5, NOW, "no answer")})
    policy = parse_policy({"services": {"web": {"heal": {}}}}, "made up")
    memory = replace(memory_of(HELD), breakers=broken.breakers)
    plan, _memory = conclude(view_of(HELD), policy, memory, NOW, lambda: "id")
    assert [action.parameters["swarmherd_place"] for action in plan.actions] == ["web.6"]


def test_s11_a_node_that_was_left_often_keeps_no_other_from_being_left() -> None:
    described = {
        **HELD,
        "services": {**HELD["services"], "web": {"at": ["n00"] * 4 + NODES[1:7], "health": ["ill"] * 10}},
    }
    policy = parse_policy({"services": {"web": {"heal": {}}}, "rebalance": {"node_moves_per_hour": 1}}, "made up")
    memory = memory_of(described)
    left = NodeMemory(NOW - timedelta(days=1), moves=(NOW - timedelta(minutes=5),))
    plan, _memory = conclude(view_of(described), policy, replace(memory, nodes={"n00": left}), NOW, lambda: "id")
    assert "off a node per hour is used up for n00" in plan.arrangement.healing[0].because
    [action] = plan.actions
    assert (action.kind, action.parameters["swarmherd_place"]) == ("move", "web.5")


def test_the_nodes_are_gathered_once_however_many_services_wait(counted: Callable[[Any, str], list[str]]) -> None:
    """As they are, without forgotten marks, and without our cordons."""
    cordoned = {"availability": "pause", "labels": {"swarmherd.cordoned": str(int(NOW.timestamp()) + 900)}}
    forgotten = {"labels": {"swarmherd.deny.web": "yes", "swarmherd.deny-until.web": "1"}}
    nodes = {name: {"memory": 50} for name in NODES} | {"n00": cordoned, "n01": forgotten}
    names = [f"s{number}" for number in range(30)]
    nowhere = {"at": [":pending"], "age": 600, "constraints": ["node.labels.disk==ssd"]}
    policy = parse_policy({"failover": {}, "services": {name: {} for name in names}}, "made up")
    looks = counted(foretell, "Columns")
    found = arrange(view_of({"nodes": nodes, "services": dict.fromkeys(names, nowhere)}), policy, Memory(), NOW)
    assert len(found.rescue.findings) == len(names)
    assert len(looks) == 3


def test_a_long_chain_of_followers_is_followed_once_for_each_of_its_links(
    counted: Callable[[Any, str], list[str]],
) -> None:
    links = [f"s{number:02}" for number in range(40)]
    policy = parse_policy({"services": {one: {"follows": of} for of, one in pairwise(links)}}, "made up")
    view = view_of({"nodes": {"n1": {"memory": 20}}, "services": {one: {"at": ["n1"], "gib": 0.01} for one in links}})
    looks = counted(anchors, "chain_of")
    arrange(view, policy, Memory(), NOW)
    assert len(looks) == 2 * len(links[1:]), "for circles, and for who follows"
