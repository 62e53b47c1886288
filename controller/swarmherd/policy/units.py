# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that settings are made of: counts, numbers, percentages, durations, switches.

Each reads the short forms that people write (`5m`, `80%`, `"3"` out of a template or a label), refuses what only
looks like it (a truth value is no number, NaN is no target), and says what to write instead.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeGuard

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

LONGEST_SECONDS = 366 * 86400.0
LARGEST_COUNT = 100_000
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def wrong(message: str, remedy: str) -> PydanticCustomError:
    """An error that `parse` turns into a `Problem` word for word."""
    return PydanticCustomError("swarmherd", "{message}", {"message": message, "remedy": remedy})


def shown(value: object) -> str:
    """`value` as it may stand in an error: short, on one line."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, int) and value.bit_length() > 64:
        return "this number"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def resembling(word: str, known: Iterable[str]) -> str:
    """A remedy for a misspelt `word`: the known one that it resembles, or nothing."""
    near = difflib.get_close_matches(word[:60], sorted(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def as_number(value: object) -> float | None:
    """The finite number that `value` is or spells, else None. Truth values are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if len(text) <= 40 and _NUMBER.fullmatch(text) else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _number(value: object) -> float:
    number = as_number(value)
    if number is None:
        raise wrong(f"{shown(value)} is not a number", "write a number such as 50 or 0.5")
    if number < 0:
        raise wrong(f"{shown(value)} is negative", "write 0 or more")
    return number


def _positive(value: object) -> float:
    number = _number(value)
    if number == 0:
        raise wrong("0 cannot be aimed at", "write a number above 0")
    return number


def is_percentage(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.strip().endswith("%")


def _percent(value: object) -> float:
    return _number(value.strip()[:-1] if is_percentage(value) else value)


def _positive_percent(value: object) -> float:
    percent = _percent(value)
    if percent == 0:
        raise wrong("0 cannot be aimed at", "write a percentage above 0")
    return percent


def _ratio(value: object) -> float:
    number = _percent(value) / 100 if is_percentage(value) else _number(value)
    if number >= 1:
        raise wrong(
            f"{shown(value)} is not a part of one", "write a number from 0 to below 1, or a percentage: 0.1 or 10%"
        )
    return number


def _share(value: object) -> float:
    number = _percent(value) / 100 if is_percentage(value) else _number(value)
    if not 0 < number <= 1:
        raise wrong(f"{shown(value)} is no share", "write a number above 0 up to 1, or a percentage: 0.9 or 90%")
    return number


def _count(value: object) -> int:
    number = as_number(value)
    if number is None or number != int(number):
        raise wrong(f"{shown(value)} is not a whole number", "write a whole number such as 3")
    if number < 0:
        raise wrong(f"{shown(value)} is negative", "write 0 or more")
    if number > LARGEST_COUNT:
        raise wrong(f"{shown(value)} is too large", f"write at most {LARGEST_COUNT}")
    return int(number)


def _positive_count(value: object) -> int:
    count = _count(value)
    if count == 0:
        raise wrong("0 is not enough", "write 1 or more")
    return count


def as_seconds(value: object) -> float | None:
    """The seconds that `value` is or spells (`90`, `1h30m`), else None."""
    number = as_number(value)
    if number is None and isinstance(value, str) and len(value) <= 40 and _DURATION.fullmatch(value.strip()):
        number = sum(float(n) * _UNIT_SECONDS[unit] for n, unit in _DURATION_PART.findall(value))
    return number


def _seconds(value: object) -> float:
    number = as_seconds(value)
    if number is None:
        raise wrong(f"{shown(value)} is not a duration", "write seconds or a duration: 30, 30s, 5m, 1h30m")
    if number < 0:
        raise wrong(f"{shown(value)} is negative", "write 0 or more")
    if number > LONGEST_SECONDS:
        raise wrong(f"{shown(value)} is too long", "write at most 366d")
    return number


def _positive_seconds(value: object) -> float:
    seconds = _seconds(value)
    if seconds < 0.001:
        raise wrong("0 is too short", "write a duration above 0 such as 15s")
    return seconds


_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = _SWITCH.get(value.strip().lower()) if isinstance(value, str) else None
    if known is None:
        raise wrong(f"{shown(value)} is neither true nor false", "write true or false")
    return known


_NUMERIC_TEXT = {"type": "string", "pattern": r"^\d+(\.\d+)?$"}
_PERCENT_TEXT = {"type": "string", "pattern": r"^\d+(\.\d+)?%?$"}
_RATIO_TEXT = {"type": "string", "pattern": r"^(0(\.\d+)?|\d{1,2}(\.\d+)?%)$"}
_SHARE_TEXT = {"type": "string", "pattern": r"^((0|1)(\.\d+)?|(100|\d{1,2}(\.\d+)?)%)$"}
_DURATION_TEXT = {"type": "string", "pattern": r"^(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d))+)$"}
_FROM_ZERO = {"type": "number", "minimum": 0}
_ABOVE_ZERO = {"type": "number", "exclusiveMinimum": 0}
_UP_TO_ONE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_SHORT_OF_ONE = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}


_TEMPLATE_TEXT = {"type": "string", "pattern": r"\{\{.*\}\}"}
"""What Ansible fills in before we read it; an editor cannot know with what."""


def _schema(*shapes: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [*shapes, _TEMPLATE_TEXT]})


def _integer(least: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": LARGEST_COUNT}


def percentages(least: int) -> WithJsonSchema:
    """The schema of a percentage from `least` on."""
    return _schema({"type": "number", "minimum": least}, _PERCENT_TEXT)


def seconds_between(least: float, most: float) -> WithJsonSchema:
    """The schema of a duration with bounds, which hold where it is a number: no pattern tells those of a text."""
    return _schema({"type": "number", "minimum": least, "maximum": most}, _DURATION_TEXT)


def durations_above_zero() -> WithJsonSchema:
    """The schema of a duration that may be shorter than a millisecond."""
    return _schema(_ABOVE_ZERO, _DURATION_TEXT)


def text_like(pattern: re.Pattern[str]) -> WithJsonSchema:
    """The schema of text that `pattern` matches as a whole."""
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern.pattern})$"})


Number = Annotated[float, BeforeValidator(_number), _schema(_FROM_ZERO, _NUMERIC_TEXT)]
Positive = Annotated[float, BeforeValidator(_positive), _schema(_ABOVE_ZERO, _NUMERIC_TEXT)]
Percent = Annotated[float, BeforeValidator(_percent), _schema(_FROM_ZERO, _PERCENT_TEXT)]
PositivePercent = Annotated[float, BeforeValidator(_positive_percent), _schema(_ABOVE_ZERO, _PERCENT_TEXT)]
Ratio = Annotated[float, BeforeValidator(_ratio), _schema(_SHORT_OF_ONE, _RATIO_TEXT)]
Share = Annotated[float, BeforeValidator(_share), _schema(_UP_TO_ONE, _SHARE_TEXT)]
Count = Annotated[int, BeforeValidator(_count), _schema(_integer(0), _NUMERIC_TEXT)]
PositiveCount = Annotated[int, BeforeValidator(_positive_count), _schema(_integer(1), _NUMERIC_TEXT)]
Seconds = Annotated[float, BeforeValidator(_seconds), _schema(_FROM_ZERO, _DURATION_TEXT)]
PositiveSeconds = Annotated[float, BeforeValidator(_positive_seconds), _schema(_ABOVE_ZERO, _DURATION_TEXT)]
Switch = Annotated[bool, BeforeValidator(_switch), _schema({"type": "boolean"}, {"enum": sorted(_SWITCH)})]
