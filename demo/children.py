# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that the demo started, noted in a file so that a later `down` finds them, and ends no other.

A process id alone proves nothing: it may have been given to somebody else since. So the note holds the
process's start time and the machine's boot as well, and only a process that matches all three is ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

DRIVER = "driver"
"""The name under which demo/run.py notes itself."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    pid: int
    started: int
    """Clock ticks from boot to the process's start, as the kernel counts them."""
    boot: str

    def alive(self) -> bool:
        """Whether this very process still runs. A zombie, which only waits to be read, does not."""
        return BOOT.read_text().strip() == self.boot and start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Signals the child and the process group that it leads; nobody, when it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                # The driver's group is its shell's affair: make, or a pipe it writes to.
                os.kill(self.pid, number) if self.name == DRIVER else os.killpg(self.pid, number)

    def end(self, patience_seconds: float) -> bool:
        """SIGTERM, and past the patience SIGKILL. False when even that did not end it."""
        for number, patience in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, 5.0)):
            self.signal(number)
            deadline = time.monotonic() + patience
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not self.alive():
                return True
        return False


def start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None when there is no such process or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold anything: fields are counted behind its end.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def identify(name: str, pid: int) -> Child:
    return Child(name, pid, start_time(pid) or -1, BOOT.read_text().strip())


class Children:
    """The notes, one JSON line per process, appended as they start."""

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    def note(self, name: str, pid: int) -> Child:
        child = identify(name, pid)
        self.notes.parent.mkdir(parents=True, exist_ok=True)
        with self.notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(child)) + "\n")
        return child

    def noted(self) -> Iterator[Child]:
        """Every noted process, the newest first. A line that was cut off by a crash is passed over."""
        lines = self.notes.read_text(encoding="utf-8").splitlines() if self.notes.exists() else []
        for line in reversed(lines):
            with contextlib.suppress(ValueError, TypeError):
                yield Child(**json.loads(line))

    def alive(self) -> list[Child]:
        return [child for child in self.noted() if child.alive()]

    def forget(self) -> None:
        self.notes.unlink(missing_ok=True)

    def start(self, name: str, command: list[str], log: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        """Starts a program in a process group of its own, its output in `log`, and notes it.

        A Ctrl-C in the terminal does not reach such a group: the driver alone decides what ends, and when.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, start_new_session=True
            )
        self.note(name, process.pid)
        return process
