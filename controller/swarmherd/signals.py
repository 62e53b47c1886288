# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program does when it is sent a signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from swarmherd.hints import Bell

log = structlog.get_logger()


@contextmanager
def signals(stopping: threading.Event, bells: Sequence[Bell]) -> Iterator[None]:
    """SIGTERM and SIGINT end the cycle in hand and no more; SIGHUP begins a full pass of every cluster at once."""

    def stop(number: int, _frame: object) -> None:
        if not stopping.is_set():
            log.info(f"{signal.Signals(number).name}: stopping after the cycle in hand")
        stopping.set()
        for bell in bells:
            bell.ring("stopping")

    def full_pass(_number: int, _frame: object) -> None:
        for bell in bells:
            bell.ring("SIGHUP", full=True)

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: full_pass}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
