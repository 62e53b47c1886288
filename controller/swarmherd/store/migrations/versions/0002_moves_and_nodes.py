# SPDX-License-Identifier: GPL-3.0-or-later
"""When tasks were moved, since when nodes take work, and what was decided about anchors and loads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("memory", sa.Column("moves", sa.JSON))
    op.create_table(
        "nodes",
        sa.Column("cluster", sa.String(255), primary_key=True),
        sa.Column("node", sa.String(255), primary_key=True),
        sa.Column("takes_work_since", sa.DateTime),
        sa.Column("returned", sa.Boolean, nullable=False),
    )
    op.create_table(
        "arrangements",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("cluster", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("acts", sa.Boolean, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
    )
    op.create_index("arrangements_by_subject", "arrangements", ["cluster", "subject", "id"])


def downgrade() -> None:
    op.drop_table("arrangements")
    op.drop_table("nodes")
    op.drop_column("memory", "moves")
