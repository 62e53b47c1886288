# SPDX-License-Identifier: GPL-3.0-or-later
"""What `predictive` learns live: from Prometheus' past, then cycle by cycle, and nothing from what is unknown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from swarmherd.decide.predict import Learner, foreseen
from swarmherd.model import Outlook, Reading, Sample, Service
from swarmherd.observe.histories import ATTEMPTS, Histories
from swarmherd.observe.prometheus import Prometheus
from swarmherd.policy import Policy, queries

from tests.controller.conftest import Metrics
from tests.controller.observe.past import HOUR, Demand, Past, usual

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
BEFORE = NOON + timedelta(minutes=30)
"""A burst is near."""
CHUNK = 4 * HOUR
KEY = ("web", "requests_per_replica")


class Live:
    """A cluster's histories, and cycles of which each reads the present demand."""

    def __init__(self, metrics: Metrics, interval_seconds: float = 15, **predictive: object) -> None:
        self.prometheus = Prometheus(metrics.url, timeout_seconds=2, scrape_interval_seconds=15)
        self.leads: list[float | None] = [None]
        self.histories = Histories(self.prometheus, lambda _service: self.leads[-1], 60, interval_seconds)
        self.write(**{"history": "12h", **predictive})

    def write(self, target: float = 10, **predictive: object) -> None:
        scale = {"max": 99, "strategy": "predictive", "metrics": [{"requests_per_replica": target}]}
        self.policy = Policy.model_validate({"services": {"web": {"scale": {**scale, "predictive": predictive}}}})

    def cycle(self, now: datetime, demand: Demand = usual) -> Outlook:
        web = Service("id", "web", 3, 1, NOON)
        asked = queries(self.policy, [web])
        reading = Reading(demand(now.timestamp()), now, "", "no series")
        return self.histories.outlooks(self.policy, [web], asked, {KEY: Sample(reading)}, now)[KEY]


