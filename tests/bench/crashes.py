# SPDX-License-Identifier: GPL-3.0-or-later
"""The crash-point matrix as a table: who was killed, at which step, and what came of it.

usage: python -m tests.bench.crashes

A cell says how the journal's entries were closed, and after how many cycles all stood as it should. Exits 1 where a
cell is not well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from swarmherd.simulate.cluster.crash import Victim
from swarmherd.simulate.cluster.crashes import Cell, matrix
from swarmherd.simulate.cluster.rows import ROWS


def table(cells: Iterable[Cell]) -> Iterator[str]:
    """Markdown: a line for each boundary, a column for each victim."""
    yield "| action | killed after | controller | playbook | both |"
    yield "|---|---|---|---|---|"
    lines: dict[tuple[str, str], dict[Victim, Cell]] = {}
    for cell in cells:
        found = lines.setdefault((cell.row, cell.boundary.partition(": ")[2] or cell.boundary), {})
        if cell.victim not in found or found[cell.victim].well:  # of a step that comes again the one that went wrong
            found[cell.victim] = cell
    for (row, boundary), found in lines.items():
        yield f"| {row} | {boundary} | " + " | ".join(_said(found.get(victim)) for victim in Victim) + " |"


def _said(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if not cell.well:
        return "**" + "; ".join(cell.problems or ("it does not come to rest",)) + "**"
    closed = ", then ".join(outcome.replace("_", " ") for outcome in cell.outcomes) or "never begun"
    return f"{closed}; {cell.cycles}"


def main() -> int:
    cells = list(matrix(ROWS))
    print("\n".join(table(cells)))
    bad = sum(not cell.well for cell in cells)
    print(f"\n{len(cells)} cells, {bad} not well")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
