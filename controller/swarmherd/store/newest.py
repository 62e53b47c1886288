# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of which the newest row of each name counts, decisions by service and arrangements by subject; and what of a
table is old enough to go.

A cycle writes many rows of them while it holds the lease's row. So each statement is sent once for all rows: one after
the other they would take a round trip each, and the lease could not be renewed meanwhile (S16).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from swarmherd.store.schema import CYCLES


def follow(
    connection: sa.Connection,
    table: sa.Table,
    name: str,
    changed: sa.ColumnElement[bool],
    rows: Sequence[dict[str, Any]],
    changing: Collection[str],
    keep: int,
) -> None:
    """Inserts one cluster's rows, each in place of the one of its name that changed nothing.

    Of `changing`, the names whose new row changes something, the newest `keep` rows stay.
    """
    if not rows:
        return
    mine = sa.and_(table.c.cluster == rows[0]["cluster"], table.c[name] == sa.bindparam("of"))
    connection.execute(table.delete().where(mine, sa.not_(changed)), [{"of": row[name]} for row in rows])
    connection.execute(table.insert(), rows)
    if changing:
        connection.execute(_but_newest(table, "id", keep, mine), [{"of": one} for one in changing])


def trim(
    connection: sa.Connection,
    table: sa.Table,
    order: str,
    keep: int,
    where: sa.ColumnElement[bool],
    *spared: sa.ColumnElement[bool],
) -> None:
    """Deletes all but the newest `keep` rows, and those that are spared."""
    connection.execute(_but_newest(table, order, keep, where).where(*map(sa.not_, spared)))


def _but_newest(table: sa.Table, order: str, keep: int, where: sa.ColumnElement[bool]) -> sa.Delete:
    by = table.c[order]
    edge = sa.select(by).where(where).order_by(by.desc()).offset(keep).limit(1).scalar_subquery()
    return table.delete().where(where, by <= edge)


def newest(table: sa.Table, name: str, cluster: str) -> sa.Select[tuple[int]]:
    """The id of the newest row of each name."""
    return sa.select(sa.func.max(table.c.id)).where(table.c.cluster == cluster).group_by(table.c[name])


def forget(connection: sa.Connection, table: sa.Table, name: str, cluster: str) -> None:
    """Deletes all of each name that none of the kept cycles speaks of: a service or a node that is gone."""
    named = table.c[name]
    oldest = sa.select(sa.func.min(CYCLES.c.at)).where(CYCLES.c.cluster == cluster).scalar_subquery()
    last = newest(table, name, cluster)
    gone = connection.execute(sa.select(named).where(table.c.id.in_(last), table.c.at < oldest)).scalars().all()
    if gone:
        connection.execute(table.delete().where(table.c.cluster == cluster, named.in_(gone)))
