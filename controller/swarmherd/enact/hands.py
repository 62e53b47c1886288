# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries out a playbook and lets time pass meanwhile: processes on a live cluster.

`simulate` has another pair: playbooks in steps of a simulated clock, under the very same enactor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

from swarmherd.enact.processes import end_marked
from swarmherd.enact.runner import Ending, Run, Setting, run_playbook

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
        in_vain: Callable[[], str],
    ) -> Run:
        """How the run of `playbook` ended. `in_vain` is asked again and again until it has, and once it says why there
        is no use in going on, the run is called off."""

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
        in_vain: Callable[[], str],
    ) -> Run:
        why = ""
        with ThreadPoolExecutor(1, thread_name_prefix="playbook") as pool:
            running = pool.submit(run_playbook, playbook, variables, action_id, deadline_seconds, setting)
            while not running.done():
                why = why or in_vain()
                if why:  # again and again, for it may have been about to start
                    end_marked(action_id)
                _wait_for(running, LOOK_SECONDS)
            run = running.result()
        if not why or run.answered:
            return run
        return replace(run, ending=Ending.CALLED_OFF, problem=f"called off, since {why}")

    def until(self, there: Callable[[], bool], seconds: float) -> None:
        deadline = monotonic() + seconds
        while not there() and monotonic() < deadline:
            sleep(LOOK_SECONDS)


def _wait_for(running: Future[Run], seconds: float) -> None:
    try:
        running.exception(seconds)
    except TimeoutError:
        return
