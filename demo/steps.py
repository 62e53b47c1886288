# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of the demo: a command with a deadline, its output in a log, its failure told in a sentence."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.children import Children, identify

TAIL_LINES = 30
QUIET_BEAT_SECONDS = 20.0
ERASE = "\r\x1b[K"
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
RECAP = re.compile(r"^(?P<host>\S+)\s+:\s+ok=\d+\s+changed=(?P<changed>\d+)\s+unreachable=(?P<unreachable>\d+)", re.M)


def on_a_terminal() -> bool:
    return sys.stdout.isatty()


class DemoError(Exception):
    """The demo cannot go on. The text is the sentence to show; `status` is the exit status."""

    def __init__(self, sentence: str, log: Path | None = None, status: int = 1) -> None:
        super().__init__(sentence)
        self.log = log
        self.status = status


class InterruptedDemoError(DemoError):
    """Somebody wants the demo to end now."""


@dataclass
class Screen:
    """Progress, one line when a step begins and one when it ends; `seconds` is the time since the command."""

    began: float
    """time.time() of the command."""
    steps: int = 9
    number: int = 0
    took: list[tuple[str, float]] = field(default_factory=list)
    live: bool = field(default_factory=on_a_terminal)
    beat_at: float = 0.0

    def seconds(self) -> float:
        return time.time() - self.began

    def say(self, text: str) -> None:
        self.write(f"{ERASE if self.live else ''}[{self.seconds():5.0f} s] {text}\n")

    def beat(self, log: Path) -> None:
        """While a command runs: what it said last, in place on a terminal, elsewhere a line now and then."""
        now = time.monotonic()
        if now < self.beat_at:
            return
        self.beat_at = now + (0.5 if self.live else QUIET_BEAT_SECONDS)
        room = shutil.get_terminal_size().columns - 16
        said = tail(log, 1).strip(" *")
        if self.live:
            self.write(f"{ERASE}[{self.seconds():5.0f} s]   … {said[: max(room, 0)]}")
        elif said:
            self.say(f"  … {said[:100]}")

    def write(self, text: str) -> None:
        # A terminal or pipe that went away must not keep the lab from being taken down.
        with contextlib.suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        self.number += 1
        self.say(f"step {self.number}/{self.steps}: {what}")
        began = time.monotonic()
        self.beat_at = began + (0.5 if self.live else QUIET_BEAT_SECONDS)
        yield
        self.took.append((what, round(time.monotonic() - began, 1)))


@dataclass
class Runner:
    """Runs commands, each with its log `NN-name.log` under `logs`."""

    children: Children
    logs: Path
    env: dict[str, str]
    halt: threading.Event
    """Set when the demo is to end: every wait looks at it."""
    beat: Callable[[Path], None] = lambda _log: None
    """Called with its log, often, while a command runs."""
    count: int = 0
    latest: Path = Path()
    """The log of the command that was started last."""

    def log_for(self, name: str) -> Path:
        self.count += 1
        self.latest = self.logs / f"{self.count:02d}-{name}.log"
        return self.latest

    def start(self, name: str, command: list[str]) -> tuple[subprocess.Popen[bytes], Path]:
        """A child that runs on, and its log. Raises DemoError when there is no such program."""
        log = self.log_for(name)
        try:
            return self.children.start(name, command, log, self.env), log
        except OSError as error:
            raise DemoError(f"{command[0]} cannot be started: {error.strerror}; run make setup", status=2) from error

    def run(self, name: str, command: list[str], deadline_seconds: float) -> str:
        """The command's output, standard error included.

        Raises DemoError when it fails or does not end in time; its process group is gone then.
        """
        process, log = self.start(name, command)
        deadline = time.monotonic() + deadline_seconds
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise DemoError(f"{name} did not end within {deadline_seconds:g} s", log)
                self.beat(log)
                self.pause(0.1)
        finally:
            if process.poll() is None:
                stop(process, patience_seconds=5.0)
        if process.returncode:
            raise DemoError(f"{name} failed with exit status {process.returncode}", log, process.returncode)
        return read(log)

    def pause(self, seconds: float) -> None:
        """Waits between two looks. Raises InterruptedDemoError as soon as the demo is to end."""
        if self.halt.wait(seconds):
            raise InterruptedDemoError("interrupted")


def stop(process: subprocess.Popen[bytes], patience_seconds: float) -> int:
    """Ends a child and its group, and reads its exit status so that no zombie stays."""
    identify("", process.pid).end(patience_seconds)
    return process.wait(5.0)


def read(log: Path) -> str:
    return COLOURS.sub("", log.read_text(encoding="utf-8", errors="replace")) if log.exists() else ""


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    return "\n".join(read(log).rstrip().splitlines()[-lines:])


def changed_hosts(output: str) -> dict[str, int]:
    """Host to number of changes, from the last recap in ansible-playbook's output; empty without a recap."""
    recap = COLOURS.sub("", output).rpartition("PLAY RECAP")[2]
    return {match["host"]: int(match["changed"]) for match in RECAP.finditer(recap)}


def require_unchanged(output: str, log: Path) -> None:
    """Raises DemoError unless every host of the recap reports no change: a playbook run again must do nothing."""
    counts = changed_hosts(output)
    if not counts:
        raise DemoError("the second run of provision.yml printed no recap", log)
    if changed := {host: count for host, count in counts.items() if count}:
        told = ", ".join(f"{host} {count}" for host, count in changed.items())
        raise DemoError(f"provision.yml is not idempotent: its second run changed things ({told})", log)


def docker_host(output: str) -> str:
    """The engine's address from `engine.py`'s output. Raises DemoError when no line tells it."""
    for line in output.splitlines():
        if line.startswith("DOCKER_HOST="):
            return line.partition("=")[2].strip()
    raise DemoError("engine.py told no DOCKER_HOST")
