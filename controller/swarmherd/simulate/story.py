# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario, told: what was done and why, what users noticed, and what they would have noticed without us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmherd.model import Availability, Node, NodeState, Role, Service
from swarmherd.policy import Policy, PolicyError, Problem, parse_policy, scale_policies, service_wishes
from swarmherd.policy.parse import POLICY, parse
from swarmherd.simulate.cluster.faults import Fault
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.simulation import BEGIN, TALLY_SECONDS, Layout, Simulation, Tally
from swarmherd.simulate.cluster.standing import problems
from swarmherd.simulate.scenario import MOST_REPLICAS, SCENARIO, NodeKeys, Scenario, ServiceKeys, demand_of, mistakes
from swarmherd.store import Entry


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a scenario."""

    scenario: Scenario
    faults: tuple[Fault, ...]
    tallies: Mapping[str, Tally]
    without: Mapping[str, Tally]
    """The same with nobody to look after the cluster."""
    entries: tuple[Entry, ...]
    """The journal, oldest first."""
    cycles: int
    abandoned: int
    """Cycles in which nothing could be decided."""
    problems: tuple[str, ...]
    """What is not as it should be in the end."""


def read_scenario(document: Mapping[str, Any], file: str) -> tuple[Scenario, Policy]:
    """Raises PolicyError with every mistake in it."""
    said = document.get(POLICY)
    wanted = parse_policy({} if said is None else said, file)
    rest = {key: value for key, value in document.items() if key != POLICY}
    scenario = parse(Scenario, rest, file, SCENARIO)
    for look in (mistakes, _left_alone, _too_many):
        if found := tuple(look(scenario, wanted, file)):
            raise PolicyError(found)
    return scenario, wanted


def _left_alone(scenario: Scenario, policy: Policy, file: str) -> Iterator[Problem]:
    """What a controller would leave a service alone for: policy and labels, taken together."""
    services = [_service(name, keys) for name, keys in scenario.services.items()]
    for wanted in (scale_policies(policy, services), service_wishes(policy, services)):
        for name, found in sorted(wanted.problems.items()):
            for one in found:
                of_label = "" if one.key.startswith(POLICY) else f"{SCENARIO}.services.{name}.labels."
                yield one._replace(file=file, key=of_label + one.key)


def _too_many(scenario: Scenario, policy: Policy, file: str) -> Iterator[Problem]:
    """What the policy, labels and schedules together may let the services grow to."""
    services = [_service(name, keys) for name, keys in scenario.services.items()]
    most = {name: keys.replicas for name, keys in scenario.services.items()}
    for name, scale in scale_policies(policy, services).by_service.items():
        most[name] = max(most[name], scale.max, *(one.max or 0 for one in scale.schedules))
    if (together := sum(most.values())) > MOST_REPLICAS:
        name = max(most, key=lambda one: most[one])
        said = f"by their max the services may come to {together} replicas together, {name} alone to {most[name]}"
        remedy = f"write a lower max: {MOST_REPLICAS} replicas can be simulated"
        yield Problem(file, f"{SCENARIO}.services", said, remedy)


def tell(scenario: Scenario, policy: Policy, folder: Path, file: str) -> Told:
    """Runs it, once with the controller and once without. `folder` is where its traces are. Raises PolicyError."""
    faults = tuple(_fault(scenario, place) for place in range(len(scenario.faults)))
    ours, alone = (played(scenario, policy, folder, file, controlled) for controlled in (True, False))
    return Told(
        scenario,
        faults,
        ours.tallies,
        alone.tallies,
        tuple(reversed(ours.store.history(10_000))),
        len(ours.cycles),
        sum(cycle.failed for cycle in ours.cycles),
        problems(ours),
    )


def played(
    scenario: Scenario,
    policy: Policy,
    folder: Path,
    file: str,
    controlled: bool = True,
    tally_seconds: float = TALLY_SECONDS,
) -> Simulation:
    """The scenario, once through. The mode is not looked at: what the policy would do is done. Raises PolicyError."""
    nodes = [_node(place, name, keys) for place, (name, keys) in enumerate(scenario.nodes.items(), 1)]
    services = [(_service(name, keys), _habits(name, keys, folder, file)) for name, keys in scenario.services.items()]
    layout = Layout(
        nodes,
        services,
        policy,
        scenario.interval_seconds,
        scenario.heartbeat_seconds,
        scrape_seconds=scenario.scrape_seconds,
        playbook_seconds=scenario.playbook_seconds,
        tally_seconds=tally_seconds,
        tallied_seconds=scenario.run_for,
    )
    simulation = Simulation(layout, scenario.seed, controlled=controlled)
    for place in range(len(scenario.faults)):
        _fault(scenario, place).plan(simulation)
    simulation.run_for(scenario.run_for)
    return simulation


def _node(place: int, name: str, keys: NodeKeys) -> Node:
    role = Role.MANAGER if keys.manager else Role.WORKER
    address = f"10.0.{place // 250}.{place % 250 + 1}"
    return Node(
        name,
        name,
        role,
        NodeState.READY,
        Availability.ACTIVE,
        address=address,
        labels=dict(keys.labels),
        cpus=keys.cpus,
        memory_bytes=int(keys.memory),
    )


def _service(name: str, keys: ServiceKeys) -> Service:
    return Service(
        f"id-{name}",
        name,
        1,
        keys.replicas,
        BEGIN,
        labels=dict(keys.labels),
        image=f"{name}:1",
        cpu_limit=keys.cpus,
        memory_limit_bytes=None if keys.memory_limit is None else int(keys.memory_limit),
        memory_reservation_bytes=None if keys.memory_reservation is None else int(keys.memory_reservation),
        constraints=keys.constraints,
        local_data=keys.local_data,
        start_first=keys.start_first,
    )


def _habits(name: str, keys: ServiceKeys, folder: Path, file: str) -> Habits:
    demand = demand_of(keys.traffic, folder, file, f"{SCENARIO}.services.{name}.traffic")
    return Habits(
        keys.startup,
        keys.stop,
        keys.restart_delay,
        keys.capacity,
        keys.queue,
        keys.memory,
        keys.cpus,
        demand,
    )


def _fault(scenario: Scenario, place: int) -> Fault:
    keys = scenario.faults[place]
    return Fault(keys.fault, keys.at, keys.lasts, keys.node or keys.service, keys.replicas)


def document(told: Told) -> dict[str, Any]:
    """For programs."""
    return {
        "seconds": told.scenario.run_for,
        "seed": told.scenario.seed,
        "cycles": told.cycles,
        "abandoned": told.abandoned,
        "services": {
            name: {**_figures(tally), "without": _figures(told.without[name])} for name, tally in told.tallies.items()
        },
        "faults": [str(fault) for fault in told.faults],
        "actions": [_action(entry) for entry in told.entries],
        "problems": list(told.problems),
    }


def _figures(tally: Tally) -> dict[str, Any]:
    replicas, serving = tally.course[-1][3:] if tally.course else (0, 0)
    return {
        "requests": round(tally.asked, 3),
        "lost_fraction": round(tally.lost / tally.asked, 6) if tally.asked else 0.0,
        "missing_replica_seconds": tally.missing_seconds,
        "replica_seconds": tally.replica_seconds,
        "replicas": replicas,
        "serving": serving,
    }


def _action(entry: Entry) -> dict[str, Any]:
    return {
        "at": (entry.started_at - BEGIN).total_seconds(),
        "kind": entry.action.kind,
        "service": entry.action.service,
        "outcome": entry.outcome.value,
        "detail": entry.detail,
        "reason": entry.action.reason,
    }
