# SPDX-License-Identifier: GPL-3.0-or-later
"""Times that come again, written as cron writes them, in a time zone whose clocks may change. Pure.

The five fields are minute, hour, day of the month, month and weekday: `*`, `5`, `1-5`, `*/15`, `8-18/2`, lists of
these, names of months and days (`mon-fri`; Sunday is 0 and 7), and `@hourly` to `@yearly`. Where both a day of the
month and a weekday are named, either will do, as with every cron.

When clocks go forward, a time that does not exist that day comes as much later as they skip. When they go back, a time
that comes twice counts once, the first time. An hour field that begins with `*` goes by what the wall shows instead, as
in Vixie's cron: what comes twice counts twice, and what never comes is left out. With `*` that is every real hour; with
`*/2` a turn is lost where its hour is skipped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MOST_DAYS = 8 * 366 + 8
"""Every day that there is comes again within this time: the 29th of February is the rarest."""
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
EXAMPLE = "write minute, hour, day, month and weekday: 0 22 * * mon-fri"


class CronError(ValueError):
    """Text that is no such time: what is wrong, and what to write."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Cron:
    """The wall-clock times that an expression names."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    """Days of the month; None for any. The same for `weekdays`, of which Sunday is 0."""
    months: frozenset[int]
    weekdays: frozenset[int] | None
    every_hour: bool = False
    """Whether it goes by what the wall shows when clocks change."""

    def on(self, day: date) -> bool:
        """Whether it names any time of that day."""
        if day.month not in self.months:
            return False
        named = [day.day in self.days] if self.days is not None else []
        named += [day.isoweekday() % 7 in self.weekdays] if self.weekdays is not None else []
        return any(named) or not named


@lru_cache(maxsize=256)
def parse_cron(text: str) -> Cron:
    """Raises CronError."""
    fields = MACROS.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        raise CronError(f"{_shown(text)} has {len(fields)} fields, and not 5", EXAMPLE)
    minute, hour, day, month, weekday = fields
    cron = Cron(
        minutes=_numbers("minute", minute, 0, 59),
        hours=_numbers("hour", hour, 0, 23),
        days=None if day == "*" else _numbers("day", day, 1, 31),
        months=_numbers("month", month, 1, 12, MONTHS),
        weekdays=None if weekday == "*" else parse_weekdays(weekday),
        every_hour=hour.startswith("*"),
    )
    first = min(cron.days) if cron.days is not None and cron.weekdays is None else 1
    if all(first > LONGEST_MONTHS.get(one, 31) for one in cron.months):
        raise CronError(f"{_shown(text)} names a day that no year has", EXAMPLE)
    return cron


def parse_weekdays(text: str) -> frozenset[int]:
    """`mon-fri,sun` as numbers, of which Sunday is 0. Raises CronError."""
    return frozenset(number % 7 for number in _numbers("weekday", text, 0, 7, WEEKDAYS))


def at_time(at: time, weekdays: frozenset[int] | None = None) -> Cron:
    """Once a day, or on these weekdays."""
    return Cron(frozenset({at.minute}), frozenset({at.hour}), None, frozenset(range(1, 13)), weekdays)


def next_after(cron: Cron, zone: ZoneInfo, at: datetime) -> datetime:
    """The first of its times after `at`, in UTC."""
    near = _near(cron, zone, at, DAY)
    return next(times[place] for times in near if (place := bisect_right(times, at)) < len(times))


def last_until(cron: Cron, zone: ZoneInfo, at: datetime) -> datetime:
    """The last of its times up to and with `at`, in UTC."""
    near = _near(cron, zone, at, -DAY)
    return next(times[place - 1] for times in near if (place := bisect_right(times, at)))


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A time on the wall as an instant: the first where it comes twice, later by the gap where it never does."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def _near(cron: Cron, zone: ZoneInfo, at: datetime, step: timedelta) -> Iterator[Sequence[datetime]]:
    """Its times day by day from `at` on, the first day with a margin for clocks that change."""
    day = at.astimezone(zone).date() - step
    while True:
        day = _day_from(cron, day, step)
        yield _times(cron, zone, day)
        day += step


@lru_cache(maxsize=1024)
def _day_from(cron: Cron, day: date, step: timedelta) -> date:
    """The first day on which it is, going by `step` from `day` on."""
    return next(one for number in range(MOST_DAYS) if cron.on(one := day + number * step))


@lru_cache(maxsize=256)
def _times(cron: Cron, zone: ZoneInfo, day: date) -> Sequence[datetime]:
    """Its instants of that day, in order. Kept, since a backtest asks every 15 s of it."""
    walls = (time(hour, minute) for hour in cron.hours for minute in cron.minutes)
    return sorted({one for wall in walls for one in _instants(cron, zone, day, wall)})


def _instants(cron: Cron, zone: ZoneInfo, day: date, at: time) -> Iterator[datetime]:
    first = instant(day, at, zone)
    if not cron.every_hour:
        yield first
        return
    if first.astimezone(zone).time().replace(tzinfo=None) == at:
        yield first
        yield instant(day, at.replace(fold=1), zone)


def _numbers(field: str, text: str, least: int, most: int, names: Mapping[str, int] | None = None) -> frozenset[int]:
    return frozenset(number for part in text.split(",") for number in _part(field, part, least, most, names or {}))


def _part(field: str, text: str, least: int, most: int, names: Mapping[str, int]) -> range:
    """`*`, `5`, `1-5`, each also with `/2`, but a single number."""
    span, slash, step = text.partition("/")
    first, dash, last = span.partition("-")
    if span == "*":
        low, high = least, most
    else:
        low = _number(field, first, least, most, names)
        high = _number(field, last, least, most, names) if dash else low
    if high < low:
        raise CronError(
            f"{field} {_shown(span)} ends before it begins", f"write two parts with a comma: {_apart(span)}"
        )
    if not slash:
        return range(low, high + 1)
    if not (span == "*" or dash) or not step.isdecimal() or not 1 <= int(step[:9]) <= most:
        raise CronError(f"{field} {_shown(text)} is no step", f"write */15 or {least}-{most}/2")
    return range(low, high + 1, int(step))


def _number(field: str, text: str, least: int, most: int, names: Mapping[str, int]) -> int:
    if (named := names.get(text.lower())) is not None:
        return named
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and least <= int(text) <= most):
        known = f" or {', '.join(names)}" if names else ""
        raise CronError(f"{field} {_shown(text)} is not understood", f"write a number from {least} to {most}{known}")
    return int(text)


def _apart(span: str) -> str:
    first, _dash, last = span.partition("-")
    return f"{first},{last}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
