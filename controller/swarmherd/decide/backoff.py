# SPDX-License-Identifier: GPL-3.0-or-later
"""S13: after a failed action, wait twice as long each time, and give up after so many, until the service is changed.

One for which no host was reached is waited after and not counted.
"""

from __future__ import annotations

from datetime import datetime

from swarmherd.decide.words import duration
from swarmherd.model import Memory, Service, ServiceMemory
from swarmherd.policy import Policy

LONGEST_BACKOFF_SECONDS, MOST_DOUBLINGS = 3600.0, 32


def backing_off(service: Service, policy: Policy, memory: Memory, now: datetime) -> str | None:
    """Why `service` is to be left alone after what failed: scaling, moving, or having others follow it."""
    past = memory.of(service.name)
    if past.last_failure_at is None:
        return None
    if service.version != past.last_version and service.updated_at > past.last_failure_at:
        return None  # changed since, and not by us: that may have been the cure
    return waiting(past, policy, now)


def waiting(past: ServiceMemory, policy: Policy, now: datetime) -> str | None:
    """The same where there is no service, or none whose change could be the cure."""
    if past.failures >= policy.give_up_after:
        return f"{past.failures} actions failed in a row: given up until the service is changed"
    return _resting("action", past.failures, past.last_failure_at, policy, now)


def clearing_waits(past: ServiceMemory, policy: Policy, now: datetime) -> str | None:
    """Why what moves have left on nodes is not cleared now. It undoes our own doing, and is tried for ever: else tasks
    would wait for somebody to see it. Nor does it wait for other actions, which may have failed because of the marks.
    """
    return _resting("clearing", past.clear_failures, past.last_clear_failure_at, policy, now)


def _resting(what: str, failures: int, last_at: datetime | None, policy: Policy, now: datetime) -> str | None:
    if last_at is None:
        return None
    doublings = min(max(0, failures - 1), MOST_DOUBLINGS)
    wait = min(LONGEST_BACKOFF_SECONDS, policy.backoff_seconds * 2.0**doublings)
    ago = abs((now - last_at).total_seconds())
    if ago >= wait:
        return None
    counted = f" ({failures} in a row)" if failures else ", since no host was reached"
    return f"its last {what} failed {duration(ago)} ago{counted}, next try after {duration(wait)}"
