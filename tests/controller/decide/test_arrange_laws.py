# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of labels and moves in every cluster, found out on made-up ones, and over many cycles."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from swarmherd.decide import arrange, remember_result
from swarmherd.decide.loads import Load, Step, best_move, fewest_moves, improving, spread_of
from swarmherd.model import (
    Action,
    AnchorMemory,
    Availability,
    ClusterView,
    Memory,
    NodeState,
    NodeUse,
    Outcome,
    Plan,
    Result,
    Task,
    TaskState,
)
from swarmherd.plan import conclude
from swarmherd.policy import Policy, anchor_label, parse_policy

from tests.controller.arranged import applied, in_another_order, put, view_of
from tests.controller.described import NOW

NODES = ("n1", "n2", "n3", "n4")
FOLLOWS = {"api": "db", "mail": "api", "web": "db"}
POLICY = parse_policy(
    {
        "services": {
            **{name: {"follows": anchor} for name, anchor in FOLLOWS.items()},
            "db": {},
            "shop": {},
            "job": {},
        },
        "defaults": {"move": {"singles": True}},
        "rebalance": {"memory": "20%", "cooldown": 60, "service_cooldown": 60, "moves_per_hour": 100},
        "refill": {"stable_for": 60},
    },
    "made up",
)
NOBODY_FOLLOWS = parse_policy({}, "made up")
STATES = ("", "", ":preparing", ":pending", ":stopping")


@st.composite
def nodes(draw: st.DrawFn, calm: bool) -> dict[str, Any]:
    """Of a calm cluster all nodes take work and are measured."""
    shares = [10, 20, 45, 60, 75, 85]
    return {
        name: {
            "memory": draw(st.sampled_from(shares if calm else [*shares, None])),
            "state": "ready" if calm else draw(st.sampled_from(["ready", "ready", "down", "unknown"])),
            "availability": "active" if calm else draw(st.sampled_from(["active", "active", "pause", "drain"])),
            "anchors": draw(st.lists(st.sampled_from(["db", "api"]), unique=True, max_size=1)),
        }
        for name in NODES
    }


@st.composite
def services(draw: st.DrawFn, calm: bool) -> dict[str, Any]:
    """Of a calm cluster every task runs, and is measured or reserves."""
    found: dict[str, Any] = {}
    for name in ("db", "api", "mail", "web", "shop", "job") if calm else ("db", "api", "shop"):
        places = st.tuples(st.sampled_from(NODES), st.just("") if calm else st.sampled_from(STATES)).map("".join)
        found[name] = {
            "at": draw(st.lists(places, min_size=int(calm), max_size=1 if calm and name in ("db", "api") else 3)),
            "gib": draw(st.sampled_from([0.3, 0.5, 1, 2] if calm else [0.5, None])),
            "reserve": draw(st.sampled_from([None, 0.5])),
            "follows": [FOLLOWS[name]] if name in FOLLOWS and draw(st.booleans()) else [],
            "local_data": draw(st.sampled_from([False] * (9 if calm else 3) + [True])),
            "update_state": "none" if calm else draw(st.sampled_from(["none", "updating"])),
            "start_first": draw(st.booleans()),
        }
    return found


@st.composite
def views(draw: st.DrawFn) -> ClusterView:
    calm = draw(st.sampled_from([True, True, False]))
    described = {"nodes": draw(nodes(calm)), "services": draw(services(calm))}
    if calm and draw(st.booleans()):  # every label where it belongs, so that loads are evened out
        settle(described)
    return view_of(described)


def settle(described: dict[str, Any]) -> None:
    [node] = described["services"]["db"]["at"]
    for name, anchor in FOLLOWS.items():
        described["services"][name] |= {"at": [node] * len(described["services"][name]["at"]), "follows": [anchor]}
    for name, text in described["nodes"].items():
        text["anchors"] = ["db", "api"] if name == node else []


def concluded(view: ClusterView, memory: Memory, policy: Policy = POLICY, now: datetime = NOW) -> tuple[Plan, Memory]:
    plan, memory = conclude(view, policy, memory, now, lambda: "id")
    return plan, memory


@given(views())
def test_a_label_goes_only_to_where_the_anchor_is_seen_running_and_is_never_only_taken(view: ClusterView) -> None:
    plan, _memory = concluded(view, Memory())
    for action in plan.actions:
        if action.kind == "relabel":
            said = action.parameters
            wanted = view.tasks_of(said["swarmherd_anchor"])
            assert wanted
            assert {(task.node_id, task.state) for task in wanted} == {(said["swarmherd_node"], TaskState.RUNNING)}
            node = view.node(said["swarmherd_node"])
            assert node is not None
            assert (node.state, node.availability) == (NodeState.READY, Availability.ACTIVE)
            assert said["swarmherd_node"] not in said["swarmherd_old_nodes"]


