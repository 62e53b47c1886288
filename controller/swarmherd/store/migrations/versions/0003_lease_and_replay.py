# SPDX-License-Identifier: GPL-3.0-or-later
"""Who leads, what each cycle was decided on, pauses that end, and a memory that new fields fit in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSTANTS = ("last_up_at", "last_down_at", "last_failure_at", "takes_work_since")
KEYS = ("cluster", "service", "node")
NODES = "nodes"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("cluster", sa.String(255), primary_key=True),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("ttl_seconds", sa.Float, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
    )
    op.create_table(
        "inputs",
        sa.Column("cluster", sa.String(255), primary_key=True),
        sa.Column("at", sa.DateTime, primary_key=True),
        sa.Column("acts", sa.Boolean, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    remembered = op.create_table(
        "remembered",
        sa.Column("cluster", sa.String(255), primary_key=True),
        sa.Column("part", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("document", sa.JSON, nullable=False),
    )
    rows = list(_services()) + list(_nodes())
    if rows:
        op.bulk_insert(remembered, rows)
    op.drop_table("memory")
    if NODES in sa.inspect(op.get_bind()).get_table_names():
        op.drop_table(NODES)
    with op.batch_alter_table("pauses") as pauses:
        pauses.add_column(sa.Column("until", sa.DateTime))
    with op.batch_alter_table("journal") as journal:
        journal.add_column(sa.Column("token", sa.BigInteger))


def _services() -> Iterator[dict[str, object]]:
    for row in _rows("memory"):
        yield {"cluster": row["cluster"], "part": "services", "name": row["service"], "document": _document(row)}


def _nodes() -> Iterator[dict[str, object]]:
    """What was remembered of nodes, where there is such a table."""
    if NODES in sa.inspect(op.get_bind()).get_table_names():
        for row in _rows(NODES):
            yield {"cluster": row["cluster"], "part": "nodes", "name": row["node"], "document": _document(row)}


def _rows(table: str) -> Sequence[sa.RowMapping]:
    """With whatever columns the table has by now."""
    old = sa.Table(table, sa.MetaData(), autoload_with=op.get_bind())
    return op.get_bind().execute(sa.select(old)).mappings().all()


def _document(row: sa.RowMapping) -> dict[str, object]:
    """What was a row of columns is a document; instants get the zone that the columns left out, and a list that was
    never written is left to its default."""
    return {name: _value(value) for name, value in row.items() if name not in KEYS and _told(name, value)}


def _value(value: object) -> object:
    return f"{value.isoformat()}+00:00" if isinstance(value, datetime) else value


def _told(name: str, value: object) -> bool:
    return value is not None or name in INSTANTS or name == "last_version"
