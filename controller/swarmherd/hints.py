# SPDX-License-Identifier: GPL-3.0-or-later
"""What wakes a cluster's loop before its time: Docker's events, a host that fell silent, a signal.

All of these only say *when* to look. Polling stays the truth: a hint that is lost costs the time to the next cycle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from time import monotonic

import structlog

from swarmherd.observe.connection import Connection
from swarmherd.observe.errors import DockerError
from swarmherd.observe.events import EventStream

log = structlog.get_logger()
NEXT_HINT_SECONDS = 1.0
"""From the begin of a cycle to the earliest one that an event may wake; twice as long with each, until a cycle came
at its own time: a cluster in which something happens all the time is not looked at all the time."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
STOP_SECONDS = 2.0


class Bell:
    """Wakes one loop. It may be rung from any thread."""

    def __init__(self, instant: Callable[[], float] = monotonic) -> None:
        self._instant = instant
        self._changed = threading.Condition()
        self._why = self._hint = ""
        self._full = False
        self._begun = instant() - NEXT_HINT_SECONDS
        self._gap = NEXT_HINT_SECONDS

    def ring(self, why: str, full: bool = False) -> None:
        """The next cycle begins at once. `full` asks for a full pass."""
        with self._changed:
            self._why, self._full = why, self._full or full
            self._changed.notify_all()

    def hint(self, why: str) -> None:
        """The next cycle may begin early."""
        with self._changed:
            self._hint = why
            self._changed.notify_all()

    def begin(self) -> bool:
        """A cycle begins, and answers all that was rung for until now. Whether a full pass was asked for."""
        with self._changed:
            full, self._full = self._full, False
            self._why = self._hint = ""
            self._begun = self._instant()
        return full

    def wait(self, seconds: float) -> str:
        """Why the next cycle is to begin early; empty when `seconds` have passed."""
        deadline = self._instant() + seconds
        with self._changed:
            while True:
                now = self._instant()
                held = self._begun + self._gap - now
                if self._why:
                    return self._why
                if self._hint and held <= 0:
                    self._gap *= 2
                    return self._hint
                if (rest := deadline - now) <= 0:
                    break
                self._changed.wait(min(rest, held) if self._hint else rest)
            if not self._hint:
                self._gap = NEXT_HINT_SECONDS
        return ""


class Listener:
    """Hears one manager's events in a thread of its own, and opens the stream again after ever longer pauses."""

    def __init__(
        self, cluster: str, connection: Connection, hint: Callable[[str], None], timeout_seconds: float
    ) -> None:
        self._cluster, self._connection, self._hint = cluster, connection, hint
        self._stream = EventStream(connection, timeout_seconds)
        self._pause = FIRST_PAUSE_SECONDS
        self._broken = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"events-{connection.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the stream; `join` waits for the thread."""
        self._ending.set()
        self._stream.close()

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                self._stream.open()
                if self._ending.is_set():
                    return
                self._heard()
                for words in self._stream.said():
                    self._pause = FIRST_PAUSE_SECONDS
                    self._hint(words)
            except DockerError as error:
                self._break(str(error))
            except Exception as error:  # noqa: BLE001  (a surprise costs a pause, and never the thread)
                self._break(f"{type(error).__name__}: {error}")
            finally:
                self._stream.close()

    def _heard(self) -> None:
        if self._broken:
            log.info(f"the events of {self._connection} are heard again", cluster=self._cluster)
        self._broken = False

    def _break(self, why: str) -> None:
        if self._ending.is_set():
            return
        if not self._broken:
            log.warning(f"events are not heard, and cycles come at their times: {why}", cluster=self._cluster)
        self._broken = True
        self._ending.wait(self._pause)
        self._pause = min(LONGEST_PAUSE_SECONDS, 2 * self._pause)


def listen(
    cluster: str, managers: Iterable[Connection], hint: Callable[[str], None], timeout_seconds: float
) -> tuple[Listener, ...]:
    """A listener for each of the managers, begun. Raises RuntimeError, with none left, where one cannot begin."""
    listeners = tuple(Listener(cluster, one, hint, timeout_seconds) for one in managers)
    try:
        for one in listeners:
            one.start()
    except RuntimeError:
        for one in listeners:
            one.stop()
        raise
    return listeners
