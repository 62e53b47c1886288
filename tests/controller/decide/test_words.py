# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, durations and foreign messages in a sentence; and sums that do not depend on order."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide import decide
from swarmherd.decide.words import LONGEST_MESSAGE, duration, latency, number, one_line
from swarmherd.model import Memory
from swarmherd.policy import parse_policy

from tests.controller.described import NOW, view_of


@pytest.mark.parametrize(
    ("value", "text"),
    [(91.0, "91"), (4.24, "4.2"), (0.0351, "0.035"), (1234.5, "1234"), (0.0, "0"), (1e12, "1e+12"), (-7.0, "-7")],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (60, "60 s"), (119, "119 s"), (120, "2 min"), (3600, "1 h"), (86400, "24 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0005, "0.5 ms"), (0.2402, "240 ms"), (0.9996, "1 s"), (1.14, "1.1 s"), (59.6, "59.6 s"), (600, "10 min")],
)
def test_latencies(seconds: float, text: str) -> None:
    assert latency(seconds) == text


@given(st.text())
def test_a_foreign_message_is_one_bounded_line(message: str) -> None:
    line = one_line(message)
    assert len(line) <= LONGEST_MESSAGE
    assert len(line.splitlines()) <= 1
    assert line.isprintable()


def test_the_average_does_not_depend_on_the_order_of_tasks() -> None:
    policy = parse_policy({"services": {"a": {"scale": {"max": 9, "metrics": [{"cpu": 70}]}}}}, "f.yml")
    said = {
        decide(view_of({"services": {"a": {"replicas": 4, "cpu": list(loads)}}}), policy, Memory(), NOW)[0].evidence
        for loads in permutations([0.1, 0.2, 0.3, 1e16])
    }
    assert len(said) == 1
