# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows out of a CSV, YAML or JSON file (`.gz` too), for commands that work on files alone. One error per mistake."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from swarmherd.cli.base import InputError
from swarmherd.policy.units import resembling, shown
from swarmherd.text_file import UnreadableError, read_text, read_yaml

LARGEST_MEBIBYTES = 256


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells by column, empty ones left out, and where it stands."""

    file: Path
    place: str
    """`line 3` of a CSV file, `entry 3` of the others."""
    cells: Mapping[str, Any]

    def wrong(self, column: str, message: str, remedy: str) -> InputError:
        return InputError(f"{self.file}: {self.place}, column {column}: {message}; {remedy}")


def read_rows(file: Path, kind: str, columns: Sequence[str]) -> list[Row]:
    """Every row of a file of `kind` (nodes, tasks). Raises InputError."""
    suffix = (file.with_suffix("") if file.suffix == ".gz" else file).suffix.lower()
    if suffix not in (".csv", ".json", ".yml", ".yaml"):
        raise InputError(
            f"{file}: the format is not clear from the name; end it in .csv, .json, .yml or .yaml (and .gz)"
        )
    try:
        text = read_text(file, LARGEST_MEBIBYTES)
    except UnreadableError as error:
        raise InputError(str(error)) from None
    if not text.strip():
        raise InputError(
            f"{file}: it is empty; it needs the columns {', '.join(columns)}, of which only name must be there"
        )
    rows = list(_csv(file, text) if suffix == ".csv" else _documents(file, kind, text, suffix))
    if not rows:
        raise InputError(f"{file}: it has no {kind}; write one row for each")
    _check_columns(rows, columns)
    return rows


def _csv(file: Path, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if twice := next((name for name in header if header.count(name) > 1), None):
            raise InputError(f"{file}: line 1: column {shown(twice)} is there twice; leave one")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _csv_row(file, reader.line_num, header, cells)
    except csv.Error as error:
        raise InputError(
            f'{file}: line {reader.line_num}: {error}; write comma separated values, quoted by "'
        ) from None


def _csv_row(file: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) > len(header):
        raise InputError(
            f'{file}: line {line}: {len(cells)} cells for {len(header)} columns; put " around a cell with a comma in it'
        )
    pairs = zip(header, (cell.strip() for cell in cells), strict=False)
    return Row(file, f"line {line}", {**dict.fromkeys(header), **{name: cell for name, cell in pairs if cell}})


def _documents(file: Path, kind: str, text: str, suffix: str) -> Iterator[Row]:
    try:
        found = json.loads(text, object_pairs_hook=_each_key_once) if suffix == ".json" else read_yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{file}: {' '.join(str(error).split())}; write valid {suffix[1:]}") from None
    if isinstance(found, Mapping):
        found = found.get(kind)
    if not isinstance(found, list):
        raise InputError(f"{file}: there is no list; write a list of {kind}, or a mapping with the key {kind}")
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, Mapping) or not all(isinstance(key, str) for key in entry):
            raise InputError(f"{file}: entry {number}: {shown(entry)} is no mapping of columns; write name: …, cpu: …")
        yield Row(file, f"entry {number}", dict(entry))


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON takes the last of keys that stand twice. Raises ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _value in pairs]
        raise ValueError(f"{shown(next(key for key in keys if keys.count(key) > 1))} stands twice in one object")
    return found


def _check_columns(rows: Sequence[Row], columns: Sequence[str]) -> None:
    for row in rows:
        if "name" not in row.cells or row.cells["name"] in ("", None):
            raise row.wrong("name", "there is no name", "give each row a name of its own")
        for column in row.cells:
            if column not in columns:
                near = resembling(column, columns)
                raise row.wrong(column, "there is no such column", near or f"use {', '.join(columns)}")
