# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.shape import DAY, Point, Shape, Traffic, TrafficError, chosen_shape, walk

SEEDS = st.integers(min_value=-(10**9), max_value=10**9)


def test_the_day_is_quiet_rises_stays_spikes_and_falls() -> None:
    assert [DAY.rate(t) for t in (0, 10, 20, 35, 60, 83, 90, 120, 149.9)] == [5, 5, 5, 22.5, 40, 52.5, 65, 4, 4]
    assert [DAY.phase(t) for t in (0, 30, 60, 90, 110, 140)] == ["quiet", "rise", "plateau", "spike", "fall", "quiet"]
    assert DAY.seconds == 150
    assert DAY.rate(150) == DAY.rate(-1) == 0


def test_a_steady_rate_sends_its_requests_evenly() -> None:
    steady = Shape((Point(0, 4, ""), Point(2, 4, "")))
    assert list(steady.departures()) == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0])


def test_a_rate_that_grows_from_nothing_sends_the_nth_request_when_n_are_due() -> None:
    growing = Shape((Point(0, 0, ""), Point(4, 4, "")))  # after x seconds, x * x / 2 requests
    assert list(growing.departures()) == pytest.approx([(2 * n) ** 0.5 for n in range(1, 9)])


def test_the_day_sends_what_lies_under_its_line() -> None:
    times = list(DAY.departures())
    assert len(times) == 3918
    assert sum(60 <= t < 70 for t in times) == pytest.approx(400, abs=1)
    assert sum(86 <= t < 96 for t in times) == pytest.approx(650, abs=1)


@given(SEEDS)
def test_the_same_seed_walks_the_same_way_within_its_bounds_and_wants_more_than_one_replica_in_between(
    seed: int,
) -> None:
    shape = walk(seed)
    assert shape == walk(seed)
    assert shape.seconds == 150
    between = [shape.rate(t) for t in range(15, 110)]
    assert 15 <= min(between) <= max(between) <= 65
    assert shape.rate(5) == 5
    assert shape.rate(140) == 4
    assert [shape.rate(t) for t in (20, 25)] == [p.rate for p in shape.points if p.at in (20, 25)]


@given(SEEDS)
def test_requests_of_any_walk_leave_in_order_and_as_many_as_lie_under_its_line(seed: int) -> None:
    shape = walk(seed)
    times = list(shape.departures())
    assert all(left < right for left, right in pairwise(times))
    assert 0 < times[0] <= times[-1] <= shape.seconds
    area = sum((a.rate + b.rate) / 2 * (b.at - a.at) for a, b in pairwise(shape.points))
    assert len(times) == pytest.approx(area, abs=1)


def test_different_seeds_walk_differently() -> None:
    assert walk(1) != walk(2)


def test_stretching_changes_the_time_and_not_the_rates() -> None:
    half = chosen_shape({"STRETCH": "0.5"})
    assert half.seconds == 75
    assert half.rate(30) == DAY.rate(60)


def test_settings_choose_shape_and_target(tmp_path: Path) -> None:
    log = tmp_path / "traffic.jsonl"
    told = {"DEMO_TARGET": "http://10.213.0.11:8000", "DEMO_TRAFFIC_LOG": str(log), "SHAPE": "random", "SEED": "7"}
    assert Traffic.read(told) == Traffic("http://10.213.0.11:8000", log, walk(7))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:80/", "http://10.213.0.254:8000"])
def test_loopback_and_the_lab_may_be_sent_to(url: str) -> None:
    assert Traffic.read({"DEMO_TARGET": url, "DEMO_TRAFFIC_LOG": "x"}).target == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.com",
        "http://10.213.1.11",
        "http://8.8.8.8",
        "https://10.213.0.11",
        "http://127.0.0.1@8.8.8.8",
    ],
)
def test_any_other_target_is_refused(url: str) -> None:
    with pytest.raises(TrafficError, match=r"^DEMO_TARGET: .* is refused; traffic goes only to http:// on loopback or"):
        Traffic.read({"DEMO_TARGET": url, "DEMO_TRAFFIC_LOG": "x"})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"SHAPE": "triangle"}, "SHAPE: 'triangle' is not known; give deterministic or random"),
        ({"SHAPE": "random", "SEED": "1.5"}, "SEED: '1.5' is not a whole number"),
        ({"STRETCH": "long"}, "STRETCH: 'long' is not a number; 1 is 150 seconds of traffic"),
        ({"STRETCH": "100"}, "STRETCH: 100 is out of range; give 0.02 to 6"),
        ({"STRETCH": "nan"}, "STRETCH: nan is out of range; give 0.02 to 6"),
        (
            {"LAB_SUBNET": "8.8.8"},
            "LAB_SUBNET: '8.8.8' is not the first three numbers of a private network, as 10.213.0",
        ),
        ({"DEMO_TRAFFIC_LOG": ""}, "DEMO_TRAFFIC_LOG: not set; give the file to write a line per second to"),
    ],
)
def test_a_setting_that_will_not_do_is_named(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(TrafficError) as caught:
        Traffic.read({"DEMO_TARGET": "http://127.0.0.1", "DEMO_TRAFFIC_LOG": "x", **settings})
    assert str(caught.value) == sentence
