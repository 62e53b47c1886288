# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks do at the load balancer of the simulated cluster: which servers are drained there, and nothing else.

A server stands for the task that it sends requests to.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import Any

from swarmherd.decide.foretell import victims
from swarmherd.enact.goals import BACKEND
from swarmherd.model import Service
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.errors import ModuleFailedError
from swarmherd.simulate.cluster.steps import Step, Variables

Draining = Generator[Step, None, None]


def backend_of(variables: Variables) -> str:
    return str(variables.get(BACKEND) or "")


def drained(api: Api, backend: str, tasks: Sequence[str]) -> Draining:
    """Nothing where no balancer serves it, or nothing is to go."""
    if backend and tasks:
        api.drained.setdefault(backend, set()).update(tasks)
        yield Step("servers drained")


def used_again(api: Api, backend: str, tasks: Collection[str] | None = None) -> Draining:
    """Those servers, or all that are drained there."""
    there = api.drained.get(backend, set())
    if gone := there & set(there if tasks is None else tasks):
        there -= gone
        yield Step("servers used again")


def leaving(api: Api, service: Service, replicas: int, variables: Mapping[str, Any]) -> Sequence[str]:
    """The tasks that are drained before a scale-down. Fails as a conflict where others would go than was decided on."""
    expected = variables.get("swarmherd_expected_leaving")
    fewer = (service.replicas or 0) - replicas
    found = victims(api.view(), service, fewer) if fewer > 0 else None
    if expected is not None and (found is None or found.tasks != set(expected)):
        raise ModuleFailedError("conflict: other tasks would go", conflict=True, found={"version": service.version})
    which = variables.get("swarmherd_drain") or "certain"
    drains = found is not None and (which == "all" or (which == "certain" and found.certain))
    return sorted(found.tasks) if found is not None and drains else ()
