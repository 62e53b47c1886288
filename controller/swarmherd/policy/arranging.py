# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be said about where tasks run: neighbours, consent to moves, placement, rebalancing, refilling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.policy.document import Part
from swarmherd.policy.settings import Name
from swarmherd.policy.units import (
    Count,
    Number,
    PositiveCount,
    PositiveSeconds,
    Ratio,
    Seconds,
    Share,
    Switch,
    resembling,
    shown,
    text_like,
    wrong,
)

HIGHEST_PRIORITY = 100
HEAVIEST = 1000.0
SCORES = (
    *("resources", "in_use", "replicas", "zones", "image", "gpus", "affinity", "neighbours"),
    *("performance", "penalty", "disk", "network"),
)
"""The scores of placement, which may be weighed."""
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9])?", re.ASCII)


def _priority(value: int) -> int:
    if value > HIGHEST_PRIORITY:
        raise wrong(f"priority {value} is above {HIGHEST_PRIORITY}", f"write a priority from 0 to {HIGHEST_PRIORITY}")
    return value


def _weight(value: float) -> float:
    if value > HEAVIEST:
        raise wrong(f"weight {value:g} is above {HEAVIEST:g}", f"write a weight from 0 to {HEAVIEST:g}")
    return value


def _node_label(value: object) -> str:
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise wrong(f"{shown(value)} is no name of a node's label", "write letters, digits, '_', '.' or '-': zone")
    return value


@dataclass(frozen=True)
class _UpTo:
    """The schema of a number with a bound above."""

    most: float

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shapes = handler(core)["anyOf"]
        return {"anyOf": [{**shape, "maximum": self.most} if "minimum" in shape else shape for shape in shapes]}


Priority = Annotated[Count, AfterValidator(_priority), _UpTo(HIGHEST_PRIORITY)]
Weight = Annotated[Number, AfterValidator(_weight), _UpTo(HEAVIEST)]


class NeighbourKeys(Part):
    """A wish about another service's tasks on the same node."""

    service: Name
    """The other service."""
    weight: Weight | None = None
    """How much it counts; without a weight it is a must."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"service": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": "string"}]}


def _as_list(data: Any) -> Any:
    return [data] if isinstance(data, Mapping | str) else data


def _each_once(neighbours: tuple[NeighbourKeys, ...]) -> tuple[NeighbourKeys, ...]:
    names = [neighbour.service for neighbour in neighbours]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise wrong(f"{twice[0]} stands twice", "keep one of them")
    return neighbours


class _OneOrMore:
    """The schema of a list that may be written as its single item."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        several = handler(core)
        return {"anyOf": [several, several["items"]]}


Neighbours = Annotated[tuple[NeighbourKeys, ...], AfterValidator(_each_once), BeforeValidator(_as_list), _OneOrMore()]


class MoveKeys(Part):
    """Whether, and how far, a service's tasks may be moved to even out the load."""

    singles: Switch = False
    """True allows the move of its only replica, which is gone while it moves."""
    local_data: Switch = False
    """True allows the move of tasks that mount a node's own volume or path: the data stays behind."""
    do_not_disturb: Switch = False
    """True keeps all of its tasks where they are."""
    min_running: Count = 1
    """Replicas that must keep running while one moves."""


class Strategy(StrEnum):
    SPREAD = "spread"
    PACK = "pack"


def _known_scores(weights: dict[str, float]) -> dict[str, float]:
    for name in weights:
        if name not in SCORES:
            known = f"known scores: {', '.join(sorted(SCORES))}"
            raise wrong(f"there is no score {shown(name)}", resembling(name, SCORES) or known)
    return weights


