# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every placement: it equals placing one by one, whatever the batches, and breaks no limit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from swarmherd.decide.place import (
    Affinity,
    Amount,
    Constraint,
    Neighbour,
    NodeCapacity,
    Operator,
    Placer,
    Readings,
    Settings,
    Strategy,
    TaskShape,
)
from swarmherd.model import Availability, NodeState

from tests.controller.decide.one_by_one import OneByOne

SERVICES = ["web", "api", "db", "cache"]
share = st.none() | st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.65, 0.81, 0.95])
some = st.sampled_from
weights = some([None, 1.0, 3.0])

constraints = some(
    [
        Constraint("node.labels.disk", Operator.IN, ("ssd",)),
        Constraint("node.labels.disk", Operator.IN, ("ssd", "HDD")),
        Constraint("node.labels.disk", Operator.NOT_IN, ("ssd",)),
        Constraint("node.labels.rack", Operator.EXISTS),
        Constraint("node.labels.rack", Operator.DOES_NOT_EXIST),
        Constraint("node.role", Operator.IN, ("Worker",)),
    ]
)
readings = st.builds(
    Readings,
    cpu=share,
    memory=share,
    response_seconds=st.none() | some([0.01, 0.4, 2.0]),
    disk=share,
    network=share,
)


@st.composite
def clusters(draw: st.DrawFn) -> list[NodeCapacity]:
    alike = draw(st.booleans())
    kinds = st.builds(
        NodeCapacity,
        name=st.just("n"),
        state=some([NodeState.READY] * 7 + [NodeState.DOWN]),
        availability=some([Availability.ACTIVE] * 7 + [Availability.DRAIN, Availability.PAUSE]),
        healthy=some([True, True, False]),
        os=some(["", "linux", "windows"]),
        labels=st.fixed_dictionaries(
            {}, optional={"zone": some(["a", "b", "c"]), "disk": some(["ssd", "hdd"]), "rack": st.just("r1")}
        ),
        plugins=st.none() | some([frozenset(), frozenset({"nfs"})]),
        cpu=st.none() | some([0.0, 1.0, 2.0, 4.0]),
        memory_bytes=st.none() | some([2.0**30, 2.0**31]),
        gpu=st.none() | some([0.0, 1.0]),
        reserved=some([Amount(), Amount(0.3, 2.0**28)]),
        tasks=st.dictionaries(some(SERVICES), st.integers(1, 12), max_size=2),
        ports=some([frozenset(), frozenset({80})]),
        images=some([frozenset(), frozenset({"shop:1"})]),
        readings=st.just(Readings()) | readings,
    )
    if alike:
        kinds = st.just(draw(kinds))
    found = draw(st.lists(kinds, min_size=1, max_size=9))
    return [replace(node, name=f"n{number}", id=f"id-{number}") for number, node in enumerate(found)]


@st.composite
def shapes(draw: st.DrawFn) -> TaskShape:
    service = draw(some(SERVICES))
    others = st.builds(Neighbour, some([name for name in SERVICES if name != service]), weights)
    return TaskShape(
        service,
        Amount(draw(some([0.0, 0.1, 0.25, 0.7])), draw(some([0.0, 2.0**26, 3e8])), 0.0, draw(some([0.0, 0.0, 0.5]))),
        replicas=draw(some([0, 1, 1, 2, 5, 17, 40])),
        constraints=tuple(draw(st.lists(constraints, max_size=1))),
        affinity=tuple(draw(st.lists(st.builds(Affinity, st.tuples(constraints), some([1.0, 4.0])), max_size=2))),
        priority=draw(some([0, 80, 81])),
        platforms=draw(some([(), (), (("linux", ""),)])),
        plugins=draw(some([frozenset(), frozenset(), frozenset({"nfs"})])),
        ports=draw(some([frozenset(), frozenset(), frozenset({80}), frozenset({443})])),
        max_per_node=draw(some([0, 0, 1, 3])),
        near=tuple(draw(st.lists(others, max_size=1))),
        apart_from=tuple(draw(st.lists(others | st.builds(Neighbour, st.just(service), weights), max_size=2))),
        image=draw(some(["", "shop:1"])),
    )


NO_LOAD = {"resources": 0.0, "penalty": 0.0, "in_use": 0.0}
choices = st.builds(
    Settings,
    some(list(Strategy)),
    some([{}, {"zones": 9.0}, {"resources": 0.0, "replicas": 0.3, "in_use": 1.0}, NO_LOAD]),
)


@settings(max_examples=150, deadline=None)
@given(clusters(), st.lists(shapes(), min_size=1, max_size=6), choices)
def test_many_are_placed_exactly_as_one_by_one(
    nodes: list[NodeCapacity], wanted: list[TaskShape], chosen: Settings
) -> None:
    found = Placer(nodes, chosen).place(wanted)
    assert [list(placement.nodes) for placement in found] == OneByOne(nodes, chosen).place(wanted)


@settings(max_examples=60, deadline=None)
@given(clusters(), st.lists(shapes(), min_size=1, max_size=5), choices, st.data())
def test_the_batches_do_not_matter(
    nodes: list[NodeCapacity], wanted: list[TaskShape], chosen: Settings, data: st.DataObject
) -> None:
    whole = [row for placement in Placer(nodes, chosen).place(wanted) for row in placement.nodes]
    placer, parts = Placer(nodes, chosen), []
    for shape in wanted:
        left = shape.replicas
        while left:
            batch = data.draw(st.integers(1, left))
            parts += [row for one in placer.place([replace(shape, replicas=batch)]) for row in one.nodes]
            left -= batch
    assert parts == whole


@settings(max_examples=60, deadline=None)
@given(clusters(), st.lists(shapes(), min_size=1, max_size=5), choices)
def test_nothing_is_overcommitted_and_what_is_refused_has_a_reason(
    nodes: list[NodeCapacity], wanted: list[TaskShape], chosen: Settings
) -> None:
    found = Placer(nodes, chosen).place(wanted)
    for row, node in enumerate(nodes):
        for line, limit in enumerate(node.limits()):
            placed = [p.shape.need.each()[line] for p in found for at in p.nodes if at == row]
            if limit is not None and any(placed):
                assert sum(placed) + node.reserved.each()[line] <= limit + 1e-6
    for placement in found:
        assert (placement.unplaced > 0) == bool(placement.explanation), placement


@settings(max_examples=60, deadline=None)
@given(clusters(), st.lists(shapes(), min_size=1, max_size=4), shapes(), choices)
def test_the_ranking_foretells_the_next_choice(
    nodes: list[NodeCapacity], before: list[TaskShape], shape: TaskShape, chosen: Settings
) -> None:
    placer = Placer(nodes, chosen)
    placer.place(before)
    ranking = placer.ranking(shape)
    (placement,) = placer.place([replace(shape, replicas=1)])
    assert [nodes[row].id for row in placement.nodes] == [ranked.node for ranked in ranking[:1]]
    for ranked in ranking:
        assert abs(sum(ranked.scores.values()) - ranked.total) < 1e-9
