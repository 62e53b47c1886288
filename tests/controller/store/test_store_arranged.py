# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves, nodes, and what was decided about anchors and loads, in real SQLite files; older files are read on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from swarmherd.model import (
    Arrangement,
    Balance,
    Cause,
    Following,
    Lever,
    Memory,
    Move,
    NodeMemory,
    NodeScore,
    ServiceMemory,
)
from swarmherd.store import Store
from swarmherd.store.database import MIGRATIONS, open_database
from swarmherd.store.newest import newest
from swarmherd.store.schema import ARRANGEMENTS

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MOVE = Move(
    Cause.REBALANCE,
    "web",
    "web.1",
    "n1",
    Lever.PAUSE_AND_STOP,
    ("n2",),
    ("move web.1",),
    ranking=(NodeScore("n2", 2.5, {"zones": 0.5}),),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(f"sqlite:///{tmp_path / 'state.db'}", "shop")
    yield one
    one.close()


def arrangements(store: Store) -> Sequence[sa.Row[Any]]:
    """The newest word about each anchor, measure of load, …, by subject: the controller writes them and reads none."""
    table, last = ARRANGEMENTS.c, newest(ARRANGEMENTS, "subject", "shop")
    told = sa.select(table.subject, table.at, table.acts, table.document)
    query = told.where(table.id.in_(last)).order_by(table.subject)
    engine = open_database(store._url)
    with engine.connect() as connection:
        found = connection.execute(query).all()
    engine.dispose()
    return found


def arrangement(acts: bool, reason: str) -> Arrangement:
    following = Following("db", ("api",), (reason,), "n2", ("n1",), acts, {"api": 7})
    moves = (MOVE,) if acts else ()
    return Arrangement((following,), (Balance(Cause.REBALANCE, "memory", (reason,), moves),), {"api": "it follows db"})


def test_moves_and_nodes_survive_the_store(store: Store) -> None:
    nodes = {"n1": NodeMemory(NOW), "n2": NodeMemory(None), "n3": NodeMemory(NOW, returned=True)}
    memory = Memory({"web": ServiceMemory(moves=(NOW - timedelta(hours=1), NOW))}, nodes=nodes)
    store.remember(Memory(), memory)
    assert store.memory() == memory
    fewer = Memory(memory.services, nodes={"n1": NodeMemory(None)})
    store.remember(memory, fewer)
    assert store.memory() == fewer


def test_of_each_anchor_and_measure_the_last_word_is_kept_and_what_was_done(store: Store) -> None:
    for minute, (acts, reason) in enumerate([(True, "first"), (False, "second"), (False, "third")]):
        store.record((), "a cycle", NOW + timedelta(minutes=minute), arrangement=arrangement(acts, reason))
    found = arrangements(store)
    assert [one.subject for one in found] == ["anchor db", "rebalance memory"]
    assert [one.document["reasons"] for one in found] == [["third"], ["third"]]
    assert {one.at for one in found} == {NOW + timedelta(minutes=2)}
    assert found[1].document["stays"] == {"api": "it follows db"}


def test_a_move_is_kept_with_the_table_of_scores(store: Store) -> None:
    store.record((), "a cycle", NOW, arrangement=arrangement(True, "first"))
    anchor, balance = arrangements(store)
    assert (anchor.acts, balance.acts) == (True, True)
    [move] = balance.document["moves"]
    assert move["ranking"] == [{"node": "n2", "total": 2.5, "scores": {"zones": 0.5}}]
    assert (move["source"], move["allowed"], move["lever"], move["held"]) == ("n1", ["n2"], "pause_and_stop", False)


def test_a_file_of_the_version_before_is_read_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        words = "cluster, service, failures, blind_cycles, good_cycles, recommendations"
        connection.execute(sa.text(f"INSERT INTO memory ({words}) VALUES ('shop', 'web', 3, 0, 0, '[]')"))  # noqa: S608 (constant words)
    engine.dispose()
    store = Store(url, "shop")
    assert store.memory() == Memory({"web": ServiceMemory(failures=3)})
    store.close()
