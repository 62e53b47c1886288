# SPDX-License-Identifier: GPL-3.0-or-later
"""A backtest as a JSON document and as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table

from swarmherd.cli.own_past import OwnPast
from swarmherd.simulate import Backtest, Grid, Happened, Outcome, Setting, frontier
from swarmherd.simulate.report import COLUMNS, HAPPENED, cells


@dataclass(frozen=True, slots=True)
class Judged:
    """A backtest with all that came of it."""

    given: OwnPast
    found: Backtest
    happened: Happened | None
    grid: Grid | None


def document(judged: Judged) -> dict[str, Any]:
    found = judged.found
    said: dict[str, Any] = {"policy": dataclasses.asdict(found.outcome)}
    if found.compared:
        said["compare"] = {name: dataclasses.asdict(one) for name, one in found.compared.items()}
    if judged.happened is not None:
        said["happened"] = dataclasses.asdict(judged.happened.outcome)
    if judged.grid is not None:
        best = frontier([one.outcome for one in judged.grid.tried])
        said["grid"] = [
            {"setting": _setting(one.setting), "outcome": dataclasses.asdict(one.outcome), "on_frontier": index in best}
            for index, one in enumerate(judged.grid.tried)
        ]
        advice = judged.grid.advice
        said["recommended"] = {"setting": advice.setting and _setting(advice.setting), "why": advice.why}
    if judged.given.notes:
        said["notes"] = list(judged.given.notes)
    return said


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "strategy": setting.strategy.value,
        "target": setting.target,
        "percentile": setting.percentile or None,
        "spend_percent": setting.spend,
    }


def shown(judged: Judged) -> RenderableType:
    found, grid = judged.found, judged.grid
    was = {HAPPENED: judged.happened.outcome} if judged.happened is not None else {}
    parts: list[RenderableType] = [_table({"policy": found.outcome, **was, **found.compared})]
    if grid is not None:
        best = frontier([one.outcome for one in grid.tried])
        names = [f"{one.setting.name}{' *' if index in best else ''}" for index, one in enumerate(grid.tried)]
        outcomes = {name: one.outcome for name, one in zip(names, grid.tried, strict=True)}
        parts += ["Other settings; none beats those with a *:", _table(outcomes)]
        parts.append(f"Recommended: {escape(grid.advice.why)}.")
    parts += [f"{escape(note[:1].upper() + note[1:])}." for note in judged.given.notes]
    if found.decisions:
        parts.append(f"The last change: {escape(found.decisions[-1].because)}.")
    return Group(*parts)


def _table(outcomes: Mapping[str, Outcome]) -> Table:
    table = Table(Column("", no_wrap=True), *COLUMNS)
    for name, one in outcomes.items():
        table.add_row(escape(name), *cells(one))
    return table
