# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated playbook is made of.

A playbook is a generator. What it does between two `yield`s happens at one instant; the step that it yields names what
has just been done, and says how long the next one takes. A playbook that is killed goes no further, and tidies nothing
up. One that fails does what its `always` and `rescue` do, and raises ModuleFailedError.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.model import TaskState, UpdateState
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.errors import ModuleFailedError

ANSIBLE_SECONDS = 1.5
"""From its start to its first module's first reading, unless a layout says otherwise."""
STARTED = "playbook started"
"""The step that takes so long."""
MODULE_SECONDS = 0.5
LOOK_SECONDS = 0.5
AT_REST = (UpdateState.NONE, UpdateState.COMPLETED, UpdateState.ROLLBACK_COMPLETED)

Result = Mapping[str, Any]
Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What was just done, and how long the next step takes. Without a name it is a wait: nothing was done."""

    name: str
    seconds: float = MODULE_SECONDS


Steps = Generator[Step, None, Result]
Play = Callable[[Api, Variables], Steps]
WAIT = Step("", LOOK_SECONDS)


def waited(api: Api, there: Callable[[], bool], seconds: float, what: str) -> Generator[Step, None, None]:
    """Fails when it is not there after so long."""
    deadline = api.swarm.timeline.seconds + seconds
    while not there():
        if api.swarm.timeline.seconds >= deadline:
            raise ModuleFailedError(f"waited {seconds:g} s for {what}")
        yield WAIT


def converged(api: Api, name: str) -> bool:
    """As many run as are wanted, on nodes that are up and where they may be."""
    service, view = api.service(name), api.view()
    kept = api.swarm.kept(name)
    return len(view.running(name)) == service.replicas == len(kept) and all(
        task.state is TaskState.RUNNING for task in kept
    )


def patience(variables: Variables) -> float:
    return float(variables.get("swarmherd_wait_timeout") or 60)
