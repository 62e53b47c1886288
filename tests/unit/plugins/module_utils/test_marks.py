# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels of a move: told from a person's will, and gone without a trace."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _marks as marks


@pytest.fixture
def node(make_node):
    return make_node("n1", labels={"disk": "ssd"})


def with_spec(node, spec):
    return {**node, "Spec": spec}


def everything(_mark):
    return True


def test_what_is_set_is_found_and_undone_to_the_letter(node):
    paused = with_spec(node, marks.paused(node["Spec"], "shop", 1700000000.6))
    both = with_spec(node, marks.denied(paused["Spec"], "queue_1", 1700000001))
    assert both["Spec"]["Availability"] == "pause"
    assert both["Spec"]["Labels"]["swarmherd.deny.queue_1"] == "yes"
    assert marks.marks(both) == [("pause", "shop", 1700000000), ("deny", "queue_1", 1700000001)]
    assert marks.cleaned(both, everything) == node["Spec"]


def test_a_persons_pause_has_no_mark_and_stays(make_node):
    node = make_node("n1", availability="pause", labels={"disk": "ssd"})
    assert marks.marks(node) == []
    assert marks.cleaned(node, everything) == node["Spec"]


def test_a_drain_set_after_our_pause_stays_and_only_the_label_goes(node):
    spec = {**marks.paused(node["Spec"], "shop", 5), "Availability": "drain"}
    assert marks.cleaned(with_spec(node, spec), everything) == {**node["Spec"], "Availability": "drain"}


def test_only_what_is_meant_is_cleared(node):
    spec = marks.denied(marks.paused(node["Spec"], "shop", 5), "queue", 5)
    left = marks.cleaned(with_spec(node, spec), lambda mark: mark.service == "queue")
    assert marks.marks(with_spec(node, left)) == [("pause", "shop", 5)]
    assert left["Availability"] == "pause"


@pytest.mark.parametrize(
    ("service", "mark", "is_left"),
    [
        ("shop", marks.Mark("pause", "shop", 200), True),
        ("shop", marks.Mark("pause", "queue", 200), False),
        ("shop", marks.Mark("pause", "queue", 100), True),
        ("shop", marks.Mark("deny", "queue", 0), True),
        (None, marks.Mark("pause", "queue", 200), True),
    ],
)
def test_left_over_is_what_is_our_services_and_what_nobody_can_be_behind(service, mark, is_left):
    assert marks.leftover(service, now=100)(mark) is is_left


@pytest.mark.parametrize("value", ["shop", "shop.", "shop.abc"])
def test_a_mark_that_does_not_say_until_when_is_over(value, make_node):
    node = make_node("n1", availability="pause", labels={"swarmherd.paused": value})
    assert marks.marks(node) == [("pause", "shop", 0)]


def test_a_deny_label_without_its_time_and_a_time_without_its_label_are_both_found(make_node):
    labels = {"swarmherd.deny.a": "yes", "swarmherd.deny-until.b": "17"}
    node = make_node("n1", labels=labels)
    assert marks.marks(node) == [("deny", "a", 0), ("deny", "b", 17)]
    assert marks.cleaned(node, everything)["Labels"] == {}
