# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions for Prometheus about the health of tasks."""

from __future__ import annotations

from collections.abc import Iterable

from swarmherd.model import MetricQuery, MetricScope, Service
from swarmherd.policy.queries import fill
from swarmherd.policy.wanted import Policy
from swarmherd.policy.wishes import service_wishes

HEALTH = "health"
"""What these questions are called among a service's metrics."""


def health_queries(policy: Policy, services: Iterable[Service]) -> tuple[MetricQuery, ...]:
    """One for each service of `services` that is healed and whose check is a query, by name."""
    there = {service.name: service for service in services}
    if not policy.enabled:
        return ()
    wishes = service_wishes(policy, there.values()).by_service
    texts = policy.queries
    return tuple(
        MetricQuery(name, HEALTH, fill(found.query, name, texts.window), MetricScope.TASK, texts.task_label)
        for name in sorted(wishes.keys() & there.keys())
        if (found := wishes[name].health) is not None and found.query is not None
    )
