# SPDX-License-Identifier: GPL-3.0-or-later
"""How long requests wait, and how many servers it takes that they do not wait too long.

The model is M/M/c: requests come independently of each other (Poisson), each is worked on for an exponential time, and
whoever comes first is served first by whichever server is free. `load` is arrivals per second times the mean service
time (in Erlang), and every time here is in units of the mean service time. The formulas are those of any textbook, for
example Gross, Shortle, Thompson and Harris, *Fundamentals of Queueing Theory*, 4th edition, section 2.3.

They are exact for this model, and it is an approximation of a service: a balancer that hands a request to a busy
replica while another is idle waits longer, service times that vary less than exponential ones (most do) wait less.
Whoever knows better measures a curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

_MEMORY = 12.0
"""Square roots of the load, below which the recursion need not begin: what it begins with is forgotten by then."""
_PRECISION, _ROUNDING, _NOTHING = 1e-7, 1e-9, 1e-300


def chances_to_wait(load: float) -> Iterator[tuple[int, float]]:
    """Servers, ever more by one, and the chance that a request waits (Erlang C); only counts that keep up.

    By the inverse of Erlang's loss formula, `1/B(c) = 1 + c/load * 1/B(c-1)`, of which no term is ever subtracted.
    An error in `1/B(c-1)` is multiplied by `c/load`, so 12 square roots of the load below it nothing need be known yet:
    of a wrong beginning less than a part in 10**30 is left where the servers keep up.
    """
    servers = max(0, math.floor(load - _MEMORY * math.sqrt(load)))
    inverse = 1.0
    while True:
        servers += 1
        inverse = 1.0 + servers / load * inverse
        if servers > load:
            busy = load / servers
            yield servers, 1.0 / (busy + (1.0 - busy) * inverse)


def chance_to_wait(load: float, servers: int) -> float:
    """Erlang C of one count, which must be above the load."""
    return next(chance for count, chance in chances_to_wait(load) if count == servers)


def share_later(than: float, load: float, servers: int, waiting: float) -> float:
    """The share of requests whose response (waiting and service) takes longer `than` so many mean service times.

    `waiting` is the chance to wait (Erlang C). Who waits does so for an exponential time with rate `servers - load`,
    and is then served for one with rate 1: `P(T > t) = exp(-t) + C * (exp(-lo*t) - exp(-hi*t)) / (hi - lo)`, where lo
    and hi are the smaller and the larger of both rates. Written so that nothing cancels out where they are equal.
    """
    slow, fast = sorted((1.0, servers - load))
    apart = fast - slow
    spread = -math.expm1(-apart * than) / apart if apart > 0 else than
    return math.exp(-than) + waiting * math.exp(-slow * than) * spread


def response(share: float, load: float, servers: int, waiting: float) -> float:
    """Mean service times within which `share` of the requests are answered: the quantile of the response time.

    Found between two bounds by the false position of the tail's logarithm, which is nearly a line (Illinois' rule: a
    bound that stays twice counts half, so that neither stays for long).
    """
    late = 1.0 - share

    def excess(time: float) -> float:
        return math.log(max(share_later(time, load, servers, waiting), _NOTHING) / late)

    least, over, most = 0.0, -math.log(late), -math.log1p(-share)
    while (under := excess(most)) > 0:
        least, over, most = most, under, 2 * most
    time, found, risen = most, under, None
    while abs(found) > _PRECISION:
        time = least + (most - least) * over / (over - under)
        found = excess(time)
        if found > 0:
            least, over, under = time, found, under / 2 if risen else under
        else:
            most, under, over = time, found, over / 2 if risen is False else over
        risen = found > 0
    return time


def latency_at(curve: Sequence[tuple[float, float]], utilisation: float) -> float:
    """The latency at a utilisation by (utilisation, latency) in rising order; no less than at the first point.

    Between points along a line. Above the last one nothing was measured: infinite.
    """
    if utilisation <= curve[0][0]:
        return curve[0][1]
    for (left, low), (right, high) in pairwise(curve):
        if utilisation <= right + _ROUNDING:
            return low + (high - low) * (utilisation - left) / (right - left)
    return math.inf


def busiest(curve: Sequence[tuple[float, float]], latency: float) -> float:
    """The highest utilisation whose latency is no more than `latency`, which the first point's must not exceed."""
    found = curve[0][0]
    for (left, low), (right, high) in pairwise(curve):
        if high <= latency:
            found = right
        elif low <= latency:
            found = left + (right - left) * (latency - low) / (high - low)
    return found
