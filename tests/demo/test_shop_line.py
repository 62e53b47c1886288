# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop's pace, exactly: the line is given its times."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import Line, SettingError, Settings


def test_a_lone_request_takes_one_service_time() -> None:
    assert Line(capacity=10, queue=5).join(100.0) == pytest.approx(100.1)


def test_requests_at_once_are_served_one_after_the_other() -> None:
    line = Line(capacity=10, queue=5)
    assert [line.join(0.0) for _request in range(3)] == pytest.approx([0.1, 0.2, 0.3])


def test_the_line_holds_one_at_the_till_and_the_queue_behind_and_turns_the_next_away() -> None:
    line = Line(capacity=10, queue=5)
    assert [line.join(0.0) is None for _request in range(8)] == [False] * 6 + [True] * 2


def test_who_is_turned_away_takes_no_time_from_the_others() -> None:
    line = Line(capacity=10, queue=0)
    line.join(0.0)
    assert line.join(0.05) is None
    assert line.join(0.1) == pytest.approx(0.2)


def test_time_without_customers_is_not_saved_up() -> None:
    line = Line(capacity=10, queue=100)
    line.join(0.0)
    assert [line.join(60.0) for _request in range(2)] == pytest.approx([60.1, 60.2])


@given(
    st.lists(st.floats(min_value=0, max_value=0.3), min_size=1, max_size=200),
    st.floats(min_value=0.5, max_value=50),
    st.integers(min_value=0, max_value=30),
)
def test_never_more_than_the_capacity_and_never_a_longer_wait_than_the_queue(
    gaps: list[float], capacity: float, queue: int
) -> None:
    line, now, served = Line(capacity, queue), 0.0, []
    for gap in gaps:
        now += gap
        done_at = line.join(now)
        if done_at is not None:
            served.append(done_at)
            assert done_at - now <= (queue + 1) / capacity + 1e-6
    assert all(right - left >= 1 / capacity - 1e-6 for left, right in pairwise(served))


def test_settings_have_defaults_and_come_from_the_environment() -> None:
    assert Settings.read({}) == Settings()
    assert Settings.read({"SHOP_CAPACITY": "2.5", "SHOP_QUEUE": "3"}) == Settings(capacity=2.5, queue=3)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("SHOP_CAPACITY", "many", "SHOP_CAPACITY: 'many' is not a number; give one from 0.1 to 10000"),
        ("SHOP_CAPACITY", "0", "SHOP_CAPACITY: 0 is out of range; give a number from 0.1 to 10000"),
        ("SHOP_CAPACITY", "nan", "SHOP_CAPACITY: nan is out of range; give a number from 0.1 to 10000"),
        ("SHOP_PORT", "70000", "SHOP_PORT: 70000 is out of range; give a number from 0 to 65535"),
    ],
)
def test_a_setting_that_will_not_do_is_named(key: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.read({key: value})
    assert str(caught.value) == sentence
