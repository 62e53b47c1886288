# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's reservations and limits changed, as an action. Only a person asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmherd.decide.advise import Advice, Resource
from swarmherd.model import Action

NAMES: Mapping[Resource, str] = {Resource.CPU: "cpus", Resource.MEMORY: "memory"}
"""As the module and Compose call them."""
Resources = dict[str, dict[str, Any]]


def resizing(cluster: str, action_id: str, advice: Advice, reason: str) -> Action:
    """What is proposed, set on the version that it was proposed for (S16, S17). The undo sets what was there before."""
    wanted: Resources = {"reservations": {}, "limits": {}}
    before: Resources = {"reservations": {}, "limits": {}}
    for one in advice.proposals:
        amounts = (
            ("reservations", one.now.reservation, one.then.reservation),
            ("limits", one.now.limit, one.then.limit),
        )
        for kind, now, then in amounts:
            if then is not None:
                wanted[kind][NAMES[one.resource]] = written(one.resource, then)
                before[kind][NAMES[one.resource]] = written(one.resource, now)
    return Action(
        id=action_id,
        kind="resources",
        cluster=cluster,
        service=advice.service.name,
        parameters={
            "swarmherd_service": advice.service.name,
            **_variables(wanted),
            "swarmherd_expected_version": advice.service.version,
            "swarmherd_reason": reason,
        },
        undo={"swarmherd_service": advice.service.name, **_variables(before)},
        reason=reason,
    )


def written(resource: Resource, value: float | None) -> float | str:
    """As the module takes it: cores, or bytes as text; 0 removes the setting."""
    if resource is Resource.CPU:
        return value or 0.0
    return f"{value or 0:.0f}"


def _variables(resources: Resources) -> dict[str, Any]:
    return {f"swarmherd_{kind}": amounts for kind, amounts in resources.items()}
