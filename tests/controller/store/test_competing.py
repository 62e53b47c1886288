# SPDX-License-Identifier: GPL-3.0-or-later
"""Several that write to one database at once, and many services: nothing is lost, and nobody waits for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from swarmherd.model import (
    Action,
    Decision,
    Direction,
    Fence,
    Memory,
    NodeMemory,
    Outcome,
    Pause,
    Recommendation,
    Result,
    ServiceMemory,
)
from swarmherd.store import Store, StoreError, remembered

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=15)


@pytest.fixture
def loop(state_url: str) -> Iterator[Store]:
    one = Store(state_url, "shop")
    yield one
    one.close()


@pytest.fixture
def hand(loop: Store, state_url: str) -> Iterator[Store]:  # noqa: ARG001  (it makes the tables)
    one = Store(state_url, "shop")
    yield one
    one.close()


def scaled_by_hand(hand: Store, service: str = "web") -> None:
    parameters = {"swarmherd_replicas": 5, "swarmherd_expected_replicas": 3}
    action = Action(f"by-hand-{service}", "scale", "shop", service, parameters, {}, "because")
    hand.begin(action, NOW, NOW, "host:1")
    hand.end(Result(action.id, Outcome.DONE, "5 replicas run", NOW, NOW, NOW, 77))


def wishing(memory: ServiceMemory, *instants: datetime) -> ServiceMemory:
    return replace(memory, recommendations=tuple(Recommendation(at, 3) for at in instants))


@pytest.mark.parametrize("known", [True, False], ids=["known before", "seen for the first time"])
def test_what_a_persons_action_taught_outlives_the_cycle_that_had_begun_before(
    loop: Store, hand: Store, known: bool
) -> None:
    """Its cooldown and its version are what later cycles must know (S5, S6)."""
    if known:
        loop.remember(Memory(), Memory({"web": wishing(ServiceMemory(), NOW)}))
    before = loop.memory()
    scaled_by_hand(hand)
    loop.remember(before, replace(before, services={"web": wishing(before.of("web"), NOW, LATER)}))
    web = loop.memory().of("web")
    assert (web.last_up_at, web.last_version) == (NOW, 77)
    assert web.recommendations == (Recommendation(NOW, 3), Recommendation(LATER, 3))


def test_a_service_that_a_cycle_forgets_is_kept_where_a_person_has_just_acted_on_it(loop: Store, hand: Store) -> None:
    loop.remember(Memory(), Memory({"web": ServiceMemory(failures=1), "old": ServiceMemory(failures=1)}))
    before = loop.memory()
    scaled_by_hand(hand)
    loop.remember(before, replace(before, services={}))
    assert {name: one.last_version for name, one in loop.memory().services.items()} == {"web": 77}


def test_what_a_person_takes_away_meanwhile_does_not_come_back(loop: Store, hand: Store) -> None:
    off = Memory(nodes={"n1": NodeMemory(NOW)}, fences={"n1": Fence("ana", "its plug is out", NOW)})
    loop.remember(Memory(), off)
    before = loop.memory()
    hand.remember(before, replace(before, fences={}))
    loop.remember(before, replace(before, nodes={"n1": NodeMemory(LATER)}))
    assert (loop.memory().fences, loop.memory().nodes) == ({}, {"n1": NodeMemory(LATER)})


@pytest.mark.parametrize("first", ["loop", "hand"])
def test_two_that_remember_of_one_service_at_once_wait_for_each_other(
    loop: Store, hand: Store, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second: it is neither refused nor does it overwrite."""
    loop.remember(Memory(), Memory({"web": wishing(ServiceMemory(), NOW)}))
    before = loop.memory()
    works: dict[str, Callable[[], Any]] = {
        "hand": lambda: scaled_by_hand(hand),
        "loop": lambda: loop.remember(before, replace(before, services={"web": wishing(before.of("web"), NOW, LATER)})),
    }
    inside, done, write, problems = threading.Event(), threading.Event(), remembered.write, []

    def slowly(*words: Any) -> None:
        write(*words)
        if threading.current_thread().name == first:
            inside.set()
            done.wait(0.3)  # the other waits for us, so this runs out

    def work(name: str) -> None:
        try:
            works[name]()
        except StoreError as error:
            problems.append(error)
        if name != first:
            done.set()

    (other,) = works.keys() - {first}
    second = threading.Thread(target=work, args=(other,), name=other)
    begun = threading.Thread(target=work, args=(first,), name=first)
    monkeypatch.setattr(remembered, "write", slowly)
    begun.start()
    assert inside.wait(20)
    second.start()
    for thread in (begun, second):
        thread.join(20)
    assert problems == []
    assert loop.unfinished() == ()
    assert loop.memory().of("web") == ServiceMemory(
        NOW, last_version=77, recommendations=(Recommendation(NOW, 3), Recommendation(LATER, 3))
    )


