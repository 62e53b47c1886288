# SPDX-License-Identifier: GPL-3.0-or-later
"""What fails again and again is left alone for a while, and asked once before it is asked as ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd import breaker
from swarmherd.breaker import Breakers
from swarmherd.model import Breaker, BreakerState, Decision, Memory
from swarmherd.plan import plan
from swarmherd.policy import BreakerKeys, parse_policy

from tests.controller.described import NOW as AT
from tests.controller.described import view_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYS = BreakerKeys(after=3, pause=10, longest=60)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    one = Breakers(KEYS, clock)
    one.load({})
    return one


def fail(breakers: Breakers, times: int = 3) -> None:
    for _time in range(times):
        breakers.failed("prometheus", "no answer within 3 s")


def test_two_failures_leave_it_closed_and_the_third_opens_it(breakers: Breakers) -> None:
    fail(breakers, 2)
    assert (breakers.why_not("prometheus"), breakers.news()) == ("", ())
    fail(breakers, 1)
    said = "it failed 3 times in a row (no answer within 3 s), next try in 10 s"
    assert breakers.why_not("prometheus") == said
    words = "prometheus failed 3 times in a row (no answer within 3 s) and is not asked until 12:00:10 UTC"
    assert breakers.news() == (words,)
    assert breakers.news() == (), "it is said once"


def test_a_success_in_between_begins_the_count_anew(breakers: Breakers) -> None:
    fail(breakers, 2)
    breakers.succeeded("prometheus")
    fail(breakers, 2)
    assert breakers.why_not("prometheus") == ""


def test_what_one_thing_does_is_nothing_to_another(breakers: Breakers) -> None:
    fail(breakers)
    assert breakers.why_not("docker m1") == ""


def test_after_the_pause_one_attempt_decides_and_a_good_one_closes_it(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    breakers.news()
    clock.later(9)
    assert breakers.why_not("prometheus")
    clock.later(1)
    assert breakers.why_not("prometheus") == ""
    assert breakers.kept(Memory()).breakers["prometheus"].state is BreakerState.HALF_OPEN
    breakers.succeeded("prometheus")
    assert breakers.news() == ("prometheus answers again and is asked as ever",)
    assert breakers.kept(Memory()).breakers == {}


def test_each_attempt_that_fails_doubles_the_pause_up_to_the_longest(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    pauses = []
    for _attempt in range(5):
        found = breakers.kept(Memory()).breakers["prometheus"]
        pauses.append(breaker.pause_seconds(found, KEYS))
        clock.later(pauses[-1])
        assert breakers.why_not("prometheus") == ""
        fail(breakers, 1)
    assert pauses == [10, 20, 40, 60, 60]


def test_a_clock_that_is_set_keeps_nothing_closed_for_longer_than_its_pause(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    clock.later(-3600)
    assert breakers.why_not("prometheus") == ""


def test_what_the_store_holds_goes_on_after_a_restart(breakers: Breakers, clock: Clock) -> None:
    fail(breakers)
    kept = breakers.kept(Memory())
    again = Breakers(KEYS, clock)
    assert again.kept(kept) is kept, "nothing is forgotten before the store was read"
    again.load(kept.breakers)
    assert again.why_not("prometheus")
    assert again.kept(kept) is kept


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=30))
def test_it_is_never_open_for_longer_than_the_longest_pause_and_never_after_a_success(
    steps: list[tuple[bool, float]],
) -> None:
    one, now = Breaker(), NOW
    for good, seconds in steps:
        now += timedelta(seconds=seconds)
        one = breaker.CLOSED if good else breaker.failed(breaker.at(one, KEYS, now), "no", KEYS, now)
        assert 0 <= breaker.rest_seconds(one, KEYS, now) <= KEYS.longest
        if good:
            assert breaker.why_not(one, KEYS, now) == ""
        assert breaker.why_not(one, KEYS, now + timedelta(seconds=KEYS.longest)) == ""


# ------------------------------------------------------------ what planning makes of it

VIEW = view_of({"services": {name: {"replicas": 3, "version": 7} for name in "ab"}})


def planned(one: Breaker, name: str = "playbook scale") -> tuple[list[str], list[str]]:
    """The services that are scaled, and the last word on each."""
    decisions = [Decision(s, 3, 4, 4, (f"scale {s} from 3 to 4, because it is a test",), version=7) for s in "ab"]
    memory = Memory(breakers={name: one})
    found = plan(decisions, VIEW, parse_policy({}, "f.yml"), memory, AT, lambda: "id")
    return [action.service for action in found.actions], [d.reasons[-1] for d in found.decisions]


def opened(seconds_ago: float) -> Breaker:
    return Breaker(BreakerState.OPEN, 3, AT - timedelta(seconds=seconds_ago), "n1: unreachable")


def test_actions_of_a_kind_whose_playbooks_fail_wait_and_say_so() -> None:
    acted, said = planned(opened(4))
    assert acted == []
    why = "playbooks of the kind scale are not run: it failed 3 times in a row (n1: unreachable), next try in 6 s"
    assert said[0] == f"leave a at 3, because {why}"


def test_after_the_pause_one_action_of_the_kind_is_tried_first() -> None:
    acted, said = planned(opened(11))
    assert acted == ["a"]
    assert said[1].endswith("they failed 3 times in a row, and one is tried first")


def test_actions_of_other_kinds_do_not_wait() -> None:
    assert planned(opened(4), "playbook move")[0] == ["a", "b"]
    assert planned(opened(4), "balancer")[0] == ["a", "b"]
