# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from demo.tally import Tally, quantile


def test_a_second_is_counted_and_the_next_begins_anew_with_what_is_still_on_its_way() -> None:
    tally = Tally()
    for _request in range(4):
        tally.send()
    for latency in (10.0, 30.0):
        tally.finish(latency, failed=False)
    tally.finish(500.0, failed=True)
    assert tally.take() == {"sent": 4, "served": 2, "failed": 1, "in_flight": 1, "p50_ms": 10.0, "p95_ms": 30.0}
    assert tally.take() == {"sent": 0, "served": 0, "failed": 0, "in_flight": 1, "p50_ms": None, "p95_ms": None}


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.95, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.95, 4.0),
    ],
)
def test_quantiles_are_values_that_were_seen(values: list[float], share: float, expected: float | None) -> None:
    assert quantile(values, share) == expected
