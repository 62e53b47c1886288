# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries of the journal somebody wants to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from swarmherd.model import Action, Outcome
from swarmherd.store.schema import JOURNAL

NODE_VARIABLES = ("swarmherd_node", "swarmherd_old_nodes", "swarmherd_avoid_nodes", "swarmherd_node_host")
"""Of an action's variables those that name nodes which it changes, or takes tasks from."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is empty asks for nothing."""

    kind: str = ""
    outcome: Outcome | None = None
    since: datetime | None = None
    nodes: frozenset[str] = frozenset()
    """What one node is called: its name, its id."""

    def conditions(self) -> tuple[sa.ColumnElement[bool], ...]:
        """What the database can tell."""
        return tuple(self._conditions())

    def _conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        if self.kind:
            yield JOURNAL.c.kind == self.kind
        if self.outcome is not None:
            yield JOURNAL.c.outcome == self.outcome.value
        if self.since is not None:
            yield JOURNAL.c.started_at >= self.since

    def concerns(self, action: Action) -> bool:
        """Whether it is about the node that is asked for."""
        named = (action.parameters.get(name) for name in NODE_VARIABLES)
        return any(self.nodes.intersection([one] if isinstance(one, str) else one) for one in named if one)
