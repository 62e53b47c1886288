# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of nodes and of moves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from swarmherd.decide import remember, remember_nodes, remember_result
from swarmherd.model import Action, Memory, NodeMemory, Outcome, Result, ServiceMemory
from swarmherd.policy import parse_policy

from tests.controller.arranged import view_of
from tests.controller.described import NOW, ago

LATER = NOW + timedelta(minutes=1)
POLICY = parse_policy({}, "f.yml")
MOVING = Action("id", "move", "shop", "web", {"swarmherd_service": "web"}, {}, "because")


def nodes(**described: dict[str, Any]) -> Any:
    return view_of({"nodes": described})


def test_at_first_sight_no_node_has_come_back() -> None:
    found = remember_nodes(Memory(), nodes(n1={}, n2={"state": "down"}), NOW)
    assert found.nodes == {"n1": NodeMemory(NOW, up=True), "n2": NodeMemory(None, up=False)}


def test_a_node_that_joins_or_comes_back_while_we_watch_is_told_from_one_that_stayed() -> None:
    memory = remember_nodes(Memory(), nodes(n1={}, n2={"state": "down"}), NOW)
    found = remember_nodes(memory, nodes(n1={}, n2={}, n3={}), LATER)
    assert found.nodes == {
        "n1": NodeMemory(NOW, up=True),
        "n2": NodeMemory(LATER, returned=True, up=True),
        "n3": NodeMemory(LATER, returned=True, up=True),
    }
    assert remember_nodes(found, nodes(n1={}), LATER).nodes == {"n1": NodeMemory(NOW, up=True)}


@pytest.mark.parametrize("away", [{"state": "down"}, {"state": "unknown"}, {"availability": "drain"}])
def test_a_node_that_was_away_begins_anew(away: dict[str, str]) -> None:
    memory = Memory(nodes={"n1": NodeMemory(ago(900))})
    memory = remember_nodes(memory, nodes(n1=away), NOW)
    assert remember_nodes(memory, nodes(n1={}), LATER).nodes == {"n1": NodeMemory(LATER, returned=True, up=True)}


def test_a_pause_that_a_move_has_set_is_no_absence() -> None:
    memory = Memory(nodes={"n1": NodeMemory(ago(900), up=True)})
    paused = nodes(n1={"availability": "pause", "labels": {"swarmherd.paused": "web.1"}})
    assert remember_nodes(memory, paused, NOW) == memory


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.UNDONE, Outcome.GIVEN_UP])
def test_a_move_counts_for_the_budgets_whatever_came_of_it(outcome: Outcome) -> None:
    found = remember_result(Memory(), MOVING, Result("id", outcome, "", ago(5), NOW)).of("web")
    assert found.moves == (NOW,)
    assert found.failures == (1 if outcome is Outcome.GIVEN_UP else 0)


def test_a_conflict_is_no_move() -> None:
    assert remember_result(Memory(), MOVING, Result("id", Outcome.CONFLICT, "", ago(5), NOW)) == Memory()


def test_a_relabel_is_no_move_and_its_failures_are_the_anchors() -> None:
    relabel = Action("id", "relabel", "shop", "db", {"swarmherd_anchor": "db"}, {}, "because")
    found = remember_result(Memory(), relabel, Result("id", Outcome.GIVEN_UP, "", ago(5), NOW)).of("db")
    assert found == ServiceMemory(failures=1, last_failure_at=NOW)


def test_moves_are_kept_as_long_as_budgets_and_cooldowns_ask() -> None:
    before = Memory({"web": ServiceMemory(moves=(ago(9000), ago(5000), ago(60)))})
    assert remember(before, (), POLICY, NOW).of("web").moves == (ago(60),)
    longer = parse_policy({"rebalance": {"service_cooldown": "2h"}}, "f.yml")
    assert remember(before, (), longer, NOW).of("web").moves == (ago(5000), ago(60))
    anchor = Memory({"db": ServiceMemory(failures=2)})
    assert remember(anchor, (), POLICY, NOW, {"db"}) == anchor
    assert remember(anchor, (), POLICY, NOW).services == {}


def test_a_move_counts_for_the_node_that_it_left_too_for_an_hour_whoever_moved_it() -> None:
    moving = Action("id", "move", "shop", "web", {"swarmherd_service": "web", "swarmherd_node": "n1"}, {}, "by hand")
    result = Result("id", Outcome.DONE, "", NOW, NOW)
    memory = Memory(nodes={"n1": NodeMemory(ago(900), moves=(ago(3550), ago(60))), "n2": NodeMemory(ago(900))})
    after = remember_result(memory, moving, result)
    assert after.nodes["n1"].moves == (ago(3550), ago(60), NOW)
    assert after.nodes["n2"] == memory.nodes["n2"]
    assert remember_nodes(after, nodes(n1={"state": "down"}), LATER).nodes["n1"] == NodeMemory(
        None, moves=(ago(60), NOW), up=False
    )
    gone = remember_result(Memory(), moving, result)
    assert gone.nodes == {}
