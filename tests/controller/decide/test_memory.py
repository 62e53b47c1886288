# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept for later cycles, and what is not."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from swarmherd.decide import decide, remember, remember_result
from swarmherd.decide.memory import remembered, watched
from swarmherd.model import Action, Decision, Evidence, Memory, Outcome, Reading, Recommendation, Result, ServiceMemory
from swarmherd.plan import manual_scale
from swarmherd.policy import ScaleKeys, parse_policy

from tests.controller.described import NOW, ago, memory_of, view_of

POLICY = parse_policy(
    {
        "services": {
            "shop_api": {
                "scale": {
                    "max": 9,
                    "metrics": [{"cpu": 70}, {"requests_per_replica": 50}],
                    "stabilization": {"down": 300},
                    "fallback": {"after": 3, "until": 2},
                }
            }
        }
    },
    "f.yml",
)
SOUND = {"cpu": 70, "requests_per_replica": 150}
PARTLY = {"cpu": 70}
BLIND: dict[str, Any] = {}


def test_other_recommendations_leave_everything_else_as_it_was() -> None:
    """Whatever field is added one day."""
    every: dict[str, Any] = {field.name: object() for field in fields(ServiceMemory)}
    memory, new = ServiceMemory(**every), (Recommendation(NOW, 7),)
    assert memory.recommending(new) == replace(memory, recommendations=new)


def after(memory: dict[str, Any], readings: dict[str, Any], **service: Any) -> ServiceMemory:
    view = view_of({"services": {"shop_api": {"replicas": 3, **readings, **service}}})
    before = memory_of({"shop_api": memory})
    return remember(before, decide(view, POLICY, before, NOW), POLICY, NOW).of("shop_api")


def test_the_first_wish_is_kept_beside_the_count_that_was_found() -> None:
    found = after({}, {"cpu": 20, "requests_per_replica": 20})
    assert found.recommendations == (Recommendation(NOW, 3), Recommendation(NOW, 1))


def test_what_is_foretold_is_no_wish_to_remember() -> None:
    """Where the target is followed again, the count of then stands for what was not remembered (S5)."""
    known, keys = ServiceMemory(recommendations=(Recommendation(ago(30), 9),)), ScaleKeys()
    wished = Decision("shop_api", 3, 5, 5, (), (Evidence("cpu", Reading(1.0, NOW, ""), "target 1", 5),))
    assert remembered(known, wished, keys, NOW).recommendations[-1] == Recommendation(NOW, 5)
    found = remembered(known, replace(wished, foretold=True), keys, NOW).recommendations
    assert found == ()
    assert watched(found, 20, NOW, timedelta(seconds=300)) == (Recommendation(NOW, 20),)


def test_wishes_older_than_the_window_are_forgotten() -> None:
    found = after({"wishes": {300: 9, 299: 8, -5: 7}}, SOUND)
    assert found.recommendations == (Recommendation(ago(299), 8), Recommendation(NOW, 3))


def test_a_blind_cycle_keeps_the_count_as_its_wish() -> None:
    found = after({"wishes": {100: 1}}, BLIND)
    assert found.recommendations == (Recommendation(ago(100), 1), Recommendation(NOW, 3))


@pytest.mark.parametrize(
    ("before", "readings", "blind_and_good"),
    [
        ((0, 0), BLIND, (1, 0)),
        ((2, 0), BLIND, (3, 0)),
        ((7, 1), BLIND, (8, 0)),
        ((2, 0), PARTLY, (0, 0)),
        ((3, 1), PARTLY, (3, 0)),
        ((2, 0), SOUND, (0, 1)),
        ((3, 0), SOUND, (3, 1)),
        ((3, 1), SOUND, (0, 2)),
        ((0, 2), SOUND, (0, 2)),
    ],
)
def test_blind_and_good_cycles_are_counted(
    before: tuple[int, int], readings: dict[str, Any], blind_and_good: tuple[int, int]
) -> None:
    found = after({"blind_cycles": before[0], "good_cycles": before[1]}, readings)
    assert (found.blind_cycles, found.good_cycles) == blind_and_good


@pytest.mark.parametrize("service", [{"update_state": "updating"}, {"replicas": 12}, {"replicas": None}])
def test_nothing_is_learned_where_the_metrics_were_not_asked(service: dict[str, Any]) -> None:
    memory = {"last_up": 5, "blind_cycles": 2, "wishes": {9000: 4}}
    assert after(memory, BLIND, **service) == memory_of({"shop_api": memory}).of("shop_api")


def test_what_is_no_longer_decided_about_is_forgotten_and_pauses_are_kept() -> None:
    before = memory_of({"gone": {"last_up": 5}}, [{"who": "ada", "why": "rest"}])
    found = remember(before, (), POLICY, NOW)
    assert found.services == {}
    assert found.pauses == before.pauses


def test_windows_may_stand_in_the_defaults() -> None:
    policy = parse_policy({"defaults": {"scale": {"stabilization": 10}}}, "f.yml")
    labels = {"swarmherd.scale.max": 9, "swarmherd.scale.cpu": 70}
    view = view_of({"services": {"a": {"replicas": 3, "cpu": 70, "labels": labels}}})
    before = memory_of({"a": {"wishes": {11: 2, 9: 1}}})
    found = remember(before, decide(view, policy, before, NOW), policy, NOW)
    assert [r.replicas for r in found.of("a").recommendations] == [1, 3]


