# SPDX-License-Identifier: GPL-3.0-or-later
"""Several metrics, one wish: the largest wins, and an unknown metric forbids the way down (S1, S2, S3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from swarmherd.decide.judge import Wish, wish_of
from swarmherd.decide.latency import wish_of_queue
from swarmherd.decide.rates import wish_of_rates
from swarmherd.decide.situation import Situation
from swarmherd.decide.words import count
from swarmherd.model import Evidence
from swarmherd.policy.metrics import Metric, RatesMetric, named
from swarmherd.policy.queueing import QueueMetric


class Opinion(NamedTuple):
    """What the metrics of a service ask for together, before any limit."""

    wish: int | None
    """None when no metric could be read."""
    then: int
    """The count to aim at: the wish, or what blindness and the fallback make of it."""
    why: str
    evidence: tuple[Evidence, ...]
    blind: bool
    """True when any metric was unknown."""
    foretold: bool = False
    """True when all of them looked ahead: what one of them sees only now needs its windows and cooldowns."""


def weigh(s: Situation) -> Opinion:
    """Ask every metric, join the answers, and fall back where readings have failed for too long."""
    opinion = _joined(s, [_wish(s, name, metric) for name, metric in named(s.scale.metrics)])
    return _fallen_back(s, opinion) if _fallback_holds(s, opinion) else opinion


def _wish(s: Situation, name: str, metric: Metric) -> Wish:
    if isinstance(metric, RatesMetric):
        return wish_of_rates(s, metric.rates)
    return wish_of_queue(s, name, metric) if isinstance(metric, QueueMetric) else wish_of(s, name, metric)


def _joined(s: Situation, wishes: Sequence[Wish]) -> Opinion:
    unknown = [wish for wish in wishes if wish.unknown]
    evidence = tuple([item for wish in wishes for item in wish.evidence])
    largest = max([wish.replicas for wish in wishes if wish.replicas is not None], default=None)
    if largest is None:
        why = "; ".join(wish.why for wish in unknown or wishes)
        return Opinion(None, s.replicas, why, evidence, bool(unknown))
    if unknown and largest < s.replicas:
        why = f"{'; '.join(wish.why for wish in unknown)}; so it is not scaled down"
        return Opinion(s.replicas, s.replicas, why, evidence, True)
    why = " and ".join([wish.why for wish in wishes if wish.replicas == largest])
    foretold = all(wish.foretold for wish in wishes if wish.replicas is not None)
    return Opinion(largest, largest, why, evidence, bool(unknown), foretold)


def _fallback_holds(s: Situation, opinion: Opinion) -> bool:
    """S3: from the Nth cycle in a row without a reading, to the Mth in a row with all of them."""
    fallback, memory = s.scale.fallback, s.memory
    if opinion.wish is None and opinion.blind:
        return memory.blind_cycles + 1 >= fallback.after
    return memory.blind_cycles >= fallback.after and (opinion.blind or memory.good_cycles + 1 < fallback.until)


def _fallen_back(s: Situation, opinion: Opinion) -> Opinion:
    """Hold, or have the fallback's replicas; more where metrics that are known again ask for more. Never less."""
    least = max(s.replicas, s.scale.fallback.replicas or 0)
    if opinion.then > least:
        return opinion
    blind = s.memory.blind_cycles + (1 if opinion.wish is None else 0)
    done = f"{count(least, 'replica')} by the fallback" if least > s.replicas else "the count is held by the fallback"
    wish = None if opinion.wish is None else max(opinion.wish, s.replicas)
    return opinion._replace(wish=wish, then=least, why=f"{opinion.why}; {done} after {count(blind, 'blind cycle')}")
