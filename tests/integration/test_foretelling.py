# SPDX-License-Identifier: GPL-3.0-or-later
"""What is foretold of Swarm's choices, held against what a real Swarm then does."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from swarmherd.decide.foretell import landing, moved, victims
from swarmherd.decide.place import seen
from swarmherd.model import Availability, ClusterView, Node, Service

from .situations import LABEL, MOST, Swarm, ours, swarm, tasks_of

pytestmark = pytest.mark.usefixtures("lab")

FIRST, LATER = 30, 34
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
"""30 situations in `make test`; with the five seeds more of 34 each in `make test-all`, 200."""
EACH = 6
"""Situations that arise from one another, before nodes and services are made anew."""


@dataclass(frozen=True)
class Compared:
    """One situation: what was done, what was foretold of it, and what came."""

    did: str
    foretold: frozenset[str]
    choices: int
    """The nodes that pass Swarm's filters, or the service's tasks."""
    fact: frozenset[str]
    told: str
    """The nodes and what was on them, for the reader of a failure."""
    unsure: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        return self.fact <= self.foretold and bool(self.fact) == bool(self.foretold)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_swarm_does_lies_in_what_was_foretold(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    with swarm() as one:
        compared = list(situations(one, Random(seed), LATER if seed else FIRST))  # noqa: S311 the same every time
    assert [found for found in compared if not found.held] == []
    choice = [found for found in compared if found.choices > 1]
    sizes, choices = [len(found.foretold) for found in choice], [found.choices for found in choice]
    figures = (
        f"{len(compared)} situations, {len(choice)} of them with a choice: foretold {statistics.mean(sizes):.2f} of "
        f"{statistics.mean(choices):.2f} (medians {statistics.median(sizes):g} of {statistics.median(choices):g}), "
        f"{sum(bool(found.unsure) for found in compared)} unsure, {done(compared)}"
    )
    with capsys.disabled():
        print(f"\nforetelling, seed {seed}: {figures}")  # noqa: T201 figures are for print
    assert len(choice) > len(compared) / 3, figures
    assert statistics.mean(sizes) < 0.75 * statistics.mean(choices), figures
    assert statistics.median(sizes) < statistics.median(choices), figures


def done(compared: list[Compared]) -> str:
    kinds = [found.did.partition(" ")[0] for found in compared]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))


def situations(one: Swarm, chance: Random, count: int) -> Iterator[Compared]:
    for number in range(count):
        if number % EACH == 0:
            anew(one, chance)
        pause_one_or_none(one, chance)
        yield chosen(one, one.only_running(), chance)


def anew(one: Swarm, chance: Random) -> None:
    """Other labels on the nodes, and four services of other kinds."""
    one.clear()
    for node in by_name(one.view()):
        disk = chance.choice(["ssd", "hdd"])
        one.change(node, {f"{LABEL}.zone": chance.choice("abc"), f"{LABEL}.disk": disk})
    for _service in range(4):
        one.create(chance)


def by_name(view: ClusterView) -> list[Node]:
    return sorted(view.nodes, key=lambda node: node.hostname)


def pause_one_or_none(one: Swarm, chance: Random) -> None:
    nodes = by_name(one.view())
    paused = chance.choice([*nodes, *[None] * 9])
    for node in nodes:
        one.change(node, availability=Availability.PAUSE if node is paused else Availability.ACTIVE)


def chosen(one: Swarm, view: ClusterView, chance: Random) -> Compared:
    """Scales a random service up or down by one, or moves it off a node."""
    services = sorted(ours(view), key=lambda service: service.name)
    up = [(up_by_one, service) for service in services if (service.replicas or 0) < MOST]
    down = [(down_by_one, service) for service in services if service.replicas]
    off = [(off_a_node, service) for service in services if sources(view, service)]
    act, service = chance.choice(chance.choice([some for some in (up, down, off) if some]))
    return act(one, view, service, chance)


def sources(view: ClusterView, service: Service) -> list[Node]:
    """Swarm takes no task off a node that is paused, whatever its labels say."""
    hosts = {task.node_id for task in tasks_of(view, service)}
    return [node for node in by_name(view) if node.id in hosts and node.availability is Availability.ACTIVE]


def up_by_one(one: Swarm, view: ClusterView, service: Service, _chance: Random) -> Compared:
    foretold = landing(view, service)
    one.scale(service.name, (service.replicas or 0) + 1)
    fact = arrived(view, one.settled(), service)
    return Compared(f"up {service}", foretold.nodes, len(foretold.fit), fact, drawn(view), foretold.unsure)


def down_by_one(one: Swarm, view: ClusterView, service: Service, _chance: Random) -> Compared:
    foretold = victims(view, service)
    one.scale(service.name, (service.replicas or 0) - 1)
    left = {task.id for task in tasks_of(one.settled(), service)}
    before = {task.id for task in tasks_of(view, service)}
    return Compared(
        f"down {service}", foretold.tasks, len(before), frozenset(before - left), drawn(view), foretold.unsure
    )


def off_a_node(one: Swarm, view: ClusterView, service: Service, chance: Random) -> Compared:
    source = chance.choice(sources(view, service))
    foretold = moved(view, service, source.id)
    deny = f"{LABEL}.deny.{service.name}"
    one.change(source, {deny: "yes"})
    after = one.settled(lambda now: all(task.node_id != source.id for task in tasks_of(now, service)))
    one.change(source, {deny: None})
    did = f"off {source.id} {service}"
    return Compared(did, foretold.nodes, len(foretold.fit), arrived(view, after, service), drawn(view), foretold.unsure)


def arrived(before: ClusterView, after: ClusterView, service: Service) -> frozenset[str]:
    """The nodes of tasks that were not there before."""
    known = {task.id for task in before.tasks}
    return frozenset(t.node_id for t in tasks_of(after, service) if t.id not in known and t.node_id)


def drawn(view: ClusterView) -> str:
    def on(node: str) -> list[str]:
        return sorted(f"{t.service}.{t.slot}" for t in view.tasks if t.node_id == node and seen.counted(t))

    return "; ".join(f"{node.id} {node.availability} {dict(node.labels)}: {on(node.id)}" for node in view.nodes)
