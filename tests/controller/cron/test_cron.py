# SPDX-License-Identifier: GPL-3.0-or-later
"""Times that come again: what cron's words mean, and what they mean on the nights when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.cron import Cron, CronError, at_time, last_until, next_after, parse_cron, parse_weekdays

GREENWICH = ZoneInfo("UTC")
BERLIN, SANTIAGO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Santiago")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def coming(text: str, after: str, count: int = 1, zone: ZoneInfo = GREENWICH) -> list[str]:
    cron, at, found = parse_cron(text), utc(after), []
    for _turn in range(count):
        at = next_after(cron, zone, at)
        found.append(f"{at:%Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("text", "comes"),
    [
        ("*/20 * * * *", ["2026-03-04 12:20", "2026-03-04 12:40", "2026-03-04 13:00"]),
        ("5,50 8-18/5 * * *", ["2026-03-04 13:05", "2026-03-04 13:50", "2026-03-04 18:05"]),
        ("0 22 * * mon-fri", ["2026-03-04 22:00", "2026-03-05 22:00", "2026-03-06 22:00", "2026-03-09 22:00"]),
        ("0 0 * * 7", ["2026-03-08 00:00", "2026-03-15 00:00"]),
        ("0 0 * * SUN", ["2026-03-08 00:00"]),
        ("30 6 1,15 * *", ["2026-03-15 06:30", "2026-04-01 06:30"]),
        ("0 0 13 * fri", ["2026-03-06 00:00", "2026-03-13 00:00", "2026-03-20 00:00"]),
        ("0 12 29 feb *", ["2028-02-29 12:00", "2032-02-29 12:00"]),
        ("@yearly", ["2027-01-01 00:00"]),
        (" @Hourly ", ["2026-03-04 13:00"]),
    ],
)
def test_it_comes_when_cron_says(text: str, comes: list[str]) -> None:
    assert coming(text, "2026-03-04 12:00", len(comes)) == comes


def test_the_rarest_day_is_found_over_a_century_without_its_leap_year() -> None:
    assert coming("0 0 29 2 *", "2096-03-01 00:00") == ["2104-02-29 00:00"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 22 * *", "has 4 fields, and not 5; write minute, hour, day, month and weekday"),
        ("", "has 0 fields"),
        ("60 * * * *", "minute '60' is not understood; write a number from 0 to 59"),
        ("0 24 * * *", "hour '24' is not understood"),
        ("0 0 0 * *", "day '0' is not understood; write a number from 1 to 31"),
        ("0 0 * mai *", "month 'mai' is not understood; write a number from 1 to 12 or jan, feb"),
        ("0 0 * * fri-mon", "weekday 'fri-mon' ends before it begins; write two parts with a comma: fri,mon"),
        ("*/0 * * * *", "minute '*/0' is no step"),
        ("5/10 * * * *", "minute '5/10' is no step; write */15 or 0-59/2"),
        ("-5 * * * *", "minute '' is not understood"),
        ("1,,2 * * * *", "minute '' is not understood"),
        ("٣ * * * *", "is not understood"),
        ("0 0 31 2,4 *", "names a day that no year has"),
        ("x" * 99, "xxx...' has 1 fields"),
    ],
)
def test_what_is_no_time_is_told_with_its_remedy(text: str, says: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(text)
    assert says in str(caught.value)


def test_a_time_that_clocks_skip_comes_as_much_later_and_only_that_day() -> None:
    assert coming("30 2 * * *", "2026-03-28 12:00", 2, BERLIN) == ["2026-03-29 01:30", "2026-03-30 00:30"]
    assert coming("0 0 * * *", "2026-09-05 12:00", 1, SANTIAGO) == ["2026-09-06 04:00"]


def test_a_time_that_comes_twice_counts_the_first_time() -> None:
    assert coming("30 2 * * *", "2026-10-24 12:00", 2, BERLIN) == ["2026-10-25 00:30", "2026-10-26 01:30"]


def test_a_step_of_hours_goes_by_the_wall() -> None:
    turns = ["2026-03-28 23:00", "2026-03-29 02:00", "2026-03-29 04:00"]
    assert coming("0 */2 * * *", "2026-03-28 22:00", 3, BERLIN) == turns, "00:00, 04:00, 06:00: 02:00 is skipped"
    turns = ["2026-10-24 22:00", "2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 03:00"]
    assert coming("0 */2 * * *", "2026-10-24 21:00", 4, BERLIN) == turns, "00:00, 02:00 twice, 04:00"


@pytest.mark.parametrize("night", ["2026-03-28 21:00", "2026-10-24 21:00"])
def test_what_goes_by_hours_comes_every_real_hour_of_such_a_night(night: str) -> None:
    hours = [f"{utc(night) + timedelta(hours=number):%Y-%m-%d %H:%M}" for number in range(1, 9)]
    assert coming("0 * * * *", night, 8, BERLIN) == hours


def test_weekdays_are_sunday_first_and_any_without_a_name() -> None:
    assert parse_weekdays("mon-wed,sun") == {0, 1, 2, 3}
    assert next_after(at_time(time(5, 30)), BERLIN, utc("2026-03-04 12:00")) == utc("2026-03-05 04:30")


fields = st.tuples(
    st.sampled_from(["*", "*/7", "0", "3,59", "10-20"]),
    st.sampled_from(["*", "*/5", "2", "0,23", "1-3"]),
    st.sampled_from(["*", "1", "31", "28-30"]),
    st.sampled_from(["*", "3,10", "dec"]),
    st.sampled_from(["*", "sun", "mon-fri"]),
)
moments = st.integers(0, 15 * 366 * 24 * 3600).map(lambda seconds: utc("2020-01-01") + timedelta(seconds=seconds))


@given(fields.map(" ".join).map(parse_cron), st.sampled_from([BERLIN, SANTIAGO, GREENWICH]), moments)
def test_after_what_came_last_comes_what_comes_next_and_nothing_between(
    cron: Cron, zone: ZoneInfo, now: datetime
) -> None:
    last, following = last_until(cron, zone, now), next_after(cron, zone, now)
    assert last <= now < following
    assert next_after(cron, zone, last) == following
    assert last_until(cron, zone, following) == following
    assert last_until(cron, zone, following - timedelta(seconds=1)) == last
