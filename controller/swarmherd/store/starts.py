# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a service's replicas take to serve, as the journal measured it."""

from __future__ import annotations

from collections.abc import Iterable

from swarmherd.decide.predict import usual_lead
from swarmherd.store.rows import Entry


def measured_lead(done: Iterable[Entry]) -> float | None:
    """Seconds from a decision until its replicas ran, by one service's newest scalings that were done, newest first.

    None where too few of them were for more replicas.
    """
    return usual_lead([seconds for entry in done if (seconds := _until_running(entry)) is not None])


def _until_running(entry: Entry) -> float | None:
    """Seconds from the decision for more replicas until all of them ran; None for any other action."""
    then, before = (entry.action.parameters.get(f"swarmherd_{key}") for key in ("replicas", "expected_replicas"))
    if entry.running_at is None or not isinstance(then, int) or not isinstance(before, int) or then <= before:
        return None
    return (entry.running_at - entry.decided_at).total_seconds()
