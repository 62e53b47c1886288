# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions for Prometheus about what nodes and tasks really use, and whether anybody needs the answers."""

from __future__ import annotations

from collections.abc import Iterable

from swarmherd.model import MetricQuery, MetricScope, Service
from swarmherd.policy.queries import fill
from swarmherd.policy.wanted import Policy
from swarmherd.policy.wishes import service_wishes

NODE = ("cpu", "memory", "disk", "network", "response")
"""Each asked by the query `node_NAME`, and a field of NodeUse."""
TASK = ("cpu", "memory")
"""Each asked by the query `task_NAME`, and a field of TaskUse."""
DECIDED_BY_USE = frozenset({"placement", "rebalance", "refill"})


def wants_use(policy: Policy, services: Iterable[Service] = ()) -> bool:
    """Whether the policy, or a label of `services`, names anything that is decided by what is really used."""
    if not policy.enabled:
        return False
    wishes = service_wishes(policy, services)
    return bool(
        DECIDED_BY_USE & {key for key in policy.model_fields_set if getattr(policy, key) is not None}
        or wishes.follows
        or any(wish.near or wish.apart_from for wish in wishes.by_service.values())
    )


def use_queries(policy: Policy) -> tuple[MetricQuery, ...]:
    """One question per figure, for all nodes or all tasks. They belong to no service: its name is empty."""
    texts = policy.queries
    nodes = (_query("node", name, policy, MetricScope.NODE, texts.node_label) for name in NODE)
    tasks = (_query("task", name, policy, MetricScope.TASK, texts.task_label) for name in TASK)
    return (*nodes, *tasks)


def _query(kind: str, name: str, policy: Policy, scope: MetricScope, label: str) -> MetricQuery:
    text = getattr(policy.queries, f"{kind}_{name}")
    return MetricQuery("", f"{kind}:{name}", fill(text, "", policy.queries.window), scope, label)
