# SPDX-License-Identifier: GPL-3.0-or-later
"""A process killed while it writes, and a disk that is full: what was written stays, and can be read."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from swarmherd.model import Memory, ServiceMemory
from swarmherd.store import Store, StoreError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WRITER = """
import sys
from datetime import UTC, datetime
from itertools import count
from swarmherd.model import Action
from swarmherd.store import Store
store, now = Store(sys.argv[1], "shop"), datetime(2026, 3, 1, tzinfo=UTC)
for number in count():
    store.begin(Action(f"a{number}", "scale", "shop", "web", {"long": "x" * 20_000}, {}, "why"), now, now, "host:1")
    print(number, flush=True)
"""


@pytest.mark.parametrize("entries", [1, 40])
def test_after_a_kill_in_mid_write_the_last_entry_that_was_committed_is_there(state_url: str, entries: int) -> None:
    Store(state_url, "shop").close()
    with subprocess.Popen([sys.executable, "-c", WRITER, state_url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _line in range(entries):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
    last = int(rest[-1]) if rest else last
    store = Store(state_url, "shop")
    ids = {entry.action.id for entry in store.unfinished()}
    store.close()
    assert ids >= {f"a{number}" for number in range(last + 1)}, "each entry that the writer knew to be written"
    assert len(ids) <= last + 2, "and at most one that it did not live to hear of"
    if state_url.startswith("sqlite"):
        with sqlite3.connect(state_url.removeprefix("sqlite:///")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"only who may mount can make a small disk: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> Path:
    file = place / "fill"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except OSError:
        return file
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("open_before", [True, False], ids=["opened before", "opened after"])
def test_on_a_full_disk_everything_can_be_read_and_nothing_written_until_there_is_room(
    small_disk: Path, open_before: bool
) -> None:
    url = f"sqlite:///{small_disk / 'state.db'}"
    store = Store(url, "shop")
    store.record((), "before", NOW)
    store.remember(Memory(), Memory({"web": ServiceMemory(failures=3)}))
    if not open_before:
        store.close()
    filler = fill(small_disk)
    store = store if open_before else Store(url, "shop")
    with pytest.raises(StoreError, match="its disk is full: make room") as raised:
        for _number in range(100):
            store.record((), "x" * 10_000, NOW)
    assert str(small_disk) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert store.last_cycle() is not None
    assert store.memory().of("web").failures == 3
    filler.unlink()
    store.record((), "after", NOW)
    last = store.last_cycle()
    assert last is not None
    assert last.sentence == "after"
    store.close()


def test_a_database_that_may_not_grow_says_that_it_is_full_and_is_read_on(tmp_path: Path) -> None:
    """As on a full disk, where no small disk can be made."""
    store = Store(f"sqlite:///{tmp_path / 'state.db'}", "shop")
    store.record((), "before", NOW)
    store._engine.dispose()
    sa.event.listen(store._engine, "connect", lambda raw, _record: raw.execute("PRAGMA max_page_count=1").close())
    with pytest.raises(StoreError, match="database or disk is full; its disk is full: make room"):
        for _number in range(100):
            store.record((), "x" * 10_000, NOW)
    last = store.last_cycle()
    assert last is not None
    assert set(last.sentence) <= set("before") | {"x"}


def test_an_address_that_says_nonsense_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"shop.db\?timeout=soon: could not convert .*; correct swarmherd_cluster.state_url"
    ):
        Store(f"sqlite:///{tmp_path}/shop.db?timeout=soon", "shop")


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE remembered SET document = '[1]'",
        "UPDATE remembered SET document = '[1'",
        "UPDATE remembered SET document = '{\"failures\": {}}', part = 'nodes'",
    ],
)
def test_a_row_that_is_none_is_one_sentence_with_the_file_and_the_remedy(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "shop.db"
    store = Store(f"sqlite:///{file}", "shop")
    store.remember(Memory(), Memory({"web": ServiceMemory(failures=1)}))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(spoil)
        connection.commit()
    with pytest.raises(StoreError, match=r"shop.db: what stands there cannot be read .*; move the file away to start"):
        store.memory()
    store.close()
