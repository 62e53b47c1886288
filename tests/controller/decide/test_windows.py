# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows: when they are open, also when clocks change, and what is said of what they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide.windows import Opening, is_open, not_now, opening, standing, told
from swarmherd.model import Direction
from swarmherd.policy import Policy, PolicyError, parse_policy

NIGHT = {"allow": "moves", "start": "22:00", "end": "05:00", "timezone": "Europe/Berlin"}
FREEZE = {"name": "freeze", "forbid": "all", "cron": "0 12 24 12 *", "duration": "14d"}
UP, DOWN, MOVES, ANCHORS = Direction.UP, Direction.DOWN, Direction.MOVES, Direction.ANCHORS


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def policy(*windows: dict[str, Any], **services: list[dict[str, Any]]) -> Policy:
    named = {name: {"windows": own} for name, own in services.items()}
    return parse_policy({"windows": list(windows), "services": named}, "f.yml")


def hours_open(window: dict[str, Any], day: str) -> list[int]:
    """Hours from midnight in UTC at whose half it is open."""
    found = policy(window).windows[0]
    return [hour for hour in range(24) if opening(found, at(day) + timedelta(hours=hour, minutes=30)).open]


def test_what_is_allowed_at_night_only_waits_by_day_and_says_until_when() -> None:
    said = not_now(policy(NIGHT), ["web"], MOVES, at("2026-03-04 18:00"))
    assert said == "moves are allowed from 22:00 to 05:00 Europe/Berlin only; next in 3 h"
    assert not_now(policy(NIGHT), ["web"], MOVES, at("2026-03-04 21:00")) is None
    assert not_now(policy(NIGHT), ["web"], MOVES, at("2026-03-05 03:59")) is None
    assert not_now(policy(NIGHT), ["web"], MOVES, at("2026-03-05 04:00")) is not None
    assert [not_now(policy(NIGHT), ["web"], what, at("2026-03-04 18:00")) for what in (UP, DOWN, ANCHORS)] == [None] * 3


def test_a_freeze_forbids_everything_and_says_when_it_ends() -> None:
    said = not_now(policy(FREEZE), [], UP, at("2027-01-05 12:00"))
    assert said == "scaling up is forbidden for 14 days from each 0 12 24 12 * UTC (freeze); it ends in 48 h"
    assert not_now(policy(FREEZE), [], UP, at("2027-01-07 12:00")) is None
    assert not_now(policy(FREEZE), [], ANCHORS, at("2026-12-25 12:00")) is not None


def test_what_any_window_allows_is_allowed() -> None:
    both = policy({**NIGHT, "name": "night"}, {"allow": ["moves", "down"], "days": "sat,sun"})
    assert not_now(both, [], MOVES, at("2026-03-07 12:00")) is None
    assert not_now(both, [], DOWN, at("2026-03-06 23:30")) == (
        "scaling down is allowed on sat,sun from 00:00 to 24:00 UTC only; next in 30 min"
    )
    said = not_now(both, [], MOVES, at("2026-03-06 12:00"))
    assert said == (
        "moves are allowed from 22:00 to 05:00 Europe/Berlin (night) or on sat,sun from 00:00 to 24:00 UTC only; "
        "next in 9 h"
    )


def test_a_services_own_windows_stand_in_place_of_the_policys_and_never_lift_what_it_forbids() -> None:
    noon = {"allow": "moves", "start": "12:00", "end": "13:00"}
    mixed = policy(NIGHT, FREEZE, db=[noon])
    assert not_now(mixed, ["db"], MOVES, at("2026-03-04 12:30")) is None
    assert not_now(mixed, ["web"], MOVES, at("2026-03-04 12:30")) is not None
    assert not_now(mixed, ["db", "web"], MOVES, at("2026-03-04 12:30")) is not None
    assert not_now(mixed, ["db"], MOVES, at("2026-03-04 23:00")) == (
        "moves are allowed for db from 12:00 to 13:00 UTC only; next in 13 h"
    )
    assert "(freeze)" in str(not_now(mixed, ["db"], MOVES, at("2026-12-26 12:30")))


def test_what_one_service_forbids_holds_no_other() -> None:
    held = policy(db=[{"forbid": "scaling", "days": "mon-fri", "start": "08:00", "end": "18:00"}])
    monday = at("2026-03-02 09:00")
    said = "scaling down is forbidden for db on mon-fri from 08:00 to 18:00 UTC; it ends in 9 h"
    assert not_now(held, ["db"], DOWN, monday) == said
    assert not_now(held, ["web"], DOWN, monday) is None
    assert not_now(held, ["db"], MOVES, monday) is None
    assert not_now(held, ["db"], DOWN, at("2026-03-01 09:00")) is None


def test_by_the_wall_a_night_ends_at_its_time_and_by_duration_after_its_hours_when_clocks_change() -> None:
    lasting = {"allow": "moves", "cron": "0 22 * * *", "duration": "7h", "timezone": "Europe/Berlin"}
    assert hours_open(NIGHT, "2026-03-29") == [0, 1, 2, 20, 21, 22, 23]
    assert hours_open(lasting, "2026-03-29") == [0, 1, 2, 3, 20, 21, 22, 23]
    assert hours_open(NIGHT, "2026-10-25") == [0, 1, 2, 3, 21, 22, 23]
    assert hours_open(lasting, "2026-10-25") == [0, 1, 2, 21, 22, 23]


