# SPDX-License-Identifier: GPL-3.0-or-later
"""What placement aims at, and how much each score weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Strategy(StrEnum):
    SPREAD = "spread"
    """Even load: the default."""
    PACK = "pack"
    """Few nodes."""


_WISHES = {"affinity": 4.0, "neighbours": 4.0, "performance": 1.0, "penalty": 1.0, "disk": 0.5, "network": 0.5}
WEIGHTS: Mapping[Strategy, Mapping[str, float]] = MappingProxyType(
    {
        Strategy.SPREAD: MappingProxyType(
            {"resources": 8.0, "replicas": 2.0, "zones": 2.0, "image": 0.5, "gpus": 0.5, **_WISHES}
        ),
        Strategy.PACK: MappingProxyType({"resources": 4.0, "in_use": 8.0, "image": 0.5, "gpus": 4.0, **_WISHES}),
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's choices. Shares are of a node's capacity, from 0 to 1."""

    strategy: Strategy = Strategy.SPREAD
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weights that differ from the strategy's own (`WEIGHTS`); 0 switches a score off."""
    cpu_limit: float = 0.8
    memory_limit: float = 0.9
    priority: int = 80
    """Tasks above it go only to healthy nodes whose performance is above `performance`."""
    performance: float = 0.8
    unknown_excludes: bool = False
    """Whether a node without CPU and memory readings is refused; by default it is neutral (S1)."""
    zone_label: str = "zone"

    def __post_init__(self) -> None:
        known = set().union(*WEIGHTS.values())
        if strange := sorted(self.weights.keys() - known):
            raise ValueError(f"there is no score {strange[0]}; there are {', '.join(sorted(known))}")
        if any(not 0 <= weight <= 1000 for weight in self.weights.values()):
            raise ValueError("a weight is from 0 to 1000")

    def weight(self, score: str) -> float:
        return self.weights.get(score, WEIGHTS[self.strategy].get(score, 0.0))
