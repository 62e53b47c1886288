# SPDX-License-Identifier: GPL-3.0-or-later
"""What alembic runs for each upgrade; the store hands its own connection over."""

from __future__ import annotations

from alembic import context

from swarmherd.store.schema import METADATA

connection = context.config.attributes["connection"]
# SQLite changes columns only by copying the table: batch mode does.
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
