# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be said about a service's health: how its tasks are checked, and what is done about those that are ill."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import BeforeValidator, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.policy.arranging import NotNull, not_nothing
from swarmherd.policy.document import Part
from swarmherd.policy.promql import PromQL
from swarmherd.policy.units import PositiveSeconds, Seconds, Switch, shown, text_like, wrong

MOST_STEPS = 3
"""However much is allowed, no more remedies are tried against one thing."""
LONGEST_EXPRESSION = 300
_ENDPOINT = re.compile(r"(?:(?:http://)?:([1-9][0-9]{0,4}))?(/[!-~]{0,500})", re.ASCII)
_CHEAP = frozenset({"abs", "ceil", "contains", "ends_with", "floor", "keys", "length", "max", "min", "not_null"}) | {
    *("starts_with", "sum", "to_number", "type", "values")
}
"""Functions whose result is never larger than what they are given: a label must not make us busy (S25)."""
_BUILDERS = frozenset({"multi_select_list", "multi_select_dict"})
_MOST_BUILDERS = 2
_MOST_PARTS = 60


class Address(NamedTuple):
    """Where an endpoint is, as far as the operator says: the port in the container, None for its only one."""

    port: int | None
    path: str


def address_of(endpoint: str) -> Address:
    """The parts of an endpoint that was read by this module."""
    found = _ENDPOINT.fullmatch(endpoint)
    if found is None:
        raise ValueError(f"{endpoint!r} is no endpoint")
    return Address(int(found[1]) if found[1] else None, found[2])


def _endpoint(value: object) -> str:
    """A host is refused: what one address answers tells nothing of a task, and a label must not send us anywhere."""
    found = _ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found[1] and int(found[1]) > 65535):
        raise wrong(
            f"{shown(value)} is no endpoint of a task",
            "write the port in the container and a path, http://:8080/health, or only the path",
        )
    return found[0]


def _expression(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(
            f"{shown(value)} is no JMESPath", "write an expression that is true of a good answer: status == 'ok'"
        )
    if len(value) > LONGEST_EXPRESSION:
        raise wrong("this expression is too long", f"write at most {LONGEST_EXPRESSION} characters")
    try:
        parts = list(_parts(jmespath.compile(value).parsed))
    except (JMESPathError, RecursionError) as error:
        said = " ".join(str(error).split())[:120]
        raise wrong(f"{shown(value)} is no JMESPath: {said}", "write an expression such as status == 'ok'") from None
    strange = {p["value"] for p in parts if p["type"] == "function_expression"} - _CHEAP
    if strange:
        known = ", ".join(sorted(_CHEAP))
        raise wrong(f"the function {shown(min(strange))} is not to be had here", f"there are {known}")
    if len(parts) > _MOST_PARTS or sum(part["type"] in _BUILDERS for part in parts) > _MOST_BUILDERS:
        raise wrong("this expression does too much", "compare a few fields of the answer, and no more")
    return value


def _parts(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("children", ()):
        yield from _parts(child)


Endpoint = Annotated[str, BeforeValidator(_endpoint), text_like(_ENDPOINT)]
Expression = Annotated[
    str, BeforeValidator(_expression), WithJsonSchema({"type": "string", "maxLength": LONGEST_EXPRESSION})
]


class HealthKeys(Part):
    """How the tasks of a service are checked, beside Docker's own health check, on which Swarm acts by itself."""

    endpoint: Endpoint | None = None
    """Asked by GET, at each task: the port in the container and a path. The port must be published in host mode."""
    expect: Expression | None = None
    """JMESPath over the answer, which is JSON then; it must be true."""
    query: PromQL | None = None
    """PromQL that answers one series per task, 1 for a healthy one and 0 for one that is not."""
    start_period: Seconds = 60.0
    """How long after its start a task may be unhealthy without being ill."""


class Step(StrEnum):
    RESTART = "restart"
    """Stop the one task; Swarm starts it anew."""
    MOVE = "move"
    """The same on another node."""


class StuckUpdates(StrEnum):
    LEAVE = "leave"
    """Tell it, and leave it to people."""
    ROLLBACK = "rollback"
    """Roll the service back to its previous specification."""


def _step(value: object) -> object:
    if value not in tuple(Step):
        raise wrong(f"{shown(value)} is no remedy", "write restart or move")
    return value


def _steps(value: object) -> object:
    value = [value] if isinstance(value, str) else value
    if isinstance(value, list | tuple) and not 1 <= len(value) <= MOST_STEPS:
        raise wrong(f"{len(value)} remedies are not from 1 to {MOST_STEPS}", "write a list such as [restart, move]")
    return value


class _FewSteps:
    """The schema of the list, which may be written as its single item."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        several = handler(core)
        return {"anyOf": [{**several, "minItems": 1, "maxItems": MOST_STEPS}, several["items"]]}


def _stuck(value: object) -> object:
    if value not in tuple(StuckUpdates):
        raise wrong(f"{shown(value)} is not what to do about a stuck update", "write leave or rollback")
    return value


class HealKeys(Part):
    """What is done about tasks that are ill, and about updates that are stuck."""

    enabled: Switch = True
    """False leaves them alone."""
    after: PositiveSeconds = 60.0
    """How long a task must be unhealthy without a break before anything is done."""
    steps: Annotated[tuple[Annotated[Step, BeforeValidator(_step)], ...], BeforeValidator(_steps), _FewSteps()] = (
        Step.RESTART,
        Step.MOVE,
    )
    """The remedies, one after the other: `restart`, `move`. After the last one it is given up."""
    recheck: PositiveSeconds = 60.0
    """How long a remedy is given to help before the next; doubled with each."""
    cooldown: Seconds = 60.0
    """From one remedy of a service to the next, whichever of its tasks it is for."""
    stable: PositiveSeconds = 600.0
    """How long a task must be well until the remedies that were tried are forgotten."""
    stuck_updates: Annotated[StuckUpdates, BeforeValidator(_stuck)] = StuckUpdates.LEAVE
    """`rollback` rolls an update back that is paused, or that takes far too long; `leave` tells it."""
    update_within: PositiveSeconds = 900.0
    """How much longer than by its own settings an update may take before it is stuck."""


Heal = Annotated[HealKeys | None, BeforeValidator(not_nothing), NotNull()]
HealthCheck = Annotated[HealthKeys | None, BeforeValidator(not_nothing), NotNull()]