@pytest.fixture
def past(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Past:
    monkeypatch.setattr("swarmherd.observe.histories.CHUNK_SECONDS", CHUNK)
    return Past(metrics)


@pytest.fixture
def live(metrics: Metrics, past: Past) -> Iterator[Live]:  # noqa: ARG001  (it must answer before the first cycle)
    one = Live(metrics)
    yield one
    one.prometheus.close()


def test_the_first_cycle_knows_what_was_usual_at_this_minute_of_the_hours_before(live: Live, past: Past) -> None:
    outlook = live.cycle(BEFORE)
    assert outlook.problem == ""
    assert outlook.need > 300, "100 now, 400 in two minutes"
    assert "of the hour is usually" in outlook.why
    assert past.ranges[0][0] == BEFORE.timestamp() - 12 * HOUR + 15


@pytest.mark.parametrize("interval", [15, 25])
def test_the_past_is_learned_from_as_if_the_cycles_had_read_it(metrics: Metrics, past: Past, interval: int) -> None:
    """A level that was fitted to readings of each minute would weigh those of every 15 s wrongly."""
    live = Live(metrics, interval)
    web = Service("id", "web", 3, 1, NOON)
    [wanted] = foreseen(live.policy, [web], queries(live.policy, [web]), lambda _service: None)
    learner = Learner(wanted.aim)
    begin = math.ceil((BEFORE.timestamp() - 12 * HOUR) / interval) * interval + interval
    for at in range(begin, int(BEFORE.timestamp()) + 1, interval):
        learner.see(at, past.demand(at))
        cycle_by_cycle = learner.outlook(at)
    assert live.cycle(BEFORE) == cycle_by_cycle


@pytest.mark.parametrize(("interval", "step"), [(5, 15), (15, 15), (40, 40), (600, 60)])
def test_the_past_is_read_in_the_steps_of_the_cycles(metrics: Metrics, past: Past, interval: int, step: int) -> None:
    Live(metrics, interval).cycle(BEFORE)
    assert past.steps == {step}


def test_no_stretch_is_longer_than_a_chunk_and_none_is_asked_for_twice(live: Live, past: Past) -> None:
    live.cycle(BEFORE)
    assert len(past.ranges) == 3
    assert all(end - start <= CHUNK for start, end in past.ranges)
    assert all(after[0] > before[1] for before, after in zip(past.ranges, past.ranges[1:], strict=False))
    for seconds in range(15, 600, 15):
        live.cycle(BEFORE + timedelta(seconds=seconds))
    assert len(past.ranges) == 3, "later cycles teach by what they read themselves"


def test_a_learner_lives_on_and_learns_from_the_cycles(live: Live, past: Past) -> None:
    past.demand = lambda _at: 100.0
    quiet = live.cycle(NOON)
    for seconds in range(15, 3000, 15):  # at the full hour it may jump again
        outlook = live.cycle(NOON + timedelta(seconds=seconds), lambda _at: 250.0)
    assert quiet.need < 150
    assert 250 <= outlook.need < 262.5, "a little is added for what was never seen"


def test_what_was_missed_is_asked_for_once_it_can_be(live: Live, past: Past) -> None:
    live.cycle(BEFORE)
    past.ranges.clear()
    later = BEFORE + timedelta(hours=2)
    live.cycle(later)
    [(start, end)] = past.ranges
    assert start - BEFORE.timestamp() <= 15
    assert later.timestamp() - end < 15


def test_an_unknown_present_teaches_nothing_and_asks_for_no_past(live: Live, past: Past) -> None:
    outlook = live.cycle(BEFORE, lambda _at: None)
    assert outlook.problem == "the present demand is unknown"
    assert not past.ranges


def test_a_budget_spreads_the_past_over_cycles_and_until_then_nothing_is_foretold(live: Live) -> None:
    live.histories.budget_seconds = 0.0
    assert live.cycle(BEFORE).problem == "its history is still being read, 12 h of 12 h are left"
    live.histories.budget_seconds = 60.0
    assert live.cycle(BEFORE + timedelta(seconds=15)).problem == ""


def test_a_past_that_cannot_be_read_is_said_and_passed_over_after_some_attempts(live: Live, past: Past) -> None:
    past.broken = (503, "text/plain", b"the disk is full")
    problems = [live.cycle(BEFORE + timedelta(seconds=15 * n)).problem for n in range(3 * ATTEMPTS)]
    assert all("its history cannot be read: Prometheus refused" in one for one in problems[:-1])
    assert len(past.ranges) == 3 * ATTEMPTS, "one attempt a cycle"
    past.broken = None
    assert live.cycle(BEFORE + timedelta(minutes=3)).problem == "its history is only 2 min long"


def test_a_history_shorter_than_asked_for_serves_as_far_as_it_goes(live: Live, past: Past) -> None:
    past.since = BEFORE.timestamp() - 1.5 * HOUR
    assert live.cycle(BEFORE).problem.startswith("its history is only 9")
    past.since -= 4 * HOUR
    live.write(history="2d")
    assert live.cycle(BEFORE).problem == ""


@pytest.mark.parametrize("hole", [None, 0.0, float("nan")])
def test_a_hole_in_the_past_is_not_acted_on(metrics: Metrics, hole: float | None) -> None:
    ends = BEFORE.timestamp() - 600

    def holed(at: float) -> float | None:
        return hole if ends - 1500 <= at < ends else usual(at)

    Past(metrics, holed)
    with_hole = Live(metrics).cycle(BEFORE)
    Past(metrics)
    without = Live(metrics).cycle(BEFORE)
    assert with_hole.problem == ""
    assert with_hole.need == pytest.approx(without.need, rel=0.25)


def test_a_season_that_breaks_is_left_to_the_present(live: Live) -> None:
    """A holiday: nobody comes at the usual minutes. What is measured stays, and the outlook comes down again."""

    def holiday(_at: float) -> float:
        return 100.0

    live.cycle(BEFORE)
    for seconds in range(30, 2 * 3600, 30):
        outlook = live.cycle(BEFORE + timedelta(seconds=seconds), holiday)
    assert outlook.need < 200


def test_a_clock_that_went_ahead_and_back_has_the_history_read_anew(live: Live, past: Past) -> None:
    live.cycle(BEFORE + timedelta(hours=5), lambda _at: 9999.0)
    past.ranges.clear()
    outlook = live.cycle(BEFORE)
    assert len(past.ranges) == 3
    assert outlook.problem == ""
    assert 300 < outlook.need < 2000


def test_a_clock_that_goes_back_by_seconds_is_waited_for(live: Live, past: Past) -> None:
    before = live.cycle(BEFORE)
    past.ranges.clear()
    assert live.cycle(BEFORE - timedelta(seconds=20), lambda _at: 9999.0).need == pytest.approx(before.need, rel=0.1)
    assert not past.ranges


def test_another_target_or_a_start_that_takes_much_longer_is_learned_from_the_beginning(live: Live, past: Past) -> None:
    live.cycle(BEFORE)
    past.ranges.clear()
    live.leads.append(70.0)
    live.cycle(BEFORE + timedelta(minutes=20))
    assert len(past.ranges) == 1, "70 s are near 60 s: only what was missed is read"
    past.ranges.clear()
    live.leads.append(300.0)
    live.cycle(BEFORE + timedelta(minutes=40))
    assert len(past.ranges) == 3
    past.ranges.clear()
    live.write(target=20, history="12h")
    live.cycle(BEFORE + timedelta(minutes=40))
    assert len(past.ranges) == 3


def test_a_service_that_is_no_longer_foretold_is_forgotten(live: Live, past: Past) -> None:
    live.cycle(BEFORE)
    foretold, live.policy = live.policy, Policy()
    web = Service("id", "web", 3, 1, NOON)
    assert live.histories.outlooks(live.policy, [web], (), {}, BEFORE) == {}
    live.policy = foretold
    live.cycle(BEFORE)
    assert len(past.ranges) == 6


def test_of_a_service_that_is_gone_no_start_up_time_is_kept(live: Live) -> None:
    live.cycle(BEFORE)
    assert set(live.histories._leads) == {"web"}
    live.histories.outlooks(Policy(), [], [], {}, BEFORE + timedelta(hours=1))
    assert live.histories._leads == {}