class _OfScores:
    """The schema of a mapping whose keys are scores."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "propertyNames": {"enum": sorted(SCORES)}}


def _strategy(value: object) -> object:
    if value not in tuple(Strategy):
        raise wrong(f"{shown(value)} is no strategy", "write spread or pack")
    return value


class PlacementKeys(Part):
    """What makes a node fit for a task, and one better than another."""

    strategy: Annotated[Strategy, BeforeValidator(_strategy)] = Strategy.SPREAD
    """`spread` evens out the load, `pack` uses few nodes."""
    weights: Annotated[dict[str, Weight], AfterValidator(_known_scores), _OfScores()] = Field(default_factory=dict)
    """Weights of scores that differ from the strategy's own; 0 switches a score off."""
    cpu_limit: Share = 0.8
    """A node is not given more CPU than this share of its own."""
    memory_limit: Share = 0.9
    """A node is not given more memory than this share of its own."""
    priority: Priority = 80
    """Tasks above it go only to healthy nodes whose performance is above `performance`."""
    performance: Share = 0.8
    """The performance score, from 0 to 1, that they ask for."""
    unknown_excludes: Switch = False
    """True refuses nodes without CPU and memory readings; by default they are neutral."""
    zone_label: Annotated[str, BeforeValidator(_node_label), text_like(_LABEL)] = "zone"
    """The node label that names its zone."""


class SpreadRule(Part):
    """How uneven the nodes may be."""

    spread: Ratio = 0.2
    """The fullest node's share less the emptiest's, up to which nothing is done."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return data if isinstance(data, Mapping | cls) else {"spread": data}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long = handler(core)
        return {"anyOf": [long, handler.resolve_ref_schema(long)["properties"]["spread"]]}


class LoadBy(StrEnum):
    USE = "use"
    """What nodes and tasks really use, as measured. Unknown moves nothing."""
    RESERVATIONS = "reservations"
    """What services reserve. One that reserves nothing moves nothing."""


def _load_by(value: object) -> object:
    if value not in tuple(LoadBy):
        raise wrong(f"{shown(value)} is no measure of load", "write use or reservations")
    return value


class RebalanceKeys(Part):
    """Evening out the load by moving tasks, and the budgets of all moves."""

    memory: SpreadRule | None = None
    """By memory. Where neither memory nor cpu is named, memory is meant."""
    cpu: SpreadRule | None = None
    """By CPU."""
    by: Annotated[LoadBy, BeforeValidator(_load_by)] = LoadBy.USE
    """`use`: what is measured; `reservations`: what services reserve."""
    improvement: Share = 0.02
    """How much nearer to the mean each move must bring both nodes, as a share of a node."""
    cooldown: Seconds = 300.0
    """From one move to the next."""
    service_cooldown: Seconds = 1800.0
    """From one move of a service to its next."""
    moves_per_hour: PositiveCount = 6
    """Moves within any hour."""
    service_moves_per_hour: PositiveCount = 3
    """Moves of one service within any hour."""
    node_moves_per_hour: PositiveCount = 4
    """Moves off one node within any hour."""
    moves_at_once: PositiveCount = 1
    """Moves within a cycle."""
    min_task_age: Seconds = 300.0
    """Tasks that have not run so long stay."""

    @model_validator(mode="before")
    @classmethod
    def _by_memory(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not data.keys() & {"memory", "cpu"}:
            return {**data, "memory": {}}
        return data


def _not_nothing(data: Any) -> Any:
    if data is None:
        raise wrong("nothing is not a mapping", "write keys and values below it, {} for the defaults")
    return data


class _NotNull:
    """The schema without null, which only leaving the key out stands for."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shapes: list[JsonSchemaValue] = handler(core)["anyOf"]
        return next(shape for shape in shapes if shape.get("type") != "null")


class RefillKeys(Part):
    """Giving tasks to a node that joined or came back."""

    stable_for: PositiveSeconds = 300.0
    """How long it must have been ready and active."""
    cooldown: Seconds = 60.0
    """From one move to the next: tasks come one by one."""
    within: PositiveSeconds = 3600.0
    """How long after it came it is refilled; later it is a node like any other."""


Rebalance = Annotated[RebalanceKeys | None, BeforeValidator(_not_nothing), _NotNull()]
Refill = Annotated[RefillKeys | None, BeforeValidator(_not_nothing), _NotNull()]
