# SPDX-License-Identifier: GPL-3.0-or-later
"""Advice in the three forms in which a person may apply it. Pure."""

from __future__ import annotations

import json
import shlex
from typing import Any

from swarmherd.decide.advise import MEBIBYTE, Advice, Resource

STACK = "com.docker.stack.namespace"
"""The label that `docker stack deploy` gives; the service's name in the file is without it."""
OPTIONS = {"reservations": "--reserve-", "limits": "--limit-"}
Resources = dict[str, dict[str, Any]]


def by_hand(advice: Advice) -> dict[str, str]:
    """By form: for a Compose file, for a shell on a manager, and for a playbook; nothing where nothing is proposed."""
    resources = _resources(advice)
    if not resources:
        return {}
    return {"compose": compose(advice), "shell": shell(advice), "task": task(advice)}


def compose(advice: Advice) -> str:
    """The block of a Compose file, whose `256M` are mebibytes."""
    lines = ["services:", f"  {_in_its_stack(advice)}:", "    deploy:", "      resources:"]
    for kind, amounts in _resources(advice).items():
        said = ", ".join(f'{name}: "{value}"' for name, value in amounts.items())
        lines.append(f"        {kind}: {{{said}}}")
    return "\n".join(lines)


def shell(advice: Advice) -> str:
    """Replaces the service's tasks, as each change of resources does."""
    options = [
        f"{OPTIONS[kind]}{name.removesuffix('s')} {value}"
        for kind, amounts in _resources(advice).items()
        for name, value in amounts.items()
    ]
    return f"docker service update {' '.join(options)} {shlex.quote(advice.service.name)}"


def task(advice: Advice) -> str:
    """A task of a playbook; it is refused if the service was changed since the advice was given (S17)."""
    lines = [
        f"- name: Give {advice.service.name} the resources that its past speaks for",
        "  swarmherd.cluster.service:",
        f"    name: {json.dumps(advice.service.name)}",
        f"    expected_version: {advice.service.version}",
    ]
    for kind, amounts in _resources(advice).items():
        said = ", ".join(f"{name}: {value}" for name, value in amounts.items())
        lines.append(f"    {kind}: {{{said}}}")
    return "\n".join(lines)


def _resources(advice: Advice) -> Resources:
    """In the words of Compose and of the module, which are the same."""
    found: Resources = {}
    for one in advice.proposals:
        for kind, value in (("reservations", one.then.reservation), ("limits", one.then.limit)):
            if value is not None:
                name = "cpus" if one.resource is Resource.CPU else "memory"
                found.setdefault(kind, {})[name] = _written(one.resource, value)
    return found


def _written(resource: Resource, value: float) -> str:
    return f"{value:.2f}" if resource is Resource.CPU else f"{round(value / MEBIBYTE)}M"


def _in_its_stack(advice: Advice) -> str:
    stack = advice.service.labels.get(STACK, "")
    return advice.service.name.removeprefix(f"{stack}_") if stack else advice.service.name
