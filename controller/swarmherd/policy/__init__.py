# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator wants: validated settings, with one clear error per mistake, naming file and key.

`parse_cluster` and `parse_policy` read the two variables of an inventory, `scale_policies` joins the policy with the
services' labels, `queries` says what to ask Prometheus, and `json_schema` describes it all to editors.
"""

from swarmherd.policy.labels import ScalePolicies, scale_policies
from swarmherd.policy.parse import parse_cluster, parse_policy
from swarmherd.policy.problem import PolicyError, Problem
from swarmherd.policy.queries import queries
from swarmherd.policy.schema import json_schema
from swarmherd.policy.settings import ClusterSettings
from swarmherd.policy.wanted import Mode, Policy, Queries, ScaleKeys, ScalePolicy, ServicePolicy, Strategy

__all__ = [
    "ClusterSettings",
    "Mode",
    "Policy",
    "PolicyError",
    "Problem",
    "Queries",
    "ScaleKeys",
    "ScalePolicies",
    "ScalePolicy",
    "ServicePolicy",
    "Strategy",
    "json_schema",
    "parse_cluster",
    "parse_policy",
    "queries",
    "scale_policies",
]
