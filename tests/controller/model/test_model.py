# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things that the model works out for itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from described import view_of
from swarmherd.model import ClusterView, Decision, Direction, Memory, Reading, ServiceMemory

VIEW: ClusterView = view_of(
    {
        "nodes": {"n2": "down"},
        "services": {
            "a": {"replicas": 4, "tasks": {"running": 2, "running@n2": 1, "pending": 1}, "failed": {"count": 2}}
        },
    }
)


def test_a_reading_is_known_even_when_it_is_zero() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert Reading(0.0, at, "q").known
    assert not Reading(None, at, "q", "empty").known


def test_a_view_finds_by_name() -> None:
    service, node = VIEW.service("a"), VIEW.node("n2")
    assert service is not None
    assert node is not None
    assert (service.name, node.id) == ("a", "n2")
    assert VIEW.service("b") is None
    assert VIEW.node("n9") is None


def test_a_dead_nodes_tasks_do_not_run_whatever_they_say() -> None:
    assert len(VIEW.tasks) == 6
    assert len(VIEW.tasks_of("a")) == 4
    assert [task.id for task in VIEW.running("a")] == ["a.1", "a.2"]
    assert VIEW.running("b") == ()


@pytest.mark.parametrize(
    ("now", "then", "direction"),
    [
        (3, 4, Direction.UP),
        (3, 2, Direction.DOWN),
        (3, 3, Direction.NONE),
        (None, None, Direction.NONE),
        (3, None, "none"),
    ],
)
def test_a_decisions_direction(now: int | None, then: int | None, direction: str) -> None:
    decision = Decision("a", now, then, None, ("because of this", "and of that"))
    assert decision.direction == direction
    assert decision.because == "because of this; and of that"


def test_a_memory_knows_nothing_of_what_it_never_saw() -> None:
    assert Memory().of("a") == ServiceMemory()
