# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scale-down drains at the load balancer before it takes it away (S18).

Swarm chooses which tasks go. Where its choice is certain, exactly those are drained. Where it is not, fewer are taken
if that makes it certain; else all that may go are drained if the rest bears the load; else none is, and it rests with
the tasks themselves to end well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from swarmherd.decide.foretell import Victims, victims
from swarmherd.decide.words import count
from swarmherd.model import EMPTY, ClusterView, Decision, Direction, Service

CERTAIN, ALL, NONE = "certain", "all", "none"


def with_draining(
    decision: Decision, view: ClusterView, service: Service, backend: str
) -> tuple[Decision, Mapping[str, Any]]:
    """The decision, perhaps for fewer tasks at once, and the playbook's variables about draining at `backend`."""
    if decision.direction is not Direction.DOWN or decision.now is None or decision.then is None:
        return decision, EMPTY
    fewer = decision.now - decision.then
    for taken in range(fewer, 0, -1):
        if (found := victims(view, service, taken)).certain:
            return _fewer(decision, decision.now - taken, backend), _variables(backend, CERTAIN, found)
    found = victims(view, service, fewer)
    rest = len(view.running(service.name)) - len(found.tasks)
    if not found.unsure and decision.wish is not None and rest >= max(1, decision.wish):
        many = count(len(found.tasks), "task")
        why = f"which of {many} go is not certain: all are drained at {backend}, and {rest} remain"
        return _said(decision, why), _variables(backend, ALL, found)
    why = f"which tasks go is not certain: none is drained at {backend}, and each has to end well by itself"
    return _said(decision, why), _variables(backend, NONE)


def by_hand(view: ClusterView, service: Service, replicas: int, backend: str) -> Mapping[str, Any]:
    """The same for a person's count, which stays as it is."""
    fewer = (service.replicas or 0) - replicas
    if fewer <= 0:
        return EMPTY
    found = victims(view, service, fewer)
    return _variables(backend, CERTAIN, found) if found.certain else _variables(backend, NONE)


def _variables(backend: str, which: str, found: Victims | None = None) -> Mapping[str, Any]:
    both = {"swarmherd_balancer_backend": backend, "swarmherd_drain": which}
    return both if found is None else {**both, "swarmherd_expected_leaving": sorted(found.tasks)}


def _fewer(decision: Decision, then: int, backend: str) -> Decision:
    if then == decision.then:
        return decision
    why = f"each task is drained at {backend} first, and which ones go beyond that is not certain"
    verdict = f"scale {decision.service} from {decision.now} to {then}, because {why}"
    return replace(decision, then=then, reasons=(*decision.reasons, verdict))


def _said(decision: Decision, why: str) -> Decision:
    """The last reason stays what came of it."""
    return replace(decision, reasons=(*decision.reasons[:-1], why, decision.reasons[-1]))
