# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels and moves become actions beside scaling: in order, within budgets, and held by kill switches."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from swarmherd.model import (
    Arrangement,
    Balance,
    Cause,
    Cordon,
    Decision,
    Direction,
    Finding,
    Following,
    Lever,
    Memory,
    Move,
    NodeMemory,
    Pause,
    Plan,
    Recreation,
    Rescue,
    ServiceMemory,
)
from swarmherd.plan import plan
from swarmherd.policy import parse_policy

from tests.controller.arranged import kinds, view_of
from tests.controller.described import NOW, ago

VIEW = view_of(
    {
        "nodes": {name: {} for name in ("n1", "n2", "n3", "n4")},
        "services": {name: {"at": ["n1", "n1"], "version": 7} for name in ("db", "api", "web", "shop")},
    }
)
FOLLOWING = Following("db", ("api",), ("put it there",), "n2", ("n1",), True, {"api": 7})
MOVE = Move(Cause.REBALANCE, "web", "web.1", "n3", Lever.PAUSE_AND_STOP, ("n4",), ("move web.1",), version=7)
UP = Decision("shop", 2, 3, 3, ("scale shop from 2 to 3",), version=7)


def planned(*found: Any, memory: Memory | None = None, moves_alone: bool = False, **policy: Any) -> Plan:
    moves = tuple(one for one in found if isinstance(one, Move))
    arrangement = Arrangement(
        tuple(one for one in found if isinstance(one, Following)),
        (Balance(Cause.REBALANCE, "memory", ("uneven",), moves),) if moves else (),
    )
    decisions = [one for one in found if isinstance(one, Decision)]
    ids = map(str, itertools.count())
    document = parse_policy(policy, "f.yml")
    return plan(decisions, VIEW, document, memory or Memory(), NOW, lambda: next(ids), arrangement, moves_alone)


def held(found: Plan) -> list[str]:
    moves = [move for one in found.arrangement.balances for move in one.moves]
    return [one.reasons[-1] for one in (*found.arrangement.following, *moves) if len(one.reasons) > 1]


def test_labels_come_first_then_scaling() -> None:
    found = planned(UP, FOLLOWING)
    assert kinds(found) == [("relabel", "db"), ("scale", "shop")]
    assert [action.id for action in found.actions] == ["0", "1"]
    assert held(found) == []


def test_a_move_waits_while_the_cycle_does_what_its_landing_was_foretold_without() -> None:
    assert kinds(planned(MOVE)) == [("move", "web")]
    for first, what in ((UP, "scale of shop"), (replace(UP, then=1), "scale of shop"), (FOLLOWING, "relabel of db")):
        assert held(planned(MOVE, first)) == [
            f"leave web on n3, because this cycle does something else first ({what}), and where it would land was "
            "foretold without that"
        ]
    opened = rescued(Rescue(cordons=(replace(CORDON, node="n1", cordon=False),)), MOVE)
    assert kinds(opened) == [("failover", "")]
    assert "does something else first (failover), and" in held(opened)[0]


def test_where_the_moves_alone_are_carried_out_they_wait_for_nothing_but_their_own_service_and_nodes() -> None:
    assert kinds(planned(MOVE, UP, moves_alone=True)) == [("scale", "shop"), ("move", "web")]
    found = planned(MOVE, replace(UP, service="web"), moves_alone=True)
    assert held(found) == ["leave web on n3, because another action for it is planned already"]


def test_a_relabel_carries_its_variables_and_undoes_itself_the_other_way_round() -> None:
    [action] = planned(FOLLOWING).actions
    assert action.parameters == {
        "swarmherd_anchor": "db",
        "swarmherd_dependents": [{"name": "api", "expected_version": 7}],
        "swarmherd_node": "n2",
        "swarmherd_old_nodes": ["n1"],
        "swarmherd_reason": "put it there",
    }
    assert action.undo == {
        "swarmherd_anchor": "db",
        "swarmherd_dependents": [{"name": "api"}],
        "swarmherd_node": "n1",
        "swarmherd_old_nodes": ["n2"],
    }
    [first] = planned(replace(FOLLOWING, labelled=())).actions
    assert first.undo == {}


