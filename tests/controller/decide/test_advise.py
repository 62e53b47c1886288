# SPDX-License-Identifier: GPL-3.0-or-later
"""What is proposed from what was used, what is not, and what holds whatever was used."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide.advise import (
    LEAST,
    Present,
    Proposal,
    Resource,
    Used,
    advise,
    amount,
    percentile,
    propose,
    rounded_up,
    with_margin,
)
from swarmherd.model import Availability, Node, NodeState, Role, Service
from swarmherd.policy import AdviseKeys

CPU, MEMORY = Resource.CPU, Resource.MEMORY
MIB = 2.0**20
HOUR = 3600.0
WEEK = 7 * 24 * HOUR
NOTHING = Present(None, None)
KEYS = AdviseKeys()
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)

use = st.floats(0, 1e12, allow_nan=False)
uses = st.lists(use, min_size=1, max_size=60)
percents = st.floats(0.1, 100)
margins = st.floats(0, 0.99)


def week(*values: float) -> Used:
    """A whole week, through which the values come in turn."""
    return Used(values * (168 // len(values)), HOUR, WEEK)


def proposed(used: Used, resource: Resource = CPU, now: Present = NOTHING, **keys: object) -> Proposal:
    return propose(resource, used, now, AdviseKeys.model_validate(keys))


def test_cpu_is_reserved_by_its_percentile_and_a_margin() -> None:
    found = proposed(Used((0.2,) * 160 + (1.0,) * 8, HOUR, WEEK))
    assert found.then == Present(0.23, None)
    assert (found.usual, found.peak) == (0.2, 1.0)
    assert found.reasons == ("p90 of 168 h is 0.2 cores, the peak 1 core; 15 % are added",)


def test_memory_is_reserved_by_its_percentile_and_limited_by_its_peak() -> None:
    found = proposed(Used((100 * MIB,) * 167 + (400 * MIB,), HOUR, WEEK), MEMORY)
    assert found.then == Present(115 * MIB, 460 * MIB)


def test_a_limit_of_cpu_is_proposed_only_where_there_is_one_and_then_by_the_peak() -> None:
    used = Used((0.2,) * 160 + (1.0,) * 8, HOUR, WEEK)
    assert proposed(used, now=Present(0.2, None)).then.limit is None
    assert proposed(used, now=Present(0.2, 3.0)).then.limit == 1.15


def test_the_keys_say_which_percentile_and_margin() -> None:
    used = Used(tuple(float(n) for n in range(1, 101)), 2 * HOUR, 200 * HOUR)
    assert proposed(used, cpu="p50", margin=0).then.reservation == 50
    assert proposed(used, cpu="p99", margin="50%").then.reservation == 148.5
    assert proposed(used, cpu="peak", margin=0).then.reservation == 100


def test_too_little_history_proposes_nothing_and_says_how_much_there_is() -> None:
    found = proposed(Used((0.2,) * 180, 60, WEEK, WEEK - 3 * HOUR))
    assert found.problem == "too little history: 3 h of 24 h"
    assert (found.then, found.usual, found.differs) == (NOTHING, None, False)


def test_a_day_with_a_scrape_missing_is_a_day() -> None:
    day = 24 * HOUR
    assert proposed(Used((0.2,) * 1438, 60, day), since="1d").problem == ""


@pytest.mark.parametrize(
    ("used", "says"),
    [
        (Used((0.1,) * 71 + (2.0,), HOUR, WEEK, WEEK - 72 * HOUR), "shorter than asked for, 72 h of 168 h"),
        (Used((0.1,) * 99 + (2.0,), HOUR, WEEK), "it has holes of 68 h together"),
    ],
)
def test_of_a_past_that_is_short_or_has_holes_nothing_below_the_peak_is_proposed(used: Used, says: str) -> None:
    found = proposed(used)
    assert found.usual == 0.1
    assert found.then.reservation == 2.3
    assert any(says in reason and reason.endswith("so the peak stands in for p90") for reason in found.reasons)


def test_what_prometheus_did_not_say_is_the_problem_and_no_zero() -> None:
    assert proposed(Used(problem="no answer within 3 s")).problem == "no answer within 3 s"
    assert proposed(Used((), 60, WEEK, WEEK)).problem == "nothing is known of its tasks' use in that time"


@pytest.mark.parametrize(
    ("now", "differs"),
    [
        (Present(0.23, None), False),
        (Present(0.27, None), False),
        (Present(0.28, None), True),
        (Present(0.19, None), False),
        (Present(0.18, None), True),
        (Present(None, None), True),
        (Present(0.23, 0.23), False),
        (Present(0.23, 4.0), True),
    ],
)
def test_only_what_is_far_enough_from_what_is_set_differs(now: Present, differs: bool) -> None:
    assert proposed(week(0.2), now=now).differs is differs


def test_who_was_at_the_limit_might_use_more_and_is_never_told_to_use_less() -> None:
    found = proposed(week(99 * MIB), MEMORY, Present(50 * MIB, 100 * MIB))
    assert found.then.limit is not None
    assert found.then.limit > 100 * MIB
    assert any(reason.startswith("it was at its limit of 100 MiB") for reason in found.reasons)


def test_docker_takes_no_less() -> None:
    assert proposed(week(0.0)).then.reservation == 0.01
    assert proposed(week(0.0), MEMORY).then == Present(6 * MIB, 6 * MIB)


def test_the_largest_node_that_is_ready_is_told_where_it_is_too_small() -> None:
    service = Service("id", "web", 7, 2, NOW)
    used = {CPU: week(3.0), MEMORY: week(MIB)}
    small = Node("1", "n1", Role.WORKER, NodeState.READY, Availability.ACTIVE, cpus=2, memory_bytes=2**30)
    large = replace(small, id="2", hostname="n2", cpus=8)
    nobody = "no node has so much: the largest has 2 cores"
    assert nobody in advise(service, used, KEYS, [small, replace(large, state=NodeState.DOWN)]).cpu.reasons
    assert nobody not in advise(service, used, KEYS, [small, large]).cpu.reasons


@pytest.mark.parametrize(
    ("resource", "value", "text"),
    [
        (CPU, 0.25, "0.25 cores"),
        (CPU, 1.0, "1 core"),
        (CPU, None, "-"),
        (MEMORY, 256 * MIB, "256 MiB"),
        (MEMORY, 1.5 * 2**30, "1.5 GiB"),
        (MEMORY, 2048.0, "2 KiB"),
        (MEMORY, 12.0, "12 bytes"),
    ],
)
def test_amounts_are_in_units_that_people_use(resource: Resource, value: float | None, text: str) -> None:
    assert amount(resource, value) == text


@given(uses, percents)
def test_a_percentile_is_a_value_that_was_seen_which_so_many_do_not_exceed_and_the_next_lower_does_not_do(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6
    assert sum(value < found for value in values) < len(values) * percent / 100


@given(uses, percents, percents)
def test_a_higher_percentile_is_never_less(values: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert percentile(values, low) <= percentile(values, high) <= max(values)


@given(st.data(), uses, percents)
def test_the_order_of_samples_is_irrelevant(data: st.DataObject, values: list[float], percent: float) -> None:
    shuffled = data.draw(st.permutations(values))
    assert percentile(shuffled, percent) == percentile(values, percent)


@given(uses, percents, st.integers(-20, 20))
def test_twice_the_use_is_twice_the_proposal(values: list[float], percent: float, power: int) -> None:
    """Powers of two, which floats multiply by exactly."""
    factor = 2.0**power
    assert percentile([factor * value for value in values], percent) == factor * percentile(values, percent)


@given(uses, st.sampled_from(Resource), percents, margins, st.booleans())
def test_nothing_is_proposed_below_the_percentile_and_no_limit_below_the_peak(
    values: list[float], resource: Resource, percent: float, margin: float, whole: bool
) -> None:
    used = Used(tuple(values), WEEK / len(values) * (1 if whole else 0.5), WEEK)
    found = proposed(used, resource, Present(None, 1.0), cpu=percent, memory=percent, margin=margin)
    reservation, limit = found.then.reservation, found.then.limit
    assert reservation is not None
    assert limit is not None
    assert reservation >= percentile(values, percent) * (1 - 1e-9) - 1e-9
    assert whole or reservation >= max(values) * (1 - 1e-9) - 1e-9
    assert limit >= max(reservation, max(values) * (1 - 1e-9) - 1e-9)
    assert reservation >= LEAST[resource]


@given(use, margins, margins, st.sampled_from(Resource))
def test_a_larger_margin_never_proposes_less(value: float, one: float, other: float, resource: Resource) -> None:
    low, high = sorted((one, other))
    assert value <= with_margin(value, low) <= with_margin(value, high)
    assert rounded_up(resource, with_margin(value, low)) <= rounded_up(resource, with_margin(value, high))


@given(st.lists(st.floats(0.02, 64), min_size=1, max_size=40), margins)
def test_what_is_proposed_is_near_enough_once_it_is_set(values: list[float], margin: float) -> None:
    used = Used(tuple(values), WEEK / len(values), WEEK)
    first = proposed(used, now=Present(None, 1.0), margin=margin)
    assert not proposed(used, now=first.then, margin=margin).differs
