# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds whoever competes for which nodes, found out on made-up clusters."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from swarmherd.decide.place import NodeCapacity, Placer, seen
from swarmherd.model import ClusterView, Decision, Memory, Plan, Task, TaskState
from swarmherd.plan import plan
from swarmherd.plan.capacity import AS_SWARM
from swarmherd.plan.more_nodes import kinds_of_nodes, least_nodes
from swarmherd.policy import parse_policy

from tests.controller.arranged import in_another_order, view_of
from tests.controller.described import NOW

NAMES = ("api", "db", "job", "web")
NODES = ("n1", "n2", "n3")


@st.composite
def clusters(draw: st.DrawFn) -> ClusterView:
    nodes = {
        name: {
            "gib": draw(st.sampled_from([4, 8, 8, 16])),
            "availability": draw(st.sampled_from(["active", "active", "active", "drain"])),
            "labels": {"disk": draw(st.sampled_from(["ssd", "hdd"]))},
        }
        for name in NODES[: draw(st.integers(1, 3))]
    }
    there = st.lists(st.sampled_from(list(nodes)), max_size=3)
    services = {
        name: {
            "at": draw(there),
            "reserve": draw(st.sampled_from([None, 0.5, 1, 3, 5])),
            "max_per_node": draw(st.sampled_from([0, 0, 0, 1, 2])),
            "constraints": draw(st.sampled_from([[], [], ["node.labels.disk==ssd"], ["node.hostname!=n1"]])),
        }
        for name in NAMES
    }
    view = view_of({"nodes": nodes, "services": services})
    cores = {name: draw(st.sampled_from([None, None, 0.5, 2.0])) for name in NAMES}
    return replace(view, services=tuple(replace(s, cpu_reservation=cores[s.name]) for s in view.services))


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, int]:
    """How many more of each."""
    return {name: draw(st.integers(0, 6)) for name in NAMES}


PRIORITIES = st.fixed_dictionaries({name: st.sampled_from([0, 0, 10, 90]) for name in NAMES})


def planned(view: ClusterView, wanted: dict[str, int], priorities: dict[str, int]) -> Plan:
    policy = parse_policy({"services": {name: {"priority": p} for name, p in priorities.items()}}, "made up")
    now = {service.name: service.replicas or 0 for service in view.services}
    decisions = [Decision(n, now[n], now[n] + more, now[n] + more, ("a wish",)) for n, more in wanted.items()]
    return plan(decisions, view, policy, Memory(), NOW, lambda: "id")


def added(found: Plan) -> dict[str, int]:
    return {one.service: (one.then or 0) - (one.now or 0) for one in found.decisions}


def in_order(priorities: dict[str, int]) -> list[str]:
    return sorted(NAMES, key=lambda name: (-priorities[name], name))


def put(view: ClusterView, many: dict[str, int], order: list[str]) -> ClusterView:
    """The view once these tasks run where our own foresight has them."""
    there = sorted((replace(one, readings=type(one.readings)()) for one in seen.nodes(view)), key=lambda n: n.name)
    placer, new = Placer(there, AS_SWARM), list(view.tasks)
    services = {service.name: service for service in view.services}
    for name in order:
        [placed] = placer.place([seen.shape(services[name], many[name]).shape])
        assert not placed.unplaced
        slot, running = 100, TaskState.RUNNING
        for row in placed.nodes:
            slot += 1
            new.append(Task(f"{name}.{slot}", name, slot, there[row].id, running, running, NOW, NOW))
    grown = tuple(replace(one, replicas=(one.replicas or 0) + many[one.name]) for one in view.services)
    return replace(view, tasks=tuple(new), services=grown)


def with_more_nodes(view: ClusterView, like: str, many: int) -> ClusterView:
    [one] = [node for node in view.nodes if node.hostname == like]
    fresh = {"availability": type(one.availability).ACTIVE}
    new = tuple(replace(one, id=f"new{k}", hostname=f"new{k}", **fresh) for k in range(many))
    return replace(view, nodes=(*view.nodes, *new))


