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


def test_every_rule_names_a_test_or_says_that_it_is_to_come() -> None:
    rows = {row[1]: row[0] for row in re.findall(r"^(\| \*\*(S\d+)\*\*.*)$", TABLE, re.M)}
    assert list(rows) == [f"S{n}" for n in range(1, 26)]
    assert [rule for rule, row in rows.items() if "`test_" not in row and "to come" not in row] == []


def test_every_file_that_upholds_a_rule_exists() -> None:
    files = re.findall(r"`((?:observe|decide|enact|policy|plugins)/[\w/]+\.py|\w+\.py)`", TABLE)
    places = (ROOT, ROOT / "controller" / "swarmherd")
    assert [file for file in files if not any((place / file).is_file() for place in places)] == []