def test_two_cycles_of_low_readings_scale_down_after_the_window() -> None:
    """Memory and decisions together, cycle by cycle: nothing before 300 s have passed, then at once."""
    memory, changed = Memory(), None
    for cycle in range(30):
        now = NOW + timedelta(seconds=15 * cycle)
        view = view_of({"services": {"shop_api": {"replicas": 3, "cpu": 20, "requests_per_replica": 20}}})
        [decision] = decide(view, POLICY, memory, now)
        memory = remember(memory, (decision,), POLICY, now)
        if decision.then != 3:
            changed = 15 * cycle
            break
    assert changed == 300


def action(then: int, before: int = 3) -> Action:
    parameters = {"swarmherd_replicas": then, "swarmherd_expected_replicas": before}
    return Action("id", "scale", "shop", "a", parameters, {}, "")


def result(outcome: Outcome, version: int | None = 8) -> Result:
    return Result("id", outcome, "", ago(9), ago(2), None, version)


BEFORE = {"a": {"version": 7, "failures": 2, "last_failure": 500}, "b": {"version": 1}}


def learned(then: int, outcome: Outcome, version: int | None = 8) -> ServiceMemory:
    found = remember_result(memory_of(BEFORE), action(then), result(outcome, version))
    assert found.of("b") == memory_of(BEFORE).of("b")
    return found.of("a")


def test_a_cooldown_begins_when_the_action_ended() -> None:
    assert learned(5, Outcome.DONE) == ServiceMemory(last_up_at=ago(2), last_version=8)
    assert learned(1, Outcome.DONE) == ServiceMemory(last_down_at=ago(2), last_version=8)
    assert learned(3, Outcome.DONE) == ServiceMemory(last_version=8)


def test_a_zero_that_was_decided_on_is_told_from_a_persons() -> None:
    decided = replace(action(0), evidence=(Evidence("requests", Reading(0.0, NOW, ""), "target 50", 0),))
    assert remember_result(Memory(), decided, result(Outcome.DONE)).of("a").asleep
    assert remember_result(Memory(), decided, result(Outcome.GIVEN_UP)).of("a").asleep, "its last task stops slowly"
    assert not remember_result(Memory(), decided, result(Outcome.GIVEN_UP, None)).of("a").asleep, "nothing was written"
    assert not remember_result(Memory(), decided, result(Outcome.UNDONE)).of("a").asleep
    by_hand = manual_scale(view_of({"services": {"a": {"replicas": 3}}}), "a", 0, "x", lambda: "id")
    slept = Memory({"a": ServiceMemory(asleep=True)})
    assert not remember_result(slept, by_hand, result(Outcome.DONE)).of("a").asleep


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize(("kind", "decided_on"), [("resources", 10), ("relabel", 11), ("scale", 10)])
def test_s7_a_service_that_we_put_to_sleep_sleeps_on_until_it_has_replicas(
    kind: str, decided_on: int, outcome: Outcome
) -> None:
    """Whatever else we write of it, or somebody has written meanwhile."""
    before = Memory({"a": ServiceMemory(last_version=10, asleep=True)})
    written = replace(
        action(3, 0), kind=kind, parameters={**action(3, 0).parameters, "swarmherd_expected_version": decided_on}
    )
    found = remember_result(before, written, result(outcome, 12)).of("a")
    assert found.asleep is not (kind == "scale" and outcome is Outcome.DONE)


@pytest.mark.parametrize(("replicas", "asleep"), [(0, True), (1, False), (None, False)])
def test_s7_a_zero_after_replicas_were_seen_is_somebody_elses(replicas: int | None, asleep: bool) -> None:
    policy = parse_policy({"services": {"a": {"scale": {"max": 9, "metrics": [{"cpu": 70}]}}}}, "f.yml")
    before, view = Memory({"a": ServiceMemory(asleep=True)}), view_of({"services": {"a": {"replicas": replicas}}})
    assert remember(before, decide(view, policy, before, NOW), policy, NOW).of("a").asleep is asleep


def test_failures_are_counted_and_a_write_is_a_write_all_the_same() -> None:
    failed = learned(5, Outcome.GIVEN_UP)
    assert failed == ServiceMemory(last_up_at=ago(2), last_version=8, failures=3, last_failure_at=ago(2))
    unwritten = learned(5, Outcome.GIVEN_UP, version=None)
    assert unwritten == ServiceMemory(last_version=7, failures=3, last_failure_at=ago(2))


def test_where_no_host_was_reached_it_is_waited_and_never_given_up() -> None:
    """S13: that says nothing of the service. What was refused counts, whether or not anything was done."""
    refused = replace(result(Outcome.GIVEN_UP, None), ran=False)
    assert remember_result(memory_of(BEFORE), action(5), refused).of("a").failures == 3
    unreached = replace(result(Outcome.GIVEN_UP, None), ran=False, reached=False)
    found = remember_result(memory_of(BEFORE), action(5), unreached).of("a")
    assert found == ServiceMemory(last_version=7, failures=2, last_failure_at=ago(2))


def test_what_our_relabel_wrote_on_a_dependent_is_no_change_by_others() -> None:
    """S6."""
    relabelled = replace(action(3), kind="relabel", service="db")
    found = remember_result(memory_of(BEFORE), relabelled, replace(result(Outcome.DONE, None), versions={"b": 9}))
    assert found.of("b") == ServiceMemory(last_version=9)
    assert found.of("a") == memory_of(BEFORE).of("a")


def test_what_was_undone_because_its_controller_ended_is_no_failure_of_its_own() -> None:
    assert learned(5, Outcome.UNDONE, version=None) == memory_of(BEFORE).of("a")
    assert learned(5, Outcome.UNDONE).failures == memory_of(BEFORE).of("a").failures


@pytest.mark.parametrize("outcome", [Outcome.CONFLICT, Outcome.STARTED])
def test_a_conflict_teaches_nothing(outcome: Outcome) -> None:
    assert learned(5, outcome) == memory_of(BEFORE).of("a")
