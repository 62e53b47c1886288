# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup is the state as of one instant, while others write; a restore is all of it or nothing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from swarmherd.lease import LeaseLostError
from swarmherd.model import (
    Action,
    Arrangement,
    Decision,
    Following,
    Memory,
    NodeMemory,
    Outcome,
    Pause,
    Result,
    ServiceMemory,
)
from swarmherd.store import Leases, Store
from swarmherd.store import backup as copies
from swarmherd.store.backup import BackupError

from tests.controller.store.test_store import newer
from tests.controller.store.test_store_arranged import arrangements

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    one = Store(state_url, "shop")
    yield one
    one.close()


@pytest.fixture
def token(state_url: str, store: Store) -> Iterator[int]:  # noqa: ARG001  (it makes the schema)
    leases = Leases(state_url, "shop", 10)
    taken = leases.take(None, "here:1", NOW)
    assert taken is not None
    yield taken
    leases.close()


def filled(store: Store, word: str) -> None:
    """A little of everything."""
    action = Action(word, "scale", "shop", "web", {"swarmherd_replicas": 4}, {}, "because")
    store.begin(action, NOW, NOW, "host:1")
    store.end(Result(word, Outcome.DONE, word, NOW, NOW, NOW, 3))
    store.remember(Memory(), Memory({"web": ServiceMemory(failures=len(word))}, nodes={word: NodeMemory(NOW)}))
    store.pause(Pause("ana", word, NOW, until=NOW + timedelta(hours=1)))
    arrangement = Arrangement((Following("db", ("api",), (word,), "n2", ("n1",), True, {"api": 7}),))
    for number in range(3):
        decision = Decision("web", 2, 3 + number, 4, (word,))
        store.record((decision,), f"{word} {number}", NOW, arrangement=arrangement)


def seen(store: Store) -> object:
    return (
        store.history(9),
        store.memory(),
        [one.decision for one in store.decisions_of("web", 9)],
        store.last_cycle(),
        arrangements(store),
    )


def test_what_is_restored_is_what_was_backed_up(store: Store, state_url: str, token: int, tmp_path: Path) -> None:
    filled(store, "first")
    before = seen(store)
    file = tmp_path / "backup.db"
    assert copies.backup(state_url, "shop", file)["journal"] == 1
    assert file.stat().st_mode & 0o077 == 0, "reasons and names are nobody else's business"
    assert [one.name for one in tmp_path.iterdir() if "backup" in one.name] == ["backup.db"], "and nothing beside it"
    store.pause(Pause("bo", "later", NOW, "db"))
    filled(store, "second")
    assert copies.restore(state_url, "shop", file, token)["cycles"] == 3
    assert seen(store) == before
    store.record((Decision("web", 2, 9, 4, ("on",)),), "on it goes", NOW)
    assert store.last_decisions()["web"].decision.then == 9, "numbers go on where they were"
    lease = store.lease()
    assert lease is not None
    assert lease.token == token, "the token does not fall"


