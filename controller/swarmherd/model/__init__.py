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
from swarmherd.model.faults import (
    Breaker,
    BreakerState,
    Cordon,
    Fence,
    Finding,
    NodeStanding,
    Probe,
    Recreation,
    Rescue,
    Standing,
)
from swarmherd.model.health import Ailment, Healing, Health, Remedy, TaskHealth
from swarmherd.model.memory import AnchorMemory, Memory, NodeMemory, Pause, Recommendation, ServiceMemory
from swarmherd.model.readings import EMPTY, Evidence, MetricQuery, MetricScope, Reading, Sample

__all__ = [
    "EMPTY",
    "Action",
    "Ailment",
    "AnchorMemory",
    "Arrangement",
    "Availability",
    "Balance",
    "Breaker",
    "BreakerState",
    "Cause",
    "ClusterView",
    "Cordon",
    "Decision",
    "Direction",
    "Evidence",
    "Fence",
    "Finding",
    "Following",
    "Healing",
    "Health",
    "Lever",
    "Memory",
    "MetricQuery",
    "MetricScope",
    "Move",
    "Node",
    "NodeMemory",
    "NodeScore",
    "NodeStanding",
    "NodeState",
    "NodeUse",
    "Outcome",
    "Outlook",
    "Pause",
    "Plan",
    "Probe",
    "Reading",
    "Recommendation",
    "Recreation",
    "Remedy",
    "Rescue",
    "Result",
    "Role",
    "Sample",
    "Service",
    "ServiceMemory",
    "Standing",
    "Task",
    "TaskHealth",
    "TaskNeeds",
    "TaskState",
    "TaskUse",
    "UpdateState",
]
