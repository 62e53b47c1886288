# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions become actions: one per service, ups first, within the budget, after a pause for what failed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from swarmherd.decide import decide
from swarmherd.model import Decision, Evidence, Memory, Reading
from swarmherd.plan import manual_scale, plan
from swarmherd.policy import Mode, parse_policy

from tests.controller.described import NOW, ago, memory_of, view_of

POLICY = parse_policy({}, "f.yml")
VIEW = view_of({"services": {name: {"replicas": 3, "version": 7} for name in "abcd"}})


def counter() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"id-{next(numbers)}"


def decision(service: str, then: int | None, now: int | None = 3, version: int | None = 7) -> Decision:
    return Decision(
        service, now, then, then, (f"scale {service} from {now} to {then}, because it is a test",), version=version
    )


def planned(*decisions: Decision, memory: Memory | None = None, **policy: Any) -> Any:
    return plan(decisions, VIEW, parse_policy(policy, "f.yml"), memory or Memory(), NOW, counter())


def test_an_action_carries_what_it_was_decided_on_and_its_undo() -> None:
    evidence = (Evidence("cpu", Reading(91, ago(5), "q"), "target 70", 4),)
    [action] = planned(replace(decision("a", 4), evidence=evidence)).actions
    assert (action.id, action.kind, action.cluster, action.service) == ("id-1", "scale", "shop", "a")
    assert action.parameters == {
        "swarmherd_service": "a",
        "swarmherd_replicas": 4,
        "swarmherd_expected_replicas": 3,
        "swarmherd_expected_version": 7,
        "swarmherd_reason": "scale a from 3 to 4, because it is a test",
    }
    assert action.undo == {"swarmherd_service": "a", "swarmherd_replicas": 3}
    assert action.reason == action.parameters["swarmherd_reason"]
    assert action.evidence == evidence


def test_the_version_is_the_one_that_was_decided_on() -> None:
    versions = [
        planned(decision("a", 4, version=version)).actions[0].parameters["swarmherd_expected_version"]
        for version in (5, None)
    ]
    assert versions == [5, 7]


def test_ups_come_first_then_downs_each_by_name() -> None:
    found = planned(decision("d", 1), decision("c", 5), decision("b", 2), decision("a", 4))
    assert [action.service for action in found.actions] == ["a", "c", "b", "d"]
    assert [action.id for action in found.actions] == ["id-1", "id-2", "id-3", "id-4"]
    assert [d.service for d in found.decisions] == ["a", "b", "c", "d"]


def test_what_is_to_be_left_is_in_the_plan_without_an_action() -> None:
    decisions = (decision("a", 3), decision("gone", None, now=None))
    found = planned(*decisions)
    assert found.actions == ()
    assert found.decisions == decisions


def test_a_change_of_what_is_no_longer_there_is_no_action() -> None:
    assert planned(decision("gone", 4)).actions == ()


def test_beyond_the_budget_actions_wait_and_say_so() -> None:
    found = planned(decision("a", 1), decision("b", 4), decision("c", 5), actions_per_cycle=2)
    assert [action.service for action in found.actions] == ["b", "c"]
    [waits] = [d for d in found.decisions if d.service == "a"]
    assert waits.then == waits.now == 3
    assert waits.reasons == (
        "scale a from 3 to 1, because it is a test",
        "leave a at 3, because the cycle's budget of 2 actions is used up",
    )


def test_of_two_decisions_about_a_service_the_safer_is_done() -> None:
    found = planned(decision("a", 1), decision("a", 4), decision("a", 5))
    assert [action.parameters["swarmherd_replicas"] for action in found.actions] == [5]
    assert sum("another action for it is planned already" in d.because for d in found.decisions) == 2


