# SPDX-License-Identifier: GPL-3.0-or-later
"""What is stored comes back as it was, bounded, from real SQLite files and a real PostgreSQL; a file that will not do
is one sentence."""

from __future__ import annotations

import socket
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from swarmherd.model import (
    Action,
    ClusterView,
    Decision,
    Direction,
    Evidence,
    Memory,
    Outcome,
    Pause,
    Plan,
    Reading,
    Recommendation,
    Result,
    ServiceMemory,
)
from swarmherd.policy import Policy
from swarmherd.replay import Inputs
from swarmherd.store import KEEP_CHANGES, KEEP_CYCLES, Leases, Store, StoreError, Wanted, schema
from swarmherd.store.database import MIGRATIONS, explained, open_database
from swarmherd.store.remembered import parts
from swarmherd.store.sqlite_file import IMMEDIATE

from tests.controller.replay import strategies

strategies.register()
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
EVIDENCE = (
    Evidence("cpu", Reading(91.5, NOW, "q"), "target 70", 4),
    Evidence("memory", Reading(None, NOW, "r", "no series"), "up above 80", None),
)


@pytest.fixture
def url(state_url: str) -> str:
    return state_url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    one = Store(url, "shop")
    yield one
    one.close()


def action(number: int = 1, service: str = "web") -> Action:
    parameters = {"swarmherd_replicas": 4}
    return Action(f"a{number}", "scale", "shop", service, parameters, {"swarmherd_replicas": 2}, "because", EVIDENCE)


def decision(then: int | None = 2, service: str = "web") -> Decision:
    return Decision(service, 2, then, 4, ("one", "two"), EVIDENCE, blind=True, version=9)


def test_what_came_of_an_action_is_remembered_as_its_entry_is_closed(store: Store) -> None:
    """A controller that is killed right after that has lost no cooldown and no failure."""
    end = NOW + timedelta(seconds=9)
    for one, outcome in ((replace(action(1), kind="move"), Outcome.DONE), (action(2, "db"), Outcome.GIVEN_UP)):
        store.begin(one, NOW, NOW, "host:1")
        store.end(Result(one.id, outcome, "", NOW, end))
    assert store.memory().of("web").moves == (end,)
    assert (store.memory().of("db").failures, store.memory().of("db").last_failure_at) == (1, end)
    store.end(Result("a1", Outcome.GIVEN_UP, "late", NOW, end + timedelta(seconds=1)))
    assert store.memory().of("web").moves == (end,), "an entry that is closed teaches nothing more"


def test_an_action_is_in_the_journal_from_its_begin_to_its_end(store: Store) -> None:
    store.begin(action(), NOW, NOW + timedelta(seconds=1), "host:1")
    (entry,) = store.unfinished()
    assert (entry.action, entry.outcome, entry.owner) == (action(), Outcome.STARTED, "host:1")
    assert (entry.decided_at, entry.started_at, entry.finished_at) == (NOW, NOW + timedelta(seconds=1), None)
    later = NOW + timedelta(seconds=9)
    store.end(Result("a1", Outcome.DONE, "4 replicas run", NOW, later, later, 12))
    assert store.unfinished() == ()
    (entry,) = store.history(10)
    assert (entry.outcome, entry.detail, entry.finished_at, entry.running_at) == (
        Outcome.DONE,
        "4 replicas run",
        later,
        later,
    )


def test_history_is_newest_first_by_service_and_limited(store: Store) -> None:
    for number in range(5):
        store.begin(action(number, "web" if number % 2 else "db"), NOW, NOW + timedelta(seconds=number), "host:1")
    assert [e.action.id for e in store.history(3)] == ["a4", "a3", "a2"]
    assert [e.action.id for e in store.history(9, "web")] == ["a3", "a1"]


