# SPDX-License-Identifier: GPL-3.0-or-later
"""How a SQLite file is opened: so that readers never wait for a writer, and so that it can be read on a full disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import stamina

IMMEDIATE = "swarmherd_immediate"
"""Of a connection: its transactions are to write, and wait for that at their begin."""
READ_ONLY = "swarmherd_read_only"
QUICKLY: dict[str, Any] = {"attempts": None, "wait_initial": 0.02, "wait_max": 0.2, "wait_jitter": 0.02}
stamina.instrumentation.set_on_retry_hooks([])  # a file that is busy for a moment is nothing to warn of
PATIENCE_SECONDS = 5.0
"""How long Python's own driver waits for a lock."""
UNWRITABLE = ("disk I/O error", "full", "readonly database", "unable to open")


def listen(engine: sa.Engine) -> None:
    """Has the engine open its connections and begin its transactions as this module does."""
    sa.event.listen(engine, "do_connect", _connect)
    sa.event.listen(engine, "begin", _begin)
    sa.event.listen(engine, "checkin", _let_go)


def _connect(_dialect: sa.Dialect, record: Any, words: list[Any], options: dict[str, Any]) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(*words, **options)
    try:
        _prepare(connection, options.get("timeout", PATIENCE_SECONDS))
    except sqlite3.OperationalError as error:
        connection.close()
        file = Path(words[0])
        if not _readable_alone(file, error):
            raise
        record.info[READ_ONLY] = True
        options = {**options, "uri": True, "isolation_level": None}
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", **options)
    return connection


def _prepare(connection: sqlite3.Connection, patience_seconds: float) -> None:
    """WAL lets `status` read while a cycle writes.

    Transactions are begun by `_begin`: the driver's guess would leave the making of tables out of them.
    """
    connection.isolation_level = None
    # SQLite waits for a lock by itself, but not for this one: where several open a new file, all but one are refused.
    for attempt in stamina.retry_context(on=_is_locked, timeout=patience_seconds, **QUICKLY):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL").close()
    connection.execute("PRAGMA synchronous=FULL").close()
    connection.execute("SELECT count(*) FROM sqlite_master").close()


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _readable_alone(file: Path, error: sqlite3.OperationalError) -> bool:
    """Whether nobody has the file open, and all that was written stands in it: then it can be read as it is.

    To open it in the usual way needs some room beside it.
    """
    log = file.with_name(f"{file.name}-wal")
    written = not log.exists() or log.stat().st_size == 0
    return written and file.is_file() and any(word in str(error) for word in UNWRITABLE)


def _begin(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get(IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _let_go(_connection: Any, record: Any) -> None:
    """One that can only read is not kept: there may be room by the next time."""
    if record.info.get(READ_ONLY):
        record.invalidate()
