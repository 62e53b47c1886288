# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive a restart: the journal, what is remembered, pauses, what was decided and on what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from swarmherd.decide.memory import remember_result
from swarmherd.lease import Lease
from swarmherd.model import Action, Arrangement, Decision, Direction, Memory, Outcome, Pause, Plan, Result
from swarmherd.replay import Inputs, Kept
from swarmherd.store import database, inputs, leases, remembered, rows
from swarmherd.store.database import StoreError, default_url, state_directory
from swarmherd.store.inputs import UnreadableError
from swarmherd.store.leases import Leases
from swarmherd.store.newest import follow, forget, newest, trim
from swarmherd.store.rows import Cycle, Entry, Recorded
from swarmherd.store.schema import ARRANGEMENTS, CYCLES, DECISIONS, JOURNAL, PAUSES
from swarmherd.store.wanted import Wanted

__all__ = [
    "Cycle",
    "Entry",
    "Leases",
    "Recorded",
    "Store",
    "StoreError",
    "UnreadableError",
    "Wanted",
    "default_url",
    "state_directory",
]

KEEP_CHANGES = 200
"""Decisions to change something that are kept, per service. Of the others the last is."""
KEEP_CYCLES = 1000
KEEP_ENTRIES = 10_000
_SCALED = sa.func.coalesce(DECISIONS.c.replicas_now != DECISIONS.c.replicas_then, sa.false())


