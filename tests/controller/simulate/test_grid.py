# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid of settings, its frontier, what is recommended, and a past with holes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.policy import ScaleKeys, Strategy
from swarmherd.policy.merge import complete
from swarmherd.simulate import (
    Outcome,
    Setting,
    TraceError,
    Tried,
    advice,
    backtest,
    demand_of,
    frontier,
    happened,
    metric_of,
    replicas_of,
    settings,
    tried,
)
from swarmherd.simulate.account import known
from swarmherd.simulate.scatter import Dot, scatter
from swarmherd.simulate.trace import STEP_SECONDS

from tests.controller.simulate.made import ACCOUNT, HOUR, demand, hourly_burst
from tests.controller.simulate.made import tried as one_tried

KEYS = ScaleKeys.model_validate({"min": 2, "max": 90, "metrics": [{"requests_per_replica": 8}], "cooldown": "3m"})
MINUTE = 60.0


def came(lost: float, seconds: float) -> Outcome:
    return Outcome(lost, seconds, 1.0, 0, 1, 0.0)


def of(lost: float, seconds: float, target: float = 7.0) -> Tried:
    return Tried(Setting(Strategy.TARGET, target, None, KEYS), came(lost, seconds))


def test_each_setting_keeps_the_policys_bounds_and_says_what_sets_it_apart() -> None:
    grid = list(settings(KEYS, 10.0))
    assert {one.strategy for one in grid} == {Strategy.TARGET, Strategy.PREDICTIVE}
    assert len({one.name for one in grid}) == len(grid)
    assert all((one.keys.min, one.keys.max, one.keys.cooldown) == (2, 90, KEYS.cooldown) for one in grid)
    assert "predictive, target 8, spend 90 %" in {one.name for one in grid}


def test_around_a_latency_others_are_tried_that_some_number_of_replicas_reaches() -> None:
    metric = {"queue": {"replica_capacity": 10}, "target": {"p95": "500ms"}}
    keys = KEYS.model_copy(update={"metrics": ScaleKeys.model_validate({"metrics": [metric]}).metrics})
    found = {one.name: one for one in settings(keys, 10.0) if one.percentile}
    assert list(found) == ["target, p95 375 ms", "target, p95 750 ms", "target, p95 1 s", "target, p95 2 s"]
    asked = demand(hourly_burst(6 * HOUR))
    strict, lax = (tried(one, asked, ACCOUNT).outcome for one in (*found.values(),)[:: len(found) - 1])
    assert strict.lost_fraction <= lax.lost_fraction
    assert strict.replica_seconds > lax.replica_seconds


def test_a_setting_that_is_the_policy_comes_to_the_same() -> None:
    asked = demand(hourly_burst(6 * HOUR))
    [same] = [one for one in settings(KEYS.model_copy(update={"min": 1, "max": 1000}), 10.0) if one.target == 8.0][:1]
    found = one_tried(asked.values, cooldown="3m").outcome
    assert tried(same, asked, ACCOUNT).outcome == found


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e6)), min_size=1, max_size=12))
def test_the_frontier_is_what_no_other_beats_at_both(pairs: list[tuple[float, float]]) -> None:
    outcomes = [came(*pair) for pair in pairs]
    best = frontier(outcomes)
    chosen = [outcomes[index] for index in best]
    for one in outcomes:
        assert any(b.lost_fraction <= one.lost_fraction and b.replica_seconds <= one.replica_seconds for b in chosen)
    for left, right in pairwise(chosen):
        assert left.replica_seconds < right.replica_seconds
        assert left.lost_fraction > right.lost_fraction


def test_the_cheapest_that_loses_no_more_is_recommended_and_says_by_how_much() -> None:
    found = advice(came(0.01, 1000), [of(0.01, 900), of(0.005, 950), of(0.02, 500)])
    assert found.setting is not None
    assert found.why == "target, target 7: it loses 1.000% where the policy loses 1.000%, for 90% of the policy's " + (
        "replica hours"
    )


def test_where_nothing_is_cheaper_the_one_that_loses_less_for_as_much_is_recommended() -> None:
    found = advice(came(0.01, 1000), [of(0.004, 999), of(0.0, 2000)])
    assert found.setting is not None
    assert "it loses 0.400%" in found.why


def test_a_policy_that_nothing_beats_is_kept() -> None:
    found = advice(came(0.01, 1000), [of(0.02, 900), of(0.0, 1500), of(0.01, 995)])
    assert found.setting is None
    assert found.why == (
        "keep the policy: nothing that was tried loses at most 1.000% and saves 2% or more of its replica time"
    )


def test_what_may_be_lost_decides_where_it_is_said() -> None:
    grid = [of(0.02, 500), of(0.0, 1500)]
    assert advice(came(0.01, 1000), grid, 0.03).setting is grid[0].setting
    assert advice(came(0.01, 1000), grid, 0.001).setting is grid[1].setting
    found = advice(came(0.03, 1000), grid[:1], 0.001)
    assert found.setting is grid[0].setting
    assert "nothing that was tried loses at most 0.100%" in found.why


@pytest.mark.parametrize("lost", [0.02, 0.01, 0.0099])
def test_what_loses_no_less_than_the_policy_is_not_recommended_where_nothing_loses_little_enough(lost: float) -> None:
    found = advice(came(0.01, 1000), [of(lost, 2000)], 0.005)
    assert found.setting is None
    assert found.why == (
        "keep the policy, which loses 1.000%: nothing that was tried loses at most 0.500%, nor 2% less than the "
        "policy; to lose less, start replicas faster or aim at less load"
    )


