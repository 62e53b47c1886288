# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing while others write, after the clock was set, and with names that come and go."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from swarmherd.model import (
    Action,
    Arrangement,
    Balance,
    Cause,
    ClusterView,
    Decision,
    Memory,
    Outcome,
    Pause,
    Plan,
    Result,
    ServiceMemory,
)
from swarmherd.policy import Policy
from swarmherd.replay import Inputs
from swarmherd.store import Leases, Store

from tests.controller.store.test_store_arranged import arrangements

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    one = Store(f"sqlite:///{file}", "shop")
    yield one
    one.close()


def begin(store: Store, action_id: str) -> None:
    store.begin(Action(action_id, "restart", "shop", "web", {}, {}, "because"), NOW, NOW, "host:1")


def keep(store: Store, at: datetime = NOW) -> None:
    store.keep(Inputs(ClusterView("shop", at, (), (), ()), Policy(), Memory(), at), Plan("shop", at, (), ()))


def decision(service: str = "web", then: int = 3) -> Decision:
    return Decision(service, 2, then, then, ("because",))


WRITERS: dict[str, Callable[[Store], object]] = {
    "begin": lambda store: begin(store, "a2"),
    "end": lambda store: store.end(Result("a1", Outcome.GIVEN_UP, "late", NOW, NOW)),
    "remember": lambda store: store.remember(Memory(), Memory({"web": ServiceMemory(failures=3)})),
    "pause": lambda store: store.pause(Pause("ada", "a release", NOW)),
    "resume": lambda store: store.resume(),
    "keep": keep,
    "record": lambda store: store.record((decision(),), "a cycle", NOW),
}


@pytest.mark.parametrize("leads", [True, False], ids=["leader", "person"])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_commit_by_another_at_any_moment_spoils_no_writing(
    store: Store, file: Path, write: Callable[[Store], object], leads: bool
) -> None:
    """As the lease's thread makes one: SQLite lets nobody write who has read before it, however patient."""
    begin(store, "a1")
    leases = Leases(f"sqlite:///{file}", "shop", 10)
    token = leases.take(None, "us", NOW)
    leases.close()
    store.token = token if leads else None
    beats = []

    def renew(*_words: object) -> None:
        with closing(sqlite3.connect(file, timeout=0)) as other, suppress(sqlite3.OperationalError):
            beats.append(other.execute("UPDATE leases SET beat = beat + 1").rowcount)
            other.commit()

    sa.event.listen(store._engine, "after_cursor_execute", renew)
    write(store)
    assert beats, "between the begin and the first write there was room for it"
    assert len(store.unfinished()) == {WRITERS["begin"]: 2, WRITERS["end"]: 0}.get(write, 1)


def test_the_last_cycle_is_the_one_that_was_written_last_also_after_the_clock_was_put_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmherd.store.inputs.KEEP_STILL", 2)
    for seconds in (-15, 10800, 10815, 10830, 0, 15):
        keep(store, NOW + timedelta(seconds=seconds))
        last = store.kept()
        assert last is not None
        assert last.inputs.now == NOW + timedelta(seconds=seconds)
    assert store.kept(NOW + timedelta(hours=3)) is None, "that instant has not come"


def test_of_services_and_nodes_that_are_gone_nothing_stays_for_longer_than_the_cycles(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmherd.store.KEEP_CYCLES", 3)

    def recorded(number: int, services: tuple[str, ...], measure: str = "") -> None:
        balances = (Balance(Cause.REBALANCE, measure, ("uneven",)),) if measure else ()
        at = NOW + timedelta(seconds=number)
        decisions = tuple(decision(name, then=3 + number) for name in services)
        store.record(decisions, "a cycle", at, arrangement=Arrangement((), balances))

    recorded(0, ("web", "gone"), "memory")
    for number in (1, 2):
        recorded(number, ("web",))
        assert set(store.last_decisions()) == {"web", "gone"}
        assert [one.subject for one in arrangements(store)] == ["rebalance memory"]
    for number in range(3, 9):
        store.record((), "no manager answers", NOW + timedelta(seconds=number), failed=True)
    assert set(store.last_decisions()) == {"web", "gone"}, "that nothing was seen for long does not say who is gone"
    recorded(9, ("web",), "cpu")
    assert set(store.last_decisions()) == {"web"}
    assert [one.subject for one in arrangements(store)] == ["rebalance cpu"]
    assert len(store.decisions_of("web", 99)) == 4, "of one that is there all changes stay, however old"
    assert store.decisions_of("gone", 99) == ()
