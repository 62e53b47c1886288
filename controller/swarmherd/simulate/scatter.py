# SPDX-License-Identifier: GPL-3.0-or-later
"""The frontier of lost requests and replica hours as SVG text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swarmherd.simulate.picture import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, tag, text, ticks

DOT = 5
LETTER = 6.5
"""Units of width, about."""


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
    """One picture. `line` are the dots of the frontier, the cheapest first."""
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
        tag("text", "replica hours", x=WIDTH - RIGHT, y=HEIGHT - BOTTOM - 8, text_anchor="end"),
        _drawn_line([place(dot) for dot in line]),
        *(_drawn(dot, *place(dot)) for dot in dots),
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


def _drawn(dot: Dot, x: float, y: float) -> str:
    told = f"{dot.name}: {dot.lost_percent:.3f} % lost, {dot.hours:.1f} replica hours"
    circle = tag("circle", tag("title", text(told)), cx=x, cy=y, r=DOT, class_=f"dot {dot.style}")
    if not dot.named:
        return circle
    fits = x + 2 * DOT + LETTER * len(dot.name) < WIDTH
    words = {"x": round(x + 2 * DOT, 1)} if fits else {"x": round(x - 2 * DOT, 1), "text_anchor": "end"}
    return circle + tag("text", text(dot.name), y=y - DOT, **words)
