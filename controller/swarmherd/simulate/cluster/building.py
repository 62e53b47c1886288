# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes, services and policies for small clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmherd.model import Availability, Node, NodeState, Role, Service
from swarmherd.policy import Policy, parse_policy
from swarmherd.simulate.cluster.simulation import BEGIN

MEBIBYTE = 2**20
GIBIBYTE = 2**30


def node(number: int, labels: Mapping[str, str] | None = None) -> Node:
    """Three managers, the others workers; four cores and four GiB each."""
    role = Role.MANAGER if number <= 3 else Role.WORKER
    return Node(
        f"n{number}",
        f"n{number}",
        role,
        NodeState.READY,
        Availability.ACTIVE,
        address=f"10.0.0.{number}",
        labels=labels or {},
        cpus=4.0,
        memory_bytes=4 * GIBIBYTE,
    )


def service(name: str, replicas: int, **more: Any) -> Service:
    limits = {"cpu_limit": 1.0, "memory_limit_bytes": 2 * GIBIBYTE}
    return Service(f"id-{name}", name, 1, replicas, BEGIN, image=f"{name}:1", **{**limits, **more})


def policy(**keys: Any) -> Policy:
    return parse_policy({"mode": "enforce", **keys}, "the simulation")