def test_the_same_pause_by_several_people_at_once_is_one(loop: Store, state_url: str) -> None:
    people = [Store(state_url, "shop") for _number in range(4)]
    barrier, problems = threading.Barrier(len(people)), []

    def pause(store: Store, who: str) -> None:
        try:
            for number in range(15):
                barrier.wait(20)
                store.pause(Pause(who, f"the {number}th", NOW, "web", Direction.UP))
        except (StoreError, threading.BrokenBarrierError) as error:
            problems.append(error)
            barrier.abort()

    threads = [threading.Thread(target=pause, args=(store, f"p{who}")) for who, store in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in people:
        store.close()
    assert problems == []
    assert [one.why for one in loop.memory().pauses] == ["the 14th"]


def statements(store: Store, work: Callable[[], object]) -> int:
    """How often something is sent to the database."""
    sent: list[str] = []

    def count(*words: Any) -> None:
        sent.append(words[2])

    sa.event.listen(store._engine, "before_cursor_execute", count)
    work()
    sa.event.remove(store._engine, "before_cursor_execute", count)
    return len(sent)


def test_a_cycle_of_many_services_is_sent_at_once(loop: Store) -> None:
    """The lease's row is held meanwhile: a statement for each service would cost the lease (S16)."""

    def cycle(services: int, at: datetime) -> None:
        names = [f"s{number:03}" for number in range(services)]
        before = loop.memory()
        after = {name: wishing(before.of(name), NOW, at) for name in names}
        loop.remember(before, replace(before, services=after))
        still = [Decision(name, 3, 3, 3, ("so",)) for name in names[1:]]
        loop.record([Decision(names[0], 3, 4, 4, ("so",)), *still], "a cycle", at)

    few = [statements(loop, lambda at=at: cycle(3, at)) for at in (NOW, LATER)]  # type: ignore[misc]  # of this turn
    many = [statements(loop, lambda at=at: cycle(90, at)) for at in (NOW, LATER)]  # type: ignore[misc]
    assert many == few
    assert len(loop.last_decisions()) == len(loop.memory().services) == 90
    assert [one.decision.then for one in loop.decisions_of("s000", 9)] == [4, 4, 4, 4]
    assert [one.decision.then for one in loop.decisions_of("s001", 9)] == [3]


def test_a_cycle_after_so_many_that_a_small_number_ends_is_written(loop: Store) -> None:
    """PostgreSQL counts what is deleted as well: a thousand services reach 2 to the 31st in a year."""
    if loop._engine.dialect.name != "postgresql":
        pytest.skip("SQLite's numbers are as large as they get")
    with loop._engine.begin() as connection:
        for table in ("decisions", "cycles", "arrangements"):
            connection.execute(sa.text(f"SELECT setval('{table}_id_seq', 2147483647)"))
    loop.record([Decision("web", 3, 3, 3, ("so",))], "a cycle", NOW)
    assert list(loop.last_decisions()) == ["web"]


def test_an_action_that_is_under_way_stays_in_the_journal_whatever_the_clock(
    loop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written a year ahead, before the clock was put back, is newer than all that follows (S15)."""
    monkeypatch.setattr("swarmherd.store.KEEP_ENTRIES", 2)
    ahead = NOW + timedelta(days=365)

    def begun(action_id: str, at: datetime) -> None:
        loop.begin(Action(action_id, "restart", "shop", "web", {}, {}, "because"), at, at, "host:1")

    for number in range(4):
        begun(f"ahead-{number}", ahead + timedelta(seconds=number))
        loop.end(Result(f"ahead-{number}", Outcome.DONE, "", ahead, ahead))
    begun("now", NOW)
    begun("too", NOW)
    assert {one.action.id for one in loop.unfinished()} == {"now", "too"}
    loop.end(Result("now", Outcome.GIVEN_UP, "", NOW, NOW))
    assert loop.memory().of("web").last_failure_at == NOW


def test_how_long_one_service_takes_is_found_without_reading_the_others_entries(loop: Store) -> None:
    if loop._engine.dialect.name != "sqlite":
        pytest.skip("SQLite tells beforehand what it will read; the index is the same")
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT journal"):
            rows = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.append(" ".join(str(row[3]) for row in rows))

    sa.event.listen(loop._engine, "before_cursor_execute", explain)
    loop.history(60, "web")
    assert plans == ["SEARCH journal USING INDEX journal_by_service (cluster=? AND service=?)"]
