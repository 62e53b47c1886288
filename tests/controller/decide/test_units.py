# SPDX-License-Identifier: GPL-3.0-or-later
"""What is moved as one, and where Swarm would put it."""

from __future__ import annotations

from swarmherd.decide.measured import MEMORY, measured
from swarmherd.decide.scene import Scene
from swarmherd.decide.units import foretold, units
from swarmherd.model import Memory
from swarmherd.policy import LoadBy, parse_policy

from tests.controller.arranged import view_of
from tests.controller.described import NOW

POLICY = parse_policy({"services": {"web": {"follows": "db"}, "db": {}}}, "f.yml")


def scene(**services: dict[str, object]) -> Scene:
    nodes = {"n1": {"memory": 70}, "n2": {"memory": 20}}
    return Scene.of(view_of({"nodes": nodes, "services": services}), POLICY, Memory(), NOW)


def test_a_task_that_no_other_node_would_take_stays() -> None:
    alone = scene(db={"at": ["n1"], "gib": 1, "follows": ["other"]})
    loads = measured(alone, MEMORY, LoadBy.USE)
    assert not isinstance(loads, str)
    [unit] = units(alone, loads, {"web": "it follows"})
    assert foretold(alone, unit, ["n2"]).why_not == "no other node would take it"


def test_an_anchor_goes_with_what_is_beside_it_and_not_while_that_is_elsewhere() -> None:
    for beside, sizes in (("n1", [1.5]), ("n2", [])):
        here = scene(db={"at": ["n1"], "gib": 1}, web={"at": [beside], "gib": 0.5})
        loads = measured(here, MEMORY, LoadBy.USE)
        assert not isinstance(loads, str)
        assert [unit.size / 2**30 for unit in units(here, loads, {"web": "it follows"})] == sizes
