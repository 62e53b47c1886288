# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs are kept in the order of writing, numbers do not end, and one service's journal is found.

What the clock said does not matter to the order. On PostgreSQL numbers would have ended after some years.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COUNTED = ("arrangements", "cycles", "decisions")


def upgrade() -> None:
    """So far inputs were in the order of their time."""
    op.add_column("inputs", sa.Column("number", sa.BigInteger, nullable=False, server_default="0"))
    inputs = sa.table("inputs", sa.column("cluster"), sa.column("at"), sa.column("number"))
    earlier = inputs.alias("earlier")
    before = sa.select(sa.func.count()).where(earlier.c.cluster == inputs.c.cluster, earlier.c.at < inputs.c.at)
    op.execute(inputs.update().values(number=before.scalar_subquery()))
    op.create_index("inputs_by_number", "inputs", ["cluster", "number"])
    op.create_index("journal_by_service", "journal", ["cluster", "service", "started_at"])
    if op.get_bind().dialect.name == "postgresql":  # SQLite's integers are large enough
        for table in COUNTED:
            op.alter_column(table, "id", type_=sa.BigInteger)
            op.execute(f"ALTER SEQUENCE {table}_id_seq AS bigint")
