# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions for Prometheus about what the busiest task of a service used, whatever the service may use."""

from __future__ import annotations

from dataclasses import dataclass

from swarmherd.policy.queries import fill
from swarmherd.policy.wanted import Policy

CAPACITY = "$capacity"


@dataclass(frozen=True, slots=True)
class BusiestQuery:
    """`promql` answers one series; empty where there is a problem."""

    promql: str
    problem: str = ""


def busiest_cpu(policy: Policy, service: str, step_seconds: float) -> BusiestQuery:
    """In cores. Rates are taken over a step at least, so that nothing between two instants is left out."""
    return _busiest("cpu", "cores", policy.queries.cpu, service, max(policy.queries.window, step_seconds))


def busiest_memory(policy: Policy, service: str) -> BusiestQuery:
    """In bytes."""
    return _busiest("memory", "bytes", policy.queries.memory, service, policy.queries.window)


def _busiest(name: str, unit: str, text: str, service: str, window_seconds: float) -> BusiestQuery:
    """The percentage of a capacity of one: what stands in the policy holds here as well, if it knows the capacity."""
    if CAPACITY not in text:
        return BusiestQuery("", f"queries.{name} has no {CAPACITY}, so its answer cannot be told in {unit}")
    return BusiestQuery(f"max(\n{fill(text, service, window_seconds, 1.0)}\n) / 100")
