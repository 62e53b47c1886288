# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of a document has in common, and the small parts that stand in several places."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.policy.units import Count, Number, PositiveCount, Seconds, as_number, is_percentage, shown, wrong


class Part(BaseModel):
    """A mapping of a document: immutable, and a key that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _leave_a_trace(cls, data: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Note which part read which mapping, so that a misspelt key can be told what it resembles.

        Around all else, for short forms may make a mapping of their own of what was written.
        """
        if isinstance(data, Mapping) and info.context is not None:
            info.context[id(data)] = cls
        return read(data)


@dataclass(frozen=True)
class AlsoShort:
    """The schema of a short form, beside the schema of what it stands at."""

    shape: dict[str, Any]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), self.shape]}


def _both(data: Any) -> Any:
    """One value for both directions."""
    return data if isinstance(data, Mapping) or data is None else {"up": data, "down": data}


class BothWays(Part):
    """Something per direction. A single value means both."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return data if isinstance(data, cls) else _both(data)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long = handler(core)
        short = handler.resolve_ref_schema(long)["properties"]["up"]
        shapes = {key: short[key] for key in ("anyOf", "$ref") if key in short}
        return {"anyOf": [long, shapes]}


class Windows(BothWays):
    """How long wishes are remembered, in seconds, so that a short dip or peak moves nothing."""

    up: Seconds = 0.0
    """A scale-up takes the lowest wish of this time."""
    down: Seconds = 300.0
    """A scale-down takes the highest wish of this time."""


class Cooldowns(BothWays):
    """How long to wait after an action before the next, in seconds."""

    up: Seconds = 60.0
    """From one scale-up to the next."""
    down: Seconds = 120.0
    """From any scaling to the next scale-down."""


class Steps(BothWays):
    """Replicas that crossing a threshold adds or takes."""

    up: PositiveCount = 1
    """Replicas added above the upper threshold."""
    down: PositiveCount = 1
    """Replicas taken below the lower threshold."""


class Step(Part):
    """The most that one action may change: a count, a percentage of the replicas, or the larger of both."""

    count: Count | None = None
    """So many replicas."""
    percent: Number | None = None
    """So many percent of the replicas there are, rounded up."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if isinstance(data, Mapping | cls):
            return data
        parts = data if isinstance(data, list) else [data]
        keys = {"percent" if is_percentage(part) else "count": _bare(part) for part in parts}
        if len(keys) < len(parts):
            raise wrong("the same kind of step stands twice", "write one count and one percentage: [4, 100%]")
        return keys

    @model_validator(mode="after")
    def _says_something(self) -> Step:
        if not self.count and not self.percent:
            raise wrong(
                "this step would forbid every change", "write a count from 1 on such as 4, or a percentage such as 50%"
            )
        return self

    def allows(self, replicas: int) -> int:
        """How many replicas one action may add or take where there are `replicas`; at least one."""
        share = math.ceil(replicas * (self.percent or 0.0) / 100 - 1e-9)
        return max(1, self.count or 0, share)

    def __str__(self) -> str:
        parts = [str(self.count)] if self.count else []
        parts += [f"{self.percent:g} %"] if self.percent else []
        return " or ".join(parts)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        one = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(\.\d+)?%?$"}]}
        return {"anyOf": [handler(core), one, {"type": "array", "items": one, "minItems": 1, "maxItems": 2}]}


def _bare(value: Any) -> Any:
    return value.strip()[:-1] if is_percentage(value) else value


class StepLimits(BothWays):
    """The most that one action may change, per direction; the cooldown is the period."""

    up: Step = Step(count=4, percent=100.0)
    """By default the larger of 4 and as many again."""
    down: Step = Step(percent=100.0)
    """By default as many as there are."""


def _fallback(data: Any) -> Any:
    if data == "hold":
        return {}
    if as_number(data) is not None:
        return {"replicas": data}
    if isinstance(data, str):
        raise wrong(
            f"{shown(data)} is no fallback", "write hold, a number of replicas, or {replicas: 5, after: 3, until: 3}"
        )
    return data


class FallbackKeys(Part):
    """What to do after too many cycles without a usable reading. It never lowers a count."""

    replicas: PositiveCount | None = None
    """Have at least these replicas; without it the count is held as it is."""
    after: PositiveCount = 3
    """Cycles in a row without a usable reading until it begins."""
    until: PositiveCount = 3
    """Cycles in a row with every reading known until it ends."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"const": "hold"}, {"type": "integer", "minimum": 1}]}


Fallback = Annotated[FallbackKeys, BeforeValidator(_fallback)]


class CrashLoop(Part):
    """When a service counts as crash-looping: so many tasks, and at least half of its replicas, failed of late."""

    failures: PositiveCount = 3
    """Failed or rejected tasks."""
    within: Seconds = 300.0
    """How far back to look, in seconds."""
