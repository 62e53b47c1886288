# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one playbook through ansible-runner, the only place that knows it.

What the runner does not do by itself, and is done here (S21): a deadline to the second (its own is looked at every
five, and misses Ansible's workers, which leave the process group), no environment left on disk, and the host key
checking that the operator configured (the runner switches it off unless told).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ansible_runner

from swarmherd.enact.processes import MARK, end_marked

KEEP_RUNS = 20
RUNNER_GRACE_SECONDS = 30
"""Past our own deadline the runner's is a second line, where /proc does not show environments."""


class Ending(StrEnum):
    OK = "ok"
    FAILED = "failed"
    DEADLINE = "deadline"
    CALLED_OFF = "called off"
    """Ended before its time, since what it waited for could not come any more."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a playbook run ended, and what each host's last telling result was."""

    ending: Ending
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    """By host: the result of the task that failed, else of the last one that ran."""
    problem: str = ""
    """Why it did not end well, in one sentence."""
    answered: bool = True
    """Whether it came to a result of its own; past its deadline, or with a host not reached, it did not."""
    broken_off: bool = False
    """Whether it was ended in the midst of its tasks, so that what it undoes in the end was not undone."""
    reached: bool = True
    """Whether a task came to a result on any host; where hosts were not reached none did."""

    def result_with(self, key: str) -> Mapping[str, Any] | None:
        """The first host's result that has `key` set."""
        return next((result for result in self.hosts.values() if result.get(key)), None)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for every run of a cluster."""

    inventory: Path
    directory: Path
    """Private to this cluster: what the runs leave behind, the last KEEP_RUNS of them."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def run_playbook(
    playbook: Path, variables: Mapping[str, Any], action_id: str, deadline_seconds: float, setting: Setting
) -> Run:
    """Runs `playbook`; ends all of its processes past the deadline. Never raises for what the playbook does."""
    watch = _Watch()
    late = threading.Event()

    def end() -> None:
        late.set()
        end_marked(action_id)

    def forget_environment(*_status: object, **_config: object) -> None:
        """The runner writes the whole environment beside its command, whatever it is told, just before it says that it
        is running. A controller that is killed later than that leaves none behind."""
        (setting.directory / "artifacts" / action_id / "command").unlink(missing_ok=True)

    timer = threading.Timer(deadline_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        setting.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        done = ansible_runner.run(
            private_data_dir=str(setting.directory),
            project_dir=str(Path.cwd()),  # ansible.cfg is looked for where `ansible-playbook` would look
            playbook=str(playbook),
            inventory=str(setting.inventory.absolute()),
            extravars={name: untemplated(value) for name, value in variables.items()},
            envvars=_environment(action_id, setting),
            ident=action_id,
            quiet=True,
            suppress_env_files=True,
            rotate_artifacts=KEEP_RUNS,
            timeout=int(deadline_seconds) + RUNNER_GRACE_SECONDS,
            event_handler=watch,
            status_handler=forget_environment,
            # Without one the runner takes over our signals. It also ends what began only at the deadline itself.
            cancel_callback=lambda: late.is_set() and end_marked(action_id),
        )
    except Exception as error:  # noqa: BLE001  (the runner raises pexpect's, OS's and its own; each is a failed run)
        ending = Ending.DEADLINE if late.is_set() else Ending.FAILED
        broken_off = late.is_set() or not watch.nothing_ran
        reached = broken_off or watch.reached
        return Run(ending, watch.hosts, f"ansible-runner: {error}", False, broken_off, reached)
    finally:
        timer.cancel()
        forget_environment()
    if late.is_set():
        words = f"the playbook was ended at its deadline of {deadline_seconds:g} s"
        return Run(Ending.DEADLINE, watch.hosts, words, answered=False, broken_off=True)
    if done.rc == 0 and not watch.nothing_ran:
        return Run(Ending.OK, watch.hosts)
    problem = watch.problem or _last_words(setting.directory, action_id)
    broken_off = not watch.nothing_ran and not watch.problem  # no task failed, and yet it did not come to its end
    answered = not (watch.nothing_ran or watch.unreachable or broken_off)
    return Run(Ending.FAILED, watch.hosts, problem, answered, broken_off, watch.reached)


def untemplated(value: Any) -> Any:
    """Ansible evaluates templates in extra variables; text from outside must not hold any (S25)."""
    if isinstance(value, str):
        for opening in ("{{", "{%", "{#"):
            value = value.replace(opening, f"{opening[0]} {opening[1]}")
    elif isinstance(value, Mapping):
        return {name: untemplated(one) for name, one in value.items()}
    elif isinstance(value, list | tuple):
        return [untemplated(one) for one in value]
    return value


class _Watch:
    """Keeps each host's telling result from the runner's events, and lets none be written to disk."""

    def __init__(self) -> None:
        self.hosts: dict[str, Mapping[str, Any]] = {}
        self.problem = ""
        self.nothing_ran = True
        self.reached = False
        self.unreachable = False
        self._lost = ""
        """The host of which the problem is that another, to which a task was delegated, or itself is not reached."""

    def __call__(self, event: Mapping[str, Any]) -> bool:
        kind, data = event.get("event", ""), event.get("event_data") or {}
        if kind == "runner_on_ok":
            self.nothing_ran, self.reached = False, True
            if not self.problem:
                self.hosts[str(data.get("host"))] = data.get("res") or {}
        elif kind == "runner_on_unreachable" or (kind == "runner_on_failed" and not data.get("ignore_errors")):
            self._failed(str(data.get("host")), data.get("res") or {}, kind == "runner_on_unreachable")
        return False

    def _failed(self, host: str, result: Mapping[str, Any], unreachable: bool) -> None:
        self.nothing_ran = False
        self.reached = self.reached or not unreachable
        self.unreachable = self.unreachable or unreachable
        self.hosts[host] = result
        said = " ".join(str(result.get("msg") or result.get("stderr") or "failed").split())[:500]
        # A host that fails after it was lost was not: the playbook goes on, and says itself what that means.
        if not self.problem or host == self._lost:
            self.problem = f"{host}: {'unreachable: ' if unreachable else ''}{said}"
            self._lost = host if unreachable else ""


def _environment(action_id: str, setting: Setting) -> dict[str, str]:
    beside = str(Path(sys.executable).parent)
    return {
        **setting.environment,
        MARK: action_id,
        "PATH": os.pathsep.join((beside, os.environ.get("PATH", os.defpath))),
        "ANSIBLE_NOCOLOR": "true",
    }


def _last_words(directory: Path, action_id: str) -> str:
    """What Ansible printed when it ended without any task's result: a wrong variable, a group without hosts, …"""
    try:
        text = (directory / "artifacts" / action_id / "stdout").read_text(errors="replace")
    except OSError:
        return "Ansible could not be started"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("[ERROR]", "ERROR!", "fatal:", "[WARNING]"))]
    words = (telling or lines[-1:] or ["Ansible said nothing"])[-1]
    return "the playbook ran on no host: " + words[:500] if telling and "[WARNING]" in words else words[:500]
