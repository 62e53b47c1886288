# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab and one stage for all scenarios; a scenario's row is filled while it plays and judged at its end.

    @pytest.mark.scenario("worker-killed", "When a worker is killed, …", bound_seconds=5)
    def test_…(stage, row): …

The marker is the row's id, sentence and bound. LAB_KEEP=1 leaves the lab standing, and uses the one that stands.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration import lab as on

from . import faults, report
from .hosts import Eye, Seen, UnseenError
from .report import Row, Times
from .stage import Stage

FOLDER = on.ROOT / "build" / "scenarios"
ROWS = pytest.StashKey[list[Row]]()
LONGEST_SECONDS = 900
ORDER = (
    "test_demo",
    "test_metrics",
    "test_controller",
    "test_actions",
    "test_anchors",
    "test_nodes",
    "test_random",
    "test_majority",
)
"""What leaves the cluster alone comes first."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(id, sentence, bound_seconds): a row of the report")
    config.stash[ROWS] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return ORDER.index(name) if item.path.parent.name == "scenarios" and name in ORDER else -1

    items.sort(key=place)


def pytest_unconfigure(config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        print(f"\n{report.table(rows)}")  # noqa: T201 the table is for print


@dataclass
class Play:
    """A scenario while it plays: when things began, and what took how long."""

    row: Row
    stage: Stage
    times: Times = field(default_factory=Times)
    began: float = field(default_factory=time.monotonic)

    def until(self, fault: float, condition: Callable[[Seen], Any], what: str) -> Seen:
        """Waits for the condition, and notes the time since the fault. Beyond the bound it fails only at the end."""
        seen = self.stage.until(condition, what, max(60.0, 2 * self.row.bound_seconds))
        self.took(fault, seen.at)
        return seen

    def took(self, fault: float, until: float | None = None) -> None:
        """Notes the time from a fault to a condition that holds now."""
        self.times.each.append((until or time.monotonic()) - fault)

    def says(self, fault: float, words: str, mark: int) -> None:
        """Waits until the controller says these words, and notes the time since the fault."""
        self.stage.controller.says(words, mark, max(60.0, 2 * self.row.bound_seconds))
        self.took(fault)

    def loses_nothing(self) -> None:
        failures = self.stage.load.failures(self.began, time.monotonic())
        assert not failures, f"{len(failures)} requests failed: {failures[:5]}"

    def close(self) -> None:
        until = time.monotonic()
        self.row.requests_sent = self.stage.load.sent(self.began, until)
        self.row.requests_failed = len(self.stage.load.failures(self.began, until))
        self.times.fill(self.row)


@contextmanager
def lab() -> Iterator[None]:
    """Three managers and three workers, provisioned; with LAB_KEEP=1 the very lab that stands, as it is."""
    found = on.run("python", "molecule/engine.py", "env", timeout=60, check=False).stdout.strip()
    if os.environ.get("LAB_KEEP") and found:
        os.environ["DOCKER_HOST"] = found.partition("=")[2]
        with suppress(UnseenError), closing(Eye()) as eye:
            if sorted(node.name for node in eye.look().nodes) == sorted(faults.NODES):
                yield
                return
    with on.standing_lab(NODES="6", MANAGERS="3"):
        yield


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Three managers and three workers with all that plays on them, provisioned once."""
    kept = FOLDER / "report.json"
    before = kept.read_text() if kept.exists() else ""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    if before:
        kept.write_text(before)
    with lab(), Stage(FOLDER) as one:
        one.whole()
        yield one


@pytest.fixture
def row(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Play]:
    """The scenario's row. Afterwards the cluster is whole again, or the scenario has failed."""
    with limited(request.node.nodeid):
        name, sentence, bound = marked(request.node)
        if not stage.controller.lives():
            stage.controller.start()
        play = Play(Row(name, sentence, bound), stage)
        request.config.stash[ROWS].append(play.row)
        request.node.stash[PLAY] = play
        try:
            yield play
        finally:
            left = faults.put_right()
            if not play.row.passed:
                with suppress(AssertionError):  # the next scenario is to find it whole if that can be
                    stage.whole()
            play.close()
            report.write(request.config.stash[ROWS], FOLDER)
    assert not left, f"a fault was not undone by its own end: {', '.join(left)}"


PLAY = pytest.StashKey[Play]()


def marked(item: pytest.Item) -> tuple[str, str, float]:
    marker = item.get_closest_marker("scenario")
    assert marker is not None, f"{item.nodeid} has no marker scenario(id, sentence, bound_seconds)"
    name, sentence = marker.args
    return name, sentence, marker.kwargs["bound_seconds"]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """After the scenario's last line: the cluster comes to be whole, and the bound was kept."""
    result = yield
    play = pyfuncitem.stash.get(PLAY, None)
    if play is not None:
        play.stage.whole()
        play.times.judge(play.row)
        play.row.passed = True
    return result


@contextmanager
def limited(name: str) -> Iterator[None]:
    """A scenario that hangs is ended, and says which one it was."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"{name} took longer than {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def fast_failover(row: Play) -> Iterator[None]:  # noqa: ARG001 - the scenario's time has begun
    """What `failover: fast` sets on a Swarm. The services restart without delay."""
    with on.quick_heartbeat():
        yield
