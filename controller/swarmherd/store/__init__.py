# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive a restart: the journal, each service's memory, pauses, and what was decided last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from swarmherd.model import Action, Arrangement, Decision, Memory, Outcome, Pause, Result
from swarmherd.store import database, rows
from swarmherd.store.database import StoreError, default_url, state_directory
from swarmherd.store.rows import Arranged, Cycle, Entry, Recorded
from swarmherd.store.schema import ARRANGEMENTS, CYCLES, DECISIONS, JOURNAL, MEMORY, NODES, PAUSES

__all__ = ["Arranged", "Cycle", "Entry", "Recorded", "Store", "StoreError", "default_url", "state_directory"]

KEEP_CHANGES = 200
"""Decisions to change something that are kept, per service. Of the others the last is."""
KEEP_CYCLES = 1000
KEEP_ENTRIES = 10_000


class Store:
    """One cluster's state in one database. Every method raises StoreError, one sentence, when that fails."""

    def __init__(self, url: str, cluster: str) -> None:
        self._url = url
        self._cluster = cluster
        self._engine = database.open_database(url)

    def close(self) -> None:
        self._engine.dispose()

    # ------------------------------------------------------------ the journal

    def begin(self, action: Action, decided_at: datetime, now: datetime, owner: str) -> None:
        """Writes the action with its undo, before anything of it is done (S15)."""
        row = rows.started(action, decided_at, now) | {"cluster": self._cluster, "owner": owner}
        with self._transaction() as connection:
            connection.execute(JOURNAL.insert().values(row))
            _trim(connection, JOURNAL, JOURNAL.c.started_at, KEEP_ENTRIES, JOURNAL.c.cluster == self._cluster)

    def end(self, result: Result) -> None:
        """Closes the action's entry with what became of it."""
        with self._transaction() as connection:
            connection.execute(JOURNAL.update().where(JOURNAL.c.id == result.action_id).values(rows.ended(result)))

    def unfinished(self) -> tuple[Entry, ...]:
        """What a controller that ended in mid-action left behind, oldest first."""
        return self._entries(JOURNAL.c.outcome == Outcome.STARTED.value, order=JOURNAL.c.started_at.asc())

    def history(self, limit: int, service: str | None = None) -> tuple[Entry, ...]:
        """The newest entries, newest first."""
        where = sa.true() if service is None else JOURNAL.c.service == service
        return self._entries(where, order=JOURNAL.c.started_at.desc(), limit=limit)

    def _entries(
        self, where: sa.ColumnElement[bool], order: sa.UnaryExpression[Any], limit: int | None = None
    ) -> tuple[Entry, ...]:
        query = sa.select(JOURNAL).where(JOURNAL.c.cluster == self._cluster, where).order_by(order).limit(limit)
        with self._transaction() as connection:
            return tuple(rows.entry(row) for row in connection.execute(query).mappings())

    # ------------------------------------------------------------ memory and pauses

    def memory(self) -> Memory:
        with self._transaction() as connection:
            found = connection.execute(sa.select(MEMORY).where(MEMORY.c.cluster == self._cluster)).mappings()
            services = {row["service"]: rows.service_memory(row) for row in found}
            paused = connection.execute(sa.select(PAUSES).where(PAUSES.c.cluster == self._cluster)).mappings()
            pauses = tuple(rows.pause(row) for row in paused)
            seen = connection.execute(sa.select(NODES).where(NODES.c.cluster == self._cluster)).mappings()
            nodes = {row["node"]: rows.node_memory(row) for row in seen}
        return Memory(MappingProxyType(services), pauses, MappingProxyType(nodes))

    def remember(self, before: Memory, after: Memory) -> None:
        """Writes what changed, service by service: another process may have written the others meanwhile."""
        changed = {name: m for name, m in after.services.items() if before.services.get(name) != m}
        gone = set(before.services) - set(after.services)
        with self._transaction() as connection:
            for name in {*changed, *gone}:
                connection.execute(MEMORY.delete().where(MEMORY.c.cluster == self._cluster, MEMORY.c.service == name))
            for name, memory in changed.items():
                row = rows.remembered(memory) | {"cluster": self._cluster, "service": name}
                connection.execute(MEMORY.insert().values(row))
            if after.nodes != before.nodes:
                self._remember_nodes(connection, after)

    def _remember_nodes(self, connection: sa.Connection, memory: Memory) -> None:
        connection.execute(NODES.delete().where(NODES.c.cluster == self._cluster))
        for node, seen in memory.nodes.items():
            row = {"cluster": self._cluster, "node": node, "takes_work_since": seen.takes_work_since}
            connection.execute(NODES.insert().values(**row, returned=seen.returned))

    def pause(self, pause: Pause) -> None:
        """Sets a kill switch; one of the same service and direction is replaced."""
        row = {"cluster": self._cluster, "service": pause.service, "direction": pause.direction.value}
        same = sa.and_(*(PAUSES.c[name] == value for name, value in row.items()))
        with self._transaction() as connection:
            connection.execute(PAUSES.delete().where(same))
            connection.execute(PAUSES.insert().values(**row, who=pause.who, why=pause.why, at=pause.at))

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
            cycle = {"cluster": self._cluster, "at": at, "sentence": sentence, "failed": failed}
            connection.execute(CYCLES.insert().values(cycle))
            _trim(connection, CYCLES, CYCLES.c.id, KEEP_CYCLES, CYCLES.c.cluster == self._cluster)
            for decision in decisions:
                self._record(connection, decision, at)
            for row in rows.arranged(arrangement or Arrangement(), at):
                self._record_arranged(connection, row)

    def _record_arranged(self, connection: sa.Connection, row: dict[str, Any]) -> None:
        mine = sa.and_(ARRANGEMENTS.c.cluster == self._cluster, ARRANGEMENTS.c.subject == row["subject"])
        connection.execute(ARRANGEMENTS.delete().where(mine, sa.not_(ARRANGEMENTS.c.acts)))
        connection.execute(ARRANGEMENTS.insert().values(row | {"cluster": self._cluster}))
        _trim(connection, ARRANGEMENTS, ARRANGEMENTS.c.id, KEEP_CHANGES, mine)

    def last_arrangements(self) -> tuple[rows.Arranged, ...]:
        """The newest decision about each anchor and each measure of load, by subject."""
        newest = (
            sa.select(sa.func.max(ARRANGEMENTS.c.id))
            .where(ARRANGEMENTS.c.cluster == self._cluster)
            .group_by(ARRANGEMENTS.c.subject)
        )
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
        newest = (
            sa.select(sa.func.max(DECISIONS.c.id))
            .where(DECISIONS.c.cluster == self._cluster)
            .group_by(DECISIONS.c.service)
        )
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
        with database.explained(self._url), self._engine.begin() as connection:
            yield connection


def _trim(
    connection: sa.Connection, table: sa.Table, order: sa.Column[Any], keep: int, where: sa.ColumnElement[bool]
) -> None:
    """Deletes all but the newest `keep` rows."""
    edge = sa.select(order).where(where).order_by(order.desc()).offset(keep).limit(1).scalar_subquery()
    connection.execute(table.delete().where(where, order <= edge))
