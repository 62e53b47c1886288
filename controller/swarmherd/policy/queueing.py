# SPDX-License-Identifier: GPL-3.0-or-later
"""A metric whose target is a latency: `{queue: {service_time: 80ms}, target: {p95: 400ms}}`.

How long a request waits is worked out from how many come and how fast a replica is (`decide/queueing.py`), or read off
a curve that was measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.policy.document import Part
from swarmherd.policy.promql import PromQL
from swarmherd.policy.units import Positive, PositiveCount, Seconds, Share, durations_above_zero, shown, wrong

SHORTEST_SECONDS = 1e-6
MOST_AT_ONCE, MOST_POINTS = 1000, 100
EXAMPLE = "{p95: 250ms}"
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)", re.ASCII)
_ROOM = 1e-9
"""A target must lie so much above what no number of replicas can reach that arithmetic can tell."""


def _above_zero(seconds: float) -> float:
    if seconds < SHORTEST_SECONDS:
        raise wrong(f"{seconds:g} s is too short", "write a duration from a microsecond on, such as 80ms")
    return seconds


Latency = Annotated[Seconds, AfterValidator(_above_zero), durations_above_zero()]


def _at_once(count: int) -> int:
    if count > MOST_AT_ONCE:
        raise wrong(f"{count} at once is above {MOST_AT_ONCE}", f"write at most {MOST_AT_ONCE}")
    return count


class CurvePoint(Part):
    """One measurement: how busy the replicas were, and the latency then. `[70%, 180ms]` says both."""

    utilisation: Share
    """The requests of a replica, of the most that it serves."""
    latency: Latency
    """Of the percentile that the target names."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if not isinstance(data, list | tuple):
            return data
        if len(data) != 2:
            raise wrong("this is no point of a curve", "write utilisation and latency: [70%, 180ms]")
        return dict(zip(("utilisation", "latency"), data, strict=True))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long = handler(core)
        items = handler.resolve_ref_schema(long)["properties"]
        pair = [{"anyOf": items[name]["anyOf"]} for name in ("utilisation", "latency")]
        return {"anyOf": [long, {"type": "array", "prefixItems": pair, "minItems": 2, "maxItems": 2}]}


def _rising(points: tuple[CurvePoint, ...]) -> tuple[CurvePoint, ...]:
    if len(points) == 1:
        raise wrong("one point is no curve", "write two at least: [[50%, 120ms], [80%, 300ms]]")
    if len(points) > MOST_POINTS:
        raise wrong("the curve is too long", f"write at most {MOST_POINTS} points")
    for left, right in pairwise(points):
        if right.utilisation <= left.utilisation:
            said = f"utilisation {right.utilisation:.4g} is not above {left.utilisation:.4g} before it"
            raise wrong(f"the curve is not sorted: {said}", "sort its points by utilisation, one for each")
        if right.latency < left.latency:
            said = f"{right.latency:g} s at {right.utilisation:.4g} is less than {left.latency:g} s before it"
            raise wrong(f"the latency falls: {said}", "smooth the curve: who is busier does not answer sooner")
    return points