@given(views())
def test_without_the_anchor_running_no_label_is_touched(view: ClusterView) -> None:
    gone = replace(view, tasks=tuple(task for task in view.tasks if task.service not in ("db", "api")))
    plan, _memory = concluded(gone, Memory())
    assert [action for action in plan.actions if action.kind == "relabel"] == []
    assert all(one.reasons for one in plan.arrangement.following)


@given(views(), st.sets(st.sampled_from(NODES), min_size=1))
def test_an_unknown_reading_of_a_node_that_takes_work_moves_nothing(view: ClusterView, unknown: set[str]) -> None:
    blind = replace(view, node_use={name: use for name, use in view.node_use.items() if name not in unknown})
    working = [n for n in view.nodes if n.state is NodeState.READY and n.availability is Availability.ACTIVE]
    if any(node.id in unknown for node in working):
        plan, _memory = concluded(blind, Memory())
        assert [action for action in plan.actions if action.kind == "move"] == []


@given(views())
def test_readings_without_a_value_are_no_zeros(view: ClusterView) -> None:
    lost = {
        name: NodeUse(memory=replace(use.memory, value=None, problem="timeout") if use.memory else None)
        for name, use in view.node_use.items()
    }
    plan, _memory = concluded(replace(view, node_use=lost), Memory())
    assert [action for action in plan.actions if action.kind == "move"] == []


@given(views())
def test_each_service_and_each_node_is_one_actions_at_most(view: ClusterView) -> None:
    plan, _memory = concluded(view, Memory())
    services = [name for action in plan.actions for name in touched(action)[0]]
    nodes_ = [name for action in plan.actions for name in touched(action)[1]]
    assert len(services) == len(set(services))
    assert len(nodes_) == len(set(nodes_))


@given(views())
def test_letting_go_evicts_nobody_and_is_done_once(view: ClusterView) -> None:
    """S4: every follower was bound by the policy, which now says nothing of it."""
    followed = Memory(anchors={anchor: AnchorMemory(tuple(sorted(FOLLOWS))) for anchor in ("db", "api")})
    plan, memory = concluded(view, followed, NOBODY_FOLLOWS)
    after = view
    for action in plan.actions:
        assert action.kind == "release"
        after = applied(after, action, NOW)
    assert after.tasks == view.tasks
    for service in after.services:
        assert all(fits(after, task) or not fits(view, task) for task in view.tasks_of(service.name))
    again, _memory = concluded(after, memory, NOBODY_FOLLOWS, NOW + timedelta(hours=1))
    assert not {asked(action) for action in plan.actions} & {asked(action) for action in again.actions}


def fits(view: ClusterView, task: Task) -> bool:
    """Whether the task's node has the label of each anchor that its service is bound to."""
    service, node = view.service(task.service), view.node(task.node_id)
    labels = {f"node.labels.{key}=={value}" for key, value in (node.labels if node else {}).items()}
    return service is not None and set(service.constraints) <= labels


def asked(action: Action) -> tuple[str, str, str]:
    return action.kind, action.service, str(action.parameters)


def test_who_was_bound_by_the_policy_is_remembered_until_it_is_free_and_the_label_gone() -> None:
    view = view_of(
        {
            "nodes": {"n1": {"anchors": ["db"]}, "n2": {}},
            "services": {name: {"at": ["n1"], "follows": ["db"]} for name in ("api", "web", "shop")}
            | {"db": {"at": ["n1"]}},
        }
    )
    _plan, memory = concluded(view, Memory())
    assert memory.anchors == {"db": AnchorMemory(("api", "web"))}, "the shop was bound by hand"
    plan, memory = concluded(view, memory, NOBODY_FOLLOWS)
    assert memory.anchors == {"db": AnchorMemory(("api", "web"))}
    (action,) = plan.actions
    view = applied(view, action, NOW)
    plan, memory = concluded(view, memory, NOBODY_FOLLOWS)
    assert (plan.actions, memory.anchors) == ((), {"db": AnchorMemory()}), "the shop still needs the label"
    view = replace(view, services=tuple(replace(s, constraints=()) for s in view.services))
    plan, memory = concluded(view, memory, NOBODY_FOLLOWS)
    (action,) = plan.actions
    _plan, memory = concluded(applied(view, action, NOW), memory, NOBODY_FOLLOWS)
    assert memory.anchors == {}


