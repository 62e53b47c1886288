# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recording says, from records as the demo writes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.figures import Recording, is_over, matches, report, scalings, shortcomings, stairs

START = 1_800_000_000.0


def entry(second: float, before: int, after: int, took: float | None = 2.0, **changes: Any) -> dict[str, Any]:
    """One line of `swarmherd history --json`."""

    def iso(at: float) -> str:
        return datetime.fromtimestamp(START + at, UTC).isoformat()

    told: dict[str, Any] = {
        "id": f"a{second}",
        "kind": "scale",
        "service": "shop_web",
        "parameters": {"swarmherd_replicas": after, "swarmherd_expected_replicas": before},
        "reason": "requests_per_replica 9 is over target 7",
        "outcome": "done",
        "decided_at": iso(second),
        "started_at": iso(second + 0.5),
        "running_at": None if took is None else iso(second + took),
        "finished_at": iso(second + (took or 60)),
    }
    return told | changes


def sample(second: float, wanted: int, running: int) -> dict[str, Any]:
    return {"time": START + second, "wanted": wanted, "running": running, "nodes": 3}


def line(second: int, sent: int, failed: int = 0, in_flight: int = 0) -> dict[str, Any]:
    counts = {"offered": sent, "sent": sent, "served": sent - failed, "failed": failed, "in_flight": in_flight}
    return counts | {"time": START + second, "second": second, "phase": "rise", "p50_ms": 100.0, "p95_ms": None}


GOOD = Recording(
    traffic=(line(1, 10), line(2, 30, failed=2), line(3, 20, in_flight=1)),
    replicas=(sample(0, 1, 1), sample(11, 3, 1), sample(13, 3, 3), sample(21, 1, 3), sample(25, 1, 1)),
    scalings=scalings([entry(20, 3, 1, took=4.0), entry(10, 1, 3, took=2.5)]),
    setup_seconds=100.04,
    total_seconds=200.26,
    engine_version="20.10.24",
    nodes=3,
)


def test_the_report_has_its_figures_and_no_others() -> None:
    assert report(GOOD) == {
        "requests_sent": 60,
        "requests_failed": 3,  # two failed, one had no answer at the end
        "replicas_min": 1,
        "replicas_max": 3,
        "scale_ups": 1,
        "scale_downs": 1,
        "decision_to_running_seconds": {"median": 3.25, "max": 4.0},
        "setup_seconds": 100.0,
        "total_seconds": 200.3,
        "engine_version": "20.10.24",
        "nodes": 3,
        "simulated": None,
    }


def test_what_was_simulated_stands_beside_what_was_real() -> None:
    told = report(replace(GOOD, simulated=(sample(0, 1, 1), sample(11, 3, 3), sample(25, 1, 1))))["simulated"]
    assert {key: told[key] for key in ("scale_ups", "scale_downs", "longest_apart_seconds")} == {
        "scale_ups": 1,
        "scale_downs": 1,
        "longest_apart_seconds": 4,
    }
    assert told["mean_difference"] == round(4 * 2 / 26, 2)


def test_a_run_that_the_simulation_does_not_repeat_falls_short() -> None:
    long = replace(GOOD, replicas=(*GOOD.replicas, sample(70, 1, 1)))
    assert shortcomings(replace(long, simulated=(sample(0, 1, 1), sample(70, 1, 1)))) == []
    (said,) = shortcomings(replace(long, simulated=(sample(0, 9, 9), sample(70, 9, 9))))
    assert said.startswith("in simulation the same traffic asked for 9 to 9 replicas, 9.0 on average (1.3 on Swarm)")


def test_a_run_that_recorded_nothing_reports_nothing_instead_of_failing() -> None:
    told = report(Recording())
    assert told["requests_sent"] == told["replicas_max"] == told["scale_ups"] == 0
    assert told["decision_to_running_seconds"] == {"median": None, "max": None}


def test_a_good_run_has_no_shortcomings() -> None:
    assert shortcomings(GOOD) == []


