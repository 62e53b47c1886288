# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategy `predictive`, through decide: what it foresees, what it does not act on, and that it does not oscillate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from swarmherd.decide.predict import Aim, Learner, steady
from swarmherd.decide.predict.holes import Holes
from swarmherd.decide.predict.learner import demands_at, error_of
from swarmherd.decide.predict.level import Level
from swarmherd.decide.predict.seasons import SCORES, Errors
from swarmherd.decide.predict.spend import Spending
from swarmherd.decide.predict.words import moment
from swarmherd.model import Outlook
from swarmherd.simulate import Account
from swarmherd.simulate.account import known

from tests.controller.simulate.lossy import lossy
from tests.controller.simulate.made import ACCOUNT, DAY, HOUR, demand, flat, hourly_burst, noisy, tried, turns

AIM = Aim(target=8.0, capacity=10.0, lead_seconds=60.0)
TUESDAY_NINE = 5 * 86400 + 9 * 3600.0
"""Tuesday, 6 January 1970, 09:00 UTC."""


def taught(values: np.ndarray, learner: Learner | None = None, start: float = 0.0) -> tuple[Learner, Outlook]:
    """A learner that saw `values`, one each 15 s, and what it says after the last."""
    learner = learner or Learner(AIM)
    outlook = Outlook(0.0, 0.0)
    for step, value in enumerate(values.tolist()):
        learner.see(start + 15.0 * step, value)
        outlook = learner.outlook(start + 15.0 * step)
    return learner, outlook


def test_a_burst_of_every_hour_is_met_with_replicas_that_are_ready() -> None:
    found = tried(hourly_burst(2 * DAY), strategy="predictive")
    hpa = found.compared["hpa"]
    assert found.outcome.lost_fraction < hpa.lost_fraction / 2
    assert found.outcome.replica_seconds <= 1.02 * hpa.replica_seconds
    assert found.outcome.changes < hpa.changes


def test_it_says_what_is_usual() -> None:
    found = tried(hourly_burst(DAY), strategy="predictive")
    told = [d.because for d in found.decisions if "minute 32 of the hour is usually" in d.because]
    assert told, "no decision speaks of the burst"
    assert "times" in told[-1]


def test_of_noise_around_a_level_it_loses_no_more_than_the_hpa_and_changes_less() -> None:
    """Of mere noise there is nothing to learn but how large it is."""
    found = tried(noisy(2 * DAY, 30.0), strategy="predictive")
    assert found.outcome.lost_fraction <= found.compared["hpa"].lost_fraction
    assert found.outcome.changes <= found.compared["hpa"].changes
    assert found.outcome.replica_seconds <= 1.02 * found.compared["hpa"].replica_seconds


@pytest.mark.parametrize(("spend", "least"), [(80, 0.74), (100, 0.94), (120, 1.05)])
def test_it_spends_what_it_may_spend(spend: int, least: float) -> None:
    found = tried(noisy(2 * DAY, 100.0), strategy="predictive", predictive={"spend": spend})
    assert least <= found.outcome.replica_seconds / found.compared["hpa"].replica_seconds <= spend / 100 + 0.05


@pytest.mark.parametrize("absurd", [1e308, math.inf, math.nan, -1.0])
def test_a_reading_that_no_demand_can_be_teaches_nothing(absurd: float) -> None:
    learner, _outlook = taught(noisy(3 * HOUR))
    other, _outlook = taught(noisy(3 * HOUR))
    learner.see(3 * 3600.0, absurd)
    assert learner.outlook(3 * 3600.0) == other.outlook(3 * 3600.0)


