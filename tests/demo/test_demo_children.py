# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what the demo started is ever ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from demo.children import DRIVER, Children, identify, start_time
from tests.waiting import until

SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)",
]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path / "demo" / "pids")


def test_a_child_is_noted_and_ended_and_then_no_longer_alive(children: Children, tmp_path: Path) -> None:
    process = children.start("sleeper", SLEEPER, tmp_path / "log", dict(os.environ))
    (child,) = children.alive()
    assert (child.name, child.pid) == ("sleeper", process.pid)
    assert child.end(5.0)
    assert children.alive() == []
    assert process.wait(5) == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed_after_the_patience(children: Children, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = children.start("stubborn", STUBBORN, log, dict(os.environ))
    until("it to be stubborn", log.read_text)
    assert children.alive()[0].end(0.3)
    assert process.wait(5) == -signal.SIGKILL


def test_a_stranger_under_the_same_number_is_left_alone(children: Children, stranger: subprocess.Popen[str]) -> None:
    child = children.note("ours", stranger.pid)
    for other in (replace(child, started=child.started - 1), replace(child, boot="an earlier boot")):
        assert not other.alive()
        assert other.end(0.1)
        other.signal(signal.SIGKILL)
    assert stranger.poll() is None
    assert child.alive()


def test_a_process_that_ended_before_it_could_be_noted_matches_nobody(children: Children) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    child = children.note("gone", process.pid)
    assert child.started == -1
    assert not child.alive()


def test_a_zombie_does_not_count_as_running() -> None:
    process = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE)
    child = identify("sleeper", process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended and nobody has read its status
    assert start_time(process.pid) is None
    assert not child.alive()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize(("name", "beside_ends"), [(DRIVER, False), ("traffic", True)])
def test_the_driver_is_signalled_alone_and_a_child_with_its_group(name: str, beside_ends: bool) -> None:
    """Beside the driver stands another in the same group, as `tee` does in a shell's pipe."""
    leader = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL, process_group=0)
    beside = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL, process_group=leader.pid)
    try:
        assert identify(name, leader.pid).end(5.0)
        assert leader.wait(5) == -signal.SIGTERM
        if beside_ends:
            assert beside.wait(5) == -signal.SIGTERM
        assert (beside.poll() is None) is not beside_ends
    finally:
        beside.kill()
        beside.wait()


def test_notes_that_a_crash_cut_off_or_somebody_spoiled_are_passed_over(children: Children) -> None:
    child = children.note("me", os.getpid())
    with children.notes.open("a") as notes:
        notes.write('[]\n"x"\n{"name": "half", "pid": 1}\n' + json.dumps(asdict(child))[:20])
    assert children.alive() == [child]


def test_without_notes_there_is_nobody(children: Children) -> None:
    assert children.alive() == []
    children.forget()
