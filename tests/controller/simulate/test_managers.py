# SPDX-License-Identifier: GPL-3.0-or-later
"""Of three managers one dies, or two do, between the look at the cluster and what is done about it (S16, S17, S23).

Managers that have a majority go on, whoever leads them, and hold the same versions: the simulated ones have no leader
of their own. Without a majority nothing can be written, and what was begun is brought to its end afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from swarmherd.model import Outcome, Role
from swarmherd.simulate.cluster.crash import Crash
from swarmherd.simulate.cluster.crashes import BOUND_CYCLES, UNHARMED_SECONDS, Row, boundaries
from swarmherd.simulate.cluster.faults import Fault, Kind
from swarmherd.simulate.cluster.rows import ROWS
from swarmherd.simulate.cluster.simulation import Simulation
from swarmherd.simulate.cluster.standing import problems

BY_NAME = {row.name: row for row in ROWS}
AWAY_SECONDS = 40.0
ASKED = ("scale up", "relabel", "release", "rollback")
"""One for each way of writing: a count, nodes' labels, constraints, an earlier specification."""


class Meanwhile(Crash):
    """Nobody is killed; at the boundary of this name something happens to the cluster."""

    def __init__(self, boundary: str) -> None:
        super().__init__()
        self.boundary = boundary
        self.happen: Callable[[], None] = lambda: None
        self.happened_at: float | None = None

    def _due(self, name: str) -> bool:
        if name == self.boundary and name not in self.passed:
            self.happen()
        return super()._due(name)


def lost(row: Row, boundary: str, *managers: str) -> Simulation:
    """The row's cluster, of which these managers are away for a while from that boundary on."""
    meanwhile = Meanwhile(boundary)
    simulation = Simulation(row.layout(), seed=7, crash=meanwhile)
    roles = [simulation.swarm.hosts[name].node.role for name in ("n1", "n2", "n3")]
    assert roles == [Role.MANAGER] * 3

    def away() -> None:
        for name in managers:
            Fault(Kind.NODE_CUT_OFF, simulation.timeline.seconds, AWAY_SECONDS, name).plan(simulation)

    meanwhile.happen = away
    row.prepare(simulation)
    simulation.run_for(UNHARMED_SECONDS)
    assert boundary in meanwhile.passed, "what was to happen has happened"
    return simulation


def stands(row: Row, simulation: Simulation) -> bool:
    """Within as many cycles as after a kill."""
    for _cycle in range(BOUND_CYCLES):
        if row.wanted(simulation) and not problems(simulation):
            return True
        simulation.run_for(simulation.layout.interval_seconds)
    return False


@pytest.mark.parametrize("name", ASKED)
def test_a_manager_lost_after_the_decision_keeps_nobody_from_what_was_decided(name: str) -> None:
    """As where it led them: the others go on from the versions that the decision carries."""
    row = BY_NAME[name]
    simulation = lost(row, "decided", "n3")
    assert stands(row, simulation), problems(simulation)
    assert simulation.hands.most_at_once == 1


@pytest.mark.parametrize("name", ASKED)
def test_without_a_majority_after_the_decision_nothing_is_done_and_all_of_it_once_it_is_back(name: str) -> None:
    row = BY_NAME[name]
    simulation = lost(row, "decided", "n2", "n3")
    assert stands(row, simulation), problems(simulation)
    first, *_between, last = reversed(simulation.store.history(10))
    assert (first.action.kind, last.action.kind) == (row.kind, row.kind)
    assert first.outcome in (Outcome.GIVEN_UP, Outcome.UNDONE)
    assert last.outcome is Outcome.DONE
    assert simulation.hands.most_at_once == 1


@pytest.mark.parametrize("step", [one for one in boundaries(BY_NAME["relabel"]) if one.startswith("relabel: ")])
def test_without_a_majority_in_the_midst_of_a_relabel_the_dependents_come_to_their_anchor_all_the_same(
    step: str,
) -> None:
    row = BY_NAME["relabel"]
    simulation = lost(row, step, "n2", "n3")
    assert stands(row, simulation), problems(simulation)