def touched(action: Action) -> tuple[set[str], set[str]]:
    said = action.parameters
    if action.kind == "relabel":
        names = {one["name"] for one in said["swarmherd_dependents"]}
        return {action.service, *names}, {said["swarmherd_node"], *said["swarmherd_old_nodes"]}
    allowed = {*said["swarmherd_allowed_nodes"], *said["swarmherd_avoid_nodes"]}
    return {action.service}, {said["swarmherd_node"], *allowed}


@given(views(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_services_and_tasks_does_not_matter(view: ClusterView, chance: random.Random) -> None:
    other = in_another_order(view, chance)
    assert arrange(other, POLICY, Memory(), NOW).following == arrange(view, POLICY, Memory(), NOW).following
    assert moves_of(other) == moves_of(view)


def moves_of(view: ClusterView) -> list[tuple[Any, ...]]:
    found = arrange(view, POLICY, Memory(), NOW)
    return [(m.service, m.task, m.source, m.allowed, m.avoid) for one in found.balances for m in one.moves]


@given(views())
def test_a_second_decision_right_after_applying_the_first_touches_nothing_again(view: ClusterView) -> None:
    memory = Memory()
    plan, memory = concluded(view, memory)
    for action in plan.actions:
        view, memory = applied(view, action, NOW), done(memory, action, NOW)
    again, _memory = concluded(view, memory)
    before = {(action.kind, action.service) for action in plan.actions}
    assert not before & {(action.kind, action.service) for action in again.actions}


def done(memory: Memory, action: Action, now: datetime) -> Memory:
    return remember_result(memory, action, Result(action.id, Outcome.DONE, "", now, now))


# ---------------------------------------------------------------- many cycles


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from([0.3, 0.5, 0.8, 1.2])), min_size=3, max_size=18))
def test_rebalancing_comes_to_an_end_and_each_move_betters_both_of_its_nodes(tasks: list[tuple[str, float]]) -> None:
    by_size = {size: [node for node, other in tasks if other == size] for _node, size in tasks}
    services_ = {f"s{number}": {"at": at, "gib": size} for number, (size, at) in enumerate(by_size.items())}
    base = {name: 100 * sum(size for node, size in tasks if node == name) / 8 for name in NODES}
    if any(share > 90 for share in base.values()):
        return
    view = view_of({"nodes": {name: {"memory": 5 + share} for name, share in base.items()}, "services": services_})
    document = {"services": {name: {} for name in services_}, "defaults": {"move": {"singles": True}}}
    policy = parse_policy({**document, "rebalance": {"memory": "10%", "moves_per_hour": 60}}, "made up")
    memory, now, made = Memory(), NOW, 0
    for _cycle in range(30):
        plan, memory = concluded(replace(view, at=now), memory, policy, now)
        for action in plan.actions:
            before = distances(view)
            view, memory = applied(view, action, now), done(memory, action, now)
            after = distances(view)
            changed = {name for name in NODES if abs(before[name] - after[name]) > 1e-9}
            assert len(changed) == 2
            assert all(after[name] < before[name] for name in changed)
            made += 1
        now += timedelta(hours=1)
    plan, _memory = concluded(replace(view, at=now), memory, policy, now)
    assert plan.actions == ()
    assert made <= len(tasks)


def distances(view: ClusterView) -> dict[str, float]:
    shares = {name: use.memory.value for name, use in view.node_use.items() if use.memory and use.memory.value}
    mean = sum(shares.values()) / len(shares)
    return {name: abs(share - mean) for name, share in shares.items()}


def test_a_chain_of_followers_comes_home_label_by_label_after_its_anchor_went() -> None:
    view = view_of(
        {
            "nodes": {"n1": {"memory": 60, "anchors": ["db", "api"]}, "n2": {"memory": 20}, "n3": {"memory": 20}},
            "services": {
                "db": {"at": ["n1"], "gib": 1},
                "api": {"at": ["n1"], "gib": 0.5, "follows": ["db"]},
                "mail": {"at": ["n1"], "gib": 0.5, "follows": ["api"]},
            },
        }
    )
    policy = parse_policy({"services": {"api": {"follows": "db"}, "mail": {"follows": "api"}}}, "made up")
    view = put(view, view.tasks_of("db")[0], "n2", NOW)
    memory, now, seen = Memory(), NOW, []
    for _cycle in range(5):
        plan, memory = concluded(view, memory, policy, now)
        for action in plan.actions:
            view, memory = applied(view, action, now), done(memory, action, now)
            seen.append((action.service, action.parameters["swarmherd_node"]))
        now += timedelta(minutes=1)
    assert seen == [("db", "n2"), ("api", "n2")]
    assert {task.node_id for task in view.tasks} == {"n2"}
    labels = {node.id: [name for name in ("db", "api") if anchor_label(name) in node.labels] for node in view.nodes}
    assert labels == {"n1": [], "n2": ["db", "api"], "n3": []}


