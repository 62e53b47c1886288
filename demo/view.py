# SPDX-License-Identifier: GPL-3.0-or-later
"""The live view: nodes, replicas, traffic and the controller's last sentence. A line now and then where no
terminal is there to draw on. Pure but for `Live`, which owns the screen.
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from demo.cluster import Look

PLAIN_EVERY_SECONDS = 5.0
CHART_ROWS = 6
EIGHTHS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the view shows at one instant."""

    seconds: float
    """Since the command."""
    look: Look | None
    problem: str
    """Why the last look at Docker failed; empty when it did not."""
    traffic: Sequence[Mapping[str, Any]]
    replicas: Sequence[Mapping[str, Any]]
    sentence: str
    waiting: str = ""
    """What is waited for once the traffic is over."""


def last_sentence(log: str) -> str:
    """The last thing the controller said: a structured line's sentence or event, or the line itself."""
    for line in reversed(log.splitlines()):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except ValueError:
            return line.strip()
        if isinstance(said, dict):
            return str(said.get("sentence") or said.get("event") or said.get("msg") or line.strip())
        return line.strip()
    return "…"


def plain(scene: Scene) -> str:
    """One line for logs."""
    last = scene.traffic[-1] if scene.traffic else {}
    replicas = f"{scene.look.running}/{scene.look.wanted}" if scene.look else "?/?"
    parts = [
        f"replicas {replicas}",
        f"offered {last.get('offered', 0):g}/s",
        f"served {last.get('served', 0):g}/s",
        f"lost {sum(line['failed'] for line in scene.traffic)}",
        scene.waiting or last.get("phase") or "starting",
    ]
    return ", ".join(parts) + f" | {scene.sentence}"


def render(scene: Scene, width: int) -> RenderableType:
    columns = max(20, min(width - 14, 150))
    return Group(
        Panel(headline(scene), title="swarmherd demo", title_align="left", border_style="cyan"),
        node_table(scene),
        Panel(
            chart(scene.traffic, scene.replicas, columns),
            title=legend(),
            title_align="left",
            border_style="bright_black",
        ),
        Panel(Text(scene.sentence), title="the controller says", title_align="left", border_style="magenta"),
    )


def headline(scene: Scene) -> Text:
    last = scene.traffic[-1] if scene.traffic else {}
    p95 = last.get("p95_ms")
    told = Text()
    told.append(f"{int(scene.seconds) // 60}:{int(scene.seconds) % 60:02d}", style="bold")
    told.append(f"   {scene.waiting or last.get('phase') or 'starting'}", style="bold yellow")
    told.append(f"   offered {last.get('offered', 0):.0f}/s   served {last.get('served', 0):.0f}/s")
    told.append(f"   lost {sum(line['failed'] for line in scene.traffic)}")
    told.append(f"   p95 {p95:.0f} ms" if p95 else "")
    if scene.look:
        told.append("\nreplicas ")
        told.append("■ " * scene.look.running, style="green")
        told.append("□ " * max(0, scene.look.wanted - scene.look.running), style="yellow")
        told.append(f"{scene.look.running} running of {scene.look.wanted} wanted")
    if scene.problem:
        told.append(f"\nDocker does not answer: {scene.problem}", style="red")
    return told


def node_table(scene: Scene) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for title in ("node", "role", "state", "shop"):
        table.add_column(title)
    for node in scene.look.nodes if scene.look else ():
        style = "green" if node.state == "ready" else "red"
        table.add_row(node.name, node.role, Text(node.state, style=style), Text("■ " * node.replicas, style="green"))
    return table


def legend() -> Text:
    told = Text("requests per second, the last seconds: ")
    told.append("█ served ", style="green")
    told.append("░ offered, not served", style="yellow")
    return told


def chart(traffic: Sequence[Mapping[str, Any]], replicas: Sequence[Mapping[str, Any]], columns: int) -> Text:
    """A column per second, the newest on the right: filled to what was served, shaded on to what was offered.

    The last row is how many replicas ran then, in one digit.
    """
    shown = traffic[-columns:]
    top = max([10.0, *(max(line["offered"], line["served"]) for line in shown)])
    drawn = Text()
    for row in reversed(range(CHART_ROWS)):
        drawn.append(f"{top * (row + 1) / CHART_ROWS:5.0f} ", style="dim")
        for line in shown:
            mark, style = cell(line["served"] / top * CHART_ROWS - row, line["offered"] / top * CHART_ROWS - row)
            drawn.append(mark, style=style)
        drawn.append("\n")
    drawn.append("  run ", style="dim")
    drawn.append("".join(digit(replicas, line["time"]) for line in shown), style="cyan")
    return drawn


def digit(replicas: Sequence[Mapping[str, Any]], at: float) -> str:
    """The running count that was known at that time; + from ten on, ? when none was."""
    place = bisect_right(replicas, at, key=lambda sample: sample["time"])
    if not place:
        return "?"
    count = int(replicas[place - 1]["running"])
    return str(count) if count < 10 else "+"


def cell(served: float, offered: float) -> tuple[str, str]:
    """The mark of one row's cell: how much of it is served and offered, 1 being all of it."""
    if served >= 1 / 16:
        return EIGHTHS[round(min(1.0, served) * 8)], "green"
    return ("░", "yellow") if offered >= 0.5 else (" ", "")


class LiveView:
    """Shows scenes until closed: on a terminal in place, elsewhere a line every few seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.console = Console()
        self.say = say
        self.said_at = float("-inf")
        self.live = Live(console=self.console, auto_refresh=False) if sys.stdout.isatty() else None

    def __enter__(self) -> LiveView:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def show(self, scene: Scene) -> None:
        if self.live:
            self.live.update(render(scene, self.console.width), refresh=True)
        elif time.monotonic() >= self.said_at + PLAIN_EVERY_SECONDS:
            self.said_at = time.monotonic()
            self.say(plain(scene))
