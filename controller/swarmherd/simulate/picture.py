# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts over time as SVG text, for a page that fetches nothing. Pure.

Colours are classes: the page's style sheet gives them, once for light and once for dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from typing import Literal

Points = Sequence[tuple[float, float]]

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")

WIDTH, HEIGHT = 960, 284
HOUR, DAY = 3600, 86400
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 44, 30


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    style: str
    """The class that colours it: the style sheet knows line, area and swatch of each."""
    kind: Literal["line", "area", "steps", "step-area", "bars"]
    points: Points
    """(seconds, value), in order of time. A value that is unknown is NaN: the line breaks there."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one instant."""

    at: float
    style: str
    text: str
    """Shown when pointed at, and read aloud."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time with a name."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a time and a value stand on the picture."""

    seconds: float
    top: float

    def x(self, at: float) -> float:
        share = min(1.0, max(0.0, at / self.seconds)) if self.seconds else 0.0
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM), 1)


def tag(name: str, *content: str, **attributes: object) -> str:
    """An element. Attributes are escaped here, content is markup already: `text` makes it of a text."""
    told = "".join(f' {key.strip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{told}>{''.join(content)}</{name}>"


def text(words: object) -> str:
    return escape(str(words), quote=False)


def ticks(top: float, most: int = 6) -> list[float]:
    """Round numbers from 0 up to the first that is not below `top`: steps of 1, 2 or 5 times a power of ten."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))
    return [round(step * n, 10) for n in range(math.ceil(top / step - 1e-9) + 1)]


def time_step(seconds: float, most: int = 11) -> int:
    """Seconds between the marks of the time axis."""
    steps = (5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800)
    return next((step for step in steps if seconds / step <= most), 604800)


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def chart(
    title: str,
    summary: str,
    series: Sequence[Series],
    seconds: float,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    whole_numbers: bool = False,
) -> str:
    """One picture. `summary` says in a sentence what is to be seen, for those who cannot see it."""
    most = max((value for one in series for _at, value in one.points if not math.isnan(value)), default=0.0)
    levels = ticks(max(most, 1.0))
    if whole_numbers:
        levels = [level for level in levels if level == int(level)]
    frame = Frame(seconds, levels[-1])
    name = "".join(c if c.isalnum() else "-" for c in title.lower())
    parts = [
        tag("title", text(title), id=f"{name}-title"),
        tag("desc", text(summary), id=f"{name}-summary"),
        *(drawn_band(frame, band, n) for n, band in enumerate(bands)),
        *(drawn_level(frame, level) for level in levels),
        *drawn_times(frame),
        *(drawn_series(frame, one) for one in series),
        *(drawn_mark(frame, mark) for mark in marks),
    ]
    return tag(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_labelledby=f"{name}-title {name}-summary"
    )


def drawn_band(frame: Frame, band: Band, number: int) -> str:
    left, right = frame.x(band.start), frame.x(band.end)
    shade = tag(
        "rect", x=left, y=0, width=round(right - left, 1), height=HEIGHT - BOTTOM,
        class_=f"band band-{number % 2}",
    )  # fmt: skip
    # A name that does not fit its stretch is left out: about seven units a letter.
    if right - left < 7 * len(band.name):
        return shade
    return shade + tag("text", text(band.name), x=round((left + right) / 2, 1), y=17, class_="band-name")


def drawn_level(frame: Frame, level: float) -> str:
    y = frame.y(level)
    line = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid" if level else "axis")
    return line + tag("text", text(f"{level:g}"), x=LEFT - 8, y=y + 4, class_="level")


def drawn_times(frame: Frame) -> Iterable[str]:
    step = time_step(frame.seconds)
    for at in range(0, int(frame.seconds) + 1, step):
        x = frame.x(at)
        yield tag("line", x1=x, x2=x, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 5, class_="axis")
        words = clock(at) if step < HOUR else f"{at // DAY} d {at % DAY // HOUR} h" if at >= DAY else f"{at // HOUR} h"
        yield tag("text", text(words), x=x, y=HEIGHT - BOTTOM + 20, class_="time")


def drawn_series(frame: Frame, series: Series) -> str:
    if not series.points:
        return ""
    if series.kind == "bars":
        return tag("g", *bars(frame, series.points), class_=f"bars {series.style}")
    path = closed = ""
    for known in stretches(series.points):
        points = corners(known) if series.kind.startswith("step") else known
        places = [(frame.x(at), frame.y(value)) for at, value in points]
        line, floor = "M" + "L".join(f"{x:g},{y:g}" for x, y in places), frame.y(0)
        path += line
        closed += f"{line}L{places[-1][0]:g},{floor:g}L{places[0][0]:g},{floor:g}Z"
    drawn = tag("path", d=path, class_=f"line {series.style}")
    if series.kind in ("area", "step-area"):
        drawn = tag("path", d=closed, class_=f"area {series.style}") + drawn
    return drawn


def stretches(points: Points) -> Iterable[Points]:
    """Those that are known without a break."""
    for unknown, found in groupby(points, key=lambda point: math.isnan(point[1])):
        if not unknown:
            yield list(found)


def bars(frame: Frame, points: Points) -> Iterable[str]:
    width = max(1.5, frame.x(1.0) - frame.x(0.0) - 1)
    for at, value in points:
        if value > 0:
            top = frame.y(value)
            height = round(frame.y(0) - top, 1)
            yield tag("rect", x=round(frame.x(at) - width / 2, 1), y=top, width=round(width, 1), height=height)


def corners(points: Points) -> list[tuple[float, float]]:
    """A count holds until it changes: a corner before each change."""
    drawn = [points[0]]
    for left, right in pairwise(points):
        drawn += [(right[0], left[1]), right]
    return drawn


def drawn_mark(frame: Frame, mark: Mark) -> str:
    x = frame.x(mark.at)
    line = tag("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="mark-line")
    tip = f"M{x - 5:g},{TOP - 4}h10l-5,{-9 if mark.style == 'up' else 9}z"
    shift = {} if mark.style == "up" else {"transform": "translate(0,-9)"}
    arrow = tag("path", d=tip, **shift)
    return tag("g", tag("title", text(mark.text)), line, arrow, class_=f"mark {mark.style}")