def test_a_move_carries_its_variables_and_undoes_what_it_left() -> None:
    [action] = planned(replace(MOVE, avoid=("n2",))).actions
    both = {
        "swarmherd_service": "web",
        "swarmherd_node": "n3",
        "swarmherd_task": "web.1",
        "swarmherd_method": "pause_and_stop",
        "swarmherd_allowed_nodes": ["n4"],
        "swarmherd_avoid_nodes": ["n2"],
    }
    assert action.parameters == {**both, "swarmherd_expected_version": 7, "swarmherd_reason": "move web.1"}
    assert action.undo == {**both, "swarmherd_state": "cleared"}


def test_what_a_load_balancer_serves_is_moved_with_the_backend_where_it_is_drained_first() -> None:
    [action] = planned(MOVE, services={"web": {"balancer": "shop"}}).actions
    assert action.parameters["swarmherd_balancer_backend"] == "shop"
    assert "swarmherd_balancer_backend" not in planned(MOVE).actions[0].parameters


def test_what_a_relabel_touches_is_neither_scaled_nor_moved_in_the_same_cycle() -> None:
    found = planned(FOLLOWING, replace(UP, service="api"), replace(MOVE, source="n1"))
    assert kinds(found) == [("relabel", "db")]
    assert found.decisions[0].then == 2
    assert found.decisions[0].reasons[-1] == "leave api at 2, because another action for it is planned already"
    assert held(found) == ["leave web on n1, because another action concerns n1 already"]


def test_a_move_beyond_the_budgets_is_held_and_says_so() -> None:
    other = replace(MOVE, service="shop", task="shop.1", source="n1", allowed=("n2",))
    found = planned(MOVE, other)
    assert kinds(found) == [("move", "web")]
    assert held(found) == ["leave shop on n1, because the budget of 1 move at once is used up"]
    assert kinds(planned(MOVE, other, rebalance={"moves_at_once": 2})) == [("move", "web"), ("move", "shop")]
    busy = Memory({"db": ServiceMemory(moves=(ago(3000), ago(60)))})
    assert held(planned(MOVE, memory=busy, rebalance={"moves_per_hour": 2})) == [
        "leave web on n3, because the budget of 2 moves per hour is used up"
    ]
    assert kinds(planned(MOVE, memory=busy, rebalance={"moves_per_hour": 3})) == [("move", "web")]
    assert kinds(planned(FOLLOWING, UP, MOVE, actions_per_cycle=2)) == [("relabel", "db"), ("scale", "shop")]
    assert held(planned(UP, FOLLOWING, MOVE, actions_per_cycle=1)) == [
        "leave web on n3, because the cycle's budget of 1 action is used up"
    ]


def test_a_kill_switch_holds_labels_and_moves_as_well() -> None:
    everything = Memory(pauses=(Pause("ada", "deploying", ago(9)),))
    found = planned(FOLLOWING, MOVE, memory=everything)
    assert found.actions == ()
    assert held(found) == [
        "leave the label of db as it is, because ada paused everything: deploying",
        "leave web on n3, because ada paused everything: deploying",
    ]
    one = Memory(pauses=(Pause("ada", "deploying", ago(9), "api"),))
    assert kinds(planned(FOLLOWING, MOVE, memory=one)) == [("move", "web")]


def test_each_node_and_each_service_has_a_budget_of_its_own_per_hour() -> None:
    node = Memory(nodes={"n3": NodeMemory(ago(900), moves=(ago(3700), ago(3000), ago(60)))})
    assert held(planned(MOVE, memory=node, rebalance={"node_moves_per_hour": 2})) == [
        "leave web on n3, because the budget of 2 moves off a node per hour is used up for n3"
    ]
    assert kinds(planned(MOVE, memory=node, rebalance={"node_moves_per_hour": 3})) == [("move", "web")]
    service = Memory({"web": ServiceMemory(moves=(ago(3700), ago(3000)))})
    assert held(planned(MOVE, memory=service, rebalance={"service_moves_per_hour": 1})) == [
        "leave web on n3, because the budget of 1 move of a service per hour is used up"
    ]
    assert kinds(planned(MOVE, memory=service, rebalance={"service_moves_per_hour": 2})) == [("move", "web")]


