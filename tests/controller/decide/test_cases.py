# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of `cases/*.yml`: view, policy, memory -> decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.decide import decide
from swarmherd.model import Decision
from swarmherd.policy import parse_policy

from tests.controller.described import NOW, memory_of, view_of

CASES = Path(__file__).parents[1] / "cases"


def cases() -> Iterator[Any]:
    for file in sorted(CASES.glob("*.yml")):
        for case in yaml.safe_load(file.read_text()):
            yield pytest.param(case, id=f"{file.stem}: {case['name']}")


@pytest.mark.parametrize("case", list(cases()))
def test_case(case: dict[str, Any]) -> None:
    memory = memory_of(case.get("memory", {}), case.get("pauses"))
    decisions = decide(view_of(case["view"]), parse_policy(case["policy"], "case.yml"), memory, NOW)
    assert [decision.service for decision in decisions] == sorted(case["expect"])
    for decision in decisions:
        agrees(decision, case["expect"][decision.service])


def agrees(decision: Decision, expected: dict[str, Any]) -> None:
    """What a case may expect of a decision, word by word; anything else in it is a mistake of the case."""
    known = {
        "now": decision.now,
        "then": decision.then,
        "wish": decision.wish,
        "blind": decision.blind,
        "reasons": list(decision.reasons),
        "reasons_end": decision.reasons[-1],
        "last_but_one": decision.reasons[-2] if len(decision.reasons) > 1 else None,
        "wishes": {item.metric: item.wish for item in decision.evidence},
    }
    if "because" in expected:
        assert expected["because"] in decision.reasons[-1]
    for key in expected.keys() - {"because"}:
        assert known[key] == expected[key], (key, decision.reasons)


def test_every_file_has_cases() -> None:
    assert {file.stem for file in CASES.glob("*.yml")} >= {
        "limits",
        "objections",
        "queue",
        "rates",
        "targets",
        "thresholds",
        "unknown",
    }
