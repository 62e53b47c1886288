# SPDX-License-Identifier: GPL-3.0-or-later
"""What a range query says: one finite number at an instant is known, and whatever else is not (S1, S25)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from swarmherd.observe.prometheus import MAX_BYTES, Prometheus
from swarmherd.observe.stretches import MOST_POINTS, stretch_of

from tests.controller.conftest import Answer, Metrics, as_json
from tests.controller.observe.past import matrix

START, END = 1_700_000_040.0, 1_700_000_340.0


def series(*values: tuple[float, str]) -> dict[str, Any]:
    return {"metric": {}, "values": [[at, text] for at, text in values]}


def test_a_stretch_is_asked_for_with_its_bounds(prometheus: Prometheus, metrics: Metrics) -> None:
    metrics.answer = lambda _: matrix([(START, "7"), (START + 60, "8.5")])
    found = prometheus.stretch("sum(load)", START, END, 60)
    assert (found.points, found.problem) == (((START, 7.0), (START + 60, 8.5)), "")
    asked = metrics.asked[-1]
    assert (float(asked["start"]), float(asked["end"]), asked["step"]) == (START, END, "60")
    assert (asked["lookback_delta"], asked["timeout"]) == ("45s", "500ms")


def test_an_old_server_is_limited_to_fresh_samples_at_each_instant(prometheus: Prometheus, metrics: Metrics) -> None:
    metrics.version = "2.42.0"
    metrics.answer = lambda _: matrix([])
    prometheus.stretch("load", START, END, 60)
    assert metrics.asked[-1]["query"] == "(load and timestamp(load) >= time() - 45)"


def test_no_series_is_a_stretch_of_which_nothing_is_known() -> None:
    found = stretch_of([], START, END)
    assert (found.points, found.problem) == ((), "")


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf"])
def test_what_is_no_finite_number_is_left_out(text: str) -> None:
    assert stretch_of([series((START, "1"), (START + 60, text))], START, END).points == ((START, 1.0),)


def test_an_instant_with_several_series_is_left_out() -> None:
    found = stretch_of([series((START, "1"), (START + 60, "2")), series((START + 60, "3"))], START, END)
    assert found.points == ((START, 1.0),)


def test_several_series_that_follow_each_other_are_one_stretch() -> None:
    found = stretch_of([series((START + 60, "2")), series((START, "1"))], START, END)
    assert found.points == ((START, 1.0), (START + 60, 2.0))


def late(_query: dict[str, str]) -> Answer:
    time.sleep(1.5)  # what is tested is that nobody waits for this
    return matrix([(START, "1")])


BAD: dict[str, tuple[Callable[[dict[str, str]], Answer], str]] = {
    "of another time": (lambda _: matrix([(START - 3600, "1")]), "of another time than was asked for"),
    "no number": (lambda _: matrix([(START, "many")]), "not Prometheus' JSON"),
    "an instant vector": (lambda _: as_json({"status": "success", "data": {"result": [{"value": [1, "2"]}]}}), "JSON"),
    "a scalar": (lambda _: as_json({"status": "success", "data": {"result": 7}}), "not Prometheus' JSON"),
    "html": (lambda _: (200, "text/html", b"<html></html>"), "not Prometheus' JSON"),
    "error 422": (lambda _: as_json({"status": "error", "error": "too many samples"}, 422), "too many samples"),
    "error 503": (lambda _: (503, "text/plain", b"starting up"), "starting up"),
    "warning": (
        lambda _: as_json({"status": "success", "data": {"result": []}, "warnings": ["a shard is away"]}),
        "incomplete: a shard is away",
    ),
    "too large": (lambda _: (200, "application/json", b" " * (MAX_BYTES + 1)), "larger than"),
    "late": (late, "no answer within 0.5 s"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_says_why_and_nothing_else(prometheus: Prometheus, metrics: Metrics, name: str) -> None:
    metrics.answer, problem = BAD[name]
    found = prometheus.stretch("sum(load)", START, END, 60)
    assert found.points == ()
    assert problem in found.problem


def test_more_points_than_prometheus_gives_are_not_asked_for(prometheus: Prometheus, metrics: Metrics) -> None:
    found = prometheus.stretch("sum(load)", START, START + 60 * MOST_POINTS, 60)
    assert "are not asked for" in found.problem
    assert not metrics.asked