def test_without_scale_up_or_down_a_run_falls_short_and_says_so() -> None:
    up, down = GOOD.scalings
    assert shortcomings(replace(GOOD, scalings=(up,))) == ["no scale-down happened"]
    assert shortcomings(replace(GOOD, scalings=(down,))) == ["no scale-up happened"]
    nothing = ["no request was sent", "no scale-up happened", "no scale-down happened"]
    assert shortcomings(Recording()) == nothing


@pytest.mark.parametrize("outcome", ["started", "conflict", "undone", "given_up"])
def test_an_action_that_was_not_done_counts_for_nothing(outcome: str) -> None:
    history = scalings([entry(10, 1, 3, outcome=outcome), entry(20, 3, 1, outcome=outcome)])
    assert shortcomings(replace(GOOD, scalings=history)) == ["no scale-up happened", "no scale-down happened"]


def test_counts_that_docker_never_reported_are_a_shortcoming_even_if_the_journal_says_done() -> None:
    stuck = (sample(0, 1, 1), sample(11, 3, 1), sample(15, 3, 2), sample(21, 1, 2), sample(25, 1, 1))
    assert shortcomings(replace(GOOD, replicas=stuck)) == [
        "the counts that Docker reports never matched what the controller decided: 1 to 3"
    ]


def test_a_count_that_matched_before_the_decision_or_after_the_next_proves_nothing() -> None:
    history = scalings([entry(10, 1, 3), entry(20, 3, 2)])
    early_and_late = (sample(5, 3, 3), sample(13, 3, 2), sample(30, 3, 3))
    assert matches(history, early_and_late) == [False, False]


def test_nobody_could_look_at_a_count_that_the_next_action_followed_at_once() -> None:
    history = scalings([entry(10, 1, 3, took=2.0), entry(12.1, 3, 4, took=2.0)])
    assert matches(history, (sample(11, 3, 1), sample(11.9, 3, 2), sample(15, 4, 4))) == [None, True]


def test_the_history_is_read_oldest_first_and_other_kinds_are_passed_over() -> None:
    read = scalings([entry(20, 3, 1), entry(10, 1, 3), entry(15, 1, 1, kind="move")])
    assert [(s.before, s.after, s.seconds) for s in read] == [(1, 3, 2.0), (3, 1, 2.0)]
    assert scalings([entry(1, 1, 2, took=None)])[0].seconds is None


def test_a_reason_does_not_say_again_what_the_counts_say() -> None:
    told = scalings([entry(1, 1, 2, reason="scale shop_web from 1 to 2, because cpu 90 is over 70, because of load")])
    assert told[0].reason == "cpu 90 is over 70, because of load"


def test_times_with_z_and_with_an_offset_mean_the_same() -> None:
    times = {"decided_at": "2026-11-21T22:00:00Z", "running_at": "2026-11-21T23:00:02.5+01:00"}
    told = scalings([entry(0, 1, 2) | times])
    assert told[0].seconds == 2.5


@pytest.mark.parametrize(
    ("samples", "over"),
    [
        ([], False),
        ([sample(0, 1, 1)], False),
        ([sample(0, 1, 1), sample(1, 4, 4)], False),
        ([sample(0, 4, 4), sample(1, 2, 4)], False),
        ([sample(0, 4, 4), sample(1, 2, 2)], True),
    ],
)
def test_it_is_over_when_the_count_came_down_and_docker_runs_what_is_wanted(
    samples: list[dict[str, Any]], over: bool
) -> None:
    assert is_over(samples) is over


def test_stairs_keep_both_ends_and_every_change() -> None:
    counts = [sample(at, n, n) for at, n in enumerate([1, 1, 1, 2, 2, 1, 1])]
    assert [(at - START, n) for at, n in stairs(counts, "wanted")] == [(0, 1), (3, 2), (5, 1), (6, 1)]
    assert stairs([], "wanted") == []
