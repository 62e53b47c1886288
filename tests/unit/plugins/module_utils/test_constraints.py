# SPDX-License-Identifier: GPL-3.0-or-later
"""Constraints: which Swarm takes, and which nodes match."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _constraints as constraints
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node.labels.disk", "compares nothing"),
        ("node.labels.disk=ssd", "compares nothing"),
        ("disk == ssd", "'disk' is nothing that a constraint can be about"),
        ("node.labels. == ssd", "is nothing that a constraint can be about"),
        ("node.labels.a b == ssd", "is nothing that a constraint can be about"),
        ("node.labels.disk == ", "'' is no value that Swarm takes"),
        ("node.labels.disk == {ssd}", "'{ssd}' is no value that Swarm takes"),
    ],
)
def test_what_swarm_would_not_take_is_refused_with_the_option_and_a_remedy(text, words):
    with pytest.raises(SwarmError, match=r"^mine: ") as caught:
        constraints.parse(text, "mine")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("node.labels.disk == ssd", True),
        ("node.labels.disk==SSD", True),
        ("node.labels.Disk == ssd", False),
        ("NODE.LABELS.disk == ssd", True),
        ("node.labels.disk != ssd", False),
        ("node.labels.rack != 7", True),
        ("node.hostname == n1", True),
        ("node.ip == 10.0.0.0/24", True),
        ("node.ip != 10.0.0.1", False),
        ("node.role == manager", False),
        ("node.nonsense != x", False),
        ("no comparison", False),
    ],
)
def test_a_node_matches_as_swarm_says(text, holds, make_node):
    assert constraints.matches(make_node("n1", labels={"disk": "ssd"}), text) is holds


def test_what_is_held_keeps_its_words_and_its_place():
    held = ["node.role==worker", "node.labels.a  !=  b"]
    after = constraints.with_and_without(held, ["node.labels.a != B", "node.labels.c==d"], ["node.role == worker"])
    assert after == ["node.labels.a  !=  b", "node.labels.c == d"]


def test_taking_away_what_is_not_there_is_no_change():
    assert constraints.with_and_without(["node.role==worker"], [], ["node.id != x"]) == ["node.role==worker"]


def test_the_same_constraint_cannot_come_and_go():
    with pytest.raises(SwarmError, match=r"node.role == worker stands in constraints as well"):
        constraints.with_and_without([], ["node.role==worker"], ["node.role == worker"])