def test_a_pause_of_one_direction_holds_that_and_nothing_else() -> None:
    for direction, left in (
        (Direction.MOVES, [("relabel", "db"), ("scale", "shop")]),
        (Direction.ANCHORS, [("scale", "shop"), ("move", "web")]),
        (Direction.UP, [("relabel", "db"), ("move", "web")]),
        (Direction.DOWN, [("relabel", "db"), ("scale", "shop"), ("move", "web")]),
    ):
        pause = Memory(pauses=(Pause("ada", "deploying\n", ago(9), "", direction),))
        assert kinds(planned(FOLLOWING, UP, MOVE, memory=pause, moves_alone=True)) == left
    one = Memory(pauses=(Pause("ada", "deploying", ago(9), "web", Direction.MOVES),))
    assert held(planned(MOVE, memory=one)) == ["leave web on n3, because ada paused moves of web: deploying"]
    anchors = Memory(pauses=(Pause("ada", "deploying", ago(9), "api", Direction.ANCHORS),))
    [said] = held(planned(FOLLOWING, memory=anchors))
    assert said.endswith("because ada paused changes of anchors' labels of api: deploying")


def test_windows_hold_what_they_speak_of_for_every_service_that_is_concerned() -> None:
    night = {"allow": ["moves", "anchors"], "start": "22:00", "end": "05:00"}
    found = planned(FOLLOWING, UP, MOVE, windows=night)
    assert kinds(found) == [("scale", "shop")]
    when = "allowed from 22:00 to 05:00 UTC only; next in 10 h"
    assert held(found) == [
        f"leave the label of db as it is, because changes of anchors' labels are {when}",
        f"leave web on n3, because moves are {when}",
    ]
    frozen = planned(FOLLOWING, UP, MOVE, windows={"forbid": "all", "days": "sun"})
    assert frozen.actions == ()
    assert frozen.decisions[0].reasons[-1] == (
        "leave shop at 2, because scaling up is forbidden on sun from 00:00 to 24:00 UTC; it ends in 12 h"
    )
    assert kinds(planned(FOLLOWING, MOVE, services={"api": {"windows": {"forbid": "all", "days": "sun"}}})) == [
        ("move", "web")
    ]


def test_a_label_is_held_for_whoever_follows_its_dependents_too() -> None:
    chained = replace(FOLLOWING, followers=("api", "web"))
    closed = {"services": {"web": {"windows": {"forbid": "anchors", "days": "sun"}}}}
    assert kinds(planned(FOLLOWING, **closed)) == [("relabel", "db")]
    assert held(planned(chained, **closed)) == [
        "leave the label of db as it is, because changes of anchors' labels are forbidden for web on sun "
        "from 00:00 to 24:00 UTC; it ends in 12 h"
    ]
    one = Memory(pauses=(Pause("ada", "deploying", ago(9), "web", Direction.ANCHORS),))
    [said] = held(planned(chained, memory=one))
    assert said.endswith("because ada paused changes of anchors' labels of web: deploying")


def test_what_failed_waits_and_what_is_gone_is_held() -> None:
    failed = Memory({"web": ServiceMemory(failures=1, last_failure_at=ago(5), last_version=7)})
    [said] = held(planned(MOVE, memory=failed))
    assert said == "leave web on n3, because its last action failed 5 s ago (1 in a row), next try after 30 s"
    assert held(planned(replace(MOVE, service="gone"))) == ["leave gone on n3, because there is no such service"]
    gone = planned(replace(FOLLOWING, anchor="gone"))
    assert gone.actions == ()


# ---------------------------------------------------------------- the brake, and what failed nodes ask for (S8)

BRAKE = ("2 of 4 nodes look bad (n1, n2), so we are taken to be cut off",)


