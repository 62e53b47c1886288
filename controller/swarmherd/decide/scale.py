# SPDX-License-Identifier: GPL-3.0-or-later
"""One service's replicas: to be changed or left, and why."""

from __future__ import annotations

from swarmherd.decide.limits import FORETOLD, UNWISHED, VETOES, WISHED, limited
from swarmherd.decide.objections import first_objection
from swarmherd.decide.schedules import Bounds
from swarmherd.decide.situation import Situation
from swarmherd.decide.weigh import weigh
from swarmherd.decide.words import count
from swarmherd.model import Decision, Service


def leave_alone(name: str, why: str, service: Service | None = None) -> Decision:
    """Nothing, because …: the decision about what is not to be touched."""
    replicas, version = (service.replicas, service.version) if service else (None, None)
    return Decision(name, replicas, replicas, None, (f"leave {name} alone, because {why}",), version=version)


def scale(s: Situation) -> Decision:
    """Objections first, then bounds (S7), then the metrics within their limits."""
    if why := first_objection(s):
        return leave_alone(s.service.name, why, s.service)
    bounds = s.bounds
    if not bounds.min <= s.replicas <= bounds.max:
        return _put_right(s, bounds)
    opinion = weigh(s)
    wished = FORETOLD if opinion.foretold else WISHED
    then, bites = limited(s, opinion.then, wished if opinion.then == opinion.wish else UNWISHED)
    asked = (f"{opinion.why}, which asks for {count(opinion.then, 'replica')}",) if bites else ()
    because = bites[-1] if then == s.replicas and bites else opinion.why
    return Decision(
        service=s.service.name,
        now=s.replicas,
        then=then,
        wish=opinion.wish,
        reasons=(*asked, *bites, _verdict(s, then, because)),
        evidence=opinion.evidence,
        blind=opinion.blind,
        version=s.service.version,
        foretold=opinion.foretold,
    )


def _put_right(s: Situation, bounds: Bounds) -> Decision:
    """S7: a count outside min and max goes to the nearer bound at once, even when blind, unless a veto holds it."""
    name, low = s.service.name, s.replicas < bounds.min
    bound = bounds.min if low else bounds.max
    why = f"{s.replicas} is {'below min' if low else 'above max'} {bound}{bounds.why_min if low else bounds.why_max}"
    then, bites = limited(s, bound, VETOES)
    reasons = (*((why,) if bites else ()), *bites[:-1], _verdict(s, then, bites[-1] if bites else why))
    return Decision(name, s.replicas, then, None, reasons, version=s.service.version)


def _verdict(s: Situation, then: int, because: str) -> str:
    """The last sentence of a decision: what came of it."""
    if then == s.replicas:
        return f"leave {s.service.name} at {then}, because {because}"
    return f"scale {s.service.name} from {s.replicas} to {then}, because {because}"
