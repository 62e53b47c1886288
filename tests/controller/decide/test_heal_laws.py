# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of healing whatever the checks say, found out over many made-up cycles."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from swarmherd.decide import arrange, remember_result
from swarmherd.model import Action, ClusterView, Health, Memory, Outcome, Result, TaskHealth
from swarmherd.plan import conclude
from swarmherd.policy import Policy, parse_policy

from tests.controller.arranged import applied, view_of
from tests.controller.described import NOW

SAID = st.sampled_from(["ill", "ill", "ill", "silent", "well", "starting", None])
STEPS = st.lists(st.sampled_from(["restart", "move"]), min_size=1, max_size=3)
CYCLES = st.lists(st.tuples(st.sampled_from([15, 30, 61, 400]), st.lists(SAID, min_size=3, max_size=3)), max_size=60)
WORDS = {"ill": Health.UNHEALTHY, "silent": Health.UNHEALTHY, "well": Health.HEALTHY, "starting": Health.STARTING}


def policy(steps: list[str], **heal: Any) -> Policy:
    keys = {"steps": steps, "recheck": 15, "cooldown": 0, "after": 30, **heal}
    said = {"services": {"web": {"heal": keys}}, "rebalance": {"moves_per_hour": 100, "memory": {}}}
    return parse_policy(said, "made up")


def seen(view: ClusterView, said: list[str | None], now: datetime) -> ClusterView:
    """The view with what each slot's check says now."""
    tasks = sorted(view.tasks, key=lambda task: task.slot)
    health = {
        task.id: TaskHealth(WORDS[word], now, "asked", answered=word != "silent")
        for task, word in zip(tasks, said, strict=True)
        if word is not None
    }
    return replace(view, at=now, health=health)


def lived(
    cycles: list[tuple[int, list[str | None]]], wanted: Policy, outcomes: Iterator[Outcome]
) -> Iterator[tuple[ClusterView, Action]]:
    """Each action of a controller that acts on what it sees, with the view that it was decided on."""
    view, memory, now = view_of({"nodes": {"n1": {}, "n2": {}}, "services": {"web": {"at": ["n1"] * 3}}}), Memory(), NOW
    for seconds, said in cycles:
        now += timedelta(seconds=seconds)
        view = seen(view, said, now)
        plan, memory = conclude(view, wanted, memory, now, lambda: "id")
        for action in plan.actions:
            yield view, action
            outcome = next(outcomes, Outcome.DONE)
            if outcome is Outcome.DONE:
                view = applied(view, action, now)
            memory = remember_result(memory, action, Result("id", outcome, "", now, now))


@given(CYCLES, STEPS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_no_place_has_more_remedies_than_the_policy_names_and_never_more_than_three(
    cycles: list[tuple[int, list[str | None]]], steps: list[str], chance: random.Random
) -> None:
    outcomes = iter(lambda: chance.choice([Outcome.DONE, Outcome.GIVEN_UP, Outcome.UNDONE]), None)
    wanted = policy(steps, stable="300d")
    tried = Counter(action.parameters["swarmherd_place"] for _view, action in lived(cycles, wanted, outcomes))
    assert all(many <= len(steps) <= 3 for many in tried.values())


@given(CYCLES, STEPS)
@settings(max_examples=60)
def test_only_a_task_that_is_seen_ill_at_this_moment_is_touched(
    cycles: list[tuple[int, list[str | None]]], steps: list[str]
) -> None:
    for view, action in lived(cycles, policy(steps), iter(lambda: Outcome.DONE, None)):
        assert view.health[action.parameters["swarmherd_task"]].health is Health.UNHEALTHY


@given(CYCLES, STEPS)
@settings(max_examples=40)
def test_what_is_unknown_is_never_healed(cycles: list[tuple[int, list[str | None]]], steps: list[str]) -> None:
    blind: list[tuple[int, list[str | None]]] = [(seconds, [None] * len(said)) for seconds, said in cycles]
    assert list(lived(blind, policy(steps), iter(()))) == []


@given(CYCLES)
@settings(max_examples=40)
def test_where_nothing_ever_answered_nothing_is_healed(cycles: list[tuple[int, list[str | None]]]) -> None:
    silent: list[tuple[int, list[str | None]]] = [
        (seconds, [word and "silent" for word in said]) for seconds, said in cycles
    ]
    assert list(lived(silent, policy(["restart"]), iter(()))) == []


@given(st.lists(SAID, min_size=3, max_size=3), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_tasks_and_nodes_does_not_matter(said: list[str | None], chance: random.Random) -> None:
    view = view_of({"nodes": {"n1": {}, "n2": {}, "n3": {}}, "services": {"web": {"at": ["n1", "n2", "n3"]}}})
    wanted, memory, now = policy(["restart", "move"]), Memory(), NOW
    for _cycle in range(4):
        now += timedelta(seconds=15)
        view = seen(view, said, now)
        _plan, memory = conclude(view, wanted, memory, now, lambda: "id")
    tasks, nodes = list(view.tasks), list(view.nodes)
    chance.shuffle(tasks)
    chance.shuffle(nodes)
    shuffled = replace(view, tasks=tuple(tasks), nodes=tuple(nodes))
    assert arrange(shuffled, wanted, memory, now).healing == arrange(view, wanted, memory, now).healing
