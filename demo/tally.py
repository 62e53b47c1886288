# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to the requests of one second. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts since it was last taken; the requests still on their way are carried over."""

    sent: int = 0
    served: int = 0
    failed: int = 0
    in_flight: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    def send(self) -> None:
        self.sent += 1
        self.in_flight += 1

    def finish(self, latency_ms: float, failed: bool) -> None:
        self.in_flight -= 1
        if failed:
            self.failed += 1
        else:
            self.served += 1
            self.latencies_ms.append(latency_ms)

    def take(self) -> dict[str, float | int | None]:
        """One record of what was counted; counting begins anew. Latencies are those of served requests."""
        ordered = sorted(self.latencies_ms)
        record: dict[str, float | int | None] = {
            "sent": self.sent,
            "served": self.served,
            "failed": self.failed,
            "in_flight": self.in_flight,
            "p50_ms": quantile(ordered, 0.50),
            "p95_ms": quantile(ordered, 0.95),
        }
        self.sent = self.served = self.failed = 0
        self.latencies_ms = []
        return record


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values; None of none."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1)
