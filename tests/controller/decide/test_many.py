# SPDX-License-Identifier: GPL-3.0-or-later
"""S25: what is looked at in a cycle stays bounded however many nodes and tasks there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from swarmherd.decide import arrange, rebalance
from swarmherd.decide.heal import healing
from swarmherd.model import Balance, Memory, Remedy
from swarmherd.plan import conclude
from swarmherd.policy import parse_policy

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