def test_a_window_that_another_turn_keeps_open_ends_with_the_last_and_one_that_always_is_never_does() -> None:
    daily, now = {"forbid": "all", "cron": "0 0 * * mon-wed", "duration": "30h"}, at("2026-03-02 06:00")
    assert opening(policy(daily).windows[0], now).next_change == at("2026-03-05 06:00")
    always = policy({"forbid": "all", "cron": "@hourly", "duration": "1h"})
    assert not_now(always, [], UP, now) == "scaling up is forbidden for 1 h from each @hourly UTC; it never ends"
    minutely = policy({"forbid": "all", "cron": "* * * * *", "duration": "31d"})
    assert opening(minutely.windows[0], now) == Opening(open=True, next_change=None)


def test_each_window_is_told_with_how_it_stands() -> None:
    both = policy(NIGHT, FREEZE, db=[NIGHT])
    found = both.windows
    assert len(list(standing(both, at("2026-03-04 22:00")))) == 3
    assert list(told(found, at("2026-03-04 22:00"))) == [
        "moves allowed only from 22:00 to 05:00 Europe/Berlin: now, it ends in 6 h",
        "all forbidden for 14 days from each 0 12 24 12 * UTC (freeze): next in 295 days",
    ]
    assert list(told(found[:1], at("2026-03-04 20:30"), "db")) == [
        "moves allowed for db only from 22:00 to 05:00 Europe/Berlin: next in 30 min"
    ]


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ({"allow": "moves"}, "windows[0]: it does not say when it is; write start and end, days, or cron and duration"),
        ({"days": "mon"}, "windows[0]: neither allow nor forbid stands here; write one of them"),
        ({**NIGHT, "forbid": "up"}, "windows[0]: both allow and forbid stand here; write one of them"),
        ({**NIGHT, "allow": "mvoes"}, "windows[0].allow: 'mvoes' is nothing that we do; did you mean moves?"),
        ({**NIGHT, "allow": []}, "windows[0].allow: a list names nothing; write one or more of up, down"),
        ({**NIGHT, "allow": [["up"]]}, "windows[0].allow: a list is nothing that we do; write up, down, scaling"),
        ({**NIGHT, "start": 1320}, 'windows[0].start: 1320 is no time of day; write it in quotes, "22:00": YAML reads'),
        ({**NIGHT, "start": "24:00"}, 'windows[0]: 24:00 is an end and no start; write "00:00"'),
        ({**NIGHT, "end": "5:00"}, "windows[0].end: '5:00' is no time of day; write hours and minutes in quotes"),
        ({"allow": "all", "start": "05:00"}, "windows[0]: start and end go together; write both"),
        ({**NIGHT, "timezone": "Europe/Berln"}, "'Europe/Berln' is no time zone; did you mean Europe/Berlin?"),
        ({**NIGHT, "timezone": "Europe"}, "windows[0].timezone: 'Europe' is no time zone"),
        ({**NIGHT, "timezone": "../etc/passwd"}, "windows[0].timezone: '../etc/passwd' is no time zone"),
        ({**NIGHT, "days": "mo-fr"}, "windows[0].days: weekday 'mo' is not understood; write a number from 0 to 7"),
        ({**NIGHT, "days": 5}, "windows[0].days: 5 is no list of weekdays; write mon-fri, or [sat, sun]"),
        ({**NIGHT, "cron": "@daily"}, "windows[0]: cron says when it begins, and so do days, start or end; keep one"),
        ({"allow": "all", "cron": "0 22 * * *"}, "windows[0]: cron and duration go together; write both"),
        ({**FREEZE, "cron": "0 22 * *"}, "windows[0].cron: '0 22 * *' has 4 fields, and not 5; write minute, hour"),
        ({**FREEZE, "cron": 5}, "windows[0].cron: 5 is no cron expression; write it in quotes"),
        (
            {**FREEZE, "duration": "32d"},
            "windows[0].duration: 2.7648e+06 s is too long for a window; write at most 31d",
        ),
        ({**FREEZE, "name": "a\nb"}, "windows[0].name: 'a\\nb' is no name of a window; write up to 60 letters"),
        ({**NIGHT, "zone": "UTC"}, "windows[0].zone: there is no such key; did you mean timezone?"),
    ],
)
def test_a_window_that_cannot_be_is_told_with_file_key_and_remedy(window: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy({"windows": window}, "f.yml")
    assert str(caught.value).startswith("f.yml: swarmherd_policy.windows[0]")
    assert says in str(caught.value)


windows = st.one_of(
    st.builds(
        lambda start, end, days: {"forbid": "all", "start": start, "end": end, **({"days": days} if days else {})},
        st.sampled_from(["00:00", "02:30", "22:00"]),
        st.sampled_from(["00:00", "02:15", "05:00", "24:00"]),
        st.sampled_from(["", "sun", "mon-fri"]),
    ),
    st.builds(
        lambda cron, lasts: {"forbid": "all", "cron": cron, "duration": lasts},
        st.sampled_from(["0 22 * * *", "@weekly", "30 2 * * sun", "0 */6 * * *"]),
        st.sampled_from(["30m", "7h", "3d"]),
    ),
)


moments = st.integers(0, 3 * 366 * 24 * 3600).map(lambda seconds: at("2025-01-01") + timedelta(seconds=seconds))


@given(windows, moments)
def test_a_window_stands_as_it_does_until_it_says_it_changes(window: dict[str, Any], now: datetime) -> None:
    found = policy({**window, "timezone": "Europe/Berlin"}).windows[0]
    seen = opening(found, now)
    assert is_open(found, now) is seen.open
    if seen.next_change is None:
        assert seen.open
        return
    assert seen.next_change > now
    assert opening(found, seen.next_change - timedelta(seconds=1)).open is seen.open
    assert opening(found, seen.next_change).open is not seen.open
