# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of every schema that ever landed comes up to date, and nothing in it is lost."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from swarmherd.model import Direction, Memory, NodeMemory, Outcome, Pause, Recommendation, ServiceMemory
from swarmherd.store import Store, StoreError, database

from tests.controller.store.test_store_arranged import arrangements

SCHEMAS = Path(__file__).parent / "schemas"
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
WEB = ServiceMemory(
    last_up_at=NOW,
    last_version=12,
    last_failure_at=NOW,
    failures=1,
    blind_cycles=2,
    good_cycles=3,
    recommendations=(Recommendation(NOW, 3),),
)
REMEMBERED = {
    "0001": Memory({"web": WEB, "db": ServiceMemory()}),
    "0002": Memory(
        {"web": replace(WEB, moves=(NOW,)), "db": ServiceMemory()},
        nodes={"n1": NodeMemory(NOW, returned=True), "n2": NodeMemory(None)},
    ),
}
"""What each schema's file remembers of services and nodes."""
REMEMBERED["0003"] = REMEMBERED["0002"]
ANCHOR = ("anchor db", NOW, True, ["because"])
ARRANGED = {"0001": [], "0002": [ANCHOR], "0003": [ANCHOR]}


def test_every_schema_but_the_newest_is_here_as_it_landed() -> None:
    steps = {one.revision for one in ScriptDirectory(str(database.MIGRATIONS)).walk_revisions()}
    assert {file.stem for file in SCHEMAS.glob("*.sql")} == steps - {database.newest_revision()}


@pytest.mark.parametrize("old", sorted(SCHEMAS.glob("*.sql")), ids=lambda file: file.stem)
def test_what_an_older_version_wrote_is_all_there(old: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(old.read_text())
    store = Store(f"sqlite:///{file}", "shop")
    holds_everything(store, old.stem)
    store.close()


@pytest.mark.parametrize("old", sorted(SCHEMAS.glob("*.sql")), ids=lambda file: file.stem)
def test_on_postgresql_too(old: Path, postgresql: object, tmp_path: Path) -> None:
    """The rows of the file, into the tables that its step makes there."""
    url = postgresql.database()  # type: ignore[attr-defined]  # the fixture's
    engine = database.connect(url, 5)
    at(engine, old.stem)
    file = tmp_path / "old.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(old.read_text())
    there, tables = sa.create_engine(f"sqlite:///{file}"), sa.MetaData()
    tables.reflect(engine)
    with there.connect() as source, engine.begin() as target:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                rows = source.execute(sa.select(table)).mappings().all()
                target.execute(table.insert(), [dict(row) for row in rows])
    there.dispose()
    engine.dispose()
    store = Store(url, "shop")
    holds_everything(store, old.stem)
    store.close()


def holds_everything(store: Store, revision: str) -> None:
    assert replace(store.memory(), pauses=()) == REMEMBERED[revision]
    arranged = [(one.subject, one.at, one.acts, one.document["reasons"]) for one in arrangements(store)]
    assert arranged == ARRANGED[revision]
    assert set(store.memory().pauses) == {
        Pause("ana", "release", NOW, "web", Direction.DOWN),
        Pause("bo", "night", NOW),
    }
    assert [(one.action.id, one.outcome, one.token) for one in store.history(9)] == [
        ("a2", Outcome.STARTED, None),
        ("a1", Outcome.DONE, None),
    ]
    assert store.history(9)[1].running_at == NOW + timedelta(seconds=8)
    cycle = store.last_cycle()
    assert cycle is not None
    assert cycle.sentence == "web 2 -> 4 done"
    assert store.last_decisions()["web"].decision.reasons == ("one", "two")
    if revision < "0003":
        assert (store.lease(), store.kept()) == (None, None)
        return
    lease, newest, older = store.lease(), store.kept(), store.kept(NOW - timedelta(seconds=15))
    assert lease is not None
    assert lease.token == 3
    assert (newest is not None and newest.inputs.now, older is not None) == (NOW, True)


def at(engine: sa.Engine, revision: str) -> None:
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(database.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_two_that_open_an_empty_database_at_once_both_come_to_the_newest(state_url: str) -> None:
    problems: list[Exception] = []
    barrier = threading.Barrier(4)

    def open_it() -> None:
        barrier.wait(10)
        try:
            Store(state_url, "shop").close()
        except StoreError as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []


def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where making tables stood outside of the transaction, half of the new ones would be there."""
    file = tmp_path / "state.db"
    with sqlite3.connect(file) as connection:
        connection.executescript((SCHEMAS / "0001.sql").read_text())

    def breaks(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("drop", {}, Exception("killed in mid-step"))

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.drop_table", breaks)
        with pytest.raises(StoreError, match="killed in mid-step"):
            Store(f"sqlite:///{file}", "shop")
    with sqlite3.connect(file) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    assert tables == {"alembic_version", "journal", "memory", "pauses", "decisions", "cycles"}
    holds_everything(Store(f"sqlite:///{file}", "shop"), "0001")
