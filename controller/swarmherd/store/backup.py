# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster's state into a file, while a controller works on, and back.

The file is a SQLite database, whatever the state lives in: a backup of one kind can be restored into another. The
lease is never restored, for its token must not fall.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from swarmherd.store import KEEP_ENTRIES, Store, UnreadableError, database, leases
from swarmherd.store.schema import LEASES, METADATA

TABLES = tuple(table for table in METADATA.sorted_tables if table is not LEASES)
ROWS = 500
"""That are held in memory at once."""


class BackupError(Exception):
    """The file cannot be written, or is no backup of this cluster: one sentence, naming it."""


def backup(url: str, cluster: str, file: Path) -> dict[str, int]:
    """Writes `file`, which must not exist, and is there as a whole or not at all; the rows of each table.

    Raises BackupError, StoreError.
    """
    if file.exists():
        raise BackupError(f"{file}: it is there already; give another name")
    with _beside(file) as draft:
        source = database.open_database(url)
        try:
            with database.explained(url):
                if source.dialect.name == "sqlite":
                    _online(source, draft)
                else:
                    _row_by_row(source, draft, cluster)
        finally:
            source.dispose()
        rows = _checked(draft, file, cluster)
        _settle(draft, file)
    return rows


def restore(url: str, cluster: str, file: Path, token: int) -> dict[str, int]:
    """Replaces the cluster's state by what `file` holds, all of it or nothing; the rows of each table.

    `token` is of the lease that the caller holds: nobody leads meanwhile. Raises BackupError, StoreError,
    LeaseLostError.
    """
    if not file.is_file():
        raise BackupError(f"{file}: there is no such file")
    with tempfile.TemporaryDirectory(prefix="swarmherd-") as folder:
        copy = Path(folder) / "copy.db"
        _copied(file, copy)
        rows = _upgraded(copy, file, cluster)
        source, target = database.open_database(f"sqlite:///{copy}"), database.open_database(url)
        try:
            with source.connect() as old, database.explained(url), target.begin() as new:
                leases.fence(new, cluster, token)
                _replace(old, new, cluster)
        except database.UNREADABLE as error:
            raise BackupError(f"{file}: this backup is damaged: {error}; give another one") from error
        finally:
            source.dispose()
            target.dispose()
    return rows


def _online(source: sa.Engine, draft: Path) -> None:
    """SQLite's own way: a copy as of one instant, while others write."""
    with source.connect() as connection, closing(sqlite3.connect(draft)) as copy:
        raw = connection.connection.dbapi_connection
        if raw is None:
            raise BackupError("the database was closed meanwhile; try again")
        raw.backup(copy)


def _row_by_row(source: sa.Engine, draft: Path, cluster: str) -> None:
    copy = database.open_database(f"sqlite:///{draft}")
    try:
        with source.execution_options(isolation_level="REPEATABLE READ").connect() as old, copy.begin() as new:
            _replace(old, new, cluster)
    finally:
        copy.dispose()


def _replace(old: sa.Connection, new: sa.Connection, cluster: str) -> None:
    """The cluster's rows of every table. Numbers that the database itself counts up are given anew, in their order."""
    for table in TABLES:
        new.execute(table.delete().where(table.c.cluster == cluster))
        counted = table.autoincrement_column
        columns = [column for column in table.c if column is not counted]
        query = sa.select(*columns).where(table.c.cluster == cluster)
        if counted is not None:
            query = query.order_by(counted)
        for part in old.execute(query).mappings().partitions(ROWS):
            new.execute(table.insert(), [dict(row) for row in part])


def _copied(file: Path, copy: Path) -> None:
    """The file is left as it is: to open it in place would write beside it."""
    try:
        copy.write_bytes(file.read_bytes())
    except OSError as error:
        raise BackupError(f"{file}: cannot be read: {error.strerror}") from error


def _upgraded(copy: Path, file: Path, cluster: str) -> dict[str, int]:
    """Of a backup that an older version wrote, the copy has the newest schema afterwards."""
    try:
        with closing(sqlite3.connect(copy)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{file}: this is no backup: {error}") from error
    if said != "ok":
        raise BackupError(f"{file}: this backup is damaged: {said}")
    if "alembic_version" not in tables:
        raise BackupError(f"{file}: this database is none of swarmherd's")
    try:
        _read(copy, cluster)
    except database.StoreError as error:
        raise BackupError(f"{file}: this backup cannot be used: {str(error).split(': ', 1)[-1]}") from error
    return _checked(copy, file, cluster)


def _read(copy: Path, cluster: str) -> None:
    """All that is made values of the model. Raises StoreError where a row cannot be."""
    store = Store(f"sqlite:///{copy}", cluster)
    try:
        with suppress(UnreadableError):  # a cycle's inputs may be of another version, and are only for replay
            store.kept()
        store.memory()
        store.history(KEEP_ENTRIES)
        store.last_cycle()
        store.last_decisions()
    finally:
        store.close()


def _checked(copy: Path, file: Path, cluster: str) -> dict[str, int]:
    engine = database.open_database(f"sqlite:///{copy}")
    try:
        with engine.connect() as connection:
            rows = {table.name: _count(connection, table, cluster) for table in TABLES}
            others = {name for table in TABLES for (name,) in connection.execute(sa.select(table.c.cluster).distinct())}
    finally:
        engine.dispose()
    if others and cluster not in others:
        raise BackupError(f"{file}: this is the state of {', '.join(sorted(others))}, and not of {cluster}")
    return rows


def _count(connection: sa.Connection, table: sa.Table, cluster: str) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.cluster == cluster)
    return int(connection.execute(query).scalar_one())


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A draft in a directory of its own on the same disk, gone at the end. Raises BackupError."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.absolute().parent) as folder:
            yield Path(folder) / "draft.db"
    except (OSError, sqlite3.OperationalError) as error:
        said = getattr(error, "strerror", None) or error
        raise BackupError(f"{file}: cannot be written: {said}; check the directory, its rights and its room") from error


def _settle(draft: Path, file: Path) -> None:
    """Out of its log, onto the disk, and under its name. It may hold what others need not see."""
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").close()
    draft.chmod(0o600)
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.rename(file)
