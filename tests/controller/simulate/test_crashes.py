# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever is killed, and whenever: nothing is left half done (S15)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from swarmherd.model import Outcome
from swarmherd.simulate.cluster.crash import Crash, Victim
from swarmherd.simulate.cluster.crashes import BOUND_CYCLES, Cell, Row, boundaries, killed, matrix, unharmed
from swarmherd.simulate.cluster.hands import PLAYS
from swarmherd.simulate.cluster.rows import ROWS
from swarmherd.store import Store

from tests.bench.crashes import table

MORE_TASKS = {"scale up": 2, "relabel": 4, "bound elsewhere": 1, "rollback": 40}
"""What an action that was taken back and decided again may start once more: its own tasks, there and back. Until it is
rolled back, Swarm itself tries the image that is not there every five seconds."""
ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = ROOT / "docs" / "simulate.md"
NAMES = [row.name for row in ROWS]


NOT_SIMULATED = {
    "bootstrap": "it joins hosts to the Swarm, and the simulated one begins with all of its nodes; nothing is set back",
    "heal": "a restart and a move one after the other, which people run; the controller runs restart.yml and move.yml",
    "rebalance": "several moves one after the other, which people run; the controller runs move.yml",
    "resources": "only a person asks for it; it is one write, and no simulated task uses what it reserves",
}


def test_every_playbook_of_the_controller_has_its_steps_and_its_row() -> None:
    playbooks = {file.stem for file in (ROOT / "playbooks" / "enact").glob("*.yml")}
    assert playbooks - set(NOT_SIMULATED) == set(PLAYS), "add its steps to hands.PLAYS, or say why it has none"
    assert {row.kind for row in ROWS} == set(PLAYS), "add a row to rows.ROWS"


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_unharmed_each_row_does_its_action_once_and_reaches_what_it_is_for(row: Row) -> None:
    simulation = unharmed(row)
    (entry,) = simulation.store.history(10)
    assert (entry.action.kind, entry.outcome) == (row.kind, Outcome.DONE)
    assert row.wanted(simulation)
    assert simulation.crash.passed[:2] == ["decided", "written down"]
    assert len(simulation.crash.passed) >= 6


@pytest.mark.parametrize("row", [row for row in ROWS if "behind a balancer" in row.name], ids=lambda row: row.name)
def test_behind_a_balancer_what_goes_is_drained_before_anything_is_stopped_and_used_again_at_the_end(row: Row) -> None:
    """S18. That a kill in between leaves nothing drained is the next one's."""
    _decided, _written, *steps = (name.partition(": ")[2] for name in boundaries(row))
    started, first, *_rest, last, _ended, _closed = steps
    assert (started, first, last) == ("playbook started", "servers drained", "servers used again")


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_killed_at_any_boundary_nothing_is_left_half_done(row: Row) -> None:
    cells = list(matrix([row]))
    assert {cell.victim for cell in cells} == set(Victim)
    assert {cell.boundary for cell in cells} == set(boundaries(row))
    assert [cell for cell in cells if not cell.well] == []
    assert [cell for cell in cells if cell.more_tasks > MORE_TASKS.get(row.name, 0)] == []


def test_dependents_on_their_way_to_their_anchor_are_not_sent_back_by_a_controller_that_starts_again() -> None:
    """Once the new label lies, who begins again goes on: no task is started beyond those of the unharmed run."""
    cells = [cell for cell in matrix([ROWS[NAMES.index("relabel")]]) if cell.victim is not Victim.PLAYBOOK]
    labelled = [cell.boundary for cell in cells].index("relabel: new node labelled")
    assert {(cell.outcomes, cell.more_tasks) for cell in cells[labelled:]} == {(("done",), 0)}


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_same_holds_with_the_database_that_a_live_controller_keeps(row: Row, tmp_path: Path) -> None:
    numbers = iter(range(1000))

    def store() -> Store:
        return Store(f"sqlite:///{tmp_path / f'{next(numbers)}.db'}", "simulated")

    assert _told(matrix([row], store)) == _told(matrix([row]))


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_killed_again_while_it_recovers_nothing_is_left_half_done_either(row: Row) -> None:
    whole = unharmed(row)
    created = whole.swarm.created
    numbers = range(len(whole.crash.passed))
    cells = [
        killed(row, (first, first + later), victim, created)
        for first in numbers
        for later in (1, 2, 3)
        for victim in (Victim.CONTROLLER, Victim.BOTH)
    ]
    assert [cell for cell in cells if not cell.well] == []


@pytest.mark.slow
def test_the_documentation_shows_the_matrix_as_it_is() -> None:
    shown = "\n".join(table(matrix(ROWS)))
    assert shown in DOCUMENTED.read_text(), "write what python -m tests.bench.crashes prints into docs/simulate.md"


def test_what_a_kill_left_behind_is_seen() -> None:
    """The check itself must be able to fail: without a new controller a mark stays on its node."""
    row = ROWS[NAMES.index("move by deny label")]
    at = boundaries(row).index("move: node denied")
    cell = killed(row, (at,), Victim.BOTH, unharmed(row).swarm.created, restarts=False)
    assert cell.cycles > BOUND_CYCLES
    assert any("denies big" in problem for problem in cell.problems)
    assert any("is open" in problem for problem in cell.problems)


def test_a_crash_that_is_not_asked_for_only_writes_down() -> None:
    crash = Crash()
    crash.moment("decided")
    crash.step("scale: replicas set", lambda: pytest.fail("nothing was to be killed"))
    assert crash.passed == ["decided", "scale: replicas set"]


def _told(cells: Iterable[Cell]) -> list[tuple[str, str, tuple[str, ...], int]]:
    return [(cell.boundary, cell.victim, cell.outcomes, cell.cycles) for cell in cells]