def test_a_memory_survives_a_restart_to_the_microsecond(store: Store, url: str) -> None:
    zone = timezone(timedelta(hours=5))
    web = ServiceMemory(
        last_up_at=NOW.astimezone(zone),
        last_version=2**40,
        failures=2,
        last_failure_at=NOW,
        blind_cycles=3,
        good_cycles=1,
        asleep=True,
        recommendations=(Recommendation(NOW, 3), Recommendation(NOW + timedelta(seconds=15), 4)),
    )
    store.remember(Memory(), Memory({"web": web, "db": ServiceMemory()}))
    store.pause(Pause("ana", "release", NOW, "web", Direction.DOWN))
    store.close()
    again = Store(url, "shop").memory()
    assert again.services == {"web": web, "db": ServiceMemory()}
    assert again.services["web"].last_up_at == NOW
    assert again.pauses == (Pause("ana", "release", NOW, "web", Direction.DOWN),)


def test_only_what_changed_is_written(store: Store) -> None:
    """Another process may have remembered something about another service meanwhile."""
    both = Memory({"web": ServiceMemory(failures=1), "db": ServiceMemory(failures=1)})
    store.remember(Memory(), both)
    store.remember(both, Memory({"web": ServiceMemory(failures=1), "db": ServiceMemory(failures=9)}))
    store.remember(both, Memory({"web": ServiceMemory(failures=2), "db": ServiceMemory(failures=1)}))
    assert {name: m.failures for name, m in store.memory().services.items()} == {"web": 2, "db": 9}
    store.remember(store.memory(), Memory({"web": ServiceMemory(failures=1)}))
    assert set(store.memory().services) == {"web"}


@settings(max_examples=12)
@given(st.data())
def test_every_part_of_a_memory_is_kept(data: st.DataObject) -> None:
    """Made of the annotations: a part or field that the model gains is in here without a word."""
    drawn = data.draw(st.from_type(Memory))
    named = {part: {f"n{i}": v for i, v in enumerate(getattr(drawn, part).values())} for part in parts()}
    wanted = Memory(**named)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/state.db", "shop")
        store.remember(Memory(), wanted)
        assert store.memory() == wanted
        store.close()


def test_pauses_go_by_their_scope(store: Store) -> None:
    for service, direction in (("", Direction.NONE), ("web", Direction.NONE), ("web", Direction.UP)):
        store.pause(Pause("ana", "x", NOW, service, direction, NOW + timedelta(hours=1)))
    assert store.resume("web", Direction.DOWN) == 0
    assert store.resume("web", Direction.UP) == 1
    assert {(p.service, p.direction) for p in store.memory().pauses} == {("", Direction.NONE), ("web", Direction.NONE)}
    assert store.memory().at(NOW + timedelta(hours=1)).pauses == ()
    assert store.resume() == 2


