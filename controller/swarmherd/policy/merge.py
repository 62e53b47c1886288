# SPDX-License-Identifier: GPL-3.0-or-later
"""How what several places say of one service becomes one, and what is then still wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from swarmherd.policy.advising import AdviseKeys
from swarmherd.policy.document import BothWays
from swarmherd.policy.metrics import CpuMetric, MemoryMetric, Metric, Per, QueryMetric, RequestsMetric
from swarmherd.policy.wanted import Policy, ScaleKeys, ScalePolicy, Strategy


class Contradiction(NamedTuple):
    """A mistake that lies between keys; `key` is the one to look at first."""

    key: str
    message: str
    remedy: str


def merged(*places: ScaleKeys | None) -> ScaleKeys:
    """What `places` say together, key by key, a later one over an earlier; `{up, down}` are keys of their own."""
    result = ScaleKeys()
    for place in places:
        if place is not None:
            written = {name: _over(getattr(result, name), getattr(place, name)) for name in place.model_fields_set}
            result = result.model_copy(update=written)
    return result


def _over(below: object, above: object) -> object:
    if isinstance(below, BothWays) and isinstance(above, BothWays):
        return below.model_copy(update={name: getattr(above, name) for name in above.model_fields_set})
    return above


def complete(keys: ScaleKeys) -> ScalePolicy:
    """`keys` as the policy that is decided by; call it only where `incomplete` and `contradictions` find nothing.

    What looks ahead, and counts nothing but totals, needs no pause after an up to see what came of it: replicas on
    their way do not change a total.
    """
    cooldown = keys.cooldown
    if keys.strategy is Strategy.PREDICTIVE and all(foretold(metric) for metric in keys.metrics):
        cooldown = cooldown if "up" in cooldown.model_fields_set else cooldown.model_copy(update={"up": 0.0})
    return ScalePolicy.model_construct(**{**dict(keys), "cooldown": cooldown})


def incomplete(keys: ScaleKeys) -> Iterator[Contradiction]:
    """What no place has said and some place must."""
    if keys.max is None:
        yield Contradiction(
            "max", "it is missing", "write how many replicas there may be at most, here or as label swarmherd.scale.max"
        )


def contradictions(keys: ScaleKeys) -> Iterator[Contradiction]:
    """What cannot be true together."""
    if keys.max is not None and keys.min > keys.max:
        yield Contradiction("min", f"min {keys.min} is above max {keys.max}", "write a min up to max")
    if keys.min == 0 and not any(seen_from_zero(metric) for metric in keys.metrics):
        yield Contradiction(
            "min",
            "min is 0, but none of the metrics can be read while nothing runs",
            "add requests_per_replica, rates, queue or a query per service, or write a min of 1",
        )
    yield from _of_schedules(keys)
    if keys.strategy is not Strategy.PREDICTIVE and keys.predictive is not None:
        yield Contradiction(
            "predictive", "strategy is target, which does not look ahead", "write strategy: predictive, or leave it out"
        )
    if keys.strategy is Strategy.PREDICTIVE and not any(foretold(metric) for metric in keys.metrics):
        yield Contradiction(
            "strategy",
            "none of the metrics can be foretold",
            "give a target to requests_per_replica, or to a query per service",
        )


def advise_keys(policy: Policy, service: str) -> AdviseKeys | None:
    """What holds for `service`: its own keys over those of the defaults; None where neither place has any."""
    named = policy.services.get(service)
    places = [place for place in (policy.defaults.advise, named.advise if named else None) if place is not None]
    if not places:
        return None
    return AdviseKeys(**{name: getattr(place, name) for place in places for name in place.model_fields_set})


def contradictions_of_advice(keys: AdviseKeys) -> Iterator[Contradiction]:
    """What cannot be true together."""
    if keys.at_least > keys.since:
        message = f"at_least {keys.at_least / 3600:g} h is more than since {keys.since / 3600:g} h"
        yield Contradiction("at_least", message, "write an at_least up to since")


def _of_schedules(keys: ScaleKeys) -> Iterator[Contradiction]:
    for place, one in enumerate(keys.schedules):
        least, most = keys.min if one.min is None else one.min, keys.max if one.max is None else one.max
        if most is not None and least > most:
            key = "min" if one.min is not None else "max"
            yield Contradiction(
                f"schedules[{place}].{key}", f"min {least} is above max {most} in that time", "write min and max there"
            )
        if one.min == 0 and keys.min > 0:
            yield Contradiction(
                f"schedules[{place}].min",
                f"it may sleep then, and outside of it min is {keys.min}: a zero would be taken for maintenance",
                "write a min of 1, or min: 0 for the service and the higher min in a schedule",
            )


def foretold(metric: Metric) -> bool:
    """Whether strategy `predictive` looks ahead on it: a total for the whole service, with a target per replica."""
    return target_of_total(metric) is not None


def target_of_total(metric: Metric) -> float | None:
    """The target per replica of what is measured as a total for the whole service; None of any other metric."""
    if isinstance(metric, QueryMetric) and metric.per is not Per.SERVICE:
        return None
    return metric.rule.target if isinstance(metric, (RequestsMetric, QueryMetric)) else None


def seen_from_zero(metric: Metric) -> bool:
    """Whether the metric is measured for the service as a whole, so that demand shows even where nothing runs."""
    if isinstance(metric, QueryMetric):
        return metric.per is Per.SERVICE
    return not isinstance(metric, (CpuMetric, MemoryMetric))
