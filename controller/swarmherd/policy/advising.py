# SPDX-License-Identifier: GPL-3.0-or-later
"""How reservations and limits are proposed from what a service's tasks have used."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from swarmherd.policy.arranging import NotNull, not_nothing
from swarmherd.policy.document import Part
from swarmherd.policy.units import PositiveSeconds, Ratio, Switch, as_number, seconds_between, shown, wrong

SHORTEST_PAST, LONGEST_PAST = 3600.0, 30 * 86400.0
PEAK = "peak"


def _percentile(value: object) -> float:
    """From above 0 to 100; `peak` is the hundredth."""
    text = value.strip().lower() if isinstance(value, str) else value
    if text == PEAK:
        return 100.0
    percent = as_number(text.removeprefix("p").removesuffix("%") if isinstance(text, str) else text)
    if percent is None or not 0 < percent <= 100:
        raise wrong(f"{shown(value)} is no percentile", "write one above 0 and up to 100, such as p90, or peak")
    return percent


def _past(seconds: float) -> float:
    if not SHORTEST_PAST <= seconds <= LONGEST_PAST:
        raise wrong(f"{seconds / 3600:.4g} h is no past to advise by", "write from 1h to 30d, such as 7d")
    return seconds


Percentile = Annotated[
    float,
    BeforeValidator(_percentile),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
                {"type": "string", "pattern": r"^[pP]?(100(\.0+)?|\d{1,2}(\.\d+)?)%?$|^peak$|\{\{.*\}\}"},
            ]
        }
    ),
]
PastSeconds = Annotated[PositiveSeconds, AfterValidator(_past), seconds_between(SHORTEST_PAST, LONGEST_PAST)]


class AdviseKeys(Part):
    """What reservations and limits are proposed by. It is advice: nothing is changed."""

    enabled: Switch = True
    """False gives none."""
    since: PastSeconds = 604800.0
    """How much of the past is looked at."""
    at_least: PastSeconds = 86400.0
    """How much of it must be known; with less nothing is proposed."""
    cpu: Percentile = 90.0
    """The percentile of CPU use that is reserved, before the margin."""
    memory: Percentile = 99.0
    """The percentile of memory use that is reserved, before the margin."""
    margin: Ratio = 0.15
    """What is added to each, as a part of it."""
    differs: Ratio = 0.2
    """How far what is set may be off what is proposed without being told."""


Advise = Annotated[AdviseKeys | None, BeforeValidator(not_nothing), NotNull()]
DEFAULT_ADVISE = AdviseKeys()