def past(minutes: int, hole: range = range(0), level: float = 100.0) -> list[tuple[float, float]]:
    return [(6000.0 + MINUTE * m, level) for m in range(minutes) if m not in hole]


def test_a_past_without_holes_is_taken_as_it_is() -> None:
    found = demand_of("web", past(120), MINUTE)
    assert (found.first_second, found.seconds, found.gaps) == (6000.0, 119 * 60 + 15, 0)
    assert found.holes is not None
    assert not found.holes.any()


def test_in_a_hole_a_policy_is_blind_and_nothing_that_is_lost_is_counted() -> None:
    found = demand_of("web", past(240, range(100, 160)), MINUTE)
    assert found.gaps == 1
    assert found.holes is not None
    assert found.holes.sum() == 61 * 4 - 1, "between the last known minute and the next"
    falling = replace(
        found, values=np.where(found.holes, 1000.0, np.where(np.arange(len(found.values)) > 400, 20, 100))
    )
    keys = ScaleKeys.model_validate({"max": 90, "metrics": [{"requests_per_replica": 8}]})
    done = backtest(falling, complete(keys), keys, ACCOUNT)
    held = done.course.counts[found.holes]
    assert len(set(held[4:].tolist())) == 1, "nothing changes while nothing is known"
    assert done.outcome.lost_fraction < 0.01, "the 1000 in the hole are nobody's"


def test_in_a_hole_others_are_as_blind_as_the_policy_and_the_oracle_follows_the_line() -> None:
    points = past(240, range(100, 160))
    found = demand_of("web", [(at, 1000.0 if minute < 100 else 100.0) for minute, (at, _rate) in enumerate(points)], 60)
    assert found.holes is not None
    unholed = replace(found, holes=None)
    keys = ScaleKeys.model_validate({"max": 200, "metrics": [{"requests_per_replica": 8}]})
    names = ("hpa", "keda", "nomad", "oracle")
    blind = backtest(found, complete(keys), keys, ACCOUNT, names)
    following = backtest(unholed, complete(keys), keys, ACCOUNT, names)
    for name in ("hpa", "keda", "nomad"):
        held, followed = blind.compared[name].replica_seconds, following.compared[name].replica_seconds
        assert held > followed + 0.3 * 125 * 3600, "an hour at the peak's 125 replicas"
        assert held == pytest.approx(blind.outcome.replica_seconds, rel=0.03)
    assert blind.compared["oracle"].replica_seconds == following.compared["oracle"].replica_seconds


def test_what_came_before_is_read_as_a_trial_through_it_would_read_it_and_not_in_holes() -> None:
    points = past(240, range(100, 160))
    asked = demand_of("web", points, MINUTE)
    assert asked.holes is not None
    steps = asked.first_second + STEP_SECONDS * np.arange(len(asked.values))
    at, read = np.array(metric_of(points, MINUTE)).T
    assert at.tolist() == steps[~asked.holes].tolist()
    assert read.tolist() == known(asked.values)[~asked.holes].tolist()
    assert metric_of([], MINUTE) == ()


def test_a_past_that_says_too_little_is_refused_in_a_sentence() -> None:
    with pytest.raises(TraceError, match="web: nothing is known of its demand"):
        demand_of("web", [], MINUTE)
    with pytest.raises(TraceError, match="web: only 59 min is known"):
        demand_of("web", past(59), MINUTE)
    with pytest.raises(TraceError, match="nothing was ever asked for"):
        demand_of("web", past(90, level=0.0), MINUTE)


def test_replicas_hold_until_they_change_and_are_unknown_before_they_were_seen() -> None:
    asked = demand_of("web", past(120), MINUTE)
    course = replicas_of([(0.0, 2.0), (6000.0 + 60 * MINUTE, 5.0)], asked, float("inf"))
    assert course is not None
    assert course.counts[239] == 2
    assert course.counts[240] == 5
    assert replicas_of([(6000.0 + 100 * MINUTE, 5.0)], asked, float("inf")) is None, "most of the time is unknown"
    assert replicas_of([(0.0, 2.0)], asked, 300.0) is None, "a count of long ago says nothing"
    assert replicas_of([], asked, 300.0) is None


def test_while_no_replica_is_seen_nothing_is_billed() -> None:
    """75 minutes with 10 replicas, then none for 45."""
    asked = demand_of("web", past(120), MINUTE)
    course = replicas_of([(6000.0 + MINUTE * m, 10.0) for m in range(76)], asked, 300.0)
    assert course is not None
    assert course.unseen is not None
    assert course.counts[-1] == 0
    was = happened(asked, course, ACCOUNT).outcome
    assert was.replica_seconds == pytest.approx(10 * 80 * 60, abs=200)
    assert was.oracle_replica_seconds == was.replica_seconds, "of the time that is known"
    assert (was.lost_fraction, was.changes, was.max_replicas) == (0.0, 0, 10)


def test_the_picture_names_each_dot_once_and_escapes() -> None:
    dots = [Dot("a<b", 1.0, 2.0, "served", named=True), Dot("near", 1.0, 2.0, "served", named=True)]
    drawn = scatter("t", "s", dots, dots[:1])
    assert drawn.count("<circle") == 2
    assert "a&lt;b: 2.000 % lost, 1.0 replica hours" in drawn
    assert ">near</text>" not in drawn, "its name would lie over the first"
    assert "<circle" in scatter("t", "s", [Dot("one", 5.0, 0.0, "up")], [])
