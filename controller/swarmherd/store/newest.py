# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of which the newest row of each name counts, decisions by service and arrangements by subject; and what of a
table is old enough to go.

A cycle writes many rows of them while it holds the lease's row. So each statement is sent once for all rows: one after
the other they would take a round trip each, and the lease could not be renewed meanwhile (S16).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from swarmherd.store.schema import CYCLES


def follow(
    connection: sa.Connection,
    name: sa.Column[Any],
    changed: sa.ColumnElement[bool],
    rows: Collection[dict[str, Any]],
    changing: Collection[str],
    keep: int,
) -> None:
    """Inserts one cluster's rows, each in place of the one of its name that changed nothing.

    Of `changing`, the names whose new row changes something, the newest `keep` rows stay.
    """
    if not rows:
        return
    table, cluster = name.table, next(iter(rows))["cluster"]
    mine = sa.and_(table.c.cluster == cluster, name == sa.bindparam("of"))
    connection.execute(table.delete().where(mine, sa.not_(changed)), [{"of": row[name.name]} for row in rows])
    connection.execute(table.insert(), list(rows))
    if changing:
        connection.execute(_but_newest(table, table.c.id, keep, mine), [{"of": one} for one in changing])


def trim(
    connection: sa.Connection,
    order: sa.Column[Any],
    keep: int,
    where: sa.ColumnElement[bool],
    *spared: sa.ColumnElement[bool],
) -> None:
    """Deletes all but the newest `keep` rows, and those that are spared."""
    connection.execute(_but_newest(order.table, order, keep, where).where(*map(sa.not_, spared)))


def _but_newest(table: sa.Table, order: sa.Column[Any], keep: int, where: sa.ColumnElement[bool]) -> sa.Delete:
    edge = sa.select(order).where(where).order_by(order.desc()).offset(keep).limit(1).scalar_subquery()
    return table.delete().where(where, order <= edge)


def newest(name: sa.Column[Any], cluster: str) -> sa.Select[tuple[int]]:
    """The id of the newest row of each name."""
    return sa.select(sa.func.max(name.table.c.id)).where(name.table.c.cluster == cluster).group_by(name)


def forget(connection: sa.Connection, name: sa.Column[Any], cluster: str) -> None:
    """Deletes all of each name that none of the kept cycles speaks of: a service or a node that is gone."""
    table = name.table
    oldest = sa.select(sa.func.min(CYCLES.c.at)).where(CYCLES.c.cluster == cluster).scalar_subquery()
    last = newest(name, cluster)
    gone = connection.execute(sa.select(name).where(table.c.id.in_(last), table.c.at < oldest)).scalars().all()
    if gone:
        connection.execute(table.delete().where(table.c.cluster == cluster, name.in_(gone)))
