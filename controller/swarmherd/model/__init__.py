# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is, what is decided about it, and what earlier cycles left behind.

Plain frozen values, and the words that every other room speaks. Nothing of ours is imported here, and
nothing here reads a clock, a network or a file. All times are aware datetimes in UTC.
"""

from __future__ import annotations

from swarmherd.model.actions import Action, Outcome, Plan, Result
from swarmherd.model.cluster import (
    Availability,
    ClusterView,
    Node,
    NodeState,
    NodeUse,
    Outlook,
    Role,
    Service,
    Task,
    TaskNeeds,
    TaskState,
    TaskUse,
    UpdateState,
)
from swarmherd.model.decided import Arrangement, Balance, Cause, Decision, Direction, Following, Lever, Move, NodeScore
from swarmherd.model.faults import Breaker, BreakerState, Probe
from swarmherd.model.health import Health, TaskHealth
from swarmherd.model.memory import AnchorMemory, Memory, NodeMemory, Pause, Recommendation, ServiceMemory
from swarmherd.model.readings import EMPTY, Evidence, MetricQuery, MetricScope, Reading, Sample

__all__ = [
    "EMPTY",
    "Action",
    "AnchorMemory",
    "Arrangement",
    "Availability",
    "Balance",
    "Breaker",
    "BreakerState",
    "Cause",
    "ClusterView",
    "Decision",
    "Direction",
    "Evidence",
    "Following",
    "Health",
    "Lever",
    "Memory",
    "MetricQuery",
    "MetricScope",
    "Move",
    "Node",
    "NodeMemory",
    "NodeScore",
    "NodeState",
    "NodeUse",
    "Outcome",
    "Outlook",
    "Pause",
    "Plan",
    "Probe",
    "Reading",
    "Recommendation",
    "Result",
    "Role",
    "Sample",
    "Service",
    "ServiceMemory",
    "Task",
    "TaskHealth",
    "TaskNeeds",
    "TaskState",
    "TaskUse",
    "UpdateState",
]
