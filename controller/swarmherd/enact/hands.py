# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries out a playbook and lets time pass meanwhile: processes on a live cluster.

`simulate` has another pair: playbooks in steps of a simulated clock, under the very same enactor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

from swarmherd.enact.runner import Run, Setting, run_playbook

LOOK_SECONDS = 0.5


class Hands(Protocol):
    """See `Processes`."""

    def play(
        self,
        playbook: Path,
        variables: Mapping[str, Any],
        action_id: str,
        deadline_seconds: float,
        setting: Setting,
        meanwhile: Callable[[], None],
    ) -> Run:
        """How the run of `playbook` ended. `meanwhile` is called again and again until it has."""

    def until(self, there: Callable[[], bool], seconds: float) -> None:
        """Asks `there` until it says so, or for so long; once at least."""


class Processes:
    """Playbooks run by ansible-runner, on a thread beside the one that looks."""

    def play(
        self,
        playbook: Path,
        variables: Mapping[str, Any],
        action_id: str,
        deadline_seconds: float,
        setting: Setting,
        meanwhile: Callable[[], None],
    ) -> Run:
        with ThreadPoolExecutor(1, thread_name_prefix="playbook") as pool:
            running = pool.submit(run_playbook, playbook, variables, action_id, deadline_seconds, setting)
            while not running.done():
                meanwhile()
                _wait_for(running, LOOK_SECONDS)
            return running.result()

    def until(self, there: Callable[[], bool], seconds: float) -> None:
        deadline = monotonic() + seconds
        while not there() and monotonic() < deadline:
            sleep(LOOK_SECONDS)


def _wait_for(running: Future[Run], seconds: float) -> None:
    try:
        running.exception(seconds)
    except TimeoutError:
        return
