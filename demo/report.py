# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's report: report.json for programs, report.html for people, one file that fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from swarmherd.simulate.picture import STYLE, Band, Mark, Series, chart, clock, tag, text

from demo import figures
from demo.figures import Record, Recording, Scaling


def write(recording: Recording, shape_name: str, folder: Path) -> None:
    """Writes report.json and report.html, each as a whole or not at all."""
    for name, content in (
        ("report.json", json.dumps(figures.report(recording), indent=2) + "\n"),
        ("report.html", page(recording, shape_name)),
    ):
        draft = folder / f".{name}"
        draft.write_text(content, encoding="utf-8")
        draft.replace(folder / name)


def page(recording: Recording, shape_name: str) -> str:
    found = figures.shortcomings(recording)
    verdict = f"This run fell short: {'; '.join(found)}." if found else opening(recording)
    body = tag(
        "main",
        tag("h1", "Swarmherd, once through"),
        tag("p", text(verdict), class_="verdict bad" if found else "verdict"),
        tiles(recording),
        *pictures(recording, shape_name),
        tag("h2", "What the controller decided, and why"),
        decisions(recording),
        tag("h2", "Where the time went"),
        timings(recording),
    )
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += '<meta name="color-scheme" content="light dark">'
    return (
        "<!DOCTYPE html>\n"
        + tag("html", tag("head", head, tag("title", "Swarmherd demo"), tag("style", STYLE)), body, lang="en")
        + "\n"
    )


def opening(recording: Recording) -> str:
    told = figures.report(recording)
    lost = "none was lost" if not told["requests_failed"] else f"{told['requests_failed']} were lost"
    return (
        f"{told['requests_sent']:,} requests were sent to a shop on {told['nodes']} hosts and {lost}, while the"
        f" controller moved between {told['replicas_min']} and {told['replicas_max']} replicas, every change made by a"
        " playbook and seen in Docker." + (f" {sentence(recording.apart.sentence())}" if recording.apart else "")
    )


def tiles(recording: Recording) -> str:
    told = figures.report(recording)
    took = told["decision_to_running_seconds"]
    sent, lost = told["requests_sent"], told["requests_failed"]
    shown = [
        (f"{sent:,}", "requests sent"),
        (f"{lost:,}", f"lost, {100 * lost / sent:.2f} %" if sent else "lost"),
        (f"{told['replicas_min']} to {told['replicas_max']}", "replicas"),
        (f"{told['scale_ups']} ▲ {told['scale_downs']} ▼", "scaled up, down"),
        (seconds(took["median"]), f"decision to running, most {seconds(took['max'])}"),
        (clock(told["total_seconds"]), f"in all; {clock(told['setup_seconds'])} to set up"),
    ]
    cards = (tag("div", tag("dd", text(value)), tag("dt", text(name))) for value, name in shown)
    return tag("dl", *cards, class_="tiles")


def sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def seconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f}\u00a0s"


# ---------------------------------------------------------------- the pictures


def pictures(recording: Recording, shape_name: str) -> list[str]:
    if not recording.traffic:
        return [tag("p", "No traffic was recorded.")]
    first = recording.traffic[0]
    origin = first["time"] - first["second"]
    length = max([recording.traffic[-1]["time"], *(s["time"] for s in recording.replicas[-1:])]) - origin
    bands = phases(recording.traffic, origin)
    load = load_series(recording.traffic, origin)
    latency = [
        Series("half of the requests within", "served", "line", rates(recording.traffic, "p50_ms", origin)),
        Series("95 % of the requests within", "offered", "line", rates(recording.traffic, "p95_ms", origin)),
    ]
    counts = [
        Series("running", "running", "step-area", steps(recording.replicas, "running", origin)),
        Series("wanted", "wanted", "steps", steps(recording.replicas, "wanted", origin)),
    ]
    if recording.simulated:
        counts.append(
            Series("wanted in simulation", "simulated", "steps", steps(recording.simulated, "wanted", origin))
        )
    marks = [mark(s, origin) for s in recording.scalings if s.done]
    told = figures.report(recording)
    peak = max(line["offered"] for line in recording.traffic)
    load_told = f"Offered up to {peak:g} per second; {told['requests_failed']} of {told['requests_sent']} were lost."
    counts_told = f"From {told['replicas_min']} to {told['replicas_max']} replicas; an arrow for each decision."
    counts_told += f" {sentence(recording.apart.sentence())}" if recording.apart else ""
    latency_told = "How long served requests took, second by second."
    return [
        figure(f"Requests per second ({shape_name})", load_told, load, length, bands),
        figure("Replicas", counts_told, counts, length, bands, marks, whole_numbers=True),
        figure("Waiting for an answer, in milliseconds", latency_told, latency, length, bands),
    ]


