# SPDX-License-Identifier: GPL-3.0-or-later
"""What heals becomes actions: in its order, one at a time, and held by kill switches, budgets and failures."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from swarmherd.breaker import BALANCER, playbook
from swarmherd.model import (
    Arrangement,
    Balance,
    Breaker,
    BreakerState,
    Cause,
    Decision,
    Healing,
    Lever,
    Memory,
    Move,
    Pause,
    Plan,
    Remedy,
    ServiceMemory,
)
from swarmherd.plan import plan
from swarmherd.policy import parse_policy

from tests.controller.arranged import kinds, view_of
from tests.controller.described import NOW, ago

VIEW = view_of(
    {
        "nodes": {name: {} for name in ("n1", "n2", "n3")},
        "services": {name: {"at": ["n1", "n2"], "version": 7} for name in ("api", "shop", "web")},
    }
)
ILL = Healing("web", Remedy.RESTART, ("restart web.1",), task="web.1", place="web.1", node="n1", version=7)
BACK = Healing("api", Remedy.ROLLBACK, ("roll api back",), place="api", version=7)
UP = Decision("shop", 2, 3, 3, ("scale shop from 2 to 3",), version=7)
MOVE = Move(Cause.REBALANCE, "shop", "shop.1", "n1", Lever.PAUSE_AND_STOP, ("n3",), ("move shop.1",), version=7)


def planned(*found: Healing | Decision | Move, memory: Memory | None = None, **policy: Any) -> Plan:
    moves = tuple(one for one in found if isinstance(one, Move))
    balances = (Balance(Cause.REBALANCE, "memory", ("uneven",), moves),) if moves else ()
    arrangement = Arrangement((), balances, healing=tuple(one for one in found if isinstance(one, Healing)))
    decisions = [one for one in found if isinstance(one, Decision)]
    ids = map(str, itertools.count())
    document = parse_policy(policy, "f.yml")
    return plan(decisions, VIEW, document, memory or Memory(), NOW, lambda: next(ids), arrangement)


def held(found: Plan) -> list[str]:
    assert all(one.remedy is Remedy.NONE for one in found.arrangement.healing if len(one.reasons) > 1)
    return [one.reasons[-1] for one in found.arrangement.healing if len(one.reasons) > 1]


def test_what_heals_comes_before_scaling_and_moves() -> None:
    assert kinds(planned(UP, MOVE, ILL)) == [("restart", "web"), ("scale", "shop")]


def test_a_restart_carries_its_variables_and_undoes_what_it_left() -> None:
    [action] = planned(replace(ILL, allowed=("n1",), avoid=("n2",)), services={"web": {"balancer": "b"}}).actions
    both = {
        "swarmherd_service": "web",
        "swarmherd_node": "n1",
        "swarmherd_task": "web.1",
        "swarmherd_allowed_nodes": ["n1"],
        "swarmherd_avoid_nodes": ["n2"],
    }
    assert action.parameters == {
        **both,
        "swarmherd_balancer_backend": "b",
        "swarmherd_expected_version": 7,
        "swarmherd_place": "web.1",
        "swarmherd_reason": "restart web.1",
    }
    assert action.undo == {**both, "swarmherd_state": "cleared"}


def test_a_move_that_heals_takes_exactly_the_ill_task() -> None:
    [action] = planned(replace(ILL, remedy=Remedy.MOVE, allowed=("n3",), avoid=("n2",))).actions
    said = action.parameters
    assert (action.kind, said["swarmherd_task"], said["swarmherd_method"]) == ("move", "web.1", "pause_and_stop")
    assert (said["swarmherd_allowed_nodes"], said["swarmherd_place"]) == (["n3"], "web.1")


def test_a_rollback_carries_its_version_and_has_no_undo() -> None:
    [action] = planned(BACK).actions
    assert action.parameters == {
        "swarmherd_service": "api",
        "swarmherd_expected_version": 7,
        "swarmherd_place": "api",
        "swarmherd_reason": "roll api back",
    }
    assert action.undo == {}


def test_one_remedy_at_a_time() -> None:
    found = planned(BACK, ILL)
    assert kinds(found) == [("rollback", "api")]
    assert held(found) == ["leave web.1 as it is, because the budget of 1 remedy at once is used up"]


def test_a_kill_switch_a_failure_and_used_up_budgets_hold_it_and_say_so() -> None:
    stop = Memory(pauses=(Pause("ada", "a release", ago(9), "web"),))
    assert held(planned(ILL, memory=stop)) == ["leave web.1 as it is, because ada paused web: a release"]
    failed = Memory({"web": ServiceMemory(failures=1, last_failure_at=ago(5), last_version=7)})
    assert "its last action failed 5 s ago" in held(planned(ILL, memory=failed))[0]
    moved = Memory({"shop": ServiceMemory(moves=tuple(ago(60 * n) for n in range(6, 0, -1)))})
    move = replace(ILL, remedy=Remedy.MOVE, allowed=("n3",))
    assert held(planned(move, memory=moved)) == [
        "leave web.1 as it is, because the budget of 6 moves per hour is used up"
    ]
    assert kinds(planned(ILL, memory=moved)) == [("restart", "web")], "a restart is no move"


BEHIND = {"services": {"web": {"balancer": "b"}, "shop": {"balancer": "b"}}}


def failing(name: str, state: BreakerState = BreakerState.OPEN) -> Memory:
    return Memory(breakers={name: Breaker(state, 5, ago(1), "no answer")})


def test_a_restart_and_a_move_wait_while_the_load_balancer_is_not_asked_and_a_rollback_does_not() -> None:
    """S18: they would be refused, and counted as failures."""
    for remedy in (Remedy.RESTART, Remedy.MOVE):
        found = planned(replace(ILL, remedy=remedy, allowed=("n3",)), memory=failing(BALANCER), **BEHIND)
        assert kinds(found) == []
        assert "because the load balancer is not asked: it failed 5 times" in held(found)[0]
    assert kinds(planned(ILL, memory=failing(BALANCER))) == [("restart", "web")], "nothing serves it"
    back = replace(BACK, service="web")
    assert kinds(planned(back, memory=failing(BALANCER), **BEHIND)) == [("rollback", "web")]


def test_without_the_load_balancer_replicas_are_added_and_none_is_taken_away() -> None:
    """S18: what comes is drained nowhere, and is wanted most while things fail."""
    up, down = UP, replace(UP, then=1)
    for state in (BreakerState.OPEN, BreakerState.HALF_OPEN):
        assert kinds(planned(up, memory=failing(BALANCER, state), **BEHIND)) == [("scale", "shop")]
    found = planned(down, memory=failing(BALANCER), **BEHIND)
    assert kinds(found) == []
    assert "because the load balancer is not asked: it failed 5 times" in found.decisions[0].reasons[-1]


@pytest.mark.parametrize("remedy", [Remedy.RESTART, Remedy.MOVE, Remedy.ROLLBACK])
def test_a_remedy_waits_for_the_playbooks_of_its_own_kind(remedy: Remedy) -> None:
    one = replace(ILL, remedy=remedy, allowed=("n3",))
    for kind in ("restart", "move", "rollback"):
        assert bool(kinds(planned(one, memory=failing(playbook(kind))))) is (kind != remedy.value)


def test_a_load_balancer_that_is_asked_again_is_asked_for_one_action_first() -> None:
    half_open = failing(BALANCER, BreakerState.HALF_OPEN)
    found = planned(ILL, replace(UP, then=1), memory=half_open, **BEHIND)
    assert kinds(found) == [("restart", "web")]
    assert found.decisions[0].reasons[-1].endswith("and one is tried first")


def test_what_is_healed_is_neither_scaled_nor_moved_in_the_same_cycle() -> None:
    found = planned(ILL, replace(UP, service="web"), replace(MOVE, service="web", source="n2"))
    assert kinds(found) == [("restart", "web")]
    assert found.decisions[0].reasons[-1] == "leave web at 2, because another action for it is planned already"
