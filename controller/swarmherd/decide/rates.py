# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers needed, from the rates of requests that come and responses that go.

While more requests come than are answered, the replicas are full, and what each of them serves now is its measured
capacity: `needed = ceil(requests / (responses / running))`, where `running` is their average over the window of the
rates: replicas that came within it have answered only since. While they keep up, nothing measures how much more they
could serve, so the way down needs a stated capacity: `needed = ceil(requests / replica_capacity)`.
"""

from __future__ import annotations

from datetime import datetime

from swarmherd.decide.judge import Wish, needed
from swarmherd.decide.measure import whole
from swarmherd.decide.situation import Situation
from swarmherd.decide.words import count, duration, number
from swarmherd.model import Evidence, Reading
from swarmherd.policy.metrics import Rates
from swarmherd.policy.queries import REQUESTS, RESPONSES

_IDLE = 1e-9
_AIM = "requests answered"


def wish_of_rates(s: Situation, rates: Rates) -> Wish:
    """What request and response rates ask for; unknown unless both are known, and something runs or may be woken."""
    requests, responses = whole(s, REQUESTS), whole(s, RESPONSES)
    found = _judged(s, rates, requests, responses)
    replicas, why = found if isinstance(found, tuple) else (None, found)
    evidence = (Evidence(REQUESTS, requests, _AIM, replicas), Evidence(RESPONSES, responses, _AIM, replicas))
    return Wish(replicas, why, evidence, unknown=replicas is None)


def _judged(s: Situation, rates: Rates, requests: Reading, responses: Reading) -> tuple[int, str] | str:
    """Replicas and why; or, in words alone, why that is unknown."""
    if requests.value is None:
        return f"{REQUESTS} is unknown: {requests.problem}"
    coming = requests.value
    if s.replicas == 0:  # nothing runs, so nothing answers: the responses need not be known
        return _from_zero(coming, rates)
    if responses.value is None:
        return f"{RESPONSES} is unknown: {responses.problem}"
    if not s.running:
        return "rates are unknown: no replica runs on a node that is up"
    served = responses.value
    if coming <= served * (1 + s.scale.tolerance) + _IDLE:
        return _keeping_up(s, coming, rates)
    each = _served_by_each(served / _serving(s, responses.at), rates)
    if each is None:
        return "rates are unknown: nothing is answered, so what a replica serves is unknown"
    return _outpaced(s, coming, served, each)


def _from_zero(coming: float, rates: Rates) -> tuple[int, str]:
    if coming <= _IDLE:
        return 0, "no requests come"
    wanted = max(1, needed(coming, rates.replica_capacity or coming))
    return wanted, f"{number(coming)} requests/s come while nothing runs"


def _serving(s: Situation, at: datetime) -> float:
    """How many of the replicas that run served on average over the window of a rate read at `at`.

    If each that has just come counted in full, the others' answers would be shared among all, and yet more be asked for
    in every cycle. Tasks whose clock is ahead count as those that are as far behind.
    """
    window = s.policy.queries.window
    return max(_IDLE, sum(min(1.0, abs((at - task.state_at).total_seconds()) / window) for task in s.running))


def _served_by_each(now: float, rates: Rates) -> float | None:
    """What one replica serves: what it serves now, bounded by the stated capacity; that alone if nothing is served."""
    if now <= _IDLE:
        return rates.replica_capacity
    return now if rates.replica_capacity is None else min(now, rates.replica_capacity)


def _outpaced(s: Situation, coming: float, served: float, each: float) -> tuple[int, str]:
    wanted = needed(coming, each)
    said = f"{number(coming)} requests/s come and {number(served)} are answered"
    if wanted <= s.replicas:
        window = duration(s.policy.queries.window)
        return s.replicas, f"{said}, and not all replicas that are wanted have served for the last {window}"
    return wanted, f"{said}: at {number(each)} per replica that takes {count(wanted, 'replica')}"


def _keeping_up(s: Situation, coming: float, rates: Rates) -> tuple[int, str]:
    said = f"{number(coming)} requests/s come and are answered"
    if rates.replica_capacity is None:
        return s.replicas, f"{said}; without replica_capacity that is no reason to go down"
    wanted = min(s.replicas, needed(coming, rates.replica_capacity))
    return wanted, f"{said}: at {number(rates.replica_capacity)} per replica that takes {count(wanted, 'replica')}"
