# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a run is recorded in, a JSON document to a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def records(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSONL file that may still be written to; none where there is no file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def write_records(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
