# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the scenarios leaves: build/scenarios/report.json, a table in report.md, and the same on the screen."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Row:
    """One scenario. Its fields are the report's."""

    id: str
    sentence: str
    bound_seconds: float
    took_seconds: float | None = None
    """From the fault to the condition; the median where there are several samples."""
    samples: int = 0
    passed: bool = False
    requests_sent: int = 0
    requests_failed: int = 0


@dataclass(slots=True)
class Times:
    """The samples of one scenario, in seconds."""

    each: list[float] = field(default_factory=list)

    def fill(self, row: Row) -> None:
        row.samples = len(self.each)
        row.took_seconds = round(statistics.median(self.each), 2) if self.each else None

    def judge(self, row: Row) -> None:
        """Raises AssertionError where the scenario came to its end too late, or not at all."""
        self.fill(row)
        assert row.took_seconds is not None, f"{row.id} measured nothing"
        assert row.took_seconds <= row.bound_seconds, (
            f"{row.sentence}: it took {row.took_seconds} s ({', '.join(f'{one:.1f}' for one in self.each)}), "
            f"bound {row.bound_seconds:g} s"
        )


def write(rows: Sequence[Row], folder: Path) -> None:
    """Rows of an earlier run stay, unless this one has a scenario of the same id: a run may be of a few alone."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.json"
    before = [Row(**row) for row in json.loads(file.read_text())] if file.exists() else []
    now = {row.id for row in rows}
    both = [row for row in before if row.id not in now] + list(rows)
    file.write_text(json.dumps([asdict(row) for row in both], indent=1) + "\n")
    (folder / "report.md").write_text(table(both) + "\n")


def table(rows: Sequence[Row]) -> str:
    lines = [
        "| | scenario | what must hold | bound s | took s | samples | requests | failed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        took = "-" if row.took_seconds is None else f"{row.took_seconds:.1f}"
        lines.append(
            f"| {'ok' if row.passed else 'FAILED'} | {row.id} | {row.sentence} | {row.bound_seconds:g} | {took} "
            f"| {row.samples} | {row.requests_sent} | {row.requests_failed} |"
        )
    passed = sum(row.passed for row in rows)
    return "\n".join([*lines, "", f"{passed} of {len(rows)} scenarios held."])
