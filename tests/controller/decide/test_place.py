# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement by cases (placement.yml), each score by its formula, and what cannot be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.decide.place import (
    WEIGHTS,
    Affinity,
    Amount,
    Constraint,
    ConstraintError,
    Neighbour,
    NodeCapacity,
    Operator,
    Placer,
    Readings,
    Settings,
    Strategy,
    TaskShape,
    parse_affinity,
    parse_attribute,
    parse_constraint,
)
from swarmherd.decide.place.filters import FILTERS, MEETING, STANDING
from swarmherd.model import Availability, NodeState, Role

CASES = yaml.safe_load((Path(__file__).parent / "placement.yml").read_text())
GIB = 2**30


def amount(raw: Mapping[str, Any]) -> Amount:
    return Amount(raw.get("cpu", 0), raw.get("memory", 0) * GIB, raw.get("disk", 0) * GIB, raw.get("gpu", 0))


def a_node(name: str, raw: Mapping[str, Any]) -> NodeCapacity:
    plain = {
        key: raw[key]
        for key in ("id", "address", "os", "arch", "labels", "engine_labels", "tasks", "cpu", "gpu", "healthy")
        if key in raw
    }
    return NodeCapacity(
        name,
        role=Role(raw.get("role", "worker")),
        state=NodeState(raw.get("state", "ready")),
        availability=Availability(raw.get("availability", "active")),
        memory_bytes=raw["memory"] * GIB if "memory" in raw else None,
        disk_bytes=raw["disk"] * GIB if "disk" in raw else None,
        reserved=amount(raw.get("reserved", {})),
        plugins=frozenset(raw["plugins"]) if "plugins" in raw else None,
        ports=frozenset(raw.get("ports", ())),
        images=frozenset(raw.get("images", ())),
        readings=Readings(**raw.get("readings", {})),
        **plain,
    )


def neighbours(raw: list[Any]) -> tuple[Neighbour, ...]:
    return tuple(Neighbour(one) if isinstance(one, str) else Neighbour(*one) for one in raw)


def a_shape(name: str, raw: Mapping[str, Any]) -> TaskShape:
    return TaskShape(
        raw.get("service", name),
        amount(raw),
        replicas=raw.get("replicas", 1),
        constraints=tuple(map(parse_constraint, raw.get("constraints", ()))),
        priority=raw.get("priority", 0),
        platforms=tuple(map(tuple, raw.get("platforms", ()))),
        plugins=frozenset(raw.get("plugins", ())),
        ports=frozenset(raw.get("ports", ())),
        max_per_node=raw.get("max_per_node", 0),
        near=neighbours(raw.get("near", [])),
        apart_from=neighbours(raw.get("apart_from", [])),
        image=raw.get("image", ""),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: Mapping[str, Any]) -> None:
    raw = dict(case.get("settings", {}))
    raw["strategy"] = Strategy(raw.get("strategy", "spread"))
    nodes = [a_node(name, one) for name, one in case["nodes"].items()]
    found = Placer(nodes, Settings(**raw)).place(a_shape(name, one) for name, one in case["tasks"].items())
    by_name = dict(zip(case["tasks"], found, strict=True))
    placed = {name: [nodes[row].name for row in one.nodes] for name, one in by_name.items() if one.nodes}
    assert placed == case.get("placed", {})
    unplaced = {name: one.explanation for name, one in by_name.items() if one.unplaced}
    wanted = {name: set(said.split("; ")) for name, said in case.get("unplaced", {}).items()}
    assert {name: set(said.split("; ")) for name, said in unplaced.items()} == wanted


# ---------------------------------------------------------------- each score by its formula


def score(name: str, node: NodeCapacity, shape: TaskShape, strategy: Strategy = Strategy.SPREAD) -> float:
    """One score of one node, its weight taken out again."""
    weights = {**dict.fromkeys(set().union(*WEIGHTS.values()), 0.0), name: 1.0}
    ranking = Placer([node], Settings(strategy, weights)).ranking(shape)
    (ranked,) = ranking
    assert list(ranked.scores) == [name]
    assert ranked.total == pytest.approx(ranked.scores[name])
    return ranked.total


NEAR = (Neighbour("y", 3), Neighbour("z", 1))
HALF_CPU = NodeCapacity("n", cpu=4, memory_bytes=4 * GIB, reserved=Amount(cpu=2, memory_bytes=GIB))


