# SPDX-License-Identifier: GPL-3.0-or-later
"""What decide makes of an outlook, and what it does without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from swarmherd.decide import decide, remember
from swarmherd.model import ClusterView, Decision, Memory, Outlook, ServiceMemory
from swarmherd.policy import parse_policy

from tests.controller.described import NOW, memory_of, view_of

SCALE: dict[str, Any] = {"strategy": "predictive", "max": 50, "metrics": [{"requests_per_replica": 8}]}
POLICY = parse_policy({"services": {"shop_api": {"scale": SCALE}}}, "policy.yml")
OURS = Memory({"shop_api": ServiceMemory(last_version=10)})


def shop(outlook: Outlook | None, **service: Any) -> ClusterView:
    view = view_of({"services": {"shop_api": {"replicas": 10, "requests_per_replica": 80, **service}}})
    return view if outlook is None else replace(view, outlooks={("shop_api", "requests_per_replica"): outlook})


def decided(view: ClusterView, memory: Memory = OURS) -> Decision:
    [decision] = decide(view, POLICY, memory, NOW)
    return decision


def test_what_will_be_needed_is_there_before_it_is_needed() -> None:
    decision = decided(shop(Outlook(180.0, 180.0, "09:00 is usually 2.2 times 08:58")))
    assert decision.then == 20
    assert decision.reasons == (
        "scale shop_api from 10 to 20, because requests_per_replica: 09:00 is usually 2.2 times 08:58",
    )


def test_more_than_was_foretold_is_no_want_of_room() -> None:
    decision = decided(shop(Outlook(30.0, 30.0, "quiet"), requests_per_replica=40))
    assert decision.then == 5
    assert decision.because.endswith(
        "because requests_per_replica 4 is more than was foretold, and takes no more than 5 replicas"
    )
    decision = decided(shop(Outlook(30.0, 30.0, "quiet"), requests_per_replica=110))
    assert decision.then == 13
    assert decision.because.endswith("because requests_per_replica 11 leaves no room")


def test_it_goes_down_to_what_is_kept_with_room_above() -> None:
    assert decided(shop(Outlook(30.0, 50.0, "quiet"), requests_per_replica=30)).then == 6


def test_a_little_too_much_is_left_alone() -> None:
    assert decided(shop(Outlook(85.0, 85.0, "steady"))).then == 10


def test_what_is_measured_now_is_served_whatever_was_foretold() -> None:
    assert decided(shop(Outlook(10.0, 10.0, "quiet"), requests_per_replica=130)).then == 15


def test_without_a_history_it_follows_the_target_and_says_so() -> None:
    decision = decided(shop(None, requests_per_replica=120))
    assert decision.then == 15
    assert "(not foretold: there is no history)" in decision.because


def test_without_a_history_it_follows_at_once_unless_a_pause_is_written() -> None:
    just_up = Memory({"shop_api": ServiceMemory(last_version=10, last_up_at=NOW - timedelta(seconds=10))})
    view = shop(None, requests_per_replica=120)
    assert decided(view, just_up).then == 15
    waiting = parse_policy({"services": {"shop_api": {"scale": {**SCALE, "cooldown": {"up": 60}}}}}, "policy.yml")
    [decision] = decide(view, waiting, just_up, NOW)
    assert decision.then == 10
    assert "it was scaled up 10 s ago (cooldown 60 s)" in decision.because


def test_an_outlook_that_is_not_relied_on_is_not_used() -> None:
    decision = decided(shop(Outlook(400.0, 400.0, problem="its history is only 5 min long"), requests_per_replica=80))
    assert decision.then == 10
    assert "its history is only 5 min long" in decision.because


def test_blind_it_does_not_go_down_whatever_was_foretold() -> None:
    decision = decided(shop(Outlook(10.0, 10.0, "quiet"), requests_per_replica={"unknown": "timeout"}))
    assert decision.then == 10
    assert decision.blind


def test_it_adds_to_replicas_of_its_own_that_are_starting() -> None:
    view = shop(Outlook(180.0, 180.0, "more"), tasks={"running": 7, "starting": 3})
    assert decided(view).then == 20


def test_it_takes_nothing_away_while_replicas_are_starting() -> None:
    decision = decided(shop(Outlook(30.0, 30.0, "less"), tasks={"running": 7, "starting": 3}, requests_per_replica=20))
    assert decision.then == 10
    assert "3 of its 10 tasks are not running yet" in decision.because


def test_of_what_has_no_node_it_takes_away() -> None:
    decision = decided(shop(Outlook(30.0, 30.0, "less"), tasks={"running": 8, "pending": 2}, requests_per_replica=20))
    assert decision.then == 8
    assert "2 of its 10 tasks wait for a node, and first those alone may go" in decision.reasons


def test_it_waits_for_tasks_that_have_no_node_and_for_what_others_started() -> None:
    more = Outlook(180.0, 180.0, "more")
    assert decided(shop(more, tasks={"running": 7, "pending": 3})).then == 10
    assert decided(shop(more, tasks={"running": 7, "starting": 3}), memory_of({})).then == 10


def test_neither_cooldown_nor_earlier_wishes_hold_what_was_foretold() -> None:
    memory = memory_of({"shop_api": {"last_up": 5, "version": 10, "wishes": {30: 10, 15: 10}}})
    assert decided(shop(Outlook(180.0, 180.0, "more")), memory).then == 20
    assert decided(shop(Outlook(30.0, 50.0, "quiet"), requests_per_replica=30), memory).then == 6


def test_beside_a_metric_that_sees_only_now_it_goes_down_by_windows_and_cooldowns() -> None:
    """Else each quiet minute of the processors took away what the next busy one brought back."""
    policy = parse_policy(
        {"services": {"shop_api": {"scale": {**SCALE, "metrics": [*SCALE["metrics"], {"cpu": 50}]}}}}, "policy.yml"
    )
    memory, replicas, counts = OURS, 10, []
    steady = Outlook(45.0, 45.0, "steady")
    for second in range(0, 1200, 15):
        now = NOW + timedelta(seconds=second)
        busy_or_not = 500 / replicas if second // 60 % 2 == 0 else 10
        view = shop(steady, replicas=replicas, requests_per_replica=40, cpu=busy_or_not)
        [decision] = decide(view, policy, memory, now)
        memory = remember(memory, (decision,), policy, now)
        replicas = decision.then or 0
        counts.append(replicas)
    assert max(counts) - min(counts) <= 1, counts


MAY_SLEEP = parse_policy({"services": {"shop_api": {"scale": {**SCALE, "min": 0}}}}, "policy.yml")


def asleep_or_not(replicas: int, outlook: Outlook, **memory: Any) -> int | None:
    view = shop(outlook, replicas=replicas, requests_per_replica=0)
    [decision] = decide(view, MAY_SLEEP, memory_of({"shop_api": {"version": 10, **memory}}), NOW)
    return decision.then


def test_the_last_replica_sleeps_when_the_window_is_over_and_next_to_nothing_is_foretold() -> None:
    night = Outlook(0.005, 0.005, "quiet")
    long_idle = {"wishes": {290: 0, 15: 0}}
    assert asleep_or_not(1, night, **long_idle) == 0
    assert asleep_or_not(1, night, wishes={290: 1, 15: 0}) == 1
    assert asleep_or_not(1, Outlook(0.005, 6.0, "the next burst is near"), **long_idle) == 1
    assert asleep_or_not(5, night, **long_idle) == 1


def test_what_is_foretold_wakes_it_before_anybody_asks() -> None:
    assert asleep_or_not(0, Outlook(20.0, 20.0, "09:00 is usually 4 times 08:58")) == 3
    assert asleep_or_not(0, Outlook(0.005, 0.005, "quiet")) == 0