class Queue(Part):
    """What comes, and how fast a replica is: `service_time` or `replica_capacity`."""

    requests: PromQL | None = None
    """Requests per second for the whole service; by default `queries.requests`."""
    service_time: Latency | None = None
    """How long a replica works on one request, on average, without any waiting."""
    replica_capacity: Positive | None = None
    """Instead: the requests per second that one replica serves when it is full."""
    concurrency: Annotated[PositiveCount, AfterValidator(_at_once)] = 1
    """Requests that one replica works on at once."""
    curve: Annotated[tuple[CurvePoint, ...], AfterValidator(_rising)] = ()
    """Latency by utilisation, as it was measured, in place of the formula."""

    @model_validator(mode="after")
    def _one_speed(self) -> Queue:
        if self.service_time is None and self.replica_capacity is None:
            raise wrong(
                "neither service_time nor replica_capacity is there, so nobody knows how fast a replica is",
                "write how long a replica works on a request: service_time: 80ms",
            )
        if self.service_time is not None and self.replica_capacity is not None:
            raise wrong(
                "service_time and replica_capacity contradict each other",
                "keep one of them; concurrency says how many requests a replica works on at once",
            )
        return self

    @property
    def service_seconds(self) -> float:
        """The mean time that one request is worked on."""
        return self.concurrency / self.replica_capacity if self.replica_capacity else self.service_time or math.inf

    @property
    def capacity(self) -> float:
        """Requests per second of one full replica."""
        return self.replica_capacity or self.concurrency / self.service_seconds

    def fastest(self, share: float) -> float:
        """Seconds within which `share` of the requests are answered by replicas that have nothing else to do.

        By the curve the latency at its first point; else the quantile of the exponential distribution of service times
        that the formula takes: `service_time * -ln(1 - share)`.
        """
        return self.curve[0].latency if self.curve else -self.service_seconds * math.log1p(-share)

    def reaches(self, share: float, seconds: float) -> bool:
        """Whether any number of replicas answers `share` of the requests within `seconds`."""
        fastest = self.fastest(share)
        return seconds >= fastest if self.curve else seconds > fastest * (1 + _ROOM)


def _percentile(target: object) -> object:
    """Refuse what is no `{p95: …}`, in words."""
    if not isinstance(target, Mapping):
        raise wrong(f"{shown(target)} is no latency target", f"write a percentile and its latency: {EXAMPLE}")
    if len(target) != 1:
        many = f"{len(target)} targets stand here" if target else "there is no target"
        raise wrong(many, f"write one percentile and its latency: {EXAMPLE}")
    [name] = target
    found = _PERCENTILE.fullmatch(name) if isinstance(name, str) else None
    if name in ("p0", "p100") or (found and float(found[1]) == 0):
        raise wrong(
            f"{name} cannot be aimed at: it is true of none or of every request",
            f"write one between, with at most three decimals, such as {EXAMPLE}",
        )
    if not found:
        raise wrong(f"{shown(name)} is no percentile", f"write one from p1 to p99.999: {EXAMPLE}")
    return target


Target = Annotated[
    dict[str, Latency],
    BeforeValidator(_percentile),
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {r"^p(?!0+(\.0+)?$)\d{1,2}(\.\d{1,3})?$": durations_above_zero().json_schema},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
    ),
]


class QueueMetric(Part):
    """So many replicas that so many of the requests are answered within a time."""

    queue: Queue
    """What comes, and how fast a replica is."""
    target: Target
    """A percentile of the response time, and what it is to be at most: `{p95: 250ms}`."""

    @model_validator(mode="before")
    @classmethod
    def _aims(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "target" not in data:
            raise wrong("there is no target", f"write one beside queue: target: {EXAMPLE}")
        return data

    @field_validator("target")
    @classmethod
    def _reachable(cls, target: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        queue = info.data.get("queue")
        [(name, seconds)] = target.items()
        if isinstance(queue, Queue) and not queue.reaches(_share(name), seconds):
            how = "at the first point of the curve" if queue.curve else "by a replica that has nothing else to do"
            raise wrong(
                f"no number of replicas reaches {name} {seconds:.4g} s: "
                f"it is {queue.fastest(_share(name)):.4g} s {how}",
                "aim above that" if queue.curve else "aim above that, or write the curve that you measured",
            )
        return target

    @property
    def name(self) -> str:
        """`p95`"""
        return next(iter(self.target))

    @property
    def share(self) -> float:
        """Of the requests, how many are to be answered in time: above 0, below 1."""
        return _share(self.name)

    @property
    def seconds(self) -> float:
        """What the percentile of the response time is to be at most."""
        return self.target[self.name]


def _share(percentile: str) -> float:
    return float(percentile[1:]) / 100
