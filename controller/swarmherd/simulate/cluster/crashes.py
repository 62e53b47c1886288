# SPDX-License-Identifier: GPL-3.0-or-later
"""The crash-point matrix: the controller, its playbook, or both, killed at every step boundary of every kind of action.

A row is a small cluster that makes the real loop do one action of a kind. It is run once unharmed, which names the
boundaries, and then once for each boundary and victim. A kind of action comes in by its steps in `hands.PLAYS` and a
row in `rows.ROWS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from swarmherd.model import Outcome
from swarmherd.simulate.cluster.crash import Crash, Victim
from swarmherd.simulate.cluster.notebook import Keeping
from swarmherd.simulate.cluster.simulation import Layout, Simulation
from swarmherd.simulate.cluster.standing import problems

UNHARMED_SECONDS = 240.0
BOUND_CYCLES = 12
"""After the kill everything stands as it should within so many cycles."""
OWN_MOMENTS = ("decided", "written down", "playbook ended", "entry closed")
"""Boundaries of the controller's own: no playbook runs there that could be killed."""
_NOT_ACTIVE = " is on "


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of action, and what makes the controller do it."""

    name: str
    kind: str
    layout: Callable[[], Layout]
    wanted: Callable[[Simulation], bool]
    """What the action is for."""
    again: bool = True
    """Whether it is decided again after a crash that took it back; a cooldown, or that it was a person's, may keep it
    from that."""
    closes: bool = False
    """Whether a node is to be left drained or paused by it."""
    prepare: Callable[[Simulation], None] = lambda _simulation: None
    """What else is to happen: an errand for what the controller does not do by itself, a node that comes later."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one kill."""

    row: str
    boundary: str
    victim: Victim
    cycles: int
    """Whole cycles after the kill until nothing was left, and what was wanted was there; BOUND_CYCLES + 1 for never."""
    outcomes: tuple[str, ...]
    """How the entries of the journal were closed, oldest first."""
    problems: tuple[str, ...]
    more_tasks: int
    """Tasks that were started beyond those of the unharmed run."""

    @property
    def well(self) -> bool:
        return self.cycles <= BOUND_CYCLES and not self.problems


def unharmed(row: Row) -> Simulation:
    """The row's action from its begin to its end."""
    return _run(row, Crash(), None)


def boundaries(row: Row) -> tuple[str, ...]:
    return tuple(unharmed(row).crash.passed)


def matrix(rows: Sequence[Row], store: Callable[[], Keeping] | None = None) -> Iterator[Cell]:
    """Every cell of these rows. `store` makes the store of each run; by default it is in memory."""
    for row in rows:
        whole = unharmed(row)
        for number, name in enumerate(whole.crash.passed):
            for victim in Victim:
                if victim is Victim.CONTROLLER or name not in OWN_MOMENTS:
                    yield killed(row, (number,), victim, whole.swarm.created, store() if store else None)


def killed(
    row: Row,
    boundaries: tuple[int, ...],
    victim: Victim,
    created: int,
    store: Keeping | None = None,
    restarts: bool = True,
) -> Cell:
    """One cell, of a kill at each of these boundaries: `created` are the tasks that the unharmed run started.

    Of several the later ones may fall into the recovery, or not come at all.
    """
    crash = Crash(boundaries, victim)
    simulation = _run(row, crash, store, begin_only=True)
    simulation.restarts = restarts
    interval = simulation.layout.interval_seconds
    while not crash.happened and simulation.timeline.seconds < UNHARMED_SECONDS:
        simulation.run_for(interval)
    cycles = 0
    while cycles <= BOUND_CYCLES and not _stands(row, simulation):
        simulation.run_for(interval)
        cycles += 1
    simulation.run_for(4 * interval)  # what was mended stays so
    left = _problems(row, simulation)
    if row.again and not row.wanted(simulation):
        left = (*left, "what was wanted is not there")
    outcomes = tuple(entry.outcome.value for entry in reversed(simulation.store.history(10)))
    return Cell(
        row.name, crash.passed[boundaries[0]], victim, cycles, outcomes, left, simulation.swarm.created - created
    )


def _run(row: Row, crash: Crash, store: Keeping | None, begin_only: bool = False) -> Simulation:
    simulation = Simulation(row.layout(), seed=7, crash=crash, store=store)
    row.prepare(simulation)
    simulation.run_for(0.0 if begin_only else UNHARMED_SECONDS)
    return simulation


def _stands(row: Row, simulation: Simulation) -> bool:
    return not _problems(row, simulation) and (row.wanted(simulation) or not row.again)


def _problems(row: Row, simulation: Simulation) -> tuple[str, ...]:
    """A node that was to be closed, and is, was wanted so."""
    done = any(entry.outcome is Outcome.DONE for entry in simulation.store.history(10))
    return tuple(one for one in problems(simulation) if not (row.closes and done and _NOT_ACTIVE in one))
