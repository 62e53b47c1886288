# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the database that a store lives in, and brings its schema up to date."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from swarmherd.codec import CodecError
from swarmherd.store import sqlite_file

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_SECONDS = 5
STATEMENTS = 6
"""On PostgreSQL a statement may take so many times longer than a connection, or a lock."""
UPGRADE_LOCK = 0x5357_4D48
"""Of PostgreSQL's advisory locks: upgrades of two controllers at once wait for each other."""
UNREADABLE = (CodecError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What a row raises that is none of ours, or was spoilt, where it is made a value of the model."""
ANEW = "move the file away to start with an empty one, or restore a backup; cooldowns and history are in it"
LEAST_FREE_BYTES = 64 * 1024
"""Less than this is a full disk, whatever SQLite calls it."""


class StoreError(Exception):
    """The database cannot be used: one sentence, with the place and what to do."""


def state_directory() -> Path:
    """Where this user's state belongs, by the XDG base directory specification."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "swarmherd"


def default_url(cluster: str) -> str:
    return f"sqlite:///{state_directory() / cluster}.db"


def open_database(url: str) -> sa.Engine:
    """An engine whose schema is the newest. Raises StoreError."""
    engine = connect(url, LOCK_SECONDS)
    with explained(url):
        if revision(engine) != newest_revision():
            upgrade(engine)
    return engine


def connect(url: str, patience_seconds: float) -> sa.Engine:
    """An engine whose every attempt ends within about `patience_seconds`. Raises StoreError."""
    with explained(url):
        try:
            engine = sa.create_engine(url, **_options(url, patience_seconds))
        except ImportError as error:
            said = "install the controller's extra postgresql, or let state_url name another driver"
            raise StoreError(f"state {_shown(url)}: {error}; {said}") from error
        except ValueError as error:
            raise StoreError(f"state {_shown(url)}: {error}; correct swarmherd_cluster.state_url") from error
    if engine.dialect.name == "sqlite":
        file = engine.url.database or ""
        if file and not file.startswith((":memory:", "file:")):
            _make_room(Path(file))
        sqlite_file.listen(engine)
    return engine


def revision(engine: sa.Engine) -> str | None:
    """The step of `migrations` that the database is at; None for one that is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def upgrade(engine: sa.Engine) -> None:
    """All steps or none, and one controller at a time."""
    with engine.execution_options(**{sqlite_file.IMMEDIATE: True}).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts the rows; one whose key is there already takes its place, whoever wrote it and when."""
    insert: postgresql.Insert | sqlite.Insert
    insert = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    rest = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    connection.execute(insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=rest), rows)


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turns whatever the database says into a StoreError."""
    try:
        yield
    except CommandError as error:
        raise StoreError(
            f"state {_shown(url)}: written by a newer swarmherd ({error}); upgrade it or set state_url"
        ) from error
    except SQLAlchemyError as error:
        said = next(iter(str(getattr(error, "orig", None) or error).splitlines()), "") or type(error).__name__
        raise StoreError(f"state {_shown(url)}: {said}; {_remedy(said, url)}") from error
    except UNREADABLE as error:
        said = f"what stands there cannot be read ({type(error).__name__}: {str(error)[:200]})"
        raise StoreError(f"state {_shown(url)}: {said}; {ANEW}") from error
    except OSError as error:
        raise StoreError(f"state {_shown(url)}: {error.strerror}; check the file's owner and rights") from error


def _options(url: str, patience_seconds: float) -> dict[str, Any]:
    dialect = sa.make_url(url).get_dialect()  # an address that names no driver gets one
    if dialect.name == "sqlite":
        return {"connect_args": {"timeout": patience_seconds}}
    if dialect.driver not in ("psycopg", "psycopg2"):
        return {"pool_pre_ping": True}
    milliseconds = max(1, int(patience_seconds * 1000))
    bounds = {
        "connect_timeout": max(2, int(patience_seconds)),  # libpq's least
        "tcp_user_timeout": milliseconds,
        "options": f"-c statement_timeout={milliseconds * STATEMENTS} -c lock_timeout={milliseconds}",
    }
    return {"pool_pre_ping": True, "connect_args": {**bounds, **_written(url)}}


def _written(url: str) -> dict[str, Any]:
    """What the address itself says of these wins."""
    query = sa.make_url(url).query
    return {name: query[name] for name in ("connect_timeout", "tcp_user_timeout", "options") if name in query}


def _make_room(file: Path) -> None:
    """A new file is its owner's alone, and so is what SQLite puts beside it."""
    with explained(f"sqlite:///{file}"):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            file.touch(mode=0o600)


def _shown(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return "(an address that is no SQLAlchemy URL)"


def _remedy(said: str, url: str) -> str:
    if "locked" in said:
        return "another process holds it: end that one, or give this cluster another state_url"
    if "full" in said or _no_room(url):
        return "its disk is full: make room; until then nothing is acted on, and what is there can still be read"
    if "malformed" in said or "not a database" in said:
        return ANEW
    return "check that it exists and may be written, or set swarmherd_cluster.state_url"


def _no_room(url: str) -> bool:
    try:
        address = sa.make_url(url)
        place = Path(address.database or "/").parent if address.drivername.startswith("sqlite") else None
        return place is not None and shutil.disk_usage(place).free < LEAST_FREE_BYTES
    except (SQLAlchemyError, OSError):
        return False
