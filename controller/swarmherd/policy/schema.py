# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of what operators write, for their editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from swarmherd.policy.parse import CLUSTER, POLICY
from swarmherd.policy.settings import ClusterSettings
from swarmherd.policy.wanted import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema (2020-12) of a group_vars file: `swarmherd_cluster`, `swarmherd_policy`; other variables are free."""
    parts, shared = models_json_schema([(ClusterSettings, "validation"), (Policy, "validation")])
    return {
        "$schema": DIALECT,
        "title": "Swarmherd's variables of a cluster",
        "type": "object",
        "properties": {
            CLUSTER: parts[ClusterSettings, "validation"],
            POLICY: parts[Policy, "validation"],
        },
        "$defs": shared["$defs"],
    }
