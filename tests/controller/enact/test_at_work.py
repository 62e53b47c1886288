# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose unfinished entries are to be closed: whoever led before us has no right to go on (S15, S16)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from swarmherd.enact.playbook import Mended
from swarmherd.enact.recovery import at_work, recover
from swarmherd.model import Action, ClusterView, Outcome, Result

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONGEST = timedelta(minutes=5)
HERE = socket.gethostname()
PARENT, MYSELF, NOBODY = f"{HERE}:{os.getppid()}", f"{HERE}:{os.getpid()}", f"{HERE}:4194305"
ELSEWHERE = f"{HERE}:1:boot.17.100"
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
        pytest.param(ELSEWHERE, 6, 4, True, id="one of this host's name whose processes we do not see, as well"),
        pytest.param(ELSEWHERE, 6, 6, False, id="and no longer either"),
    ],
)
def test_who_may_still_be_at_it(owner: str, token: int | None, minutes_ago: int, still: bool) -> None:
    entry = Left(owner, token, NOW - timedelta(minutes=minutes_ago))
    assert at_work(entry, 7, NOW, LONGEST) is still


def test_who_does_not_lead_takes_nothing_from_anybody() -> None:
    assert at_work(Left(PARENT, 6, NOW), None, NOW, LONGEST)


@pytest.mark.parametrize("kind", ["scale", "move", "drain", "relabel", "resources", "rollback", "restart", "release"])
def test_an_entry_that_cannot_be_understood_keeps_no_cycle_from_beginning(kind: str) -> None:
    """It is closed with a sentence, and those after it are looked at."""
    ended: list[Result] = []
    bad = Left("far:1", None, NOW, Action("bad", kind, "shop", "web", {}, {}, "why"))
    unknown = Left("far:1", None, NOW, Action("unknown", "dance", "shop", "web", {}, {}, "why"))
    view = ClusterView("shop", NOW, (), (), ())
    recover([bad, unknown], lambda _service: view, Mends(), ended.append, lambda: NOW, lambda _entry: False, str)
    assert [(one.action_id, one.outcome) for one in ended][-1] == ("unknown", Outcome.GIVEN_UP)
    assert all(one.outcome in (Outcome.GIVEN_UP, Outcome.UNDONE) for one in ended)
    if kind == "scale":
        assert ended[0].detail.endswith("its entry cannot be understood: KeyError: 'swarmherd_replicas'")


class Mends:
    """Never asked: there is nothing to set back."""

    def set_back(self, action: Action, variables: Mapping[str, Any], because: str) -> Mended:
        raise AssertionError(action, variables, because)

    roll_forward = set_back
