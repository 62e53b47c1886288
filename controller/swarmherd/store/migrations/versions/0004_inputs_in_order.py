# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs are kept in the order in which they were written, whatever the clock said.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """So far they were in the order of their time."""
    op.add_column("inputs", sa.Column("number", sa.BigInteger, nullable=False, server_default="0"))
    inputs = sa.table("inputs", sa.column("cluster"), sa.column("at"), sa.column("number"))
    earlier = inputs.alias("earlier")
    before = sa.select(sa.func.count()).where(earlier.c.cluster == inputs.c.cluster, earlier.c.at < inputs.c.at)
    op.execute(inputs.update().values(number=before.scalar_subquery()))
    op.create_index("inputs_by_number", "inputs", ["cluster", "number"])


def downgrade() -> None:
    op.drop_index("inputs_by_number", "inputs")
    op.drop_column("inputs", "number")
