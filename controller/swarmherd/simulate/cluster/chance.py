# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster, traffic and one fault out of a seed; whether it recovers; and whether we made it worse.

The same seed is the same cluster, the same fault at the same instant, and the same choices of Swarm, so what became of
it without a controller can be held against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from swarmherd.model import Node, Role, Service
from swarmherd.policy import anchor_constraint, anchor_label
from swarmherd.simulate.cluster.building import MEBIBYTE, node, policy, service
from swarmherd.simulate.cluster.faults import LASTING, ON_NODES, ON_SERVICES, Fault, Kind
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.simulation import Layout, Simulation
from swarmherd.simulate.cluster.standing import problems

EARLIEST, LATEST = 40.0, 150.0
"""When the fault comes: actions are under way then."""
BOUND_SECONDS = 420.0
"""After the fault is over, everything stands as it should within so long. The guard against crash loops alone looks
back five minutes."""
STAYS_CYCLES = 3
"""It must stand so in this many cycles in a row."""
WORSE_RATIO, WORSE_LEAST = 1.05, 50.0
"""Requests lost beyond those without us: within these it is the chance of an instant."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one seed."""

    seed: int
    fault: Fault
    problems: tuple[str, ...]
    """What was not as it should be when the bound was over; empty when it recovered."""
    seconds: float
    """From the fault's end until all stood as it should, and stayed so."""
    worse: tuple[str, ...] = ()
    """What is worse than without a controller. Looked at where it did not recover."""

    @property
    def recovered(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        said = f"recovered after {self.seconds:.0f} s" if self.recovered else "; ".join(self.problems)
        return f"seed {self.seed}: {self.fault}: {said}" + "".join(f"; WORSE: {word}" for word in self.worse)


def scene(seed: int) -> tuple[Layout, Fault]:
    """Three managers and two to four workers; a scaled service whose traffic changes in mid-run, an anchor with what
    follows it, and load that lies unevenly."""
    random = Random(seed)  # noqa: S311  (a seed is to give the same again)
    nodes = [node(number) for number in range(1, random.randint(6, 8))]
    nodes[0] = replace(nodes[0], labels={anchor_label("db"): "yes"})
    low, high, turn = random.uniform(40, 120), random.uniform(120, 320), random.uniform(20, 140)
    first, last = (low, high) if random.random() < 0.7 else (high, low)
    count = max(2, round(first / 40))
    services: list[tuple[Service, Habits]] = [
        (service("web", count), Habits(demand=lambda s: first if s < turn else last, memory_bytes=150 * MEBIBYTE)),
        (service("db", 1), Habits(memory_bytes=600 * MEBIBYTE)),
        (service("api", 2, constraints=(anchor_constraint("db"),)), Habits(memory_bytes=200 * MEBIBYTE)),
        (service("queue", random.randint(2, 4)), Habits(memory_bytes=random.uniform(300, 900) * MEBIBYTE)),
    ]
    scale = {"min": 2, "max": 10, "metrics": [{"requests_per_replica": 40}], "stabilization": {"down": "1m"}}
    keys: dict[str, Any] = {"services": {"web": {"scale": scale}, "api": {"follows": "db"}, "queue": {}}}
    if random.random() < 0.5:
        keys["rebalance"] = {"memory": "15%", "cooldown": "30s", "min_task_age": "30s", "service_cooldown": "1m"}
    return Layout(nodes, services, policy(**keys)), _fault(random, nodes, [one.name for one, _habits in services])


def _fault(random: Random, nodes: list[Node], services: list[str]) -> Fault:
    kind = random.choice(list(Kind))
    at, seconds = random.uniform(EARLIEST, LATEST), random.uniform(5.0, 90.0)
    about = ""
    if kind in ON_NODES:
        among = [one for one in nodes if one.role is Role.WORKER] if kind is Kind.MANUAL_DRAIN else nodes
        about = random.choice(among).hostname
    elif kind in ON_SERVICES:
        about = "web" if kind is Kind.MANUAL_SCALE else random.choice(services)
    for_good = kind in LASTING and random.random() < 0.5
    return Fault(kind, at, None if for_good else seconds, about, random.randint(2, 10))


def verdict(seed: int) -> Verdict:
    """What becomes of this seed."""
    layout, fault = scene(seed)
    simulation = Simulation(layout, seed)
    fault.plan(simulation)
    simulation.run_for(fault.over_at + 1.0)
    ended, stood_since = simulation.timeline.seconds, None
    while simulation.timeline.seconds < ended + BOUND_SECONDS:
        simulation.run_for(layout.interval_seconds)
        if problems(simulation) or broke_off(simulation):
            stood_since = None
        elif stood_since is None:
            stood_since = simulation.timeline.seconds
        elif simulation.timeline.seconds - stood_since >= (STAYS_CYCLES - 1) * layout.interval_seconds:
            return Verdict(seed, fault, (), stood_since - ended)
    left = (*problems(simulation), *broke_off(simulation)) or ("it does not come to rest",)
    return Verdict(seed, fault, left, BOUND_SECONDS, tuple(_worse(simulation, seed)))


def broke_off(simulation: Simulation) -> tuple[str, ...]:
    """Cycles that ended in a fault of ours, and not because something could not be read."""
    return tuple(cycle.sentence for cycle in simulation.cycles if "broke off" in cycle.sentence)


def _worse(simulation: Simulation, seed: int) -> Iterator[str]:
    """Held against the same with nobody to look after it, for as long."""
    layout, fault = scene(seed)
    alone = Simulation(layout, seed, controlled=False)
    fault.plan(alone)
    alone.run_for(simulation.timeline.seconds)
    for name, with_us in simulation.tallies.items():
        without = alone.tallies[name]
        if with_us.lost > without.lost * WORSE_RATIO + WORSE_LEAST:
            yield f"{name} lost {with_us.lost:.0f} requests, {without.lost:.0f} without us"
    serving = {name: (simulation.swarm.serving(name), alone.swarm.serving(name)) for name in simulation.tallies}
    for name, (with_us_now, without_now) in serving.items():
        demand = simulation.swarm.habits[name].demand(simulation.timeline.seconds)
        needed = demand / simulation.swarm.habits[name].capacity
        if with_us_now < min(without_now, needed, simulation.swarm.services[name].replicas or 0):
            yield f"{with_us_now} replicas of {name} serve, {without_now} without us"
