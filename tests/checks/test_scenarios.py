# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of scenarios is whole, and their report says what it must."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios import report
from tests.scenarios.report import Row, Times

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
ASKED = """worker-killed engine-killed-host-alive engine-frozen-1s engine-frozen-5s engine-frozen-30s host-frozen
    worker-cut-off controller-cut-off-from-managers controller-cut-off-from-prometheus prometheus-down prometheus-empty
    prometheus-stale prometheus-slow prometheus-lying node-exporter-down half-of-nodes-unreachable all-unreachable-to-us
    managers-majority-lost node-back-after-failover duplicate-hostname-after-rejoin deploy-during-our-action
    manual-scale-during-our-action rollout-paused image-missing crash-looping-service anchor-restarted anchor-moved
    anchor-lost dependents-too-large balancer-unreachable-during-drain playbook-hangs playbook-fails-on-one-of-many
    clock-moved-by-an-hour inventory-edited-in-mid-run disk-full scale-down-loses-nothing move-loses-nothing"""
KEYS = ["id", "sentence", "bound_seconds", "took_seconds", "samples", "passed", "requests_sent", "requests_failed"]


def markers() -> Iterator[tuple[str, str, float]]:
    """Id, sentence and bound of every scenario that is written down as such."""
    for file in sorted(SCENARIOS.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "scenario"
            if named and isinstance(node.args[0], ast.Constant):
                [bound] = [key.value for key in node.keywords if key.arg == "bound_seconds"]
                yield *(ast.literal_eval(word) for word in node.args), ast.literal_eval(bound)


def test_each_scenario_that_was_asked_for_is_there_once_with_a_sentence_and_a_bound() -> None:
    found = list(markers())
    ids = [name for name, _sentence, _bound in found]
    assert set(ASKED.split()) - set(ids) == set()
    assert len(ids) == len(set(ids))
    assert [name for name in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)] == []
    assert [sentence for _name, sentence, _bound in found if not sentence.startswith("When ")] == []
    assert [name for name, _sentence, bound in found if not 0 < bound <= 300] == []


def test_the_bar_of_a_killed_worker_is_five_seconds() -> None:
    assert {name: bound for name, _sentence, bound in markers()}["worker-killed"] == 5


def test_a_row_has_exactly_the_fields_that_readers_of_the_report_know(tmp_path: Path) -> None:
    report.write([Row("one", "When one, then two", 5)], tmp_path)
    (row,) = json.loads((tmp_path / "report.json").read_text())
    assert list(row) == KEYS


def test_a_run_of_a_few_replaces_their_rows_and_keeps_the_others(tmp_path: Path) -> None:
    report.write([Row("one", "When", 5), Row("two", "When", 5)], tmp_path)
    report.write([Row("two", "When", 5, passed=True)], tmp_path)
    rows = json.loads((tmp_path / "report.json").read_text())
    assert [(row["id"], row["passed"]) for row in rows] == [("one", False), ("two", True)]
    assert "1 of 2 scenarios held" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("times", "kept"), [([4.0, 9.0, 4.5], True), ([5.1], False), ([6.0, 4.0, 5.5], False), ([], False)]
)
def test_the_median_is_held_against_the_bound(times: list[float], kept: bool) -> None:
    row = Row("one", "When one, then two", 5)
    if kept:
        Times(times).judge(row)
    else:
        with pytest.raises(AssertionError):
            Times(times).judge(row)
    assert row.samples == len(times)
