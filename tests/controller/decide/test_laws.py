# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every cluster, found out on made-up ones."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide import decide, remember, remember_result
from swarmherd.model import (
    Action,
    ClusterView,
    Decision,
    Direction,
    Memory,
    NodeState,
    Outcome,
    Result,
    Sample,
    Service,
    Task,
    TaskState,
)
from swarmherd.plan import plan
from swarmherd.policy import Policy, parse_policy, queries, scale_policies

from tests.controller.described import NOW, memory_of, view_of

NAMES = ("shop_api", "shop_db", "shop_web")
LOADS = st.sampled_from([None, 0.0, 0.1, 20.3, 29.9, 70.0, 76.1, 90.7, 300.0, 1e300, float("nan"), float("inf"), -1.0])
FORMS: list[dict[str, Any]] = [
    {"cpu": 70},
    {"memory": {"up": 80, "down": 30}},
    {"requests_per_replica": {"up": 3, "down": 1}},
    {"query": "x", "target": 0.5, "per": "replica"},
    {"query": "x", "target": 40},
    {"rates": {"replica_capacity": 20}},
    {"queue": {"service_time": 0.08}, "target": {"p95": 0.4}},
]
OF_SERVICES = ("requests_per_replica", "query:0", "rates:requests", "rates:responses", "queue")
CALM = {"update_state": "none", "updated": 3600, "failed": {}}
TROUBLED = st.fixed_dictionaries(
    {
        "update_state": st.sampled_from(["none", "completed", "updating"]),
        "updated": st.sampled_from([5, 3600]),
        "failed": st.sampled_from([{}, {"count": 5, "message": "exit 1"}]),
    }
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    services = {}
    for name in NAMES:
        low = draw(st.sampled_from([1, 1, 2, 4]))
        scale: dict[str, Any] = {"min": low, "max": low + draw(st.sampled_from([0, 6, 12, 20]))}
        scale["metrics"] = draw(st.lists(st.sampled_from(FORMS), min_size=1, max_size=2, unique_by=metric_name))
        scale["stabilization"] = draw(st.sampled_from([0, 0, {"up": 60}, {"down": 300}]))
        scale["fallback"] = draw(st.sampled_from(["hold", 4]))
        services[name] = {"scale": scale}
    return parse_policy({"services": services}, "made up")


def metric_name(form: dict[str, Any]) -> str:
    return next(iter(form))


@st.composite
def services(draw: st.DrawFn) -> dict[str, Any]:
    calm = draw(st.sampled_from([True, True, True, False]))
    tasks = {"running": draw(st.sampled_from([3, 1, 2, 5, 8] if calm else [2, 0, 5]))}
    tasks |= {} if calm else {"running@n2": draw(st.integers(0, 2)), "pending": draw(st.integers(0, 1))}
    found = {"replicas": sum(tasks.values()), "tasks": tasks, **(CALM if calm else draw(TROUBLED))}
    for metric in ("cpu", "memory"):
        found[metric] = draw(
            st.one_of(LOADS.filter(lambda load: load is not None), st.lists(LOADS, min_size=3, max_size=8))
        )
    for metric in OF_SERVICES:
        load = draw(LOADS)
        found[metric] = {"unknown": "no series"} if load is None else load
    return found


@st.composite
def views(draw: st.DrawFn) -> ClusterView:
    there = NAMES[draw(st.sampled_from([0, 0, 0, 1])) :]
    return view_of({"nodes": {"n2": "down"}, "services": {name: draw(services()) for name in there}})


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    ages = st.sampled_from([None, None, 600.0, 90.0, 0.0])
    described = st.fixed_dictionaries(
        {
            "last_up": ages,
            "last_down": ages,
            "blind_cycles": st.sampled_from([0, 0, 2, 5]),
            "wishes": st.sampled_from([{}, {400: 9}, {100: 2}, {10: 3, 400: 1}]),
        }
    )
    return memory_of({name: draw(described) for name in NAMES})


@given(views(), policies(), memories())
def test_exactly_one_decision_for_each_service_that_is_named(view: ClusterView, policy: Policy, memory: Memory) -> None:
    decisions = decide(view, policy, memory, NOW)
    assert [decision.service for decision in decisions] == sorted(policy.services)
    assert all(decision.reasons and decision.because for decision in decisions)


@given(views(), policies(), memories())
def test_bounds_are_never_crossed(view: ClusterView, policy: Policy, memory: Memory) -> None:
    for decision in changes(decide(view, policy, memory, NOW)):
        scale = scale_policies(policy, view.services).by_service[decision.service]
        assert decision.then is not None
        assert scale.min <= decision.then <= scale.max


@given(views(), policies(), memories())
def test_no_data_never_scales_down(view: ClusterView, policy: Policy, memory: Memory) -> None:
    nothing = replace(view, samples={})
    for decision in changes(decide(nothing, policy, memory, NOW)):
        assert decision.direction is Direction.UP or out_of_bounds(decision, policy)


@given(st.lists(st.sampled_from(FORMS), min_size=1, max_size=4, unique_by=metric_name), st.data())
def test_losing_one_metric_of_an_idle_service_keeps_it_from_shrinking(
    forms: list[dict[str, Any]], data: st.DataObject
) -> None:
    scale = {"min": 1, "max": 9, "stabilization": 0, "metrics": forms}
    policy = parse_policy({"services": {"shop_api": {"scale": scale}}}, "made up")
    idle = dict.fromkeys(("cpu", "memory", *OF_SERVICES), 0.0)
    view = view_of({"services": {"shop_api": {"replicas": data.draw(st.integers(2, 9)), **idle}}})
    [shrunk] = decide(view, policy, Memory(), NOW)
    assert shrunk.direction is Direction.DOWN

    lost = data.draw(st.sampled_from([query.metric for query in queries(policy, view.services)]))
    less = replace(view, samples={key: sample for key, sample in view.samples.items() if key[1] != lost})
    [held] = decide(less, policy, Memory(), NOW)
    assert held.direction is Direction.NONE
    assert held.blind


@given(views(), policies(), memories())
def test_a_second_decision_right_after_applying_the_first_changes_nothing(
    view: ClusterView, policy: Policy, memory: Memory
) -> None:
    first = plan(decide(view, policy, memory, NOW), view, policy, memory, NOW, lambda: "id")
    memory = remember(memory, first.decisions, policy, NOW)
    for action in first.actions:
        view, memory = applied(view, memory, action)
    assert changes(decide(view, policy, memory, NOW)) == []


@given(views(), policies(), memories(), st.randoms(use_true_random=False))
def test_the_order_of_things_does_not_matter(
    view: ClusterView, policy: Policy, memory: Memory, chance: random.Random
) -> None:
    def shuffled(items: Any) -> Any:
        return tuple(chance.sample(list(items), len(items)))

    other = replace(
        view,
        nodes=shuffled(view.nodes),
        services=shuffled(view.services),
        tasks=shuffled(view.tasks),
        samples={
            key: Sample(view.samples[key].whole, dict(shuffled(view.samples[key].by_task.items())))
            for key in shuffled(view.samples.keys())
        },
    )
    assert repr(decide(other, policy, memory, NOW)) == repr(decide(view, policy, memory, NOW))


@given(views(), policies(), memories())
def test_a_replay_decides_the_same(view: ClusterView, policy: Policy, memory: Memory) -> None:
    again = parse_policy(policy.model_dump(mode="json", exclude_unset=True), "journal")
    assert again == policy
    assert repr(decide(view, again, memory, NOW)) == repr(decide(view, policy, memory, NOW))


def changes(decisions: tuple[Decision, ...]) -> list[Decision]:
    return [decision for decision in decisions if decision.direction is not Direction.NONE]


def out_of_bounds(decision: Decision, policy: Policy) -> bool:
    scale = policy.services[decision.service].scale
    assert scale is not None
    assert scale.max is not None
    assert decision.now is not None
    return not scale.min <= decision.now <= scale.max


def applied(view: ClusterView, memory: Memory, action: Action) -> tuple[ClusterView, Memory]:
    """The cluster right after `action`: the new replicas run already, and nobody has measured them."""
    wanted = action.parameters["swarmherd_replicas"]
    service = view.service(action.service)
    assert service is not None
    written = replace(service, version=service.version + 1, replicas=wanted, updated_at=NOW)
    result = Result(action.id, Outcome.DONE, "", NOW, NOW, NOW, written.version)
    return replace(view, services=_swapped(view, written), tasks=_tasks(view, written)), remember_result(
        memory, action, result
    )


def _swapped(view: ClusterView, written: Service) -> tuple[Service, ...]:
    return tuple(written if service.name == written.name else service for service in view.services)


def _tasks(view: ClusterView, written: Service) -> tuple[Task, ...]:
    assert written.replicas is not None
    others = [task for task in view.tasks if task.service != written.name or task.desired is not TaskState.RUNNING]
    kept = list(view.tasks_of(written.name))[: written.replicas]
    up = next(node.id for node in view.nodes if node.state is NodeState.READY)
    new = [
        Task(f"new.{n}", written.name, n, up, TaskState.RUNNING, TaskState.RUNNING, NOW, NOW)
        for n in range(len(kept), written.replicas)
    ]
    return (*others, *kept, *new)