def load_series(traffic: Sequence[Record], origin: float) -> list[Series]:
    return [
        Series("served", "served", "area", rates(traffic, "served", origin)),
        Series("offered", "offered", "line", rates(traffic, "offered", origin)),
        Series("lost", "lost", "bars", rates(traffic, "failed", origin)),
    ]


def rates(traffic: Sequence[Record], key: str, origin: float) -> list[tuple[float, float]]:
    """A line of traffic tells of the second before it: its middle stands for it. Unknown values have no point."""
    return [(line["time"] - origin - 0.5, line[key]) for line in traffic if line[key] is not None]


def steps(samples: Sequence[Record], key: str, origin: float) -> list[tuple[float, float]]:
    return [(at - origin, value) for at, value in figures.stairs(samples, key)]


def phases(traffic: Sequence[Record], origin: float) -> list[Band]:
    found = []
    for name, lines in groupby(traffic, key=lambda line: line["phase"]):
        told = list(lines)
        if name != "end":
            found.append(Band(told[0]["time"] - origin - 1.0, told[-1]["time"] - origin, name))
    return found


def mark(scaling: Scaling, origin: float) -> Mark:
    at = scaling.decided_at - origin
    words = f"{clock(max(0.0, at))}: from {scaling.before} to {scaling.after}, because {scaling.reason}"
    return Mark(at, "up" if scaling.after > scaling.before else "down", words)


def figure(title: str, summary: str, series: Sequence[Series], length: float, bands: Sequence[Band],
           marks: Sequence[Mark] = (), whole_numbers: bool = False) -> str:  # fmt: skip
    swatches = "".join(tag("span", tag("i", class_=f"swatch {s.style} {s.kind}"), text(s.name)) for s in series)
    for style, words in (("up", "decided: more"), ("down", "decided: fewer")):
        if any(m.style == style for m in marks):
            swatches += tag("span", tag("b", "▲" if style == "up" else "▼", class_=style), text(words))
    caption = tag("figcaption", tag("h2", text(title)), tag("p", swatches, class_="legend"))
    return tag("figure", caption, chart(title, summary, series, length, bands, marks, whole_numbers))


# ---------------------------------------------------------------- the tables


def decisions(recording: Recording) -> str:
    if not recording.scalings:
        return tag("p", "Nothing.")
    origin = recording.traffic[0]["time"] - recording.traffic[0]["second"] if recording.traffic else 0.0
    rows = (decision_row(scaling, origin) for scaling in recording.scalings)
    return table(("time", "replicas", "because", "outcome", "running after"), rows)


def decision_row(scaling: Scaling, origin: float) -> list[str]:
    at = scaling.decided_at - origin
    style, arrow = ("up", "▲") if scaling.after > scaling.before else ("down", "▼")
    return [
        tag("td", text(f"-{clock(-at)}" if at < 0 else clock(at)), class_="number"),
        tag("td", tag("b", arrow, class_=style), text(f" {scaling.before} → {scaling.after}"), class_="number"),
        tag("td", text(scaling.reason), class_="reason"),
        tag("td", text(scaling.outcome.replace("_", " "))),
        tag("td", text(seconds(scaling.seconds)), class_="number"),
    ]


def timings(recording: Recording) -> str:
    rows = [
        [tag("td", text(what)), tag("td", text(f"{took:.1f} s"), class_="number")] for what, took in recording.steps
    ]
    engine = f"Docker Engine {recording.engine_version}, {recording.nodes} nodes."
    return table(("step", "took"), rows) + tag("p", text(engine), class_="small")


def table(titles: Sequence[str], rows: Any) -> str:
    head = tag("tr", *(tag("th", text(title), scope="col") for title in titles))
    body = tag("tbody", *(tag("tr", *row) for row in rows))
    return tag("div", tag("table", tag("thead", head), body), class_="scroll")
