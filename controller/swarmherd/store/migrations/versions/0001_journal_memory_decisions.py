# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of actions, what later cycles must know, and what was decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("cluster", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("service", sa.String(255), nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("undo", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("finished_at", sa.DateTime),
        sa.Column("running_at", sa.DateTime),
        sa.Column("version", sa.BigInteger),
    )
    op.create_index("journal_by_time", "journal", ["cluster", "started_at"])
    op.create_table(
        "memory",
        sa.Column("cluster", sa.String(255), primary_key=True),
        sa.Column("service", sa.String(255), primary_key=True),
        sa.Column("last_up_at", sa.DateTime),
        sa.Column("last_down_at", sa.DateTime),
        sa.Column("last_version", sa.BigInteger),
        sa.Column("last_failure_at", sa.DateTime),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("blind_cycles", sa.Integer, nullable=False),
        sa.Column("good_cycles", sa.Integer, nullable=False),
        sa.Column("recommendations", sa.JSON, nullable=False),
    )
    op.create_table(
        "pauses",
        sa.Column("cluster", sa.String(255), primary_key=True),
        sa.Column("service", sa.String(255), primary_key=True),
        sa.Column("direction", sa.String(8), primary_key=True),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("cluster", sa.String(255), nullable=False),
        sa.Column("service", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("replicas_now", sa.Integer),
        sa.Column("replicas_then", sa.Integer),
        sa.Column("wish", sa.Integer),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
    )
    op.create_index("decisions_by_service", "decisions", ["cluster", "service", "id"])
    op.create_table(
        "cycles",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("cluster", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
    )
    op.create_index("cycles_by_time", "cycles", ["cluster", "id"])


def downgrade() -> None:
    for table in ("cycles", "decisions", "pauses", "memory", "journal"):
        op.drop_table(table)
