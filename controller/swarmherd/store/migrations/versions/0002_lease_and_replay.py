# SPDX-License-Identifier: GPL-3.0-or-later
"""Who leads, what each cycle was decided on, pauses that end, and a memory that new fields fit in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OLD = sa.table(
    "memory",
    sa.column("cluster", sa.String),
    sa.column("service", sa.String),
    sa.column("last_up_at", sa.DateTime),
    sa.column("last_down_at", sa.DateTime),
    sa.column("last_version", sa.BigInteger),
    sa.column("last_failure_at", sa.DateTime),
    sa.column("failures", sa.Integer),
    sa.column("blind_cycles", sa.Integer),
    sa.column("good_cycles", sa.Integer),
    sa.column("recommendations", sa.JSON),
)
INSTANTS = ("last_up_at", "last_down_at", "last_failure_at")
OTHERS = ("last_version", "failures", "blind_cycles", "good_cycles", "recommendations")


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
    rows = [_remembered(row) for row in op.get_bind().execute(sa.select(OLD)).mappings()]
    if rows:
        op.bulk_insert(remembered, rows)
    op.drop_table("memory")
    with op.batch_alter_table("pauses") as pauses:
        pauses.add_column(sa.Column("until", sa.DateTime))
    with op.batch_alter_table("journal") as journal:
        journal.add_column(sa.Column("token", sa.BigInteger))


def _remembered(row: sa.RowMapping) -> dict[str, object]:
    """What was a row of columns is a document; instants get the zone that the columns left out."""
    document = {name: row[name] for name in OTHERS}
    document |= {name: None if row[name] is None else f"{row[name].isoformat()}+00:00" for name in INSTANTS}
    return {"cluster": row["cluster"], "part": "services", "name": row["service"], "document": document}
