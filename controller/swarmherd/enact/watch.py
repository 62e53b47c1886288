# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at Docker until an action has landed, and remembers when that was."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from time import monotonic, sleep

from swarmherd.enact.goals import Goal
from swarmherd.enact.runner import Run
from swarmherd.model import ClusterView

LOOK_SECONDS = 0.5
Look = Callable[[str | None], ClusterView | None]
"""One service, or with None the whole cluster, as Docker shows it now; None when Docker cannot be read."""


class Watch:
    """One goal's. `view` is what was seen last, and `fresh` whether the last look saw anything."""

    def __init__(self, goal: Goal, look: Look, clock: Callable[[], datetime]) -> None:
        self._goal = goal
        self._look = look
        self._clock = clock
        self.view: ClusterView | None = None
        self.fresh = False
        self.running_at: datetime | None = None

    def look(self) -> None:
        view = self._look(self._goal.reads)
        self.fresh = view is not None
        self.view = view or self.view
        there = view is not None and self._goal.landed(view)
        self.running_at = (self.running_at or self._clock()) if there else None

    def beside(self, running: Future[Run]) -> Run:
        """Looks while the playbook runs: it may have landed long before the playbook says so."""
        while not running.done():
            self.look()
            _wait_for(running, LOOK_SECONDS)
        return running.result()

    def until(self, deadline: float) -> None:
        """Looks until it has landed, or the monotonic clock says `deadline`."""
        self.look()
        while self.running_at is None and monotonic() < deadline:
            sleep(LOOK_SECONDS)
            self.look()

    def version(self, run: Run) -> int | None:
        """The version that our write left: as the module says, else as Docker shows once it has landed."""
        seen = self._goal.version(self.view) if self.view is not None else None
        if seen is None:
            return None
        said = run.result_with("version")
        if said is not None and isinstance(said["version"], int):
            return said["version"]
        return seen if self.running_at is not None else None

    def shortfall(self) -> str:
        if self.view is None:
            return "Docker could not be read to see what came of it"
        return self._goal.shortfall(self.view)


def _wait_for(running: Future[Run], seconds: float) -> None:
    try:
        running.exception(seconds)
    except TimeoutError:
        return