@pytest.mark.parametrize(
    ("name", "node", "shape", "wanted"),
    [
        # After the task: 3/4 of CPU, 2/4 of memory; before it 1/2 and 3/4 are free.
        ("resources", HALF_CPU, TaskShape("x", Amount(1, GIB)), 0.6 * 0.75 + 0.4 * 0.625),
        ("affinity", NodeCapacity("n", labels={"a": "1"}), TaskShape("x"), 0.5),
        (
            "affinity",
            NodeCapacity("n", labels={"a": "1"}),
            TaskShape("x", affinity=(parse_affinity("node.labels.a==1:3"), parse_affinity("node.labels.b==1"))),
            0.75,
        ),
        ("performance", NodeCapacity("n"), TaskShape("x"), 0.4 * 0.5 + 0.6 * 0.5),
        # Performance (0.8 + 0.6 + 0.5) / 3, load (0.2 + 0.4) / 2.
        (
            "performance",
            NodeCapacity("n", readings=Readings(0.2, 0.4, 0.5)),
            TaskShape("x"),
            0.4 * 1.9 / 3 + 0.6 * 0.7,
        ),
        (
            "performance",
            NodeCapacity("n", readings=Readings(0.1, 0.1, 0.1)),
            TaskShape("x", priority=90),
            0.7 * 0.9 + 0.3 * 0.9,
        ),
        ("penalty", NodeCapacity("n"), TaskShape("x"), 110 / 110),
        ("penalty", NodeCapacity("n", readings=Readings(cpu=0.7)), TaskShape("x"), 95 / 110),
        ("penalty", NodeCapacity("n", tasks={"y": 21}), TaskShape("x"), 90 / 110),
        ("penalty", HALF_CPU, TaskShape("x", Amount(memory_bytes=2 * GIB)), 100 / 110),
        ("replicas", NodeCapacity("n", tasks={"x": 3}), TaskShape("x"), 1 / 4),
        ("zones", NodeCapacity("n", tasks={"x": 1}), TaskShape("x"), 1 / 2),
        ("disk", NodeCapacity("n", readings=Readings(disk=0.3)), TaskShape("x"), 0.7),
        ("disk", NodeCapacity("n"), TaskShape("x"), 0.5),
        ("network", NodeCapacity("n", readings=Readings(network=1.2)), TaskShape("x"), 0.0),
        ("image", NodeCapacity("n", images=frozenset({"i"})), TaskShape("x", image="i"), 1.0),
        ("image", NodeCapacity("n"), TaskShape("x", image="i"), 0.0),
        ("image", NodeCapacity("n"), TaskShape("x"), 0.5),
        ("gpus", NodeCapacity("n", gpu=1), TaskShape("x"), 0.0),
        ("gpus", NodeCapacity("n", gpu=1), TaskShape("x", Amount(gpu=1)), 1.0),
        ("in_use", NodeCapacity("n", tasks={"y": 1}), TaskShape("x"), 1.0),
        ("neighbours", NodeCapacity("n", tasks={"y": 1}), TaskShape("x", near=NEAR), 0.75),
        ("neighbours", NodeCapacity("n", tasks={"y": 1}), TaskShape("x"), 0.0),
    ],
)  # fmt: skip
def test_score(name: str, node: NodeCapacity, shape: TaskShape, wanted: float) -> None:
    assert score(name, node, shape) == pytest.approx(wanted, abs=1e-8)


def test_over_80_percent_cpu_costs_30_points_where_the_settings_let_it_in() -> None:
    node = NodeCapacity("n", readings=Readings(cpu=0.9))
    (ranked,) = Placer([node], Settings(cpu_limit=1.0)).ranking(TaskShape("x"))
    assert ranked.scores["penalty"] == pytest.approx(80 / 110, abs=1e-8)


def test_packing_prefers_full_nodes() -> None:
    full = 0.1 * 0.75 + 0.9 * 0.5
    assert score("resources", HALF_CPU, TaskShape("x", Amount(1, GIB)), Strategy.PACK) == pytest.approx(full, abs=1e-8)


def test_the_imbalance_is_the_deviation_of_the_nodes_load() -> None:
    placer = Placer([NodeCapacity("a", cpu=1, memory_bytes=GIB), NodeCapacity("b", cpu=1, memory_bytes=GIB)])
    assert placer.imbalance() == 0
    placer.place([TaskShape("x", Amount(1, GIB))])
    assert placer.imbalance() == 0.5
    assert Placer([]).imbalance() == 0


