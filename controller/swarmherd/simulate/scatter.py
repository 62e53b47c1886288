# SPDX-License-Identifier: GPL-3.0-or-later
"""The frontier of lost requests and replica hours as SVG text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swarmherd.simulate.picture import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, tag, text, ticks

DOT = 5
LETTER = 6.5
"""Units of width, about."""
LINE = 14


@dataclass(frozen=True, slots=True)
class Dot:
    """One setting: what it costs (replica hours) and what it loses (percent)."""

    name: str
    hours: float
    lost_percent: float
    style: str
    named: bool = False
    """Whether its name is written beside it; the others are named when pointed at."""


def scatter(title: str, summary: str, dots: Sequence[Dot], line: Sequence[Dot]) -> str:
    """One picture. A name that would lie over an earlier one is left out; `line` is the frontier, cheapest first."""
    hours = [dot.hours for dot in dots]
    room = 0.06 * (max(hours) - min(hours)) or 0.06 * max(hours)
    left, right = max(0.0, min(hours) - room), max(hours) + room
    levels = ticks(max(0.001, *(dot.lost_percent for dot in dots)))

    def place(dot: Dot) -> tuple[float, float]:
        x = LEFT + (dot.hours - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(_height(dot.lost_percent, levels[-1]), 1)

    parts = [
        tag("title", text(title), id="frontier-title"),
        tag("desc", text(summary), id="frontier-summary"),
        *_grid(levels),
        *_hours(left, right),
        tag("text", "lost, percent", x=LEFT, y=TOP - 18),
        tag("text", "replica hours", x=WIDTH - RIGHT, y=TOP - 18, text_anchor="end"),
        _drawn_line([place(dot) for dot in line]),
        *(_circle(dot, *place(dot)) for dot in dots),
        *_names([(dot.name, *place(dot)) for dot in dots if dot.named]),
    ]
    box = f"0 0 {WIDTH} {HEIGHT}"
    return tag("svg", *parts, viewBox=box, role="img", aria_labelledby="frontier-title frontier-summary")


def _height(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _grid(levels: Sequence[float]) -> Iterable[str]:
    for level in levels:
        y = round(_height(level, levels[-1]), 1)
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid" if level else "axis")
        yield tag("text", text(f"{level:g}"), x=LEFT - 8, y=y + 4, class_="level")


def _hours(left: float, right: float) -> Iterable[str]:
    step = ticks(right - left, 8)[1]
    at = -(-left // step) * step
    while at <= right:
        x = round(LEFT + (at - left) / (right - left) * (WIDTH - LEFT - RIGHT), 1)
        yield tag("line", x1=x, x2=x, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 5, class_="axis")
        yield tag("text", text(f"{at:g}"), x=x, y=HEIGHT - BOTTOM + 20, class_="time")
        at += step


def _drawn_line(places: Sequence[tuple[float, float]]) -> str:
    path = "M" + "L".join(f"{x:g},{y:g}" for x, y in places)
    return tag("path", d=path, class_="line served") if len(places) > 1 else ""


def _circle(dot: Dot, x: float, y: float) -> str:
    told = f"{dot.name}: {dot.lost_percent:.3f} % lost, {dot.hours:.1f} replica hours"
    return tag("circle", tag("title", text(told)), cx=x, cy=y, r=DOT, class_=f"dot {dot.style}")


def _names(places: Iterable[tuple[str, float, float]]) -> Iterable[str]:
    taken: list[tuple[float, float, float]] = []
    for name, x, y in places:
        width = LETTER * len(name)
        left = x + 2 * DOT if x + 2 * DOT + width < WIDTH else x - 2 * DOT - width
        if all(left > end or left + width < begin or abs(y - other) > LINE for begin, end, other in taken):
            taken.append((left, left + width, y))
            yield tag("text", text(name), x=round(left, 1), y=round(y - DOT, 1))
