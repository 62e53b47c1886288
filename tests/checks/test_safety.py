# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/safety.md promises nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "safety.md").read_text()


def test_every_test_that_a_rule_names_exists() -> None:
    there = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert set(re.findall(r"`(test_\w+)`", TABLE)) - there == set()


def test_every_rule_names_a_test() -> None:
    rows = {row[1]: row[0] for row in re.findall(r"^(\| \*\*(S\d+)\*\*.*)$", TABLE, re.M)}
    assert list(rows) == [f"S{n}" for n in range(1, 26)]
    assert [rule for rule, row in rows.items() if "`test_" not in row] == []


def test_every_file_that_a_rule_names_exists() -> None:
    files = re.findall(r"`((?:\w+/)+|(?:\w+/)*\w+\.(?:py|yml))`", TABLE)
    tests = ROOT / "tests" / "controller"
    places = (ROOT, ROOT / "controller" / "swarmherd", tests, tests / "decide")
    assert len(files) > 100, "the table names more than that"
    assert [file for file in files if not any((place / file).exists() for place in places)] == []
