# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program does when it is sent a signal."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from swarmherd.hints import Bell

log = structlog.get_logger()
MOST_AT_ONCE = 64


@contextmanager
def signals(stopping: threading.Event, bells: Sequence[Bell]) -> Iterator[None]:
    """SIGTERM and SIGINT end the cycle in hand and no more; SIGHUP begins a full pass of every cluster at once.

    Signals are heard by a thread of its own. A handler would run in the main thread alone, which does not always wake
    for it while it waits for others to end, and must not touch a lock that this thread holds already.
    """

    def stop(name: str) -> None:
        if not stopping.is_set():
            log.info(f"{name}: stopping after the cycle in hand")
        stopping.set()
        for bell in bells:
            bell.ring("stopping")

    def full_pass(name: str) -> None:
        for bell in bells:
            bell.ring(name, full=True)

    with _heard({signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: full_pass}):
        yield


@contextmanager
def _heard(answers: Mapping[signal.Signals, Callable[[str], None]]) -> Iterator[None]:
    """Each signal that arrives is answered with its name, on another thread."""
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)

    def listen() -> None:
        while numbers := ear.recv(MOST_AT_ONCE):
            for number in numbers:
                if answer := answers.get(signal.Signals(number)):
                    answer(signal.Signals(number).name)

    listening = threading.Thread(target=listen, name="signals", daemon=True)
    listening.start()
    # Without a handler of Python's none is told to the file descriptor.
    handlers = {number: signal.signal(number, lambda _number, _frame: None) for number in answers}
    before = signal.set_wakeup_fd(mouth.fileno())
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        mouth.close()
        listening.join()
        ear.close()
