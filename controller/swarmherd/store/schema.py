# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables as SQLAlchemy Core sees them. Their making and changing is `migrations`' work."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Utc(sa.TypeDecorator[datetime]):
    """An aware datetime in UTC; SQLite and PostgreSQL alike hold it without a zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002  (SQLAlchemy's)
        if value is None:
            return None
        try:
            value = value.astimezone(UTC)
        except OverflowError:  # in UTC it lies in the year before the first, or after the last
            value = EARLIEST if value.year == EARLIEST.year else LATEST
        return value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002  (SQLAlchemy's)
        return None if value is None else value.replace(tzinfo=UTC)


COUNTED = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""Of numbers that the database counts up for ever. SQLite's integers are as large, and only they are counted up."""

METADATA = sa.MetaData()

JOURNAL = sa.Table(
    "journal",
    METADATA,
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
    sa.Column("decided_at", Utc, nullable=False),
    sa.Column("started_at", Utc, nullable=False),
    sa.Column("finished_at", Utc),
    sa.Column("running_at", Utc),
    sa.Column("version", sa.BigInteger),
    sa.Column("token", sa.BigInteger),
    sa.Index("journal_by_time", "cluster", "started_at"),
    sa.Index("journal_by_service", "cluster", "service", "started_at"),
)

REMEMBERED = sa.Table(
    "remembered",
    METADATA,
    sa.Column("cluster", sa.String(255), primary_key=True),
    sa.Column("part", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("document", sa.JSON, nullable=False),
)
"""One row per service, node, … that something is remembered of; `part` is the field of `Memory`."""

PAUSES = sa.Table(
    "pauses",
    METADATA,
    sa.Column("cluster", sa.String(255), primary_key=True),
    sa.Column("service", sa.String(255), primary_key=True),
    sa.Column("direction", sa.String(8), primary_key=True),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("until", Utc),
)

DECISIONS = sa.Table(
    "decisions",
    METADATA,
    sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
    sa.Column("cluster", sa.String(255), nullable=False),
    sa.Column("service", sa.String(255), nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("replicas_now", sa.Integer),
    sa.Column("replicas_then", sa.Integer),
    sa.Column("wish", sa.Integer),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Index("decisions_by_service", "cluster", "service", "id"),
)

CYCLES = sa.Table(
    "cycles",
    METADATA,
    sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
    sa.Column("cluster", sa.String(255), nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Index("cycles_by_time", "cluster", "id"),
)

ARRANGEMENTS = sa.Table(
    "arrangements",
    METADATA,
    sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
    sa.Column("cluster", sa.String(255), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("acts", sa.Boolean, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Index("arrangements_by_subject", "cluster", "subject", "id"),
)

LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("cluster", sa.String(255), primary_key=True),
    sa.Column("holder", sa.String(255), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("ttl_seconds", sa.Float, nullable=False),
    sa.Column("since", Utc, nullable=False),
)

INPUTS = sa.Table(
    "inputs",
    METADATA,
    sa.Column("cluster", sa.String(255), primary_key=True),
    sa.Column("at", Utc, primary_key=True),
    sa.Column("acts", sa.Boolean, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("inputs_by_number", "cluster", "number"),
)
"""What each cycle was decided on and what was planned, compressed; `acts` where the plan has actions, and `number` for
the order of writing, which the clock may not keep."""
