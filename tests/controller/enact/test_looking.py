# SPDX-License-Identifier: GPL-3.0-or-later
"""While a playbook runs, all of a cluster is read only for what can be called off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from swarmherd.enact.playbook import PlaybookEnactor, Surroundings
from swarmherd.enact.runner import Ending, Run, Setting
from swarmherd.model import Action, ClusterView, Result

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PARAMETERS: dict[str, dict[str, Any]] = {
    "scale": {"swarmherd_replicas": 3},
    "drain": {"swarmherd_node": "n1", "swarmherd_availability": "drain"},
    "relabel": {"swarmherd_node": "n1", "swarmherd_anchor": "db"},
}


class Notebook:
    """A journal and a collection that take everything."""

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None:
        pass

    def end(self, result: Result) -> None:
        pass

    def playbook(self, kind: str) -> Path:
        return Path(f"{kind}.yml")


class Asking:
    """Hands that ask five times whether there is any use in going on, and how often that was looked up."""

    def __init__(self, looks: list[str | None]) -> None:
        self._looks = looks
        self.looked: list[str | None] = []

    def play(
        self,
        playbook: Path,  # noqa: ARG002  (the protocol's, as all but the last)
        variables: Mapping[str, Any],  # noqa: ARG002
        action_id: str,  # noqa: ARG002
        deadline_seconds: float,  # noqa: ARG002
        setting: Setting,  # noqa: ARG002
        in_vain: Callable[[], str],
    ) -> Run:
        before = len(self._looks)
        for _turn in range(5):
            in_vain()
        self.looked += self._looks[before:]
        return Run(Ending.FAILED, problem="it failed")

    def until(self, there: Callable[[], bool], seconds: float) -> None:  # noqa: ARG002
        there()


@pytest.mark.parametrize(
    ("kind", "looked"),
    [
        pytest.param("scale", ["web"] * 5, id="one service, to know when it ran"),
        pytest.param("drain", [], id="what nothing can be said of"),
        pytest.param("relabel", [None] * 5, id="what may be in vain"),
    ],
)
def test_how_often_a_playbooks_cluster_is_read(kind: str, looked: list[str | None]) -> None:
    looks: list[str | None] = []

    def look(service: str | None) -> ClusterView:
        looks.append(service)
        return ClusterView("shop", NOW, (), (), ())

    notebook, hands = Notebook(), Asking(looks)
    around = Surroundings(
        notebook, Setting(Path(), Path()), lambda: "m1", look, lambda: NOW, deadline_seconds=60, hands=hands
    )
    PlaybookEnactor(notebook, around).enact(Action("a", kind, "shop", "web", PARAMETERS[kind], {}, "why"), NOW)
    assert hands.looked[:5] == looked