@pytest.mark.parametrize("times", [10.0, 1e6, 1e90])
def test_one_reading_that_no_other_bears_out_teaches_little(times: float) -> None:
    """Nor do several, far apart: none of them is the measure of the next one."""
    begin, hours, asked = 3 * HOUR, 2, noisy(5 * HOUR)
    strange = asked.copy()
    strange[[begin, begin + HOUR // 2, begin + HOUR]] *= times
    learner, other = taught(strange[:begin])[0], taught(asked[:begin])[0]
    for step in range(begin, begin + hours * HOUR):
        outlook = taught(strange[step : step + 1], learner, 15.0 * step)[1]
        usual = taught(asked[step : step + 1], other, 15.0 * step)[1]
        assert max(outlook.need, outlook.keep) < 2 * max(usual.need, usual.keep), step


def test_what_the_next_readings_bear_out_is_believed() -> None:
    learner, _outlook = taught(flat(3 * HOUR))
    _learner, outlook = taught(flat(HOUR // 6, 20000.0), learner, 3 * 3600.0)
    assert outlook.need >= 0.95 * 20000.0


@pytest.mark.parametrize("minutes", [1, 5, 30])
def test_a_hole_in_the_capture_is_not_acted_on(minutes: int) -> None:
    asked = noisy(12 * HOUR)
    asked[10 * HOUR : 10 * HOUR + 4 * minutes] = 0.0
    found = tried(asked, strategy="predictive")
    before, after = found.course.counts[10 * HOUR - 1], found.course.counts[10 * HOUR : 10 * HOUR + 4 * minutes + 8]
    assert after.min() >= 0.8 * before


@pytest.mark.parametrize("offset", range(4))
def test_the_edge_of_a_hole_is_no_trend(offset: int) -> None:
    """While the window's average falls into the hole, what has learned to follow ramps foretells next to nothing."""
    begin, steps = 10 * HOUR + offset, HOUR // 2
    asked = noisy(12 * HOUR, 20000.0) / 100 * (1 + 0.5 * np.sin(np.arange(12 * HOUR) / HOUR * 3 * np.pi))
    asked[begin : begin + steps] = 0.0
    counts = tried(asked, strategy="predictive").course.counts[begin - 1 : begin + steps]
    assert counts.min() * ACCOUNT.capacity >= 0.9 * asked[begin - 1]
    assert counts.max() <= 1.2 * counts[0], "nor is it a reason for more"


def test_in_a_hole_nothing_is_needed_but_what_is_measured_and_it_says_so() -> None:
    learner, _outlook = taught(flat(3 * HOUR))
    _learner, outlook = taught(flat(4, 20.0), learner, 3 * 3600.0)
    assert outlook.need == 20.0
    assert outlook.keep == pytest.approx(200.0 * AIM.capacity / AIM.target)
    assert "taken for a hole" in outlook.why


def test_a_fall_that_leaves_something_is_no_hole_nor_is_what_was_there_before_a_long_pause() -> None:
    learner, _outlook = taught(flat(3 * HOUR))
    _learner, outlook = taught(flat(4, 40.0), learner, 3 * 3600.0)
    assert "is expected in" in outlook.why
    learner, _outlook = taught(flat(3 * HOUR))
    _learner, outlook = taught(flat(4, 20.0), learner, 4 * 3600.0)
    assert "is expected in" in outlook.why


@pytest.mark.parametrize("minutes", [5, 25, 35])
def test_what_was_before_a_hole_is_known_after_it(minutes: int) -> None:
    """The first reading after it is an average of which half lies in the hole."""
    asked = noisy(9 * HOUR)
    asked[8 * HOUR : 8 * HOUR + 4 * minutes] = 0.0
    _learner, outlook = taught(known(asked)[: 8 * HOUR + 4 * minutes + 20])
    assert outlook.need > 0.9 * 200


def test_bursts_out_of_nothing_are_met_too() -> None:
    """What multiplies next to nothing is nothing: such bursts are known by their errors alone."""
    asked = 400.0 * (np.arange(4 * DAY) % HOUR < HOUR // 12)
    found = tried(asked, strategy="predictive")
    hpa = found.compared["hpa"]
    assert found.outcome.lost_fraction < hpa.lost_fraction / 2
    assert found.outcome.replica_seconds <= hpa.replica_seconds


@given(st.floats(1e-6, 1e6), st.lists(st.floats(-1e3, 1e3), min_size=len(SCORES), max_size=len(SCORES)))
def test_what_an_error_is_counted_in_it_is_foretold_in(base: float, errors: list[float]) -> None:
    demands = demands_at(0.0, math.sqrt(base), errors)
    assert [error_of(demand, 0.0, base) for demand in demands if demand > 0] == pytest.approx(
        [error for error in errors if error > 0]
    )


def test_chances_too_small_to_be_counted_are_a_matter_of_proportion() -> None:
    assert demands_at(100.0, 1.0, [0.0, 1.0, 2.0, 3.0, 4.0, 60.0]) == pytest.approx([100, 101, 102, 110, 130, 460])


def test_what_is_on_and_off_by_nature_is_not_paid_for_while_it_is_off() -> None:
    asked = 1.0 + 400.0 * (np.arange(7 * DAY) % (6 * HOUR) < HOUR // 3)
    found = tried(asked, strategy="predictive")
    assert found.outcome.replica_seconds <= 1.01 * found.compared["hpa"].replica_seconds


def fallen(holes: Holes, minutes: int, before: float = 100.0) -> int:
    """Minutes of a fall to nothing, after a day at `before`, that are taken for a hole."""
    for _reading in range(DAY):
        holes.see(before, 15.0)
    return sum(holes.see(0.0, 15.0) for _reading in range(4 * minutes)) // 4


def test_falls_that_last_are_believed_ever_sooner_and_holes_never() -> None:
    holes = Holes(100.0)
    assert [fallen(holes, 60) for _time in range(5)] == [39, 19, 9, 4, 4]
    assert [fallen(holes, 3) for _time in range(5)] == [3] * 5
    assert fallen(holes, 60) == 39, "those that did not last are holes again"


def test_no_more_than_forty_minutes_of_a_day_are_taken_for_holes() -> None:
    holes = Holes(100.0)
    off = [holes.see(100.0 if step % 80 < 40 else 0.0, 15.0) for step in range(5 * DAY)]
    assert sum(off[DAY:]) * 15 <= 4 * 40 * 60 + 60


def test_a_demand_that_really_ends_is_believed_after_a_while() -> None:
    asked = np.concatenate([noisy(8 * HOUR), np.full(3 * HOUR, 0.5)])
    found = tried(asked, strategy="predictive")
    assert found.course.counts[-1] < found.course.counts[8 * HOUR - 1] / 4


def test_a_level_that_never_was_is_believed_within_an_hour() -> None:
    learner, _outlook = taught(hourly_burst(12 * HOUR))
    _learner, outlook = taught(flat(HOUR, 250.0), learner, 12 * 3600.0)
    assert outlook.need >= 225


def test_after_days_without_any_noise_a_jump_does_not_ask_for_much_more_than_there_ever_was() -> None:
    learner, _outlook = taught(flat(2 * DAY, 100.0))
    needs = []
    for step in range(4 * HOUR):
        learner.see(2 * 86400.0 + 15.0 * step, 200.0 if step % HOUR < HOUR // 2 else 100.0)
        needs.append(learner.outlook(2 * 86400.0 + 15.0 * step).need)
    assert max(needs) < 400


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1e-9, 1.0, 30.0, 100.0, 5000.0]), st.integers(1, 120)), max_size=12),
    st.integers(0, 2**32 - 1),
)
@example([(0.0, 60), (30.0, 3), (0.0, 60), (30.0, 60)], 2)
def test_whatever_was_read_the_need_is_no_more_than_some_times_that(levels: list[tuple[float, int]], seed: int) -> None:
    """Levels that last for minutes, with noise, zero and next to nothing among them."""
    noise = np.random.default_rng(seed)
    asked = np.concatenate([flat(4 * HOUR, 1.0), *(flat(4 * minutes, level) for level, minutes in levels)])
    asked *= noise.uniform(0.8, 1.2, len(asked))
    learner = Learner(AIM)
    for step, value in enumerate(asked.tolist()):
        learner.see(15.0 * step, value)
        outlook = learner.outlook(15.0 * step)
        assert 0 <= outlook.need <= 10 * asked[: step + 1].max()
        assert math.isfinite(outlook.keep)


def test_what_was_tracked_while_it_watched_is_not_repaid() -> None:
    """The first hours at which it spends itself cost about what tracking does."""
    falling = noisy(6 * HOUR) * np.repeat([1.0, 0.4], 3 * HOUR)
    found = tried(falling, strategy="predictive")
    tracked = tried(falling).course.counts
    assert found.course.counts[2 * HOUR : 4 * HOUR].sum() > 0.9 * tracked[2 * HOUR : 4 * HOUR].sum()


def test_an_error_that_comes_every_day_is_remembered_for_its_time_of_day() -> None:
    errors, noise = Errors(), np.random.default_rng(1)
    said = errors.quantiles(0, 1.0)
    for minute in range(10 * 1440):
        errors.see(minute, 20.0 if minute % 1440 == 185 and minute // 1440 % 2 else noise.normal(), said)
    rare = SCORES.index(2.0)
    at_five_past_three, an_hour_later = errors.quantiles(185, 1.0).joined, errors.quantiles(245, 1.0).joined
    assert at_five_past_three[rare] > 10 > an_hour_later[rare]


@pytest.mark.parametrize(("size", "weight"), [(5.0, 0), (1.0, 1)])
def test_a_phase_is_believed_soon_where_phases_tell_and_late_where_they_do_not(size: float, weight: int) -> None:
    errors, noise = Errors(), np.random.default_rng(1)
    for minute in range(1440):
        error = noise.standard_t(3) * (size if minute % 60 < 20 else 1.0)
        errors.see(minute, error, errors.quantiles(minute, 1.0))
    found, rare = errors.quantiles(1440 + 10, 1.0), SCORES.index(2.0)
    own, other = (abs(found.joined[rare] - one[rare]) for one in (found.by_weight[weight], found.by_weight[1 - weight]))
    assert own < other / 2


def test_bad_forecasts_of_the_first_hours_do_not_count_all_day() -> None:
    """In the first two hours four times as much was foretold; who believed that every size of headroom costs so much
    would have the smallest ever after."""
    spending, chosen = Spending(8.0, 10.0, 1.0, 1), []
    for minute in range(9 * 60):
        needs = [need * (4 if minute < 120 else 1) for need in (200.0, 220.0, 230.0, 240.0, 260.0, 300.0)]
        for step in range(4):
            chosen.append(spending.chosen(needs))
            spending.pay(60.0 * minute + 15.0 * step, 15.0, 200.0, chosen[-1], chosen[-1])
        spending.see(needs, needs)
    assert np.mean(chosen[6 * HOUR :]) > 0.9 * 250, "250 is what tracking has room for"


def test_a_season_that_breaks_is_served_all_the_same() -> None:
    usual, broken = hourly_burst(2 * DAY), noisy(6 * HOUR, 400.0)
    found = tried(np.concatenate([usual, broken]), strategy="predictive")
    settled = slice(2 * DAY + 40, None)
    room = found.course.ready[settled] * 10.0
    assert np.maximum(0, broken[40:] - room).sum() < 0.01 * broken.sum()


def test_a_flash_crowd_that_nobody_foresaw_is_followed_at_once() -> None:
    asked = flat(8 * HOUR, 100.0)
    asked[6 * HOUR :] = 900.0
    found = tried(asked, strategy="predictive")
    assert found.course.ready[6 * HOUR + 16] * 10 >= 900
    assert found.outcome.lost_fraction <= 1.1 * found.compared["hpa"].lost_fraction


def test_it_never_asks_for_less_than_what_is_measured_now_needs() -> None:
    found = tried(hourly_burst(DAY), strategy="predictive", predictive={"spend": 50}, step={"up": 1000, "down": 1000})
    need = np.ceil(known(hourly_burst(DAY)) / 10.0 - 1e-9)
    assert (found.course.counts >= need)[3 * HOUR :].all()


def test_a_short_history_is_said_and_the_target_followed() -> None:
    found = tried(np.linspace(80, 400, HOUR), strategy="predictive")
    assert found.decisions
    assert all("not foretold: its history is only" in one.because for one in found.decisions)


def test_a_forecast_that_is_too_low_again_and_again_is_not_relied_on() -> None:
    learner, _outlook = taught(noisy(6 * HOUR))
    climbing = 200.0 * 1.5 ** (np.arange(120) / 4)  # half as much again every minute, for half an hour
    problems = []
    for step, value in enumerate(climbing.tolist(), 6 * HOUR):
        learner.see(15.0 * step, value)
        problems.append(learner.outlook(15.0 * step).problem)
    assert any("above the forecast" in problem for problem in problems)


def test_what_is_unknown_teaches_nothing() -> None:
    asked = noisy(4 * HOUR)
    sure, _first = taught(asked)
    unsure, _second = taught(asked)
    for nothing in (None, math.nan, math.inf, -5.0):
        unsure.see(15.0 * 4 * HOUR, nothing)
    at = 15.0 * (4 * HOUR + 1)
    assert sure.outlook(at) == unsure.outlook(at)


def test_it_may_be_asked_for_the_first_time_after_hours() -> None:
    learner = Learner(AIM)
    for step, value in enumerate(noisy(4 * HOUR).tolist()):
        learner.see(15.0 * step, value)
    assert 150 < learner.outlook(4 * 3600.0).need < 400


def test_a_clock_that_jumps_back_teaches_nothing_until_it_has_caught_up() -> None:
    learner, before = taught(noisy(4 * HOUR))
    for step in range(40):
        learner.see(15.0 * step, 9999.0)
    assert learner.outlook(15.0 * (4 * HOUR - 1)).need == pytest.approx(before.need)


@pytest.mark.parametrize("back", [1.0, 60.0, 3600.0])
def test_a_clock_that_is_set_back_right_after_the_first_answer_costs_nothing(back: float) -> None:
    """A minute back came to a division by nought."""
    learner = Learner(AIM)
    learner.see(7200.0, 100.0)
    first = learner.outlook(7200.0)
    assert learner.outlook(7200.0 - back) == first


def test_a_clock_that_jumps_ahead_keeps_the_seasons_and_begins_anew_with_the_level() -> None:
    learner, _outlook = taught(noisy(4 * HOUR))
    start = 15.0 * 4 * HOUR + 86400
    _learner, outlook = taught(noisy(20, 50.0), learner, start)
    assert outlook.need < 150


def test_the_weekday_is_named_as_the_calendar_has_it() -> None:
    assert moment(int(TUESDAY_NINE // 60), "week") == "Tuesday 09:00"


def test_the_same_readings_give_the_same_outlook() -> None:
    asked = hourly_burst(8 * HOUR)
    assert taught(asked)[1] == taught(asked)[1]


@given(st.integers(1, 500), st.floats(0, 500), st.floats(0, 500), st.floats(0.05, 0.25))
def test_a_count_once_steady_stays(count: int, need: float, keep: float, room: float) -> None:
    once = steady(count, need, keep, room)
    assert once >= min(need, count) - 1e-6
    assert steady(once, need, keep, room) == once


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1),
    level=st.floats(5, 1000),
    lost_share=st.floats(0, 0.3),
    startup=st.sampled_from([0.0, 30.0, 60.0, 240.0]),
)
def test_it_does_not_oscillate(seed: int, level: float, lost_share: float, startup: float) -> None:
    """Random traffic around a level, start-up times, and samples that are missing: few turns an hour."""
    asked = demand(noisy(6 * HOUR, level, seed))
    done = lossy(asked, Account(10.0, startup), lost_share, seed)
    assert turns(done.counts) <= 6 * 12


@pytest.mark.parametrize("step", [15.0, 60.0, 90.0, 120.0])
def test_averages_take_the_time_that_they_are_called_after_at_every_interval_of_cycles(step: float) -> None:
    """The plain average is one over two minutes: after six a jump from 0 is in it but for e to the power of -3."""
    level = Level()
    for number in range(int(360 / step) + 1):
        level.see(number * step, float(number > 0))
    level.look(6, 1)
    assert level.value == pytest.approx(1 - math.exp(-3))
