# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds that hold at certain times alone, and the strategies that are made of bounds and targets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from swarmherd.cron import Cron, last_until
from swarmherd.decide import decide, windows
from swarmherd.decide.schedules import bounds_at
from swarmherd.model import Decision, Memory
from swarmherd.policy import PolicyError, ScaleKeys, parse_policy
from swarmherd.policy.merge import complete
from swarmherd.simulate import Account, Trial

from tests.controller.described import view_of

TUESDAY = datetime(2026, 3, 3, tzinfo=UTC)
OFFICE = {"name": "office", "cron": "0 8 * * mon-fri", "duration": "10h", "timezone": "Europe/Berlin", "min": 10}
CPU = {"min": 2, "max": 20, "metrics": [{"cpu": 70}], "stabilization": 0}


def decided(hour: int, replicas: int, scale: dict[str, Any], day: int = 3, **service: Any) -> Decision:
    policy = parse_policy({"services": {"shop_api": {"scale": scale}}}, "policy.yml")
    view = view_of({"services": {"shop_api": {"replicas": replicas, **(service or {"cpu": 70})}}})
    [decision] = decide(view, policy, Memory(), datetime(2026, 3, day, hour, 30, tzinfo=UTC))
    return decision


def test_when_a_schedule_begins_its_min_is_put_right_at_once_and_says_so() -> None:
    decision = decided(7, 4, {**CPU, "schedules": OFFICE})  # 08:30 in Berlin
    assert decision.then == 10
    why = "4 is below min 10 for 10 h from each 0 8 * * mon-fri Europe/Berlin (office)"
    assert decision.because == f"scale shop_api from 4 to 10, because {why}"


@pytest.mark.parametrize(("hour", "day"), [(6, 3), (17, 3), (12, 7)])
def test_before_after_and_on_a_saturday_the_services_own_bounds_hold(hour: int, day: int) -> None:
    assert decided(hour, 4, {**CPU, "schedules": OFFICE}, day).then == 4


def test_within_it_nothing_goes_below_its_min() -> None:
    decision = decided(9, 12, {**CPU, "schedules": [OFFICE]}, cpu=7)
    assert decision.then == 10
    assert "min is 10 for 10 h from each 0 8 * * mon-fri Europe/Berlin (office)" in decision.reasons


def test_of_several_that_are_on_the_largest_bounds_hold_and_the_max_before_the_min() -> None:
    night = {"start": "22:00", "end": "08:00", "max": 3}
    more = {"days": "tue", "min": 5}
    assert decided(12, 2, {**CPU, "schedules": [OFFICE, more, night]}).then == 10
    assert decided(23, 12, {**CPU, "schedules": [OFFICE, more, night]}).then == 3, "5 are wished then, and 3 allowed"


@pytest.mark.parametrize(("cron", "duration"), [("0 * * * *", "1h"), ("*/15 * * * *", "15m"), ("* * * * *", "31d")])
def test_a_schedule_whose_turns_overlap_is_on_by_one_look(
    monkeypatch: pytest.MonkeyPatch, cron: str, duration: str
) -> None:
    looks: list[datetime] = []

    def counted(cron: Cron, zone: ZoneInfo, at: datetime) -> datetime:
        looks.append(at)
        return last_until(cron, zone, at)

    monkeypatch.setattr(windows, "last_until", counted)
    scale = complete(ScaleKeys(max=40, schedules=[{"cron": cron, "duration": duration, "min": 20}]))
    assert bounds_at(scale, TUESDAY).min == 20
    assert looks == [TUESDAY], "a backtest asks 40,000 times for a week"


def test_a_service_that_sleeps_is_woken_by_its_schedule_and_one_in_maintenance_is_not() -> None:
    asleep = {"min": 0, "max": 9, "metrics": [{"requests_per_replica": 8}], "schedules": {**OFFICE, "min": 3}}
    assert decided(9, 0, asleep, requests_per_replica=0).then == 3
    assert decided(9, 0, {**CPU, "schedules": OFFICE}).then == 0
    assert "maintenance" in decided(9, 0, {**CPU, "schedules": OFFICE}).because


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ({**OFFICE, "min": 30}, "schedules[0].min: min 30 is above max 20 in that time"),
        ({**OFFICE, "min": None, "max": 1}, "schedules[0].max: min 2 is above max 1 in that time"),
        ({**OFFICE, "min": 0}, "schedules[0].min: it may sleep then, and outside of it min is 2"),
        ({**OFFICE, "max": 5}, "schedules[0]: min 10 is above max 5"),
        ({**OFFICE, "min": None}, "schedules[0]: neither min nor max stands here"),
        (
            {**OFFICE, "timezone": "Berlin"},
            "schedules[0].timezone: 'Berlin' is no time zone; did you mean Europe/Berlin",
        ),
        ({**OFFICE, "cron": "61 * * * *"}, "schedules[0].cron: minute '61' is not understood"),
        ({"min": 5}, "schedules[0]: it does not say when it is"),
    ],
)
def test_a_mistake_in_a_schedule_is_one_sentence(schedule: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy({"services": {"shop_api": {"scale": {**CPU, "schedules": [schedule]}}}}, "policy.yml")
    assert says in str(refused.value)


def test_a_trial_knows_the_time_too() -> None:
    keys = ScaleKeys.model_validate({"max": 20, "metrics": [{"requests_per_replica": 8}], "schedules": OFFICE})
    trial = Trial(complete(keys), keys, Account(10.0), TUESDAY.timestamp())
    assert trial.decide(0, 8.0, 1, 1) == 1
    nine = 9 * 240
    assert trial.decide(nine, 8.0, 1, 1) == 10


def test_a_fixed_count_is_a_min_that_is_the_max() -> None:
    fixed = {"min": 5, "max": 5, "metrics": [{"cpu": 70}]}
    assert decided(12, 9, fixed).then == 5
    assert decided(12, 2, fixed, cpu={"unknown": "timeout"}).then == 5
    assert decided(12, 5, fixed, cpu=500).then == 5


@pytest.mark.parametrize(("wanted", "then"), [(7, 7), (6.2, 7), (3, 3), (6, 6)])
def test_a_query_that_answers_the_count_itself_is_passed_through(wanted: float, then: int) -> None:
    scale = {"max": 20, "tolerance": 0, "stabilization": 0, "metrics": [{"query": "replicas_wanted", "target": 1}]}
    assert decided(12, 6, scale, **{"query:0": wanted}).then == then
