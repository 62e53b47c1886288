# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about a scenario: pictures of every service, faults and actions on them, and the reasons. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from swarmherd.simulate.cluster.simulation import BEGIN, Tally
from swarmherd.simulate.picture import STYLE, Mark, Points, Series, chart, clock, tag, text
from swarmherd.simulate.story import Told

MOST_POINTS, MOST_ACTIONS = 900, 200


def page(name: str, told: Told) -> str:
    """The whole page; it fetches nothing."""
    figures = [_figures(service, told) for service in told.tallies]
    body = tag(
        "main",
        tag("h1", text(f"What would happen: {name}")),
        tag("p", text(_verdict(told)), class_="verdict" if not told.problems else "verdict bad"),
        *figures,
        tag("h2", "What went wrong"),
        _list((str(fault) for fault in told.faults), "Nothing."),
        tag("h2", "What was done, and why"),
        _list(_actions(told), "Nothing."),
    )
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += '<meta name="color-scheme" content="light dark">'
    title = tag("title", text(f"Simulation of {name}"))
    return "<!DOCTYPE html>\n" + tag("html", tag("head", head, title, tag("style", STYLE)), body, lang="en") + "\n"


def _verdict(told: Told) -> str:
    asked, lost = (sum(getattr(tally, key) for tally in told.tallies.values()) for key in ("asked", "lost"))
    without = sum(tally.lost for tally in told.without.values())
    share = f"{lost / asked:.3%} of the requests are lost, {without / asked:.3%} without us; " if asked else ""
    return share + (f"in the end: {'; '.join(told.problems)}" if told.problems else "in the end all is as it should be")


def _figures(service: str, told: Told) -> str:
    tally, seconds = told.tallies[service], told.scenario.run_for
    marks = [Mark(fault.at, "down", str(fault)) for fault in told.faults]
    marks += [
        Mark((entry.started_at - BEGIN).total_seconds(), "up", entry.detail or entry.action.reason)
        for entry in told.entries
        if entry.action.service == service
    ]
    counts = [
        Series("serve", "running", "step-area", _most(tally, 4)),
        Series("wanted", "wanted", "steps", _most(tally, 3)),
    ]
    pictures = _figure(f"{service}: replicas", "Replicas wanted and serving.", counts, seconds, marks)
    if tally.asked:
        asked = [Series("demand", "offered", "line", _most(tally, 1)), Series("lost", "lost", "line", _most(tally, 2))]
        words = f"{tally.lost / tally.asked:.3%} of the requests are lost."
        pictures = _figure(f"{service}: requests per second", words, asked, seconds, marks) + pictures
    return pictures


def _most(tally: Tally, column: int) -> Points:
    """Every so many, the largest of each stretch, so that no peak is left out."""
    width = max(1, -(-len(tally.course) // MOST_POINTS))
    stretches = [tally.course[at : at + width] for at in range(0, len(tally.course), width)]
    return [(stretch[0][0], float(max(row[column] for row in stretch))) for stretch in stretches]


def _figure(title: str, summary: str, series: list[Series], seconds: float, marks: list[Mark]) -> str:
    swatches = "".join(tag("span", tag("i", class_=f"swatch {s.style} {s.kind}"), text(s.name)) for s in series)
    caption = tag("figcaption", tag("h2", text(title)), tag("p", swatches, class_="legend"))
    return tag("figure", caption, chart(title, summary, series, seconds, marks=marks))


def _actions(told: Told) -> Iterable[str]:
    for entry in told.entries[:MOST_ACTIONS]:
        at = clock((entry.started_at - BEGIN).total_seconds())
        yield f"{at} {entry.action.kind} of {entry.action.service or 'a node'}: {entry.detail}; {entry.action.reason}"
    if len(told.entries) > MOST_ACTIONS:
        yield f"and {len(told.entries) - MOST_ACTIONS} more"


def _list(lines: Iterable[str], nothing: str) -> str:
    items = [tag("li", text(line)) for line in lines]
    return tag("ul", *items) if items else tag("p", nothing)