@settings(max_examples=80, deadline=None)
@given(clusters(), wishes(), PRIORITIES)
def test_nobody_gets_more_than_fits_more_than_was_wished_or_less_than_there_is(
    view: ClusterView, wanted: dict[str, int], priorities: dict[str, int]
) -> None:
    found = added(planned(view, wanted, priorities))
    assert all(0 <= found[name] <= wanted[name] for name in NAMES)
    after = put(view, found, in_order(priorities))  # in itself it says that all of them have a place
    room = {node.id: node for node in seen.nodes(after)}
    for node in seen.nodes(view):
        if room[node.id].tasks != node.tasks and room[node.id].reserved.memory_bytes > node.reserved.memory_bytes:
            assert room[node.id].reserved.memory_bytes <= (node.memory_bytes or 0)
    for service in after.services:
        new = [task.node_id for task in after.tasks if task.service == service.name and task.created_at == NOW]
        most = Counter(task.node_id for task in after.tasks if task.service == service.name)
        assert not service.max_per_node or all(most[node] <= service.max_per_node for node in new)


@settings(max_examples=80, deadline=None)
@given(clusters(), wishes(), PRIORITIES)
def test_where_all_of_it_fits_every_decision_stays_as_it_was(
    view: ClusterView, wanted: dict[str, int], priorities: dict[str, int]
) -> None:
    roomy = replace(
        view,
        nodes=tuple(replace(node, cpus=1e3, memory_bytes=2**50) for node in view.nodes),
        services=tuple(replace(one, max_per_node=0, constraints=()) for one in view.services),
    )
    assume(any(node.availability == "active" for node in roomy.nodes))
    found = planned(roomy, wanted, priorities)
    assert added(found) == wanted
    assert all(one.reasons == ("a wish",) for one in found.decisions)


@settings(max_examples=80, deadline=None)
@given(clusters(), wishes(), PRIORITIES, st.sampled_from(NAMES), st.sampled_from([5, 50, 100]))
def test_a_higher_priority_never_gives_a_service_fewer(
    view: ClusterView, wanted: dict[str, int], priorities: dict[str, int], name: str, by: int
) -> None:
    raised = {**priorities, name: min(100, priorities[name] + by)}
    assert added(planned(view, wanted, raised))[name] >= added(planned(view, wanted, priorities))[name]


@settings(max_examples=80, deadline=None)
@given(clusters(), wishes(), PRIORITIES)
def test_with_the_nodes_that_are_named_it_fits_and_with_one_fewer_it_does_not(
    view: ClusterView, wanted: dict[str, int], priorities: dict[str, int]
) -> None:
    first = planned(view, wanted, priorities)
    got = added(first)
    left = {name: wanted[name] - got[name] for name in NAMES}
    after = put(view, got, in_order(priorities))
    for decision in first.decisions:
        if not left[decision.service]:
            continue
        [said] = [words for words in decision.reasons[-1].split("; ") if words.startswith(("no further", *"123456789"))]
        if said.startswith("no further"):
            assert all(_lacking(after, node.hostname, 20, left, priorities, decision.service) for node in view.nodes)
            continue
        many, kind = int(said.split()[0]), said.split("like ")[1].split()[0]
        assert not _lacking(after, kind, many, left, priorities, decision.service), said
        assert _lacking(after, kind, many - 1, left, priorities, decision.service), said


def _lacking(
    view: ClusterView, like: str, many: int, left: dict[str, int], priorities: dict[str, int], name: str
) -> int:
    """How many replicas the next cycle would still refuse, with so many nodes more."""
    return left[name] - added(planned(with_more_nodes(view, like, many), left, priorities))[name]


@settings(max_examples=80, deadline=None)
@given(clusters(), wishes(), PRIORITIES, st.randoms())
def test_the_order_of_nodes_services_and_tasks_carries_no_meaning(
    view: ClusterView, wanted: dict[str, int], priorities: dict[str, int], chance: Any
) -> None:
    other = in_another_order(view, chance)
    assert planned(other, wanted, priorities).decisions == planned(view, wanted, priorities).decisions


@settings(max_examples=80, deadline=None)
@given(clusters(), st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 30)), min_size=2, max_size=4))
def test_several_are_counted_together_exactly(view: ClusterView, wanted: list[tuple[str, int]]) -> None:
    kinds: dict[str, NodeCapacity] = kinds_of_nodes(view)
    services = {service.name: service for service in view.services}
    short = [seen.shape(services[name], many).shape for name, many in wanted]
    for kind in kinds.values():

        def fits(many: int, kind: NodeCapacity = kind) -> bool:
            return not Placer([kind] * many, AS_SWARM).place(short)[-1].unplaced

        found = least_nodes(kind, short, 1, AS_SWARM)
        assert found is None or (fits(found) and (found == 1 or not fits(found - 1)))
        assert found is not None or not fits(64)
