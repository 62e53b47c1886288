# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics that a service may be scaled on, in the forms that operators write.

A number is a target: so many replicas as bring the value there. `{up: 80, down: 30}` are thresholds: a step up
above the one, a step down below the other, nothing between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Discriminator, GetJsonSchemaHandler, Tag, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.policy.document import AlsoShort, Part, Steps
from swarmherd.policy.promql import PromQL
from swarmherd.policy.queueing import EXAMPLE, QueueMetric
from swarmherd.policy.units import Number, Percent, Positive, PositivePercent, resembling, shown, wrong


class Per(StrEnum):
    SERVICE = "service"
    """The query answers a total, which the running replicas share."""
    REPLICA = "replica"
    """The query answers what is already an average per replica (a latency, a queue per worker)."""


class Rule(Part):
    """What a value per replica is compared with: a target, or thresholds with steps."""

    target: Positive | None = None
    """Aim at this value per replica."""
    up: Positive | None = None
    """Above this value, a step up."""
    down: Number | None = None
    """Below this value, a step down."""
    step: Steps | None = None
    """How many replicas a crossed threshold adds or takes: 1 unless told."""

    default: ClassVar[Mapping[str, float] | None] = None

    @field_validator("target", mode="before")
    @classmethod
    def _no_latency(cls, target: Any) -> Any:
        if isinstance(target, Mapping):
            raise wrong(f"{shown(target)} is not a number", f"write a number; {EXAMPLE} is a target of queue alone")
        return target

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if isinstance(data, Mapping | Rule):
            return cls.default if not data and cls.default else data
        if data is None and cls.default:
            return cls.default
        return {"target": data}

    @model_validator(mode="after")
    def _one_meaning(self) -> Rule:
        if self.target is not None:
            if self.up is not None or self.down is not None or self.step is not None:
                raise wrong(
                    "a target and thresholds contradict each other", "keep either the target, or up, down and step"
                )
        elif self.up is None or self.down is None:
            raise wrong("there is no target, nor both thresholds", "write a target, or both up and down")
        elif self.down >= self.up:
            raise wrong(
                f"down {self.down:g} is not below up {self.up:g}", "write down below up, with room between them"
            )
        return self

    @property
    def steps(self) -> Steps:
        return self.step or Steps()

    def __str__(self) -> str:
        if self.target is not None:
            return f"target {self.target:g}"
        return f"up above {self.up:g}, down below {self.down:g}"


class _Short(Rule):
    """A rule that stands below its metric's name, where a number means the target."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long = handler(core)
        target_or_nothing = handler.resolve_ref_schema(long)["properties"]["target"]["anyOf"]
        return {"anyOf": [*target_or_nothing, long]}


class PercentRule(_Short):
    """In percent: of the limit, else of the reservation, else (CPU alone) of one core."""

    target: PositivePercent | None = None
    """Aim at this percentage, on average over the replicas."""
    up: PositivePercent | None = None
    """Above this percentage, a step up."""
    down: Percent | None = None
    """Below this percentage, a step down."""
    default: ClassVar[Mapping[str, float] | None] = {"up": 80, "down": 30}


class RequestsRule(_Short):
    """In requests per second and replica."""

    default: ClassVar[Mapping[str, float] | None] = {"up": 3, "down": 1}


class CpuMetric(Part):
    """CPU use, one sample per task."""

    cpu: PercentRule
    """Percent of the limit, else of the reservation, else of one core. `{up: 80, down: 30}` if left empty."""

    @property
    def rule(self) -> Rule:
        return self.cpu


class MemoryMetric(Part):
    """Memory in use (the working set), one sample per task."""

    memory: PercentRule
    """Percent of the limit, else of the reservation; unknown without either. `{up: 80, down: 30}` if left empty."""

    @property
    def rule(self) -> Rule:
        return self.memory


class RequestsMetric(Part):
    """Requests per second that reach the service, shared by its running replicas."""

    requests_per_replica: RequestsRule
    """Requests per second and replica. `{up: 3, down: 1}` if left empty."""

    @property
    def rule(self) -> Rule:
        return self.requests_per_replica


class QueryMetric(Rule):
    """Any PromQL expression that answers one number."""

    query: PromQL
    """The expression. `$service` and `$window` stand for the service's name and the rate window."""
    per: Per = Per.SERVICE
    """`service`: the value is a total, shared by the replicas. `replica`: it is an average per replica already."""

    @property
    def rule(self) -> Rule:
        return self


class Rates(Part):
    """Servers needed, from the rates of requests that come and responses that go."""

    requests: PromQL | None = None
    """Requests per second for the whole service; by default HAProxy's backend of the service's name."""
    responses: PromQL | None = None
    """Responses per second served by the whole service; by default the same backend's, without 5xx."""
    replica_capacity: Positive | None = None
    """Requests per second that one replica serves comfortably. Without it there is no way down."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {} if data is None else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": "null"}]}


class RatesMetric(Part):
    """Scaling on request and response rates."""

    rates: Rates
    """The rates, and what a replica serves; all have defaults."""


KINDS: Mapping[str, type[Part]] = {
    "cpu": CpuMetric,
    "memory": MemoryMetric,
    "requests_per_replica": RequestsMetric,
    "query": QueryMetric,
    "rates": RatesMetric,
    "queue": QueueMetric,
}
_NAMES: Mapping[type[Part], str] = {form: name for name, form in KINDS.items()}
_FORMS = "cpu, memory, requests_per_replica, query, rates or queue"


def _kind(data: Any) -> str:
    """The tag of the metric's form. Tags stand in brackets, so that they can be told from keys in an error's place."""
    if isinstance(data, Part):
        return f"<{_NAMES[type(data)]}>"
    return next(f"<{name}>" for name in KINDS if name in data)


def _one_form(data: Any) -> Any:
    """Refuse what is no metric, in words, before pydantic looks for its form."""
    if isinstance(data, Part):
        return data
    if not isinstance(data, Mapping):
        if isinstance(data, str) and data in KINDS:
            return {data: None}
        raise wrong(f"{shown(data)} is no metric", f"write {_FORMS}, for example {{cpu: 70}}")
    named = [name for name in KINDS if name in data]
    if len(named) == 1:
        return data
    if named:
        raise wrong(f"{' and '.join(named)} stand in one metric", "give each an item of the list of its own")
    unknown = str(next(iter(data), ""))
    raise wrong(f"{unknown!r} is no metric", resembling(unknown, KINDS) or f"write {_FORMS}")


Metric = CpuMetric | MemoryMetric | RequestsMetric | QueryMetric | RatesMetric | QueueMetric
AnyMetric = Annotated[
    Annotated[CpuMetric, Tag("<cpu>")]
    | Annotated[MemoryMetric, Tag("<memory>")]
    | Annotated[RequestsMetric, Tag("<requests_per_replica>")]
    | Annotated[QueryMetric, Tag("<query>")]
    | Annotated[RatesMetric, Tag("<rates>")]
    | Annotated[QueueMetric, Tag("<queue>")],
    Discriminator(_kind),
    BeforeValidator(_one_form),
    AlsoShort({"enum": ["cpu", "memory", "requests_per_replica", "rates"]}),
]


def named(metrics: Iterable[Metric]) -> Iterator[tuple[str, Metric]]:
    """Each metric with its name within the service: `cpu`, `memory`, `query:0` for the first query, …"""
    queries = 0
    for metric in metrics:
        if isinstance(metric, QueryMetric):
            yield f"query:{queries}", metric
            queries += 1
        else:
            yield _NAMES[type(metric)], metric
