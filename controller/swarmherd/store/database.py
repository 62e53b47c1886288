# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the database that a store lives in, and brings its schema up to date."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_SECONDS = 5


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
    with explained(url):
        engine = sa.create_engine(url, **_options(url))
    if (file := engine.url.database) and engine.dialect.name == "sqlite":
        _make_room(Path(file))
        sa.event.listen(engine, "connect", _prepare_sqlite)
    with explained(url), engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


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
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StoreError(f"state {_shown(url)}: {said}; {_remedy(said)}") from error
    except OSError as error:
        raise StoreError(f"state {_shown(url)}: {error.strerror}; check the file's owner and rights") from error


def _options(url: str) -> dict[str, Any]:
    return {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {"pool_pre_ping": True}


def _make_room(file: Path) -> None:
    with explained(f"sqlite:///{file}"):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """WAL lets `status` read while a cycle writes."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _shown(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(an address that is no SQLAlchemy URL)"


def _remedy(said: str) -> str:
    if "locked" in said:
        return "another process holds it: end that one, or give this cluster another state_url"
    if "malformed" in said or "not a database" in said:
        return "move the file away to start with an empty one; cooldowns and history are lost with it"
    return "check that it exists and may be written, or set swarmherd_cluster.state_url"
