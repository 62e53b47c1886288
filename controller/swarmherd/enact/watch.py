# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at Docker until an action has landed, and remembers when that was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from swarmherd.enact.goals import Goal
from swarmherd.enact.runner import Run
from swarmherd.model import ClusterView

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

    def there(self) -> bool:
        """Looks; whether it has landed."""
        self.look()
        return self.running_at is not None

    def version(self, run: Run) -> int | None:
        """The version that our write left: as the module says, else as Docker shows once it has landed."""
        seen = self._goal.version(self.view) if self.view is not None else None
        if self._goal.leaves_traces and seen is None:
            return None  # what the module told is another thing's version
        said = run.result_with("version")
        if said is not None and isinstance(said["version"], int):
            return said["version"]
        return seen if self.running_at is not None else None

    def shortfall(self) -> str:
        if self.view is None:
            return "Docker could not be read to see what came of it"
        return self._goal.shortfall(self.view)
