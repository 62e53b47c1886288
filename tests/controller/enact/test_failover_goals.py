# SPDX-License-Identifier: GPL-3.0-or-later
"""Cordons, and services brought up elsewhere: what has landed, what is missing, what is set back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from swarmherd.decide.changes import change
from swarmherd.decide.marks import CORDONED
from swarmherd.enact.goals import UnknownKindError, goal_of
from swarmherd.model import Action, Availability, ClusterView, NodeState, Outcome, TaskState

from tests.controller.enact.test_goals import action, node, task, view

OLD, NEW = "node.hostname==n1", "node.hostname == n2"
DOWN = (node("n1", state=NodeState.DOWN), node("n2"), node("n3"))


def measure(name: str, **parameters: Any) -> Action:
    return action("failover", measure=name, node="id-n1", **parameters)


def rebound(**more: Any) -> Action:
    return measure("recreate", service="web", constraints=[NEW], remove_constraints=[OLD], expected_version=7, **more)


def cluster(*constraints: str, on: str = "", state: TaskState = TaskState.PENDING) -> ClusterView:
    return view(replace(task(1, on), state=state), nodes=DOWN, replicas=1, constraints=constraints)


def cordoned(availability: Availability = Availability.PAUSE) -> ClusterView:
    return view(nodes=(node("n1", availability=availability, labels={CORDONED: "1772366700"}), node("n2")))


def test_a_cordon_has_landed_when_the_node_is_paused_and_says_so() -> None:
    goal = goal_of(measure("cordon", cordon_until=1772366700))
    assert not goal.landed(view())
    assert not goal.landed(view(nodes=(node("n1", availability=Availability.PAUSE),))), "that is somebody else's pause"
    assert goal.landed(cordoned())
    assert goal.achieved(cordoned()) == "n1 is cordoned"
    assert goal.shortfall(view()) == "n1 is active and bears no label of a cordon"
    assert goal.shortfall(replace(view(), nodes=())) == "id-n1 is no longer in the Swarm"


def test_a_cordon_has_ended_when_its_label_is_gone_whatever_the_node_is_set_to() -> None:
    goal = goal_of(measure("uncordon"))
    assert not goal.landed(cordoned())
    drained = view(nodes=(node("n1", availability=Availability.DRAIN),))
    assert goal.landed(drained)
    assert goal.achieved(drained) == "n1 bears no cordon of ours and is drain"


@pytest.mark.parametrize("name", ["cordon", "uncordon"])
def test_a_cordon_that_was_cut_short_is_there_or_had_not_begun(name: str) -> None:
    goal = goal_of(measure(name))
    now = view() if name == "cordon" else cordoned()
    assert goal.undo(now, Outcome.STARTED) is None
    assert goal.cut_short(now)[0] is Outcome.UNDONE


def test_a_service_has_come_up_elsewhere_when_it_is_bound_there_and_runs() -> None:
    goal = goal_of(rebound())
    assert not goal.landed(cluster(OLD))
    assert not goal.landed(cluster("node.hostname==n2"))
    up = cluster("node.hostname==n2", on="n2", state=TaskState.RUNNING)
    assert goal.landed(up), "however its constraint is spaced"
    assert goal.achieved(up) == "web runs on n2"
    assert goal.undo(up, Outcome.DONE) is None
    assert goal.shortfall(cluster(OLD)) == (
        "it lacks the constraint node.hostname == n2, it still has the constraint node.hostname==n1, "
        "0 of 1 replicas run"
    )


def test_what_does_not_come_up_where_it_was_bound_to_is_bound_as_before() -> None:
    here = cluster("node.hostname == n2")
    undo = goal_of(rebound(fence_hook="off.yml")).undo(here, Outcome.GIVEN_UP)
    assert undo is not None
    assert undo["swarmherd_constraints"] == [OLD]
    assert undo["swarmherd_remove_constraints"] == [NEW]
    assert undo["swarmherd_expected_version"] == 7
    assert undo["swarmherd_fence_hook"] == "", "the host is not switched off a second time"
    back = goal_of(replace(rebound(), parameters=undo))
    assert back.landed(cluster(OLD)), "it runs nowhere then, as before"
    assert not back.landed(here)


def test_nothing_is_set_back_of_what_runs_or_what_somebody_else_has_bound_anew() -> None:
    goal = goal_of(rebound())
    assert goal.undo(cluster("node.hostname == n2", on="n2", state=TaskState.RUNNING), Outcome.GIVEN_UP) is None
    assert goal.undo(cluster("node.hostname == n3"), Outcome.GIVEN_UP) is None
    assert goal.undo(replace(cluster(OLD), services=()), Outcome.GIVEN_UP) is None


def test_one_that_was_cut_short_before_its_write_is_undone_and_after_it_is_set_back() -> None:
    goal = goal_of(rebound())
    assert goal.cut_short(cluster(OLD)) == (Outcome.UNDONE, "nothing of it had happened, it is bound as before")
    assert goal.undo(cluster(OLD), Outcome.STARTED) is None
    assert goal.undo(cluster("node.hostname == n2"), Outcome.STARTED) is not None


def test_a_task_made_anew_has_landed_when_it_runs_and_leaves_nothing() -> None:
    goal = goal_of(measure("recreate", service="web"))
    assert not goal.landed(cluster())
    assert goal.landed(cluster(on="n2", state=TaskState.RUNNING))
    assert goal.undo(cluster(), Outcome.GIVEN_UP) is None
    assert not goal.leaves_traces
    assert goal.cut_short(cluster())[0] is Outcome.GIVEN_UP


def test_marks_are_cleared_when_none_is_left() -> None:
    goal = goal_of(measure("clear", service="web"))
    assert goal.landed(view())
    assert not goal.landed(view(nodes=(node("n1", labels={"swarmherd.deny.web": "yes"}),)))


def test_clearing_needs_no_host_and_is_finished_where_it_was_broken_off() -> None:
    said = {"swarmherd_measure": "clear", "swarmherd_service": "web", "swarmherd_reason": "they wait"}
    clearing = replace(measure("clear", service="web"), parameters=said)
    marked = view(nodes=(node("n1", labels={"swarmherd.deny.web": "yes"}),))
    assert goal_of(clearing).host_needed(marked) is None
    assert goal_of(clearing).undo(marked, Outcome.STARTED) == said
    assert goal_of(clearing).undo(view(), Outcome.STARTED) is None


def test_a_measure_of_a_newer_version_is_not_guessed_at() -> None:
    with pytest.raises(UnknownKindError, match="no such measure"):
        goal_of(measure("evacuate"))


def test_each_measure_says_what_it_changes() -> None:
    assert change(replace(measure("cordon"), service="")) == "cordon id-n1"
    assert change(rebound()) == "recreate web"
