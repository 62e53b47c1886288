# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorded samples say: the report's figures, and whether the demo showed what it must. Pure.

Times are seconds since 1970 in samples and ISO 8601 in the controller's history, as each source tells them.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from demo.apart import Apart, apart

Record = Mapping[str, Any]
PREAMBLE = re.compile(r"^scale \S+ from \d+ to \d+, because ")
"""How a reason may begin with what the other columns say already."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """One action of the controller's journal that scales a service."""

    service: str
    before: int
    after: int
    reason: str
    outcome: str
    decided_at: float
    started_at: float | None
    running_at: float | None
    """When the wanted replicas were seen running; None when they never were."""

    @property
    def done(self) -> bool:
        return self.outcome == "done"

    @property
    def seconds(self) -> float | None:
        """From the decision until its replicas run."""
        return None if self.running_at is None else self.running_at - self.decided_at


@dataclass(frozen=True, slots=True)
class Recording:
    """All that one run of the demo left behind."""

    traffic: Sequence[Record] = ()
    """A line per second, as traffic.py writes it."""
    replicas: Sequence[Record] = ()
    """{time, wanted, running, nodes} as Docker said, about once a second."""
    scalings: Sequence[Scaling] = ()
    simulated: Sequence[Record] = ()
    """{time, wanted, running} of the same traffic in simulation, as agreement.py writes them."""
    setup_seconds: float = 0.0
    total_seconds: float = 0.0
    engine_version: str = ""
    nodes: int = 0
    steps: Sequence[tuple[str, float]] = field(default=())
    """What was done, and the seconds that it took."""

    @property
    def apart(self) -> Apart | None:
        """What was real, held against what was simulated; None where nothing was."""
        return apart(self.replicas, self.simulated)


def instant(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def scalings(history: Sequence[Record]) -> tuple[Scaling, ...]:
    """The scaling actions of `swarmherd history --json`, oldest first."""
    found = [scaling(entry) for entry in history if entry.get("kind") == "scale"]
    return tuple(sorted(found, key=lambda s: s.decided_at))


def scaling(entry: Record) -> Scaling:
    parameters = entry["parameters"]
    return Scaling(
        service=entry["service"],
        before=int(parameters["swarmherd_expected_replicas"]),
        after=int(parameters["swarmherd_replicas"]),
        reason=PREAMBLE.sub("", entry["reason"]),
        outcome=entry["outcome"],
        decided_at=instant(entry["decided_at"]) or 0.0,
        started_at=instant(entry.get("started_at")),
        running_at=instant(entry.get("running_at")),
    )


def report(recording: Recording) -> dict[str, Any]:
    """The figures of report.json; its keys are a promise to whoever reads the file."""
    done = [s for s in recording.scalings if s.done]
    took = [s.seconds for s in done if s.seconds is not None]
    running = [sample["running"] for sample in recording.replicas]
    return {
        "requests_sent": sum(line["sent"] for line in recording.traffic),
        "requests_failed": lost(recording.traffic),
        "replicas_min": min(running, default=0),
        "replicas_max": max(running, default=0),
        "scale_ups": sum(s.after > s.before for s in done),
        "scale_downs": sum(s.after < s.before for s in done),
        "decision_to_running_seconds": {
            "median": round(statistics.median(took), 2) if took else None,
            "max": round(max(took), 2) if took else None,
        },
        "simulated": recording.apart.report() if recording.apart else None,
        "setup_seconds": round(recording.setup_seconds, 1),
        "total_seconds": round(recording.total_seconds, 1),
        "engine_version": recording.engine_version,
        "nodes": recording.nodes,
    }


def lost(traffic: Sequence[Record]) -> int:
    """Requests that failed, and those that were still without an answer at the end: nobody served them."""
    unanswered = int(traffic[-1]["in_flight"]) if traffic else 0
    return unanswered + sum(int(line["failed"]) for line in traffic)


def shortcomings(recording: Recording) -> list[str]:
    """Why this run did not show what a demo must show, a sentence each; empty when it did."""
    figures = report(recording)
    found = []
    if not figures["requests_sent"]:
        found.append("no request was sent")
    if not figures["scale_ups"]:
        found.append("no scale-up happened")
    if not figures["scale_downs"]:
        found.append("no scale-down happened")
    done = [s for s in recording.scalings if s.done]
    unseen = [s for s, seen in zip(done, matches(done, recording.replicas), strict=True) if seen is False]
    if unseen:
        counts = ", ".join(f"{s.before} to {s.after}" for s in unseen)
        found.append(f"the counts that Docker reports never matched what the controller decided: {counts}")
    if recording.apart and (objection := recording.apart.objection()):
        found.append(objection)
    return found


def matches(done: Sequence[Scaling], samples: Sequence[Record]) -> list[bool | None]:
    """For each action, oldest first: did Docker report its count, wanted and running, before the next one began?

    None when nobody looked in that time, because the next action followed at once.
    """
    starts = [s.started_at or s.decided_at for s in done]
    ends = [*starts[1:], float("inf")][: len(starts)]
    verdicts: list[bool | None] = []
    for action, start, end in zip(done, starts, ends, strict=True):
        seen = [s for s in samples if start <= s["time"] < end]
        settled = [s for s in seen if s["time"] >= (action.running_at or start)]
        matched = any(s["wanted"] == s["running"] == action.after for s in seen)
        verdicts.append(matched or (False if settled else None))
    return verdicts


def is_over(replicas: Sequence[Record]) -> bool:
    """Whether the count has come down from its peak and Docker runs what is wanted."""
    if not replicas:
        return False
    peak, last = max(s["wanted"] for s in replicas), replicas[-1]
    return bool(last["wanted"] < peak and last["running"] == last["wanted"])


def stairs(samples: Sequence[Record], key: str) -> list[tuple[float, float]]:
    """The points where a count changes, and both ends: (time, value)."""
    points = [(s["time"], s[key]) for s in samples]
    if len(points) < 2:
        return points
    changes = [right for left, right in pairwise(points) if right[1] != left[1]]
    return [points[0], *changes, points[-1]]
