# SPDX-License-Identifier: GPL-3.0-or-later
"""A demand of old, from a CSV file with the columns `time_s,requests_per_s` (`.gz` too), in steps of 15 seconds."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarmherd.text_file import UnreadableError, read_text

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

Points = Sequence[tuple[float, float]]
"""(seconds since the epoch, value), in the order of time."""

STEP_SECONDS = 15.0
COLUMNS = ("time_s", "requests_per_s")
LARGEST_RATE = 1e12
"""Requests per second."""
LARGEST_MEBIBYTES = 512
MOST_STEPS = 5_000_000
LONGEST_GAP_BINS = 3
"""A pause of more bins than this is a gap: nobody knows what was asked for in it."""


class TraceError(Exception):
    """What is wrong with a trace, where, and what to do about it: one sentence."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests per second, one value for each step."""

    values: Floats
    first_second: float
    """The time of the first step, as the file has it."""
    bin_seconds: float
    """How far apart the file's rows are."""
    gaps: int = 0
    """Stretches that the file leaves out; the demand there is drawn as a line."""
    holes: Flags | None = None
    """The steps at which nobody knows it and all but the oracle are blind; None where it is taken as it is drawn."""
    before: Points = ()
    """What a policy read before the first step: what looks ahead has learned from it."""

    @property
    def seconds(self) -> float:
        return len(self.values) * STEP_SECONDS


def read_trace(file: Path) -> Demand:
    """The demand in `file`. A coarser trace is interpolated, a finer one averaged. Raises TraceError."""
    try:
        text = read_text(file, LARGEST_MEBIBYTES)
    except UnreadableError as error:
        raise TraceError(str(error)) from None
    times, rates = _rows(file, text)
    steps = np.diff(times)
    usual = float(np.median(steps))
    gaps = int((steps > LONGEST_GAP_BINS * usual).sum())
    if (times[-1] - times[0]) / STEP_SECONDS > MOST_STEPS:
        raise TraceError(f"{file}: it spans more than {MOST_STEPS} steps of {STEP_SECONDS:g} s; split it")
    values = _interpolated(times, rates) if usual >= STEP_SECONDS else _averaged(times, rates)
    if not values.sum() > 0:
        raise TraceError(f"{file}: column {COLUMNS[1]}: nothing was ever asked for; give a trace with requests in it")
    return Demand(values, float(times[0]), usual, gaps)


def _interpolated(times: Floats, rates: Floats) -> Floats:
    return np.interp(np.arange(times[0], times[-1] + 1e-9, STEP_SECONDS), times, rates)


def _averaged(times: Floats, rates: Floats) -> Floats:
    """The mean of each step's rows; a step without a row is interpolated. A last step that is not full is left out."""
    rows = np.floor((times - times[0]) / STEP_SECONDS + 1e-9).astype(np.int64)
    whole = max(1, int((times[-1] + float(np.median(np.diff(times))) - times[0]) / STEP_SECONDS + 1e-9))
    counts = np.bincount(rows, minlength=whole)[:whole]
    sums = np.bincount(rows, rates, minlength=whole)[:whole]
    known = np.flatnonzero(counts)
    return np.interp(np.arange(whole), known, sums[known] / counts[known])


def _rows(file: Path, text: str) -> tuple[Floats, Floats]:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if sorted(header) != sorted(COLUMNS):
            seen = ",".join(header)[:60] or "nothing"
            raise TraceError(f"{file}: line 1: the columns are {seen}; write a header {','.join(COLUMNS)}")
        at, rate = header.index(COLUMNS[0]), header.index(COLUMNS[1])
        before = ""
        times: list[float] = []
        rates: list[float] = []
        for cells in reader:
            if any(cell.strip() for cell in cells):
                line = reader.line_num
                if len(cells) != len(header):
                    raise TraceError(f"{file}: line {line}: {len(cells)} cells for {len(header)} columns; write both")
                time, value = _number(file, line, 0, cells[at]), _number(file, line, 1, cells[rate])
                if times and time <= times[-1]:
                    raise TraceError(_not_after(file, line, cells[at], before))
                _check(file, line, value)
                before = cells[at]
                times.append(time)
                rates.append(value)
    except csv.Error as error:
        raise TraceError(f"{file}: line {reader.line_num}: {error}; write comma separated values") from None
    if len(times) < 2:
        rows = "no row" if not times else "a single row"
        raise TraceError(f"{file}: it has {rows}; a trace needs two at least, one for each bin")
    return np.array(times), np.array(rates)


def _number(file: Path, line: int, column: int, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        shown = repr(cell.strip()[:40])
        raise TraceError(
            f"{file}: line {line}, column {COLUMNS[column]}: {shown} is not a number; write one, such as 12.5"
        )
    return number


def _check(file: Path, line: int, value: float) -> None:
    if not 0 <= value <= LARGEST_RATE:
        said = "negative; write 0 or more" if value < 0 else f"too large; write at most {LARGEST_RATE:g}"
        raise TraceError(f"{file}: line {line}, column {COLUMNS[1]}: {value:g} is {said}")


def _not_after(file: Path, line: int, cell: str, before: str) -> str:
    """With the cells as they are written: two times of our days are the same in a few digits."""
    said = f"{cell.strip()[:40]} is not after {before.strip()[:40]}; sort the rows by time and leave one for each"
    return f"{file}: line {line}, column {COLUMNS[0]}: {said}"
