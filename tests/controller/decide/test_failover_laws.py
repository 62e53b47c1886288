# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of failing nodes in every cluster, found out on made-up ones, and over many cycles."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from swarmherd.decide import remember_result
from swarmherd.decide.marks import CORDONED, PAUSED
from swarmherd.model import (
    Action,
    Availability,
    ClusterView,
    Fence,
    Memory,
    Node,
    NodeMemory,
    NodeState,
    Outcome,
    Plan,
    Probe,
    Result,
    ServiceMemory,
    Standing,
)
from swarmherd.plan import conclude
from swarmherd.policy import parse_policy

from tests.controller.arranged import in_another_order, view_of
from tests.controller.decide.test_arrange_laws import FOLLOWS, NODES, views
from tests.controller.described import NOW, ago

POLICY = parse_policy(
    {
        "failover": {"pending_after": 0, "flapping": {"keep_active": "1%"}},
        "services": {
            **{name: {"follows": anchor, "failover": {"fencing": "none"}} for name, anchor in FOLLOWS.items()},
            **{
                name: {"failover": {"fencing": "none"}, "scale": {"min": 1, "max": 1}} for name in ("db", "shop", "job")
            },
        },
        "defaults": {"move": {"singles": True, "local_data": True}},
        "rebalance": {"memory": "20%", "cooldown": 60, "service_cooldown": 60, "moves_per_hour": 100},
        "refill": {"stable_for": 60},
    },
    "made up",
)
PROBES = {
    "answers": Probe(ago(1)),
    "missed": Probe(ago(1), 1, ago(1)),
    "silent": Probe(ago(1), 9, ago(60)),
    "stale": Probe(ago(600), 9, ago(660)),
}
MARKS = st.sampled_from([{}, {}, {CORDONED: "1772366390"}, {CORDONED: "1772369999"}, {PAUSED: "shop.1772366390"}])


@st.composite
def clusters(draw: st.DrawFn) -> ClusterView:
    """Nodes in every state, hosts looked at or not, marks of ours, services bound to nodes by name."""
    view = draw(views())
    nodes = tuple(
        replace(
            node,
            state=draw(st.sampled_from([NodeState.READY, NodeState.READY, NodeState.DOWN, NodeState.UNKNOWN])),
            labels={**node.labels, **draw(MARKS)},
        )
        for node in view.nodes
    )
    services = tuple(
        replace(one, constraints=(*one.constraints, *draw(st.sampled_from([(), (), ("node.hostname==n1",)]))))
        for one in view.services
    )
    bound = view_of({"nodes": {}, "services": {"bound": {"at": [":pending"], "constraints": ["node.hostname==n1"]}}})
    services, tasks = (*services, *bound.services), (*view.tasks, *bound.tasks)
    probes = draw(st.dictionaries(st.sampled_from(NODES), st.sampled_from(sorted(PROBES)), max_size=len(NODES)))
    return replace(
        view, nodes=nodes, services=services, tasks=tasks, probes={name: PROBES[kind] for name, kind in probes.items()}
    )


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    falls = st.lists(st.sampled_from([30, 100, 300, 500, 5000]), max_size=4, unique=True)
    return Memory(
        nodes={
            name: NodeMemory(None, falls=tuple(ago(s) for s in sorted(draw(falls), reverse=True)), up=True)
            for name in NODES
        }
    )


def planned(view: ClusterView, memory: Memory) -> Plan:
    return conclude(view, POLICY, memory, NOW, lambda: "id")[0]


def measures(plan: Plan, *kinds: str) -> list[Action]:
    return [one for one in plan.actions if one.kind == "failover" and one.parameters["swarmherd_measure"] in kinds]


@given(clusters(), memories())
def test_with_one_witness_nothing_is_ever_brought_up_elsewhere(view: ClusterView, memory: Memory) -> None:
    plan = planned(view, memory)
    for action in measures(plan, "recreate"):
        node = view.node(action.parameters["swarmherd_node"])
        assert node is not None
        assert node.state is NodeState.DOWN
        assert view.probes[node.id] == PROBES["silent"]
    no_second = replace(view, probes=dict.fromkeys(NODES, PROBES["answers"]))
    assert measures(planned(no_second, memory), "recreate") == []
    assert measures(planned(replace(view, probes={}), memory), "recreate") == []


@given(clusters())
def test_a_failure_is_what_both_witnesses_say_and_no_more(view: ClusterView) -> None:
    for one in planned(view, Memory()).arrangement.rescue.standings:
        node, probe = view.node(one.node), view.probes.get(one.node)
        assert node is not None
        both = node.state is not NodeState.READY and probe == PROBES["silent"]
        assert (one.standing is Standing.FAILED) == both
        assert bool(one.reasons) == (one.standing is not Standing.WELL)