class Store:
    """One cluster's state in one database. Every method raises StoreError, one sentence, when that fails.

    With a `token` set, what only a leader may write raises LeaseLostError when that token's time is over (S16).
    """

    token: int | None = None

    def __init__(self, url: str, cluster: str) -> None:
        self._url = url
        self._cluster = cluster
        self._engine = database.open_database(url)

    def close(self) -> None:
        self._engine.dispose()

    # ------------------------------------------------------------ the journal

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None:
        """Writes the action with its undo, before anything of it is done (S15)."""
        row = rows.started(action, decided_at, now) | {"cluster": self._cluster, "owner": owner, "token": self.token}
        with self._transaction() as connection:
            leases.fence(connection, self._cluster, self.token)
            connection.execute(JOURNAL.insert().values(row))
            still_open = JOURNAL.c.outcome == Outcome.STARTED.value  # also where the clock was put back (S15)
            trim(connection, JOURNAL, "started_at", KEEP_ENTRIES, JOURNAL.c.cluster == self._cluster, still_open)

    def end(self, result: Result) -> None:
        """Closes the action's entry with what became of it, unless who leads by now has closed it.

        What later cycles must know of it, cooldowns and failures, is remembered in the same transaction: a controller
        that ends right after it has lost neither (S5).
        """
        open_entry = (JOURNAL.c.id == result.action_id, JOURNAL.c.outcome == Outcome.STARTED.value)
        with self._transaction() as connection:
            if connection.execute(JOURNAL.update().where(*open_entry).values(rows.ended(result))).rowcount:
                row = connection.execute(sa.select(JOURNAL).where(JOURNAL.c.id == result.action_id)).mappings().one()
                remembered.lock(connection, self._cluster)
                before = remembered.read(connection, self._cluster, ())
                after = remember_result(before, rows.entry(row).action, result)
                remembered.write(connection, self._cluster, before, after)

    def unfinished(self) -> tuple[Entry, ...]:
        """What a controller that ended in mid-action left behind, oldest first."""
        return self._entries(JOURNAL.c.outcome == Outcome.STARTED.value, order=JOURNAL.c.started_at.asc())

    def history(self, limit: int, service: str | None = None, wanted: Wanted | None = None) -> tuple[Entry, ...]:
        """The newest entries, newest first; of `wanted` all that it names must hold."""
        where = sa.true() if service is None else JOURNAL.c.service == service
        if wanted is None or not wanted.nodes:
            conditions = wanted.conditions() if wanted else ()
            return self._entries(sa.and_(where, *conditions), order=JOURNAL.c.started_at.desc(), limit=limit)
        found = self._entries(sa.and_(where, *wanted.conditions()), order=JOURNAL.c.started_at.desc())
        return tuple(islice((one for one in found if wanted.concerns(one.action)), limit))

    def entry(self, action_id: str) -> tuple[Entry, ...]:
        """The entries whose action's id begins so, two at most."""
        begins = JOURNAL.c.id.startswith(action_id, autoescape=True)
        return self._entries(begins, order=JOURNAL.c.started_at.desc(), limit=2)

    def _entries(
        self, where: sa.ColumnElement[bool], order: sa.UnaryExpression[Any], limit: int | None = None
    ) -> tuple[Entry, ...]:
        query = sa.select(JOURNAL).where(JOURNAL.c.cluster == self._cluster, where).order_by(order).limit(limit)
        with self._transaction() as connection:
            return tuple(rows.entry(row) for row in connection.execute(query).mappings())

    # ------------------------------------------------------------ memory and pauses

    def memory(self) -> Memory:
        with self._transaction() as connection:
            paused = connection.execute(sa.select(PAUSES).where(PAUSES.c.cluster == self._cluster)).mappings()
            return remembered.read(connection, self._cluster, [rows.pause(row) for row in paused])

    def remember(self, before: Memory, after: Memory) -> None:
        """Writes what changed since `before` was read; what an action that ended meanwhile taught stays (S5)."""
        with self._transaction() as connection:
            leases.fence(connection, self._cluster, self.token)
            remembered.lock(connection, self._cluster)
            held = remembered.read(connection, self._cluster, ())
            remembered.write(connection, self._cluster, held, remembered.merged(before, after, held))

    def pause(self, pause: Pause) -> None:
        """Sets a kill switch; one of the same service and direction is replaced."""
        row = {"cluster": self._cluster, "service": pause.service, "direction": pause.direction.value}
        said = {"who": pause.who, "why": pause.why, "at": pause.at, "until": pause.until}
        with self._transaction() as connection:
            database.upsert(connection, PAUSES, [row | said])

    def resume(self, service: str | None = None, direction: Direction | None = None) -> int:
        """Takes pauses away, those of one service and of one direction where given; how many there were."""
        mine = [PAUSES.c.cluster == self._cluster]
        mine += [] if service is None else [PAUSES.c.service == service]
        mine += [] if direction is None else [PAUSES.c.direction == direction.value]
        with self._transaction() as connection:
            return connection.execute(PAUSES.delete().where(*mine)).rowcount

    # ------------------------------------------------------------ who leads, and what was decided on

    def lease(self) -> Lease | None:
        """Who leads, if anybody ever did."""
        with self._transaction() as connection:
            return leases.found(connection, self._cluster)

    def keep(self, given: Inputs, plan: Plan) -> None:
        """Keeps what a cycle was decided on, so that it can be decided again."""
        with self._transaction() as connection:
            leases.fence(connection, self._cluster, self.token)
            inputs.write(connection, self._cluster, given, plan)

    def kept(self, at: datetime | None = None) -> Kept | None:
        """The cycle of that instant, or the newest, if it is still kept. Raises UnreadableError as well."""
        with self._transaction() as connection:
            if at is None:
                return inputs.newest(connection, self._cluster)
            return inputs.read(connection, self._cluster, at)

    # ------------------------------------------------------------ decisions and cycles

    def record(
        self,
        decisions: Iterable[Decision],
        sentence: str,
        at: datetime,
        failed: bool = False,
        arrangement: Arrangement | None = None,
    ) -> None:
        """Keeps one cycle: its sentence, each decision about a service, an anchor or the load, and of earlier ones
        those that changed something.
        """
        cycle, decisions = (
            {"cluster": self._cluster, "at": at, "sentence": sentence, "failed": failed},
            tuple(decisions),
        )
        decided = [rows.decided(one, at) | {"cluster": self._cluster} for one in decisions]
        arranged = [one | {"cluster": self._cluster} for one in rows.arranged(arrangement or Arrangement(), at)]
        scaled = {one.service for one in decisions if None not in (one.now, one.then) and one.now != one.then}
        acting = {one["subject"] for one in arranged if one["acts"]}
        with self._transaction() as connection:
            leases.fence(connection, self._cluster, self.token)
            connection.execute(CYCLES.insert().values(cycle))
            trim(connection, CYCLES, "id", KEEP_CYCLES, CYCLES.c.cluster == self._cluster)
            follow(connection, DECISIONS, "service", _SCALED, decided, scaled, KEEP_CHANGES)
            follow(connection, ARRANGEMENTS, "subject", ARRANGEMENTS.c.acts, arranged, acting, KEEP_CHANGES)
            if not failed:  # one that saw nothing tells of nobody that it is gone
                forget(connection, DECISIONS, "service", self._cluster)
                forget(connection, ARRANGEMENTS, "subject", self._cluster)

    def last_decisions(self) -> Mapping[str, Recorded]:
        """The newest decision of each service."""
        query = sa.select(DECISIONS).where(DECISIONS.c.id.in_(newest(DECISIONS, "service", self._cluster)))
        with self._transaction() as connection:
            found = connection.execute(query).mappings()
            return MappingProxyType({row["service"]: Recorded(rows.decision(row), row["at"]) for row in found})

    def decisions_of(self, service: str, limit: int) -> tuple[Recorded, ...]:
        """The newest decisions about one service, newest first."""
        mine = sa.and_(DECISIONS.c.cluster == self._cluster, DECISIONS.c.service == service)
        query = sa.select(DECISIONS).where(mine).order_by(DECISIONS.c.id.desc()).limit(limit)
        with self._transaction() as connection:
            return tuple(Recorded(rows.decision(row), row["at"]) for row in connection.execute(query).mappings())

    def last_cycle(self) -> Cycle | None:
        query = sa.select(CYCLES).where(CYCLES.c.cluster == self._cluster).order_by(CYCLES.c.id.desc()).limit(1)
        with self._transaction() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Cycle(row["at"], row["sentence"], row["failed"])

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """One that writes does so with its first statement: where it has read, and another has written since, SQLite
        refuses its writes at once."""
        with database.explained(self._url), self._engine.begin() as connection:
            yield connection
