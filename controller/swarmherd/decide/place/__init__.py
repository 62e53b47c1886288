# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tasks go: (nodes, settings, shapes of tasks) -> placements. Filter, then score. Pure."""

from __future__ import annotations

from swarmherd.decide.place.constraints import (
    Affinity,
    Constraint,
    ConstraintError,
    Operator,
    parse_affinity,
    parse_attribute,
    parse_constraint,
)
from swarmherd.decide.place.engine import Placer
from swarmherd.decide.place.settings import WEIGHTS, Settings, Strategy
from swarmherd.decide.place.things import (
    RESOURCES,
    Amount,
    Neighbour,
    NodeCapacity,
    Placement,
    Ranked,
    Readings,
    TaskShape,
)

__all__ = [
    "RESOURCES",
    "WEIGHTS",
    "Affinity",
    "Amount",
    "Constraint",
    "ConstraintError",
    "Neighbour",
    "NodeCapacity",
    "Operator",
    "Placement",
    "Placer",
    "Ranked",
    "Readings",
    "Settings",
    "Strategy",
    "TaskShape",
    "parse_affinity",
    "parse_attribute",
    "parse_constraint",
]