@given(clusters(), memories())
def test_with_the_brake_on_nothing_disruptive_is_in_the_plan_whatever_else(view: ClusterView, memory: Memory) -> None:
    plan = planned(view, memory)
    assume(plan.arrangement.rescue.brake)
    for action in plan.actions:
        assert action.kind == "scale"
        assert action.parameters["swarmherd_replicas"] > action.parameters["swarmherd_expected_replicas"]


@given(clusters())
def test_the_brake_is_on_where_half_looks_bad_and_two_at_least_or_all_of_it(view: ClusterView) -> None:
    plain = replace(view, nodes=tuple(replace(node, availability=Availability.ACTIVE) for node in view.nodes))
    rescue = planned(plain, Memory()).arrangement.rescue
    bad = sum(one.bad for one in rescue.standings)
    if bad == len(NODES) or (bad >= 2 and 2 * bad >= len(NODES)):
        assert rescue.brake
    elif any(probe == PROBES["answers"] for probe in plain.probes.values()):
        assert not rescue.brake


@given(clusters(), memories())
def test_a_cordon_never_touches_a_pause_or_drain_of_a_persons(view: ClusterView, memory: Memory) -> None:
    plan = planned(view, memory)
    for action in measures(plan, "cordon", "uncordon"):
        node = view.node(action.parameters["swarmherd_node"])
        assert node is not None
        if action.parameters["swarmherd_measure"] == "cordon":
            assert node.availability is Availability.ACTIVE
            assert PAUSED not in node.labels
        else:
            assert CORDONED in node.labels
        assert action.parameters["swarmherd_expected_version"] == node.version


@given(clusters(), memories())
def test_one_node_is_cordoned_at_most_and_others_go_on_taking_tasks(view: ClusterView, memory: Memory) -> None:
    closed = [action.parameters["swarmherd_node"] for action in measures(planned(view, memory), "cordon")]
    assert len(closed) <= 1
    if closed:
        assert [n for n in view.nodes if takes_tasks(n) and n.id not in closed]


def takes_tasks(node: Node) -> bool:
    return node.state is NodeState.READY and node.availability is Availability.ACTIVE


