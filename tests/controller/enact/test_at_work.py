# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose unfinished entries are to be closed: whoever led before us has no right to go on (S15, S16)."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from swarmherd.enact.recovery import at_work
from swarmherd.model import Action

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONGEST = timedelta(minutes=5)
HERE = socket.gethostname()
PARENT, MYSELF, NOBODY = f"{HERE}:{os.getppid()}", f"{HERE}:{os.getpid()}", f"{HERE}:4194305"
ACTION = Action("a", "scale", "shop", "web", {}, {}, "why")


@dataclass(frozen=True)
class Left:
    owner: str
    token: int | None
    started_at: datetime
    action: Action = ACTION
    finished_at: datetime | None = None


@pytest.mark.parametrize(
    ("owner", "token", "minutes_ago", "still"),
    [
        pytest.param(PARENT, None, 1, True, id="a person's command that runs on this host"),
        pytest.param(NOBODY, None, 1, False, id="one that ended"),
        pytest.param("far:1", None, 59, True, id="one on another host, as far as can be told"),
        pytest.param("far:1", None, 61, False, id="but no action takes that long"),
        pytest.param(MYSELF, 7, 1, False, id="our own, of a cycle that broke off"),
        pytest.param(PARENT, 6, 1, False, id="a former leader's on this host, though its process lives"),
        pytest.param("far:1", 6, 4, True, id="a former leader's on another host, whose playbook may still run"),
        pytest.param("far:1", 6, 6, False, id="but not for longer than its deadlines allow"),
    ],
)
def test_who_may_still_be_at_it(owner: str, token: int | None, minutes_ago: int, still: bool) -> None:
    entry = Left(owner, token, NOW - timedelta(minutes=minutes_ago))
    assert at_work(entry, 7, NOW, LONGEST) is still


def test_who_does_not_lead_takes_nothing_from_anybody() -> None:
    assert at_work(Left(PARENT, 6, NOW), None, NOW, LONGEST)