def test_placing_goes_on_where_it_was() -> None:
    placer = Placer([NodeCapacity("a", cpu=1), NodeCapacity("b", cpu=1)])
    shape = TaskShape("x", Amount(cpu=1))
    assert [one.nodes for one in placer.place([shape, shape, shape, shape])] == [(0,), (1,), (), ()]


def test_many_kinds_of_tasks_are_not_all_kept() -> None:
    nodes = [NodeCapacity(f"n{k}", labels={"k": str(k)}) for k in range(300)]
    wanted = [TaskShape(f"s{k}", constraints=(parse_constraint(f"node.labels.k=={k}"),)) for k in range(300)]
    assert [one.nodes for one in Placer(nodes).place(wanted)] == [(k,) for k in range(300)]


def test_every_filter_has_its_place() -> None:
    names = [one.name for one in FILTERS]
    assert len(set(names)) == len(names)
    resources = {"cpu", "memory", "disk", "gpu", "real CPU", "real memory"}
    assert {one.name for one in (*STANDING, *MEETING)} | resources == set(names)


# ---------------------------------------------------------------- constraints


@pytest.mark.parametrize(
    "text", ["node.labels.a==b", "node.role!=manager", "engine.labels.x.y==a b", "node.ip==::1/128"]
)
def test_constraints_read_and_write_the_same(text: str) -> None:
    assert str(parse_constraint(f" {text} ".replace("==", " == "))) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither == nor !="),
        ("node.labels.a", "neither == nor !="),
        ("node.labels.==b", "nothing that a constraint can be about"),
        ("node.labels.a b==c", "nothing that a constraint can be about"),
        ("zone==a", "use one of node.id"),
        ("node.labels.a==", "compares with nothing"),
        ("node.labels.a==b;c", "Swarm does not allow"),
        ("node.ip==10.0.0", "is no address"),
    ],
)
def test_text_that_is_no_constraint_is_refused_with_a_remedy(text: str, said: str) -> None:
    with pytest.raises(ConstraintError, match=said.replace(".", "[.]")):
        parse_constraint(text)


@pytest.mark.parametrize(
    ("operator", "values", "holds_for"),
    [
        (Operator.IN, ("a", "B"), ["a", "b"]),
        (Operator.NOT_IN, ("a",), ["b", "", "c"]),
        (Operator.EXISTS, (), ["a", "b", "c"]),
        (Operator.DOES_NOT_EXIST, (), [""]),
    ],
)
def test_operators(operator: Operator, values: tuple[str, ...], holds_for: list[str]) -> None:
    constraint = Constraint("node.labels.k", operator, values)
    assert {value for value in ("a", "b", "c", "") if constraint.holds(value)} == set(holds_for)
    assert operator.value in str(constraint) or len(values) == 1
    nodes = [NodeCapacity("n", value, labels={"k": value} if value else {}) for value in ("a", "b", "c", "")]
    ranking = Placer(nodes).ranking(TaskShape("x", constraints=(constraint,)))
    assert {one.node for one in ranking} == set(holds_for), "all at once as one by one"


def test_an_address_that_is_none_is_in_no_network() -> None:
    assert not parse_constraint("node.ip==10.0.0.0/8").holds("")


def test_affinities_have_a_weight() -> None:
    assert parse_affinity("node.labels.a==b:2.5").weight == 2.5
    assert parse_affinity("node.labels.a==b").weight == 1
    for text in ("node.labels.a==b:0", "node.labels.a==b:inf", "node.labels.a==b:x"):
        with pytest.raises(ConstraintError, match="no weight"):
            parse_affinity(text)
    with pytest.raises(ConstraintError, match="selector"):
        Affinity(())


# ---------------------------------------------------------------- what cannot be asked for


def test_what_makes_no_sense_is_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match="negative"):
        Amount(cpu=-1)
    with pytest.raises(ValueError, match="x: a number of replicas"):
        TaskShape("x", replicas=-1)
    with pytest.raises(ValueError, match="near itself"):
        TaskShape("x", near=(Neighbour("x"),))
    with pytest.raises(ConstraintError, match="takes no value"):
        Constraint(parse_attribute("node.role"), Operator.EXISTS, ("a",))
    with pytest.raises(ValueError, match="there is no score karma"):
        Settings(weights={"karma": 1.0})
    with pytest.raises(ValueError, match="from 0 to 1000"):
        Settings(weights={"zones": -1.0})
