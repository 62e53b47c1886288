# SPDX-License-Identifier: GPL-3.0-or-later
"""What an action changes, in a few words; and what a move has set on nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from swarmherd.decide.changes import change
from swarmherd.decide.marks import denied, leftovers, paused_for
from swarmherd.model import Action

from tests.controller.described import view_of


def action(kind: str, parameters: dict[str, Any], undo: dict[str, Any], service: str = "web") -> Action:
    said, back = ({f"swarmherd_{name}": value for name, value in one.items()} for one in (parameters, undo))
    return Action("a1", kind, "shop", service, said, back, "a test")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (action("scale", {"replicas": 4}, {"replicas": 2}), "web 2 -> 4"),
        (action("move", {"node": "n1", "task": "abc"}, {}), "web task abc off n1"),
        (action("move", {"node": "n1", "task": ""}, {}), "web off n1"),
        (action("relabel", {"anchor": "db", "node": "n2"}, {}, "db"), "anchor db to n2"),
        (action("release", {"anchor": "db", "dependents": [{"name": "api"}]}, {}, "db"), "api no longer beside db"),
        (action("release", {"anchor": "db", "dependents": []}, {}, "db"), "no label of db"),
        (
            action("drain", {"node": "n1", "availability": "drain"}, {"availability": "active"}, ""),
            "n1 active -> drain",
        ),
        (action("rollback", {}, {}), "web to its previous specification"),
        (
            action(
                "resources",
                {"reservations": {"cpus": 0.25, "memory": "268435456"}, "limits": {"memory": "536870912"}},
                {},
            ),
            "web to reserve 0.25 cores, 256 MiB and use at most 512 MiB",
        ),
        (action("teleport", {}, {}), "web teleport"),
    ],
)
def test_an_action_says_what_it_changes(one: Action, said: str) -> None:
    assert change(one) == said


def test_a_mark_names_its_service_and_a_persons_pause_has_none() -> None:
    marks = {"swarmherd.paused": "shop.web.1772366400", "swarmherd.deny.api": "yes", "swarmherd.deny-until.old": "1"}
    (node,) = view_of({}).nodes
    marked = replace(node, labels=marks)
    assert (paused_for(node), denied(node)) == (None, ())
    assert (paused_for(marked), denied(marked)) == ("shop.web", ("api", "old"))
    assert paused_for(replace(node, labels={"swarmherd.paused": "web"})) == "web"
    view = replace(view_of({}), nodes=(marked,))
    assert leftovers(view, "shop.web") == ("the pause of n1",)
    assert leftovers(view, "api") == ("the label swarmherd.deny.api on n1",)
    assert leftovers(view, "web") == ()