def rescued(rescue: Rescue, *found: Any, memory: Memory | None = None, **policy: Any) -> Plan:
    ids = map(str, itertools.count())
    arrangement = Arrangement(
        tuple(one for one in found if isinstance(one, Following)),
        (Balance(Cause.REBALANCE, "memory", ("uneven",), (MOVE,)),) if MOVE in found else (),
        rescue=rescue,
    )
    decisions = [one for one in found if isinstance(one, Decision)]
    return plan(decisions, VIEW, parse_policy(policy, "f.yml"), memory or Memory(), NOW, lambda: next(ids), arrangement)


CORDON = Cordon("n3", ("cordon n3",), True, ago(-300), 5)
RECREATION = Recreation(
    "db", "n1", ("bind db to n2",), True, "n2", ("node.hostname == n2",), ("node.hostname==n1",), version=7
)
FINDING = Finding("api", ("api.1",), ago(60), ("a mark", "clear what moves have left"), True)


def test_with_the_brake_on_only_more_replicas_are_planned() -> None:
    down = Decision("web", 2, 1, 1, ("scale web from 2 to 1",), version=7)
    rescue = Rescue(brake=BRAKE, findings=(FINDING,), recreations=(RECREATION,), cordons=(CORDON,))
    found = rescued(rescue, FOLLOWING, MOVE, UP, down)
    assert kinds(found) == [("scale", "shop")]
    because = f"because the brake is on: {BRAKE[0]}"
    assert held(found) == [f"leave the label of db as it is, {because}", f"leave web on n3, {because}"]
    assert {one.service: one.reasons[-1] for one in found.decisions}["web"] == f"leave web at 2, {because}"
    after = found.arrangement.rescue
    assert (after.findings[0].clear, after.recreations[0].recreate, after.cordons[0].cordon) == (False, False, None)
    for one in (*after.findings, *after.recreations, *after.cordons):
        assert one.reasons[-1].endswith(because)


def test_labels_come_before_what_is_put_right_and_scaling_after_it() -> None:
    rescue = Rescue(findings=(FINDING,), cordons=(CORDON,))
    found = rescued(rescue, replace(FOLLOWING, anchor="web", dependents=("shop",)))
    assert kinds(found) == [("relabel", "web"), ("failover", "api"), ("failover", "")]
    found = rescued(Rescue(recreations=(RECREATION,)), MOVE, UP)
    assert kinds(found) == [("failover", "db"), ("scale", "shop")]


def test_what_is_put_right_counts_like_any_other_action() -> None:
    rescue = Rescue(recreations=(RECREATION,), cordons=(CORDON,))
    found = rescued(rescue, FOLLOWING)
    assert kinds(found) == [("relabel", "db"), ("failover", "")]
    assert found.arrangement.rescue.recreations[0].reasons[-1] == (
        "leave db down, because another action for it is planned already"
    )
    assert kinds(rescued(rescue, actions_per_cycle=1)) == [("failover", "")]
    paused = Memory(pauses=(Pause("ada", "release", ago(60)),))
    assert kinds(rescued(rescue, memory=paused)) == []
    assert held(rescued(Rescue(), MOVE)) == []


def test_what_brings_a_service_up_elsewhere_carries_its_version_and_its_way_back() -> None:
    [action] = rescued(Rescue(recreations=(replace(RECREATION, fence_hook="off.yml"),))).actions
    assert action.parameters == {
        "swarmherd_measure": "recreate",
        "swarmherd_service": "db",
        "swarmherd_node": "n1",
        "swarmherd_constraints": ["node.hostname == n2"],
        "swarmherd_remove_constraints": ["node.hostname==n1"],
        "swarmherd_fence_hook": "off.yml",
        "swarmherd_expected_version": 7,
        "swarmherd_reason": "bind db to n2",
    }
    assert action.undo["swarmherd_constraints"] == ["node.hostname==n1"]
    assert action.undo["swarmherd_remove_constraints"] == ["node.hostname == n2"]


def test_what_is_only_told_becomes_no_action() -> None:
    told = Rescue(
        findings=(replace(FINDING, clear=False),),
        recreations=(replace(RECREATION, recreate=False), replace(RECREATION, service="gone")),
        cordons=(replace(CORDON, cordon=None),),
    )
    found = rescued(told)
    assert kinds(found) == []
    assert found.arrangement.rescue == told
