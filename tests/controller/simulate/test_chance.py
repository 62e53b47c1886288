# SPDX-License-Identifier: GPL-3.0-or-later
"""One random fault per seed: nearly all recover, of those that the page tells of all, and nothing is made worse."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from swarmherd.simulate.cluster.chance import Verdict, scene, verdict
from swarmherd.simulate.cluster.faults import Kind

from tests.bench.faults import table

QUICK, ALL = 100, 1000
LEAST = 0.95
DOCUMENTED = Path(__file__).resolve().parents[3] / "docs" / "simulate.md"


def judged(seeds: Iterable[int], least: float) -> list[Verdict]:
    """Prints how to repeat each seed that did not recover."""
    verdicts = [verdict(seed) for seed in seeds]
    left = [one for one in verdicts if not one.recovered]
    for one in left:
        print(f"{one}\n  again: python -m tests.bench.faults {one.seed}")  # noqa: T201  (pytest shows it where the test fails)
    assert [str(one) for one in left if one.worse] == []
    assert len(left) <= (1 - least) * len(verdicts), f"{len(left)} of {len(verdicts)} did not recover"
    return verdicts


def test_of_random_single_faults_nearly_all_recover_and_nothing_is_made_worse() -> None:
    judged(range(QUICK), LEAST)


@pytest.mark.slow
def test_of_a_thousand_random_single_faults_all_recover_as_the_documentation_says() -> None:
    shown = "\n".join(table(judged(range(ALL), 1.0)))
    assert shown in DOCUMENTED.read_text(), "write what python -m tests.bench.faults 0 1000 prints there"


def test_the_seeds_have_faults_of_every_kind_and_a_seed_is_always_the_same() -> None:
    faults = [scene(seed)[1] for seed in range(QUICK)]
    assert {fault.kind for fault in faults} == set(Kind)
    assert scene(17)[1] == scene(17)[1]
    assert _told(verdict(17)) == _told(verdict(17))


def _told(one: Verdict) -> tuple[str, float]:
    return str(one), one.seconds
