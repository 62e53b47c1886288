# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions wait while what they need fails again and again: the playbooks of their kind, or the load balancer (S25)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from swarmherd import breaker
from swarmherd.model import Action, BreakerState, Memory
from swarmherd.policy import Policy


def waits(
    kind: str, memory: Memory, policy: Policy, now: datetime, planned: Sequence[Action], balanced: bool = False
) -> str | None:
    """Why a further action of `kind` is not to be begun now. `balanced` says that it needs the load balancer."""
    needed = [(f"playbooks of the kind {kind} are not run", breaker.playbook(kind))]
    needed += [("the load balancer is not asked", breaker.BALANCER)] if balanced else []
    for words, name in needed:
        if (found := memory.breakers.get(name)) is None:
            continue
        if why := breaker.why_not(found, policy.breakers, now):
            return f"{words}: {why}"
        trial = breaker.at(found, policy.breakers, now).state is BreakerState.HALF_OPEN
        if trial and any(name in _needed(action) for action in planned):
            return f"{words}: they failed {found.failures} times in a row, and one is tried first"
    return None


def _needed(action: Action) -> tuple[str, ...]:
    balancer = (breaker.BALANCER,) if "swarmherd_balancer_backend" in action.parameters else ()
    return (breaker.playbook(action.kind), *balancer)
