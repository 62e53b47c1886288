# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of a simulated controller, in memory: what a killed controller wrote down is there for the next one.

`store.Store` does as well; it is slower, and tests hold that both lead to the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from swarmherd.decide.memory import remember_result
from swarmherd.model import Action, Arrangement, Decision, Memory, Outcome, Plan, Result
from swarmherd.replay import Inputs
from swarmherd.simulate.cluster.crash import Crash
from swarmherd.store import Entry


class Keeping(Protocol):
    """What loop, enactor and recovery need of a store, together."""

    def memory(self) -> Memory: ...

    def keep(self, given: Inputs, plan: Plan) -> None: ...

    def remember(self, before: Memory, after: Memory) -> None: ...

    def record(
        self,
        decisions: Iterable[Decision],
        sentence: str,
        at: datetime,
        failed: bool = False,
        arrangement: Arrangement | None = None,
    ) -> None: ...

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None: ...

    def end(self, result: Result) -> None: ...

    def unfinished(self) -> tuple[Entry, ...]: ...

    def history(self, limit: int) -> tuple[Entry, ...]: ...


class Notebook:
    """See `Keeping`."""

    def __init__(self) -> None:
        self._memory = Memory()
        self._entries: dict[str, Entry] = {}

    def memory(self) -> Memory:
        return self._memory

    def keep(self, given: Inputs, plan: Plan) -> None:
        """Nothing is decided again."""

    def remember(self, before: Memory, after: Memory) -> None:  # noqa: ARG002  (the protocol's)
        self._memory = after

    def record(
        self,
        decisions: Iterable[Decision],
        sentence: str,
        at: datetime,
        failed: bool = False,
        arrangement: Arrangement | None = None,
    ) -> None:
        """What a cycle said is the simulation's to keep."""

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None:
        self._entries[action.id] = Entry(action, Outcome.STARTED, "", decided_at, now, None, None, owner)

    def end(self, result: Result) -> None:
        """As the store does it: a closed entry stays as it was closed, and its result is remembered with it."""
        entry = self._entries[result.action_id]
        if entry.outcome is Outcome.STARTED:
            self._memory = remember_result(self._memory, entry.action, result)
            self._entries[result.action_id] = replace(
                entry,
                outcome=result.outcome,
                detail=result.detail,
                finished_at=result.finished_at,
                running_at=result.running_at,
            )

    def unfinished(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self._entries.values() if entry.outcome is Outcome.STARTED)

    def history(self, limit: int) -> tuple[Entry, ...]:
        """The newest first."""
        return tuple(reversed(self._entries.values()))[:limit]


class Watched:
    """A store whose every write is a boundary before and after which the controller may be killed."""

    def __init__(self, store: Keeping, crash: Crash) -> None:
        self._store, self._crash = store, crash

    def memory(self) -> Memory:
        return self._store.memory()

    def unfinished(self) -> tuple[Entry, ...]:
        return self._store.unfinished()

    def history(self, limit: int) -> tuple[Entry, ...]:
        return self._store.history(limit)

    def keep(self, given: Inputs, plan: Plan) -> None:
        self._store.keep(given, plan)

    def remember(self, before: Memory, after: Memory) -> None:
        self._store.remember(before, after)

    def record(
        self,
        decisions: Iterable[Decision],
        sentence: str,
        at: datetime,
        failed: bool = False,
        arrangement: Arrangement | None = None,
    ) -> None:
        self._store.record(decisions, sentence, at, failed, arrangement)

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None:
        self._crash.moment("decided")
        self._store.begin(action, decided_at, now, owner)
        self._crash.moment("written down")

    def end(self, result: Result) -> None:
        self._crash.moment("playbook ended")
        self._store.end(result)
        self._crash.moment("entry closed")
