# SPDX-License-Identifier: GPL-3.0-or-later
"""From decisions to actions: budgets, conflicts, backoff, order. Pure."""

from __future__ import annotations

from swarmherd.plan.actions import LARGEST_COUNT, manual_scale
from swarmherd.plan.conclude import conclude
from swarmherd.plan.planning import plan

__all__ = ["LARGEST_COUNT", "conclude", "manual_scale", "plan"]
