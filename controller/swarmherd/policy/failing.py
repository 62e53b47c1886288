# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be said about nodes that fail: how soon Swarm sees it, what is put right, who may be brought up again."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.policy.arranging import NotNull, not_nothing
from swarmherd.policy.document import Part
from swarmherd.policy.units import (
    PositiveCount,
    PositiveSeconds,
    Seconds,
    Share,
    Switch,
    seconds_between,
    shown,
    text_like,
    wrong,
)

SHORTEST_HEARTBEAT, LONGEST_HEARTBEAT = 0.5, 60.0
_FILE = re.compile(r"[^\s{}]+\.ya?ml")


class Speed(StrEnum):
    NORMAL = "normal"
    """Swarm's own times: a node is down after 10 to 15 s, a task is replaced 5 s later."""
    FAST = "fast"
    """A node is down after 2 to 3 s, a task replaced at once; short blips count as failures, too."""


class Fencing(StrEnum):
    REQUIRED = "required"
    """It is brought up elsewhere only where it is confirmed that the host is off."""
    NONE = "none"
    """Consent: both witnesses are enough, although the old task may still run where nobody can see it."""


def _speed(value: object) -> object:
    if value not in tuple(Speed):
        raise wrong(f"{shown(value)} is no speed", "write normal or fast")
    return value


def _fencing(value: object) -> object:
    if value not in tuple(Fencing):
        raise wrong(f"{shown(value)} is no fencing", "write required or none")
    return value


def _heartbeat(seconds: float) -> float:
    if not SHORTEST_HEARTBEAT <= seconds <= LONGEST_HEARTBEAT:
        remedy = f"write from {SHORTEST_HEARTBEAT:g} to {LONGEST_HEARTBEAT:g} seconds"
        raise wrong(f"{seconds:g} s is no heartbeat", remedy)
    return seconds


def _file(value: object) -> object:
    if not isinstance(value, str) or not _FILE.fullmatch(value):
        raise wrong(f"{shown(value)} is no file of tasks", "write its path, absolute or from the inventory: fence.yml")
    return value


AnySpeed = Annotated[Speed, BeforeValidator(_speed)]
Heartbeat = Annotated[
    PositiveSeconds, AfterValidator(_heartbeat), seconds_between(SHORTEST_HEARTBEAT, LONGEST_HEARTBEAT)
]
TaskFile = Annotated[str, BeforeValidator(_file), text_like(_FILE)]


class _Short(Part):
    """A part whose speed alone may stand for it."""

    @model_validator(mode="before")
    @classmethod
    def _speed_alone(cls, data: Any) -> Any:
        return {"speed": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"enum": [speed.value for speed in Speed]}]}


class FlappingKeys(Part):
    """A node that goes down again and again is kept from new tasks for a while: cordoned."""

    cordon: Switch = True
    """False only tells that it flaps."""
    falls: PositiveCount = 3
    """How often it must have gone down."""
    within: PositiveSeconds = 600.0
    """Within how long."""
    pause: PositiveSeconds = 300.0
    """How long it is cordoned the first time; doubled with each cordon of the last day."""
    longest: PositiveSeconds = 3600.0
    """The longest cordon."""
    keep_active: Share = 0.5
    """The share of all nodes that must go on taking tasks."""

    @model_validator(mode="after")
    def _longest_is_longest(self) -> FlappingKeys:
        if self.pause > self.longest:
            raise wrong(
                f"pause {self.pause:g} s is above longest {self.longest:g} s",
                "write a shorter pause or a longer longest",
            )
        return self


class FailoverKeys(_Short):
    """What is done about nodes that fail, beside what Swarm does."""

    speed: AnySpeed = Speed.NORMAL
    """`fast` shortens the heartbeat of the nodes, when `provision.yml` is run."""
    heartbeat: Heartbeat | None = None
    """How often nodes report to the managers, by `provision.yml`; by default 5 s, with `fast` by how many they are."""
    pending_after: Seconds = 30.0
    """How long tasks may be left without a place by Swarm, until that is looked into."""
    fence_hook: TaskFile | None = None
    """A file of Ansible tasks that makes sure that a host is off, or fails."""
    flapping: FlappingKeys = FlappingKeys()
    """Nodes that go down again and again."""


class ServiceFailover(_Short):
    """How one service fails over."""

    speed: AnySpeed = Speed.NORMAL
    """`fast` replaces its tasks without a delay, when `deploy.yml` is run."""
    fencing: Annotated[Fencing, BeforeValidator(_fencing)] = Fencing.REQUIRED
    """`none` consents to bringing it up elsewhere although nobody confirmed that the old host is off."""


Failover = Annotated[FailoverKeys | None, BeforeValidator(not_nothing), NotNull()]
OneFailover = Annotated[ServiceFailover | None, BeforeValidator(not_nothing), NotNull()]