def test_what_cycles_were_decided_on_is_bounded_in_number_and_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cycles with actions stay for longer than those without."""
    monkeypatch.setattr("swarmherd.store.inputs.KEEP_ACTING", 3)
    monkeypatch.setattr("swarmherd.store.inputs.KEEP_STILL", 2)

    def keep(second: int) -> None:
        at = NOW + timedelta(seconds=second)
        actions = (action(second),) if second % 2 else ()
        view = ClusterView("shop", at, (), (), ())
        store.keep(Inputs(view, Policy(), Memory(), at), Plan("shop", at, actions, ()))

    def kept() -> list[int]:
        return [second for second in range(20) if store.kept(NOW + timedelta(seconds=second))]

    for second in range(12):
        keep(second)
    assert kept() == [7, 8, 9, 10, 11]
    newest = store.kept()
    assert newest is not None
    assert newest.inputs.now == NOW + timedelta(seconds=11)
    monkeypatch.setattr("swarmherd.store.inputs.KEEP_BYTES", 1)
    keep(12)
    assert kept() == [12], "the newest stays, whatever its size"


def test_a_clock_that_is_wrong_for_one_cycle_costs_nothing_that_was_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmherd.store.inputs.KEEP_STILL", 3)

    def keep(at: datetime) -> None:
        store.keep(Inputs(ClusterView("shop", at, (), (), ()), Policy(), Memory(), at), Plan("shop", at, (), ()))

    def newest() -> datetime | None:
        found = store.kept()
        return None if found is None else found.inputs.now

    times = [NOW + timedelta(seconds=15 * number) for number in range(3)]
    for wrong in (NOW - timedelta(days=2), NOW + timedelta(days=2)):
        for at in times[:2]:
            keep(at)
        keep(wrong)
        assert newest() == wrong, "it is the last cycle, whatever it says"
        assert all(store.kept(at) for at in times[:2])
        keep(times[2])
        assert newest() == times[2]
    for at in times:
        keep(at + timedelta(hours=1))
    assert not any(store.kept(at) for at in (wrong, *times)), "what is later is no newer"


def test_history_finds_a_node_by_all_its_names(store: Store) -> None:
    for number, parameters in enumerate(
        ({"swarmherd_node": "id1"}, {"swarmherd_old_nodes": ["id2", "n1"]}, {"swarmherd_allowed_nodes": ["id1"]})
    ):
        at = NOW + timedelta(seconds=number)
        store.begin(Action(f"a{number}", "move", "shop", "web", parameters, {}, "why"), at, at, "host:1")
    found = store.history(9, wanted=Wanted(nodes=frozenset({"id1", "n1"})))
    assert [one.action.id for one in found] == ["a1", "a0"], "where a task may go is no change of that node"
    assert [one.action.id for one in store.history(1, wanted=Wanted(nodes=frozenset({"id1", "n1"})))] == ["a1"]
    assert [one.action.id for one in store.history(9, wanted=Wanted(since=NOW + timedelta(seconds=2)))] == ["a2"]
    for begin, count in (("0001-01-01T00:00+14:00", 3), ("9999-12-31T23:59-12:00", 0)):  # of another year in UTC
        assert len(store.history(9, wanted=Wanted(since=datetime.fromisoformat(begin)))) == count
    assert [len(store.entry(begin)) for begin in ("a", "a1", "b", "%")] == [2, 1, 0, 0]


def test_the_same_pause_twice_is_one(store: Store) -> None:
    store.pause(Pause("ana", "release", NOW))
    store.pause(Pause("bo", "night", NOW))
    assert [p.who for p in store.memory().pauses] == ["bo"]


def test_clusters_in_one_database_do_not_see_each_other(store: Store, url: str) -> None:
    store.begin(action(), NOW, NOW, "host:1")
    store.record((decision(),), "sentence", NOW)
    store.remember(Memory(), Memory({"web": ServiceMemory(failures=1)}))
    other = Store(url, "other")
    assert (other.history(9), other.last_decisions(), other.last_cycle()) == ((), {}, None)
    assert other.memory() == Memory({})


def test_of_decisions_the_last_is_kept_and_those_that_changed_something(store: Store) -> None:
    for number, then in enumerate((2, 3, 2, None, 5, 2, 2)):
        store.record((decision(then),), f"cycle {number}", NOW + timedelta(seconds=number))
    assert [r.decision.then for r in store.decisions_of("web", 99)] == [2, 5, 3]
    last = store.last_decisions()["web"]
    assert (last.decision, last.at) == (decision(2), NOW + timedelta(seconds=6))
    cycle = store.last_cycle()
    assert cycle is not None
    assert (cycle.sentence, cycle.failed) == ("cycle 6", False)


def test_what_is_kept_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (KEEP_CHANGES, KEEP_CYCLES) == (200, 1000)
    monkeypatch.setattr("swarmherd.store.KEEP_CHANGES", 3)
    monkeypatch.setattr("swarmherd.store.KEEP_CYCLES", 4)
    monkeypatch.setattr("swarmherd.store.KEEP_ENTRIES", 2)
    for number in range(10):
        store.record((decision(number + 3),), f"{number}", NOW)
        store.begin(action(number), NOW, NOW + timedelta(seconds=number), "host:1")
        store.end(Result(f"a{number}", Outcome.UNDONE, "", NOW, NOW))
    assert [r.decision.then for r in store.decisions_of("web", 99)] == [12, 11, 10]
    assert [e.action.id for e in store.history(99)] == ["a9", "a8"]
    with open_database(store._url).connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.CYCLES)).scalar() == 4


def test_the_migrations_make_what_the_tables_say(url: str, store: Store) -> None:  # noqa: ARG001  (it makes the file)
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = sa.create_engine(url)
    with engine.connect() as connection:
        ours = compare_metadata(MigrationContext.configure(connection), schema.METADATA)
    engine.dispose()
    assert ours == []
    assert list(MIGRATIONS.glob("versions/0*.py"))


def test_status_reads_while_a_cycle_writes(store: Store, url: str) -> None:
    store.record((decision(),), "before", NOW)
    engine = open_database(url)
    with engine.execution_options(**{IMMEDIATE: True}).begin() as writer:
        writer.execute(schema.CYCLES.insert().values(cluster="shop", at=NOW, sentence="under way", failed=False))
        cycle = Store(url, "shop").last_cycle()
    assert cycle is not None
    assert cycle.sentence == "before"
    engine.dispose()


def corrupt(file: Path) -> Any:
    file.write_bytes(b"this is no database, whatever its name says" * 100)


def newer(file: Path) -> Any:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")


def directory(file: Path) -> Any:
    file.mkdir()


def locked(file: Path) -> Any:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (corrupt, "move the file away"),
        (newer, "written by a newer swarmherd"),
        (directory, "check that it exists"),
        (locked, "another process holds it"),
    ],
)
def test_a_file_that_will_not_do_is_one_sentence_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, words: str
) -> None:
    monkeypatch.setattr("swarmherd.store.database.LOCK_SECONDS", 0.2)
    file = tmp_path / "state.db"
    kept = spoil(file)
    with pytest.raises(StoreError) as raised:
        Store(f"sqlite:///{file}", "shop")
    assert words in str(raised.value)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    del kept


def test_a_place_that_cannot_be_made_is_one_sentence() -> None:
    with pytest.raises(StoreError, match="state sqlite:////proc/nowhere"):
        Store("sqlite:////proc/nowhere/state.db", "shop")


def test_what_says_nothing_is_one_sentence_all_the_same() -> None:
    with pytest.raises(StoreError, match="OperationalError; check that it exists"), explained("sqlite:///x.db"):
        raise sa.exc.OperationalError("select", {}, Exception(""))


def test_a_driver_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(StoreError, match=r"psycopg2.*; install the controller's extra postgresql"):
        Store("postgresql+psycopg2://me@db/state", "shop")


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql"])
def test_a_database_that_takes_connections_and_says_nothing_is_given_up(scheme: str) -> None:
    """Also where the address leaves the driver to us."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed (controller's extra postgresql)")
    if sa.make_url(f"{scheme}://").get_dialect().driver != "psycopg":
        pytest.skip("this SQLAlchemy takes another driver where none is named")
    ended: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://me@127.0.0.1:{silent.getsockname()[1]}/state"

        def read() -> None:
            with pytest.raises(StoreError) as raised:
                Leases(url, "shop", 6).read()
            ended.append(str(raised.value))

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        reading.join(20)
    assert len(ended) == 1
    assert "timeout" in ended[0]


@pytest.mark.parametrize("folder", ["", "new"])
def test_a_new_file_is_its_owners_alone_wherever_it_is_put(folder: str, tmp_path: Path) -> None:
    file = tmp_path / folder / "state.db"
    store = Store(f"sqlite:///{file}", "shop")
    store.memory()
    modes = {one.name: one.stat().st_mode & 0o777 for one in file.parent.iterdir()}
    store.close()
    assert modes["state.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_a_password_in_the_address_is_not_shown() -> None:
    with pytest.raises(StoreError) as raised:
        Store("postgresql+nodriver://me:hunter2@db/state", "shop")
    assert "hunter2" not in str(raised.value)
