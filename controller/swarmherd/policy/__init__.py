# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator wants: validated settings, with one clear error per mistake, naming file and key.

`parse_cluster` and `parse_policy` read the two variables of an inventory, `scale_policies` and `service_wishes` join
the policy with the services' labels, `queries` says what to ask Prometheus, and `json_schema` describes it all.
"""

from swarmherd.policy.advising import DEFAULT_ADVISE, AdviseKeys
from swarmherd.policy.anchors import anchor_constraint, anchor_label, followers
from swarmherd.policy.arranging import LoadBy, MoveKeys, NeighbourKeys, PlacementKeys, RebalanceKeys, RefillKeys
from swarmherd.policy.checks import HEALTH, health_queries
from swarmherd.policy.failing import FailoverKeys, Fencing, FlappingKeys, ServiceFailover, Speed
from swarmherd.policy.healing import HealKeys, HealthKeys, Step, StuckUpdates, address_of
from swarmherd.policy.labels import ScalePolicies, scale_policies
from swarmherd.policy.merge import advise_keys
from swarmherd.policy.parse import parse_cluster, parse_policy
from swarmherd.policy.problem import PolicyError, Problem
from swarmherd.policy.queries import queries
from swarmherd.policy.schema import json_schema
from swarmherd.policy.settings import ClusterSettings
from swarmherd.policy.use import use_queries, wants_use
from swarmherd.policy.wanted import Capacity, Mode, Policy, Queries, ScaleKeys, ScalePolicy, ServicePolicy, Strategy
from swarmherd.policy.watching import BreakerKeys, Pace, ProbeKeys
from swarmherd.policy.windows import WindowKeys
from swarmherd.policy.wishes import ServiceWish, Wishes, balancer_of, priority_of, service_wishes

__all__ = [
    "DEFAULT_ADVISE",
    "HEALTH",
    "AdviseKeys",
    "BreakerKeys",
    "Capacity",
    "ClusterSettings",
    "FailoverKeys",
    "Fencing",
    "FlappingKeys",
    "HealKeys",
    "HealthKeys",
    "LoadBy",
    "Mode",
    "MoveKeys",
    "NeighbourKeys",
    "Pace",
    "PlacementKeys",
    "Policy",
    "PolicyError",
    "ProbeKeys",
    "Problem",
    "Queries",
    "RebalanceKeys",
    "RefillKeys",
    "ScaleKeys",
    "ScalePolicies",
    "ScalePolicy",
    "ServiceFailover",
    "ServicePolicy",
    "ServiceWish",
    "Speed",
    "Step",
    "Strategy",
    "StuckUpdates",
    "WindowKeys",
    "Wishes",
    "address_of",
    "advise_keys",
    "anchor_constraint",
    "anchor_label",
    "balancer_of",
    "followers",
    "health_queries",
    "json_schema",
    "parse_cluster",
    "parse_policy",
    "priority_of",
    "queries",
    "scale_policies",
    "service_wishes",
    "use_queries",
    "wants_use",
]