@pytest.mark.parametrize(
    ("failures", "failed_ago", "says"),
    [
        (1, 29, "its last action failed 29 s ago (1 in a row), next try after 30 s"),
        (1, 30, ""),
        (3, 119, "its last action failed 119 s ago (3 in a row), next try after 2 min"),
        (3, 121, ""),
        (5, 9, "5 actions failed in a row: given up until the service is changed"),
        (5, 86400 * 30, "5 actions failed in a row: given up until the service is changed"),
        (0, 29, "its last action failed 29 s ago, since no host was reached, next try after 30 s"),
        (0, 30, ""),
    ],
)
def test_after_failures_a_service_waits_ever_longer_and_is_given_up(failures: int, failed_ago: int, says: str) -> None:
    memory = memory_of({"a": {"failures": failures, "last_failure": failed_ago}})
    old = replace(VIEW, services=tuple(replace(s, updated_at=NOW - timedelta(days=90)) for s in VIEW.services))
    found = plan([decision("a", 4)], old, POLICY, memory, NOW, counter())
    assert len(found.actions) == (0 if says else 1)
    assert says in found.decisions[0].reasons[-1]


def test_a_wait_is_never_longer_than_an_hour() -> None:
    memory = memory_of({"a": {"failures": 40, "last_failure": 3600}})
    found = plan([decision("a", 4)], VIEW, parse_policy({"give_up_after": 50}, "f.yml"), memory, NOW, counter())
    assert len(found.actions) == 1


def test_a_change_of_the_service_ends_the_waiting() -> None:
    memory = memory_of({"a": {"failures": 5, "last_failure": 100}})
    changed = replace(VIEW, services=tuple(replace(s, updated_at=ago(99)) for s in VIEW.services))
    assert len(plan([decision("a", 4)], changed, POLICY, memory, NOW, counter()).actions) == 1


def test_our_own_write_is_no_such_change_even_by_a_clock_ahead_of_ours() -> None:
    memory = memory_of({"a": {"failures": 1, "last_failure": 5, "version": 7}})
    written = replace(VIEW, services=tuple(replace(s, updated_at=ago(2)) for s in VIEW.services))
    assert plan([decision("a", 4)], written, POLICY, memory, NOW, counter()).actions == ()


def test_the_mode_makes_no_difference_to_a_plan() -> None:
    def of(mode: Mode) -> Any:
        document = {"mode": mode.value, "services": {"a": {"scale": {"min": 5, "max": 9}}}}
        policy = parse_policy(document, "f.yml")
        return plan(decide(VIEW, policy, Memory(), NOW), VIEW, policy, Memory(), NOW, counter())

    assert of(Mode.OBSERVE) == of(Mode.ENFORCE)
    assert len(of(Mode.OBSERVE).actions) == 1


def test_scaling_by_hand_is_an_action_like_any_other() -> None:
    action = manual_scale(VIEW, "a", 0, "moving\nhouse", counter())
    assert action.parameters == {
        "swarmherd_service": "a",
        "swarmherd_replicas": 0,
        "swarmherd_expected_replicas": 3,
        "swarmherd_expected_version": 7,
        "swarmherd_reason": "scale a from 3 to 0 by hand, because moving house",
    }
    assert action.undo == {"swarmherd_service": "a", "swarmherd_replicas": 3}


@pytest.mark.parametrize(
    ("service", "replicas", "reason", "error", "says"),
    [
        ("x", 3, "r", LookupError, "there is no service x in cluster shop"),
        ("agent", 3, "r", ValueError, "agent is not in replicated mode, so it has no count to scale"),
        ("a", -1, "r", ValueError, "a cannot have -1 replicas: give a number from 0 to 100000"),
        ("a", 100001, "r", ValueError, "a cannot have 100001 replicas: give a number from 0 to 100000"),
        ("a", 3, " ", ValueError, "scaling a by hand needs a reason: others will ask why"),
    ],
)
def test_what_cannot_be_scaled_by_hand_is_told_in_one_sentence(
    service: str, replicas: int, reason: str, error: type[Exception], says: str
) -> None:
    view = view_of({"services": {"a": {"replicas": 3}, "agent": {"replicas": None}}})
    with pytest.raises(error) as caught:
        manual_scale(view, service, replicas, reason, counter())
    assert str(caught.value) == says
