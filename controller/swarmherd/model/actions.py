# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done: actions with their undo, the plan that they are part of, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from swarmherd.model.decided import Arrangement, Decision
from swarmherd.model.readings import EMPTY, Evidence


@dataclass(frozen=True, slots=True)
class Action:
    """One change, to be made by one playbook, with its undo. `parameters` are the playbook's variables."""

    id: str
    kind: str
    """The playbook's name under `playbooks/enact/`: `scale`, `relabel`, `release`, `move`."""
    cluster: str
    service: str
    """The service that it is about; the anchor, of a relabel or a release."""
    parameters: Mapping[str, Any]
    undo: Mapping[str, Any]
    reason: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions of one cycle, in order, and every decision with what planning added to its reasons."""

    cluster: str
    at: datetime
    actions: tuple[Action, ...]
    decisions: tuple[Decision, ...]
    arrangement: Arrangement = field(default_factory=Arrangement)


class Outcome(StrEnum):
    """How an action stands in the journal."""

    STARTED = "started"
    DONE = "done"
    CONFLICT = "conflict"
    """Another writer was quicker: decide again (S17)."""
    UNDONE = "undone"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one action, confirmed by looking at Docker and not by the exit code (S21)."""

    action_id: str
    outcome: Outcome
    detail: str
    started_at: datetime
    finished_at: datetime
    running_at: datetime | None = None
    """When the wanted replicas were seen running."""
    version: int | None = None
    """The service version that our own write left."""
    ran: bool = True
    """False where no playbook ran, or it ended before it could do anything: it left all as it was."""
    reached: bool = True
    """False where no task came to a result on any host, which says nothing of the service."""
    versions: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """Those that our own writes left on other services, by name."""
