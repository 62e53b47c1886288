# SPDX-License-Identifier: GPL-3.0-or-later
"""The crash-point matrix: the controller, its playbook, or both, killed at every step boundary of every kind of action.

A row is a small cluster that makes the real loop do one action of a kind. It is run once unharmed, which names the
boundaries, and then once for each boundary and victim. A kind of action comes in by its steps in `hands.PLAYS` and a
row in `ROWS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swarmherd.by_hand import manual_availability
from swarmherd.model import Action, Availability, ClusterView, Memory, Node, NodeState, Outcome, Role, Service
from swarmherd.policy import Policy, anchor_constraint, anchor_label, parse_policy
from swarmherd.simulate.cluster.crash import Crash, Victim
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.notebook import Keeping
from swarmherd.simulate.cluster.simulation import BEGIN, Layout, Simulation
from swarmherd.simulate.cluster.standing import apart, problems

MEBIBYTE = 2**20
GIBIBYTE = 2**30
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
    """A drain that was rolled forward leaves its node drained: that was wanted."""
    done = any(entry.outcome is Outcome.DONE for entry in simulation.store.history(10))
    drained = row.kind == "drain" and done
    return tuple(one for one in problems(simulation) if not (drained and _NOT_ACTIVE in one))


# ---------------------------------------------------------------- the rows


def node(number: int, labels: Mapping[str, str] | None = None) -> Node:
    """Three managers, the others workers; four cores and four GiB each."""
    role = Role.MANAGER if number <= 3 else Role.WORKER
    return Node(
        f"n{number}",
        f"n{number}",
        role,
        NodeState.READY,
        Availability.ACTIVE,
        address=f"10.0.0.{number}",
        labels=labels or {},
        cpus=4.0,
        memory_bytes=4 * GIBIBYTE,
    )


def service(name: str, replicas: int, **more: Any) -> Service:
    limits = {"cpu_limit": 1.0, "memory_limit_bytes": 2 * GIBIBYTE}
    return Service(f"id-{name}", name, 1, replicas, BEGIN, image=f"{name}:1", **{**limits, **more})


def policy(**keys: Any) -> Policy:
    return parse_policy({"mode": "enforce", **keys}, "the simulation")


def _scaled(before: float, after: float, replicas: int) -> Layout:
    """Demand changes after a minute and a half."""
    scale = {"min": 1, "max": 10, "metrics": [{"requests_per_replica": 40}], "stabilization": 0, "cooldown": 30}
    web = Habits(demand=lambda seconds: before if seconds < 90 else after)
    return Layout(
        [node(n) for n in range(1, 5)], [(service("web", replicas), web)], policy(services={"web": {"scale": scale}})
    )


def _uneven(heavy: int, nodes: int, **consent: Any) -> Layout:
    """As many nodes as there are heavy tasks take any at first, so that one of them lies beside the rock."""
    rebalance = {"memory": "15%", "cooldown": "1m", "min_task_age": "1m"}
    services = [
        (service("big", heavy), Habits(memory_bytes=900 * MEBIBYTE)),
        (service("rock", 1), Habits(memory_bytes=1000 * MEBIBYTE)),
    ]
    wanted = policy(
        rebalance=rebalance, services={"big": {"move": consent}, "rock": {"move": {"do_not_disturb": True}}}
    )
    there = [
        replace(node(n), availability=Availability.ACTIVE if n <= heavy else Availability.PAUSE)
        for n in range(1, nodes + 1)
    ]
    return Layout(there, services, wanted)


def _opened(simulation: Simulation) -> None:
    """The nodes that took no tasks at first do from now on: Swarm moves nothing there by itself."""

    def open_them() -> None:
        for host in simulation.swarm.hosts.values():
            simulation.swarm.update_node(host.node.id, host.version, availability=Availability.ACTIVE)

    simulation.timeline.at(10.0, open_them)


def _anchored() -> Layout:
    """The anchor runs on n1, and the label lies on n2, where it ran once."""
    db = service("db", 1, constraints=("node.hostname==n1",))
    api = service("api", 2, constraints=(anchor_constraint("db"),))
    nodes = [node(1), node(2, {anchor_label("db"): "yes"}), node(3), node(4)]
    return Layout(nodes, [(db, Habits()), (api, Habits())], policy(services={"api": {"follows": "db"}}))


def _plain() -> Layout:
    return Layout([node(n) for n in range(1, 5)], [(service("web", 4), Habits())], policy(services={}))


def _drained(simulation: Simulation) -> None:
    simulation.timeline.at(44.0, lambda: simulation.errand(_drain))


def _drain(view: ClusterView, wanted: Policy, memory: Memory, new_id: Callable[[], str]) -> Action:  # noqa: ARG001  (an errand's)
    return manual_availability(view, "n2", Availability.DRAIN, "the host gets new memory", new_id)


def _replicas(wanted: int) -> Callable[[Simulation], bool]:
    return lambda simulation: simulation.swarm.serving("web") == wanted


def _evened(simulation: Simulation) -> bool:
    """Nothing heavy lies beside a rock any more."""
    where = {name: {task.node_id for task in simulation.swarm.kept(name)} for name in ("big", "rock")}
    return not where["big"] & where["rock"]


def _empty(simulation: Simulation) -> bool:
    swarm = simulation.swarm
    drained = swarm.hosts["n2"].node.availability is Availability.DRAIN
    return drained and not any(task.node_id == "n2" for name in swarm.services for task in swarm.kept(name))


ROWS: tuple[Row, ...] = (
    Row("scale up", "scale", lambda: _scaled(60, 150, 2), _replicas(4)),
    Row("scale down", "scale", lambda: _scaled(150, 60, 4), _replicas(2)),
    Row("move by deny label", "move", lambda: _uneven(2, 4), _evened, False, _opened),
    Row("move by pause and stop", "move", lambda: _uneven(1, 3, singles=True), _evened, False, _opened),
    Row("relabel", "relabel", _anchored, lambda simulation: not tuple(apart(simulation))),
    Row("drain", "drain", _plain, _empty, False, _drained),
)