@given(clusters(), memories(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_services_and_tasks_is_of_no_account(
    view: ClusterView, memory: Memory, chance: random.Random
) -> None:
    other = in_another_order(view, chance)
    first, second = planned(view, memory).arrangement.rescue, planned(other, memory).arrangement.rescue
    assert (first.standings, first.brake, first.cordons) == (second.standings, second.brake, second.cordons)
    assert [(r.service, r.node, r.recreate) for r in first.recreations] == [
        (r.service, r.node, r.recreate) for r in second.recreations
    ]


# ---------------------------------------------------------------- many cycles


def test_a_node_that_goes_on_flapping_is_cordoned_for_ever_longer_and_refilled_when_it_has_stayed_up() -> None:
    """Down every 100 s for an hour, then up; a cycle every 20 s."""
    view = view_of({"nodes": {f"n{n}": {} for n in (1, 2, 3)}, "services": {"shop": {"at": ["n2", "n3"]}}})
    memory, now, lengths, ended = Memory(), NOW, [], []
    for cycle in range(900):
        down = cycle < 180 and cycle % 5 == 4
        view = changed(view, state=NodeState.DOWN if down else NodeState.READY)
        view = replace(view, at=now, probes={f"n{n}": Probe(now) for n in (1, 2, 3)})
        plan, memory = conclude(view, POLICY_OF_CORDONS, memory, now, lambda: "id")
        for action in plan.actions:
            if action.parameters["swarmherd_measure"] == "cordon":
                until = action.parameters["swarmherd_cordon_until"]
                lengths.append(until - int(now.timestamp()))
                view = changed(view, availability=Availability.PAUSE, labels={CORDONED: str(until)})
            else:
                ended.append(now)
                view = changed(view, availability=Availability.ACTIVE, labels={})
            memory = remember_result(memory, action, Result("id", Outcome.DONE, "", now, now))
        now += timedelta(seconds=20)
    assert lengths[0] == 300
    assert lengths == sorted(lengths), "each is as long as the one before, or longer"
    assert len(lengths) == len(ended), "none is left behind"
    assert memory.nodes["n1"].returned, "a node that takes tasks again is refilled"
    assert memory.nodes["n1"].takes_work_since == ended[-1] + timedelta(seconds=20)


POLICY_OF_CORDONS = parse_policy({"failover": {}}, "made up")


def changed(view: ClusterView, **how: Any) -> ClusterView:
    return replace(view, nodes=tuple(replace(node, **how) if node.id == "n1" else node for node in view.nodes))


def test_a_fall_is_seen_once_and_what_swarm_does_not_know_is_none() -> None:
    view = view_of({"nodes": {"n1": {}, "n2": {}}})
    memory = Memory()
    states = [
        *(NodeState.READY, NodeState.DOWN, NodeState.DOWN, NodeState.UNKNOWN, NodeState.READY),
        *(NodeState.UNKNOWN, NodeState.READY, NodeState.UNKNOWN, NodeState.DOWN),
    ]
    for state in states:
        _plan, memory = conclude(changed(view, state=state), POLICY, memory, NOW, lambda: "id")
    assert len(memory.nodes["n1"].falls) == 2
    assert memory.nodes["n2"].falls == ()


def test_a_controller_that_starts_beside_a_dead_node_saw_no_fall() -> None:
    view = changed(view_of({"nodes": {"n1": {}, "n2": {}}}), state=NodeState.DOWN)
    _plan, memory = conclude(view, POLICY, Memory(), NOW, lambda: "id")
    assert memory.nodes["n1"].falls == ()


def test_falls_are_forgotten_after_a_day() -> None:
    view = view_of({"nodes": {"n1": {}, "n2": {}}})
    before = Memory(nodes={"n1": NodeMemory(NOW, up=True, falls=(ago(90_000), ago(60)), cordons=(ago(90_000),))})
    _plan, memory = conclude(view, POLICY, before, NOW, lambda: "id")
    assert memory.nodes["n1"].falls == (ago(60),)
    assert memory.nodes["n1"].cordons == ()


def test_a_fence_ends_when_the_node_is_seen_ready() -> None:
    view, before = view_of({"nodes": {"n1": {}, "n2": {"state": "down"}}}), Memory(fences=fences("n1", "n2"))
    _plan, memory = conclude(view, POLICY, before, NOW, lambda: "id")
    assert set(memory.fences) == {"n2"}


def fences(*names: str) -> Any:
    return {name: Fence("ada", "it burns", ago(60)) for name in names}


def test_marks_that_cannot_be_cleared_are_tried_ever_more_rarely_and_never_given_up() -> None:
    """The service is not scaled, so that nothing else has its failures remembered."""
    policy = parse_policy({"failover": {}, "services": {"shop": {}}}, "made up")
    marked = {"availability": "pause", "labels": {PAUSED: "web.1772366000"}}
    view = view_of({"nodes": {"n1": marked}, "services": {"shop": {"at": [":pending"]}}})
    memory, now, tried = Memory(), NOW, []
    for _minute in range(600):
        plan, memory = conclude(view, policy, memory, now, lambda: "id")
        for action in plan.actions:
            assert action.parameters["swarmherd_measure"] == "clear"
            memory = remember_result(memory, action, Result("id", Outcome.GIVEN_UP, "no manager", now, now))
            tried.append((now - NOW).total_seconds())
        now += timedelta(seconds=60)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert len(tried) > policy.give_up_after
    assert pauses[-1] == 3600


def test_s7_a_count_below_min_is_put_right_however_often_marks_could_not_be_cleared() -> None:
    """Whoever clears them by hand finds the service with the failures that are its own."""
    policy = parse_policy({"failover": {}, "services": {"shop": {"scale": {"min": 2, "max": 5}}}}, "made up")
    well = view_of({"nodes": {"n1": {}}, "services": {"shop": {"at": ["n1"]}}})
    clear = Action("id", "failover", "shop", "shop", {"swarmherd_measure": "clear"}, {}, "marks")
    memory = Memory()
    for _time in range(policy.give_up_after):
        memory = remember_result(memory, clear, Result("id", Outcome.GIVEN_UP, "no manager", NOW, NOW, ran=False))
    assert memory.of("shop") == ServiceMemory(clear_failures=policy.give_up_after, last_clear_failure_at=NOW)
    plan, _memory = conclude(well, policy, memory, NOW, lambda: "id")
    assert [(action.kind, action.parameters["swarmherd_replicas"]) for action in plan.actions] == [("scale", 2)]
    assert remember_result(memory, clear, Result("id", Outcome.DONE, "", NOW, NOW)).of("shop") == ServiceMemory()


def test_s13_marks_that_are_cleared_end_no_back_off_of_the_service_itself() -> None:
    failed = Memory({"shop": ServiceMemory(failures=3, last_failure_at=ago(5))})
    clear = Action("id", "failover", "shop", "shop", {"swarmherd_measure": "clear"}, {}, "marks")
    assert remember_result(failed, clear, Result("id", Outcome.DONE, "", NOW, NOW)) == failed