def test_a_node_that_comes_back_is_filled_one_task_at_a_time_and_then_left() -> None:
    policy = parse_policy(
        {"services": {"shop": {}, "job": {}}, "refill": {}, "rebalance": {"memory": "90%", "service_cooldown": 0}}, "x"
    )
    view = view_of(
        {
            "nodes": {"n1": {"memory": 50}, "n2": {"memory": 50}, "n3": {"memory": 2}},
            "services": {"shop": {"at": ["n1", "n1", "n2", "n2"], "gib": 0.5}, "job": {"at": ["n1", "n2"], "gib": 1}},
        }
    )
    down = replace(view, nodes=tuple(replace(n, state=NodeState.DOWN) if n.id == "n3" else n for n in view.nodes))
    memory, now = Memory(), NOW
    _plan, memory = concluded(down, memory, policy, now)
    moved_at: list[float] = []
    for _cycle in range(60):
        now += timedelta(minutes=1)
        plan, memory = concluded(view, memory, policy, now)
        assert len(plan.actions) <= 1
        for action in plan.actions:
            assert action.parameters["swarmherd_allowed_nodes"] == ["n3"]
            view, memory = applied(view, action, now), done(memory, action, now)
            moved_at.append((now - NOW).total_seconds() / 60)
    assert moved_at
    assert moved_at[0] >= 6
    assert all(later - earlier >= 1 for earlier, later in pairwise(moved_at))
    assert distances(view)["n3"] < 0.2


def test_workers_that_come_back_take_their_part_though_managers_that_may_not_are_empty() -> None:
    policy = parse_policy(
        {"services": {"shop": {}}, "refill": {}, "rebalance": {"memory": "90%", "service_cooldown": 0}}, "x"
    )
    managers = {name: {"memory": 0, "gib": 16, "role": "manager"} for name in ("m1", "m2", "m3")}
    shop = {"at": ["n1", "n1", "n2", "n2"], "gib": 2, "constraints": ["node.role == worker"]}
    workers = {"n1": {"memory": 60}, "n2": {"memory": 60}, "n3": {"memory": 0}}
    view = view_of({"nodes": {**managers, **workers}, "services": {"shop": shop}})
    down = replace(view, nodes=tuple(replace(n, state=NodeState.DOWN) if n.id == "n3" else n for n in view.nodes))
    memory, now, moved = Memory(), NOW, []
    _plan, memory = concluded(down, memory, policy, now)
    for _cycle in range(60):
        now += timedelta(minutes=1)
        plan, memory = concluded(view, memory, policy, now)
        for action in plan.actions:
            view, memory = applied(view, action, now), done(memory, action, now)
            (move,) = [move for one in plan.arrangement.balances for move in one.moves]
            moved.append({evidence.target for evidence in move.evidence})
    assert Counter(task.node_id for task in view.tasks) == {"n1": 1, "n2": 1, "n3": 2}
    assert moved == [{"mean 40 %"}, {"mean 40 %"}]


def test_moves_that_fail_are_tried_ever_more_rarely_and_given_up() -> None:
    budgets = dict.fromkeys(("moves_per_hour", "service_moves_per_hour", "node_moves_per_hour"), 99)
    policy = parse_policy(
        {"services": {"shop": {}}, "rebalance": {"cooldown": 0, "service_cooldown": 0, **budgets}}, "x"
    )
    view = view_of(
        {"nodes": {"n1": {"memory": 70}, "n2": {"memory": 20}}, "services": {"shop": {"at": ["n1", "n1"], "gib": 1}}}
    )
    memory, now, tried = Memory(), NOW, []
    for _cycle in range(120):
        plan, memory = concluded(view, memory, policy, now)
        for action in plan.actions:
            memory = remember_result(memory, action, Result("id", Outcome.GIVEN_UP, "did not land", now, now))
            tried.append((now - NOW).total_seconds())
        now += timedelta(seconds=15)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert len(tried) == policy.give_up_after
    plan, _memory = concluded(view, memory, policy, now)
    assert "given up" in plan.arrangement.stays["shop"]


