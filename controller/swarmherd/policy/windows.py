# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows: when something is allowed or forbidden, as an operator writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import time
from functools import lru_cache
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.cron import CronError, parse_cron, parse_weekdays
from swarmherd.model import Direction
from swarmherd.policy.document import Part
from swarmherd.policy.units import Count, PositiveCount, PositiveSeconds, resembling, shown, text_like, wrong

LONGEST_NAME = 60
DAY_SECONDS = 86400.0
LONGEST_DAYS = 31
THINGS: Mapping[str, frozenset[Direction]] = {
    "up": frozenset({Direction.UP}),
    "down": frozenset({Direction.DOWN}),
    "scaling": frozenset({Direction.UP, Direction.DOWN}),
    "moves": frozenset({Direction.MOVES}),
    "anchors": frozenset({Direction.ANCHORS}),
    "failover": frozenset({Direction.FAILOVER}),
    "healing": frozenset({Direction.HEALING}),
    "all": frozenset(set(Direction) - {Direction.NONE}),
}
"""What a window may speak of, by the operator's word."""
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", re.ASCII)


def _cron(value: object) -> str:
    if not isinstance(value, str):
        raise wrong(f"{shown(value)} is no cron expression", 'write it in quotes: "0 22 * * mon-fri"')
    _read(parse_cron, value)
    return value.strip()


def _days(value: object) -> str:
    text = ",".join(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value
    if not isinstance(text, str):
        raise wrong(f"{shown(value)} is no list of weekdays", "write mon-fri, or [sat, sun]")
    text = "".join(text.split())
    _read(parse_weekdays, text)
    return text


def _read(reader: Callable[[str], object], text: str) -> None:
    try:
        reader(text)
    except CronError as error:
        raise wrong(error.message, error.remedy) from None


def _time_of_day(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise wrong(f"{value} is no time of day", 'write it in quotes, "22:00": YAML reads 22:00 as a number')
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise wrong(f"{shown(value)} is no time of day", 'write hours and minutes in quotes: "05:00"')
    return value


def _zone(value: object) -> str:
    if isinstance(value, str) and _ZONE.fullmatch(value) and _known_zone(value):
        return value
    near = resembling(value, available_timezones()) if isinstance(value, str) else ""
    raise wrong(f"{shown(value)} is no time zone", near or "write one such as Europe/Berlin, or UTC")


@lru_cache(maxsize=64)
def _known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # it is not there, or it is a folder of zones
        return False
    return True


def _things(value: object) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not words:
        raise wrong(f"{shown(value)} names nothing", f"write one or more of {', '.join(THINGS)}")
    for word in words:
        if not isinstance(word, str) or word not in THINGS:
            near = resembling(word, THINGS) if isinstance(word, str) else ""
            raise wrong(f"{shown(word)} is nothing that we do", near or f"write {', '.join(THINGS)}")
    return tuple(words)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_NAME:
        raise wrong(f"{shown(value)} is no name of a window", f"write up to {LONGEST_NAME} letters on one line")
    return value


def _not_for_ever(seconds: float) -> float:
    if seconds > LONGEST_DAYS * DAY_SECONDS:
        raise wrong(f"{seconds:g} s is too long for a window", f"write at most {LONGEST_DAYS}d")
    return seconds


class _Things:
    """The schema of one word or several."""

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        word = {"enum": sorted(THINGS)}
        return {"anyOf": [word, {"type": "array", "items": word, "minItems": 1}]}


class _Weekdays:
    """The schema of weekdays as text or as a list."""

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}


Things = Annotated[tuple[str, ...], BeforeValidator(_things), _Things()]
CronText = Annotated[str, BeforeValidator(_cron)]
Weekdays = Annotated[str, BeforeValidator(_days), _Weekdays()]
TimeOfDay = Annotated[str, BeforeValidator(_time_of_day), text_like(_TIME)]
TimeZone = Annotated[str, BeforeValidator(_zone)]
WindowSeconds = Annotated[PositiveSeconds, AfterValidator(_not_for_ever)]


class TurnKeys(Part):
    """A time that comes again, told by `start` and `end` on certain `days`, or by `cron` and `duration`."""

    name: Annotated[str, BeforeValidator(_name)] = ""
    """What it is called where it is spoken of."""
    days: Weekdays | None = None
    """The days on which it begins; every day where only times are named."""
    start: TimeOfDay | None = None
    """When it begins; midnight where only days are named."""
    end: TimeOfDay | None = None
    """When it ends, on the next day where it is not after `start`; midnight where only days are named."""
    cron: CronText | None = None
    """When it begins, in the five fields of cron."""
    duration: WindowSeconds | None = None
    """How long it lasts after that."""
    timezone: TimeZone = "UTC"
    """The time zone of all that."""

    @model_validator(mode="after")
    def _told_once(self) -> Self:
        if self.cron is not None and (self.days or self.start or self.end):
            raise wrong("cron says when it begins, and so do days, start or end", "keep one of the two ways")
        if (self.cron is None) != (self.duration is None):
            raise wrong("cron and duration go together", 'write both, such as cron: "0 22 * * *" and duration: 7h')
        if self.cron is None and not (self.days or self.start):
            raise wrong("it does not say when it is", "write start and end, days, or cron and duration")
        if (self.start is None) != (self.end is None):
            raise wrong("start and end go together", 'write both, such as start: "22:00" and end: "05:00"')
        if self.start == "24:00":
            raise wrong("24:00 is an end and no start", 'write "00:00"')
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class WindowKeys(TurnKeys):
    """A time that comes again, and what is allowed in it alone or forbidden in it."""

    allow: Things | None = None
    """What is done in it, and in other windows that allow it, and never outside."""
    forbid: Things | None = None
    """What is not done in it."""

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if (self.allow is None) == (self.forbid is None):
            both = "both allow and forbid stand here" if self.allow else "neither allow nor forbid stands here"
            raise wrong(both, "write one of them")
        return self

    @property
    def things(self) -> frozenset[Direction]:
        """What it allows or forbids."""
        return frozenset().union(*(THINGS[word] for word in self.allow or self.forbid or ()))


class ScheduleKeys(TurnKeys):
    """A time that comes again, and the bounds that hold in it in place of the service's own."""

    min: Count | None = None
    """The fewest replicas then."""
    max: PositiveCount | None = None
    """The most replicas then."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.min is None and self.max is None:
            raise wrong("neither min nor max stands here", "write the fewest or the most replicas of that time")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong(f"min {self.min} is above max {self.max}", "write a min up to max")
        return self


def _as_list(data: Any) -> Any:
    return [data] if isinstance(data, Mapping) else data


class _OneOrMore:
    """The schema of a list that may be written as its single item."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        several = handler(core)
        return {"anyOf": [several, several["items"]]}


Schedules = Annotated[tuple[ScheduleKeys, ...], BeforeValidator(_as_list), _OneOrMore()]
Windows = Annotated[tuple[WindowKeys, ...], BeforeValidator(_as_list), _OneOrMore()]


def wall(text: str) -> time:
    """A time of day, of which 24:00 is the next day's midnight."""
    hours, _colon, minutes = text.partition(":")
    return time(int(hours) % 24, int(minutes))
