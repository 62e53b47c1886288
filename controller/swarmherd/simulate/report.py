# SPDX-License-Identifier: GPL-3.0-or-later
"""A backtest as a page with pictures, which fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from swarmherd.simulate.account import Account, Outcome, lost
from swarmherd.simulate.backtest import Backtest, Happened
from swarmherd.simulate.grid import Grid, frontier
from swarmherd.simulate.picture import STYLE, Points, Series, chart, tag, text
from swarmherd.simulate.scatter import Dot, scatter
from swarmherd.simulate.trace import STEP_SECONDS, Demand, Floats

MOST_POINTS = 900
MOST_DECISIONS = 40
COLUMNS = ("lost", "replica hours", "over the oracle", "changes", "most replicas", "minutes under capacity")
HAPPENED = "what happened"


def page(
    name: str,
    demand: Demand,
    account: Account,
    found: Backtest,
    happened: Happened | None = None,
    grid: Grid | None = None,
) -> str:
    """The whole page. `name` is the trace's, or the service's whose past it is."""
    gone = lost(demand.values, found.course.ready, account)
    asked = [
        Series(
            "capacity that is ready",
            "served",
            "area",
            _most((found.course.ready * account.capacity).astype(np.float64)),
        ),
        Series("demand", "offered", "line", _most(demand.values)),
        Series("lost", "lost", "line", _most(gone)),
    ]
    counts = [
        Series("ready", "running", "step-area", _most(found.course.ready.astype(np.float64))),
        Series("paid for", "wanted", "steps", _most(found.course.counts.astype(np.float64))),
    ]
    if happened is not None:
        there = happened.course.counts.astype(np.float64)
        if happened.course.unseen is not None:
            there[happened.course.unseen] = np.nan
        counts.append(Series("were there", "up", "steps", _most(there)))
    others = {"policy": found.outcome, **({HAPPENED: happened.outcome} if happened else {}), **found.compared}
    lost_words = f"{found.outcome.lost_fraction:.3%} of the requests are lost."
    body = tag(
        "main",
        tag("h1", text(f"What the policy would have done: {name}")),
        tag("p", text(_verdict(found, account)), class_="verdict"),
        _figure("Requests per second", lost_words, asked, demand.seconds),
        _figure("Replicas", f"At most {found.outcome.max_replicas} replicas.", counts, demand.seconds),
        *(() if grid is None else _tried(others, grid)),
        tag("h2", "Beside others on the same demand"),
        _outcomes(others),
        tag("h2", "The last changes, and why"),
        _reasons(found),
    )
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += '<meta name="color-scheme" content="light dark">'
    title = tag("title", text(f"Backtest of {name}"))
    return "<!DOCTYPE html>\n" + tag("html", tag("head", head, title, tag("style", STYLE)), body, lang="en") + "\n"


def _verdict(found: Backtest, account: Account) -> str:
    one = found.outcome
    over = one.replica_seconds / one.oracle_replica_seconds
    return (
        f"{one.lost_fraction:.3%} of the requests would have been lost, for {over:.2f} times the replica time of an "
        f"oracle, with {one.changes} changes; a replica serves {account.capacity:g} requests per second, "
        f"{account.startup_seconds:g} s after its decision."
    )


def _most(values: Floats) -> Points:
    """The largest known value of each stretch, so that a picture of weeks shows every peak."""
    width = -(-len(values) // MOST_POINTS)
    starts = np.arange(0, len(values), width)
    peaks = np.fmax.reduceat(values, starts)
    return [(float(at) * STEP_SECONDS, float(value)) for at, value in zip(starts, peaks, strict=True)]


def _figure(title: str, summary: str, series: list[Series], seconds: float) -> str:
    swatches = "".join(tag("span", tag("i", class_=f"swatch {s.style} {s.kind}"), text(s.name)) for s in series)
    caption = tag("figcaption", tag("h2", text(title)), tag("p", swatches, class_="legend"))
    return tag("figure", caption, chart(title, summary, series, seconds))


def _tried(others: Mapping[str, Outcome], grid: Grid) -> Iterator[str]:
    """The frontier as a picture, all that was tried as a table, and the advice in a sentence."""
    outcomes = [one.outcome for one in grid.tried]
    best = frontier(outcomes)
    dots = [
        _dot(one.setting.short, one.outcome, "served" if index in best else "wanted", named=index in best)
        for index, one in enumerate(grid.tried)
    ]
    styles = {"policy": "up", HAPPENED: "lost"}
    beside = [_dot(name, one, styles.get(name, "down"), named=True) for name, one in others.items()]
    summary = f"{len(best)} of {len(dots)} settings are on the frontier: no other loses less for less replica time."
    picture = scatter("Lost requests and replica hours", summary, [*beside, *dots], [dots[index] for index in best])
    swatches = "".join(
        tag("span", tag("i", class_=f"swatch bars {style}"), text(words))
        for words, style in (("on the frontier", "served"), ("another beats it", "wanted"), ("the policy", "up"))
    )
    caption = tag("figcaption", tag("h2", "What other settings lose and cost"), tag("p", swatches, class_="legend"))
    yield tag("figure", caption, picture)
    yield tag("p", text(f"Recommended: {grid.advice.why}. It was chosen on the very past that it is judged by."))
    yield _outcomes({one.setting.name: one.outcome for one in grid.tried})


def _dot(name: str, one: Outcome, style: str, named: bool) -> Dot:
    return Dot(name, one.replica_seconds / 3600, 100 * one.lost_fraction, style, named)


def cells(one: Outcome) -> tuple[str, ...]:
    """What stands under COLUMNS."""
    return (
        f"{one.lost_fraction:.3%}",
        f"{one.replica_seconds / 3600:.1f}",
        f"{one.replica_seconds / one.oracle_replica_seconds:.3f}",
        str(one.changes),
        str(one.max_replicas),
        f"{one.seconds_under_capacity / 60:.1f}",
    )


def _outcomes(outcomes: Mapping[str, Outcome]) -> str:
    head = tag("tr", *(tag("th", text(title), scope="col") for title in ("", *COLUMNS)))
    rows = [tag("tr", *(tag("td", text(cell)) for cell in (name, *cells(one)))) for name, one in outcomes.items()]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll")


def _reasons(found: Backtest) -> str:
    if not found.decisions:
        return tag("p", "Nothing was ever changed.")
    last = found.decisions[-MOST_DECISIONS:]
    return tag("ul", *(tag("li", text(decision.because)) for decision in last))