def test_a_backup_of_one_kind_is_restored_into_the_other(
    store: Store, state_url: str, token: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other_url = f"sqlite:///{tmp_path / 'other.db'}"
    if state_url.startswith("sqlite"):
        other_url = request.getfixturevalue("postgresql").database()
    other = Store(other_url, "shop")
    filled(other, "elsewhere")
    copies.backup(other_url, "shop", tmp_path / "backup.db")
    copies.restore(state_url, "shop", tmp_path / "backup.db", token)
    assert seen(store) == seen(other)
    other.close()


def test_other_clusters_of_the_same_database_are_left_alone(
    store: Store, state_url: str, token: int, tmp_path: Path
) -> None:
    other = Store(state_url, "other")
    filled(store, "ours")
    copies.backup(state_url, "shop", tmp_path / "backup.db")
    other.record((), "theirs", NOW)
    copies.restore(state_url, "shop", tmp_path / "backup.db", token)
    last = other.last_cycle()
    assert last is not None
    assert last.sentence == "theirs"
    other.close()
    lonely = Store(f"sqlite:///{tmp_path / 'lonely.db'}", "lonely")
    lonely.record((), "x", NOW)
    copies.backup(f"sqlite:///{tmp_path / 'lonely.db'}", "lonely", tmp_path / "lonely-backup.db")
    with pytest.raises(BackupError, match="this is the state of lonely, and not of shop"):
        copies.restore(state_url, "shop", tmp_path / "lonely-backup.db", token)
    lonely.close()


def test_a_backup_while_others_write_holds_whole_transactions(store: Store, state_url: str, tmp_path: Path) -> None:
    writing, number = threading.Event(), 0

    def write() -> None:
        nonlocal number
        writer = Store(state_url, "shop")
        while not writing.is_set():
            number += 1
            writer.record((Decision("web", 1, 1 + number, 1, (str(number),)),), str(number), NOW)
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for copy in range(3):
            file = tmp_path / f"copy{copy}.db"
            copies.backup(state_url, "shop", file)
            there = Store(f"sqlite:///{file}", "shop")
            last, decided = there.last_cycle(), there.last_decisions()
            there.close()
            if last is not None:
                assert decided["web"].decision.reasons == (last.sentence,), "both are written at once"
    finally:
        writing.set()
        thread.join(30)
    assert number > 0
    assert store.last_cycle() is not None


def test_whoever_does_not_lead_restores_nothing(store: Store, state_url: str, token: int, tmp_path: Path) -> None:
    filled(store, "first")
    copies.backup(state_url, "shop", tmp_path / "backup.db")
    filled(store, "second")
    before = seen(store)
    with pytest.raises(LeaseLostError):
        copies.restore(state_url, "shop", tmp_path / "backup.db", token + 1)
    assert seen(store) == before


def test_a_backup_of_an_older_version_is_upgraded_and_the_file_left_as_it_is(
    store: Store, state_url: str, token: int, tmp_path: Path
) -> None:
    file = tmp_path / "old.db"
    with sqlite3.connect(file) as connection:
        connection.executescript((SCHEMAS / "0001.sql").read_text())
    content = file.read_bytes()
    copies.restore(state_url, "shop", file, token)
    assert store.memory().of("web").failures == 1
    assert file.read_bytes() == content


def nothing(file: Path) -> None:
    file.unlink(missing_ok=True)


def nonsense(file: Path) -> None:
    file.write_bytes(b"not a database at all, whatever its name says" * 50)


def foreign(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE bills (amount)")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (nothing, "there is no such file"),
        (nonsense, "this is no backup"),
        (foreign, "this database is none of swarmherd's"),
        (newer, "written by a newer swarmherd"),
    ],
)
def test_a_file_that_is_no_backup_is_one_sentence_and_changes_nothing(
    store: Store, state_url: str, token: int, tmp_path: Path, spoil: object, words: str
) -> None:
    filled(store, "first")
    before = seen(store)
    file = tmp_path / "backup.db"
    spoil(file)  # type: ignore[operator]  # one of the functions above
    with pytest.raises(BackupError, match=words) as raised:
        copies.restore(state_url, "shop", file, token)
    assert str(raised.value).startswith(f"{file}: ")
    assert seen(store) == before


def test_a_backup_is_never_written_over_another_file_nor_where_it_cannot_be(
    store: Store, state_url: str, tmp_path: Path
) -> None:
    filled(store, "first")
    file = tmp_path / "backup.db"
    file.write_text("dear")
    with pytest.raises(BackupError, match="it is there already"):
        copies.backup(state_url, "shop", file)
    assert file.read_text() == "dear"
    with pytest.raises(BackupError, match="cannot be written: No such file or directory"):
        copies.backup(state_url, "shop", tmp_path / "nowhere" / "backup.db")


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE journal SET outcome = 'nonsense'",
        "UPDATE journal SET parameters = '[1'",
        "UPDATE decisions SET at = 'yesterday'",
        "UPDATE remembered SET document = '[1]'",
    ],
)
def test_a_backup_with_rows_that_are_none_is_refused_and_nothing_is_changed(
    store: Store, state_url: str, token: int, tmp_path: Path, spoil: str
) -> None:
    filled(store, "first")
    before, file = seen(store), tmp_path / "backup.db"
    copies.backup(state_url, "shop", file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(spoil)
        connection.commit()
    with pytest.raises(BackupError, match=r"backup.db: this backup .*; .* or restore a backup"):
        copies.restore(state_url, "shop", file, token)
    assert seen(store) == before
