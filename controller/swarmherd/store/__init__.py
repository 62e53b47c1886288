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
from swarmherd.store.rows import Arranged, Cycle, Entry, Recorded
from swarmherd.store.schema import ARRANGEMENTS, CYCLES, DECISIONS, JOURNAL, PAUSES
from swarmherd.store.wanted import Wanted

__all__ = [
    "Arranged",
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
            _trim(connection, JOURNAL, JOURNAL.c.started_at, KEEP_ENTRIES, JOURNAL.c.cluster == self._cluster)

    def end(self, result: Result) -> None:
        """Closes the action's entry with what became of it, unless who leads by now has closed it.

        What later cycles must know of it, cooldowns and failures, is remembered in the same transaction: a controller
        that ends right after it has lost neither (S5).
        """
        open_entry = (JOURNAL.c.id == result.action_id, JOURNAL.c.outcome == Outcome.STARTED.value)
        with self._transaction() as connection:
            if connection.execute(JOURNAL.update().where(*open_entry).values(rows.ended(result))).rowcount:
                row = connection.execute(sa.select(JOURNAL).where(JOURNAL.c.id == result.action_id)).mappings().one()
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
        """Writes what changed, service by service: another process may have written the others meanwhile."""
        with self._transaction() as connection:
            leases.fence(connection, self._cluster, self.token)
            remembered.write(connection, self._cluster, before, after)

    def pause(self, pause: Pause) -> None:
        """Sets a kill switch; one of the same service and direction is replaced."""
        row = {"cluster": self._cluster, "service": pause.service, "direction": pause.direction.value}
        said = {"who": pause.who, "why": pause.why, "at": pause.at, "until": pause.until}
        with self._transaction() as connection:
            connection.execute(PAUSES.delete().where(*(PAUSES.c[name] == value for name, value in row.items())))
            connection.execute(PAUSES.insert().values(**row, **said))

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
        with self._transaction() as connection:
            leases.fence(connection, self._cluster, self.token)
            cycle = {"cluster": self._cluster, "at": at, "sentence": sentence, "failed": failed}
            connection.execute(CYCLES.insert().values(cycle))
            _trim(connection, CYCLES, CYCLES.c.id, KEEP_CYCLES, CYCLES.c.cluster == self._cluster)
            for decision in decisions:
                self._record(connection, decision, at)
            for row in rows.arranged(arrangement or Arrangement(), at):
                self._record_arranged(connection, row)
            if not failed:  # one that saw nothing tells of nobody that it is gone
                _forget(connection, DECISIONS, DECISIONS.c.service, self._cluster)
                _forget(connection, ARRANGEMENTS, ARRANGEMENTS.c.subject, self._cluster)

    def _record_arranged(self, connection: sa.Connection, row: dict[str, Any]) -> None:
        mine = sa.and_(ARRANGEMENTS.c.cluster == self._cluster, ARRANGEMENTS.c.subject == row["subject"])
        connection.execute(ARRANGEMENTS.delete().where(mine, sa.not_(ARRANGEMENTS.c.acts)))
        connection.execute(ARRANGEMENTS.insert().values(row | {"cluster": self._cluster}))
        _trim(connection, ARRANGEMENTS, ARRANGEMENTS.c.id, KEEP_CHANGES, mine)

    def last_arrangements(self) -> tuple[rows.Arranged, ...]:
        """The newest decision about each anchor and each measure of load, by subject."""
        newest = _newest(ARRANGEMENTS, ARRANGEMENTS.c.subject, self._cluster)
        query = sa.select(ARRANGEMENTS).where(ARRANGEMENTS.c.id.in_(newest)).order_by(ARRANGEMENTS.c.subject)
        with self._transaction() as connection:
            return tuple(rows.arranged_of(row) for row in connection.execute(query).mappings())

    def _record(self, connection: sa.Connection, decision: Decision, at: datetime) -> None:
        mine = sa.and_(DECISIONS.c.cluster == self._cluster, DECISIONS.c.service == decision.service)
        changes = sa.func.coalesce(DECISIONS.c.replicas_now != DECISIONS.c.replicas_then, sa.false())
        connection.execute(DECISIONS.delete().where(mine, sa.not_(changes)))
        connection.execute(DECISIONS.insert().values(rows.decided(decision, at) | {"cluster": self._cluster}))
        _trim(connection, DECISIONS, DECISIONS.c.id, KEEP_CHANGES, mine)

    def last_decisions(self) -> Mapping[str, Recorded]:
        """The newest decision of each service."""
        newest = _newest(DECISIONS, DECISIONS.c.service, self._cluster)
        with self._transaction() as connection:
            found = connection.execute(sa.select(DECISIONS).where(DECISIONS.c.id.in_(newest))).mappings()
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


def _trim(
    connection: sa.Connection, table: sa.Table, order: sa.Column[Any], keep: int, where: sa.ColumnElement[bool]
) -> None:
    """Deletes all but the newest `keep` rows."""
    edge = sa.select(order).where(where).order_by(order.desc()).offset(keep).limit(1).scalar_subquery()
    connection.execute(table.delete().where(where, order <= edge))


def _newest(table: sa.Table, name: sa.Column[Any], cluster: str) -> sa.Select[tuple[int]]:
    """The id of the newest row of each name."""
    return sa.select(sa.func.max(table.c.id)).where(table.c.cluster == cluster).group_by(name)


def _forget(connection: sa.Connection, table: sa.Table, name: sa.Column[Any], cluster: str) -> None:
    """Deletes all of each name that none of the kept cycles speaks of: a service or a node that is gone."""
    oldest = sa.select(sa.func.min(CYCLES.c.at)).where(CYCLES.c.cluster == cluster).scalar_subquery()
    newest = _newest(table, name, cluster)
    gone = connection.execute(sa.select(name).where(table.c.id.in_(newest), table.c.at < oldest)).scalars().all()
    if gone:
        connection.execute(table.delete().where(table.c.cluster == cluster, name.in_(gone)))