# ---------------------------------------------------------------- the core of rebalancing


LOADS = st.lists(st.floats(0.05, 0.9), min_size=2, max_size=6)


@given(LOADS, st.data())
def test_fewest_moves_keeps_its_word(shares: list[float], data: st.DataObject) -> None:
    capacities = [data.draw(st.sampled_from([8.0, 16.0, 32.0])) for _share in shares]
    loads = [share * capacity for share, capacity in zip(shares, capacities, strict=True)]
    things = []
    for node, load in enumerate(loads):
        things += [Load(node, load / 5, tuple(range(len(loads))))] * data.draw(st.integers(0, 4))
    now, mean = list(loads), sum(loads) / sum(capacities)
    places = [thing.node for thing in things]
    for step in fewest_moves(loads, capacities, things, 0.2, 0.02, 0.9):
        source, size = places[step.load], things[step.load].size
        before = [abs(now[n] / capacities[n] - mean) for n in (source, step.node)]
        assert step.node in improving(now, capacities, replace(things[step.load], node=source), 0.02, 0.9)
        now[source] -= size
        now[step.node] += size
        places[step.load] = step.node
        after = [abs(now[n] / capacities[n] - mean) for n in (source, step.node)]
        assert all(b - a >= 0.02 - 1e-9 for b, a in zip(before, after, strict=True))
        assert now[step.node] <= 0.9 * capacities[step.node] + 1e-9
    assert spread_of(now, capacities) <= spread_of(loads, capacities) + 1e-9


@given(LOADS, st.data())
def test_one_move_after_another_comes_to_an_end_whatever_mean_each_thing_has(
    shares: list[float], data: st.DataObject
) -> None:
    """As where services may run on different nodes: the squares of the shares fall with each move."""
    capacities = [data.draw(st.sampled_from([8.0, 16.0, 32.0])) for _share in shares]
    now = [share * capacity for share, capacity in zip(shares, capacities, strict=True)]
    everywhere, means = tuple(range(len(now))), st.sampled_from([None, 0.1, 0.3, 0.5, 0.8])
    things = [
        Load(node, load / 4, everywhere, data.draw(means))
        for node, load in enumerate(now)
        for _thing in range(data.draw(st.integers(0, 3)))
    ]
    for _move in range(200):
        if (step := best_move(now, capacities, things, 0.01, 0.9)) is None:
            return
        thing, before = things[step.load], squares(now, capacities)
        assert step.node in improving(now, capacities, thing, 0.01, 0.9)
        now[thing.node] -= thing.size
        now[step.node] += thing.size
        things[step.load] = replace(thing, node=step.node)
        assert squares(now, capacities) < before
    raise AssertionError("it never comes to rest")


def squares(loads: list[float], capacities: list[float]) -> float:
    return sum(load * load / capacity for load, capacity in zip(loads, capacities, strict=True))


def test_of_things_with_different_means_the_one_goes_whose_nodes_come_nearest_to_its_own() -> None:
    loads, capacities = [6.0, 6.0, 0.0, 0.0], [10.0] * 4
    workers, anywhere = Load(0, 2.0, (1, 2, 3), 0.4), Load(1, 2.0, (0, 2, 3))
    assert best_move(loads, capacities, [anywhere, workers]) == Step(0, 2)
    assert best_move(loads, capacities, [replace(anywhere, mean=0.5), workers]) == Step(1, 2)


def test_one_move_does_where_one_will_do() -> None:
    everywhere = (0, 1, 2)
    things = [Load(0, 1.0, everywhere), Load(0, 3.0, everywhere), Load(0, 0.5, everywhere)]
    [step] = fewest_moves([8.0, 2.0, 4.0], [10.0, 10.0, 10.0], things, 0.2)
    assert (step.load, step.node) == (1, 1)


def test_a_cluster_of_one_node_or_without_tasks_has_nothing_to_move() -> None:
    assert fewest_moves([8.0], [10.0], [Load(0, 1.0, (0,))], 0.2) == ()
    assert fewest_moves([8.0, 1.0], [10.0, 10.0], [], 0.2) == ()
    assert best_move([8.0], [10.0], [Load(0, 1.0, (0,))]) is None
    assert best_move([8.0, 1.0], [10.0, 10.0], []) is None
