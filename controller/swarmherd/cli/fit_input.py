# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of nodes and tasks as what placement takes. Each mistake names file, row, column and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from swarmherd.cli.base import InputError
from swarmherd.cli.rows import Row, read_rows
from swarmherd.decide.place import (
    Affinity,
    Amount,
    Constraint,
    ConstraintError,
    NodeCapacity,
    Operator,
    TaskShape,
    parse_affinity,
    parse_attribute,
    parse_constraint,
)
from swarmherd.policy.units import as_number, shown

T = TypeVar("T")
NODE_COLUMNS = ("name", "cpu", "memory", "gpu", "disk", "labels")
TASK_COLUMNS = ("name", "cpu", "memory", "gpu", "disk", "replicas", "constraints", "affinity", "priority")
MOST_TASKS = 10_000_000
LARGEST_AMOUNT = 2**52
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgtp]?)(i?b)?", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


class FitTask:
    """A shape, and how its tasks are called: NAME, or NAME.1, NAME.2, … where the row has a number of replicas."""

    __slots__ = ("numbered", "shape")

    def __init__(self, shape: TaskShape, numbered: bool) -> None:
        self.shape, self.numbered = shape, numbered

    def name(self, number: int) -> str:
        return f"{self.shape.service}.{number}" if self.numbered else self.shape.service


def read_nodes(file: Path) -> list[NodeCapacity]:
    """The nodes of a file. Raises InputError."""
    return [_node(row) for row in _named(read_rows(file, "nodes", NODE_COLUMNS))]


def read_tasks(file: Path) -> list[FitTask]:
    """The tasks of a file. Raises InputError."""
    rows = _named(read_rows(file, "tasks", TASK_COLUMNS))
    tasks = [_task(row) for row in rows]
    if sum(task.shape.replicas for task in tasks) > MOST_TASKS:
        raise InputError(f"{file}: these are more than {MOST_TASKS} tasks; split the file")
    replicas = {task.shape.service: task.shape.replicas for task in tasks if task.numbered}
    for row, task in zip(rows, tasks, strict=True):
        service, _dot, number = task.shape.service.rpartition(".")
        if (
            not task.numbered
            and number.isascii()
            and number.isdigit()
            and 1 <= int(number[:9]) <= replicas.get(service, 0)
        ):
            raise row.wrong("name", f"{shown(task.shape.service)} is also a replica of {service}", "rename one of them")
    return tasks


def _named(rows: list[Row]) -> list[Row]:
    seen: dict[str, str] = {}
    for row in rows:
        name = row.cells["name"]
        if isinstance(name, bool | list | Mapping):
            raise row.wrong("name", f"{shown(name)} is no name", "write a word")
        if before := seen.get(str(name)):
            raise row.wrong("name", f"{shown(str(name))} is also the name of {before}", "give each row its own")
        seen[str(name)] = row.place
    return rows


def _node(row: Row) -> NodeCapacity:
    limits = {
        "cpu": _cell(row, "cpu", _amount, None),
        "memory_bytes": _cell(row, "memory", _bytes, None),
        "disk_bytes": _cell(row, "disk", _bytes, None),
        "gpu": _cell(row, "gpu", _amount, None),
    }
    name = str(row.cells["name"])
    return NodeCapacity(name, id=name, labels=_cell(row, "labels", _labels, {}), **limits)


def _task(row: Row) -> FitTask:
    need = Amount(
        _cell(row, "cpu", _amount, 0.0),
        _cell(row, "memory", _bytes, 0.0),
        _cell(row, "disk", _bytes, 0.0),
        _cell(row, "gpu", _amount, 0.0),
    )
    replicas = _cell(row, "replicas", _count, None)
    shape = TaskShape(
        str(row.cells["name"]),
        need,
        replicas=1 if replicas is None else replicas,
        constraints=_cell(row, "constraints", _constraints, ()),
        affinity=_cell(row, "affinity", _affinities, ()),
        priority=_cell(row, "priority", _count, 0),
    )
    return FitTask(shape, numbered=replicas is not None)


def _cell(row: Row, column: str, read: Callable[[Any], T], missing: Any) -> Any:
    """One cell as `read` reads it, or `missing` where it is empty."""
    value = row.cells.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        return missing
    try:
        return read(value)
    except ConstraintError as error:
        raise row.wrong(column, error.message, error.remedy) from None


def _amount(value: Any) -> float:
    number = as_number(value)
    if number is None:
        raise ConstraintError(f"{shown(value)} is not a number", "write a number such as 2 or 0.5")
    return _checked(number, value)


def _bytes(value: Any) -> float:
    """`512m` is 512 * 2^20, as in Docker; `512MiB` and `512mb` are the same."""
    number = as_number(value)
    if number is None and isinstance(value, str) and (found := _SIZE.fullmatch(value.strip()[:40])):
        number = float(found[1]) * 1024.0 ** _POWERS[found[2].lower()]
    if number is None and isinstance(value, str) and value.strip().startswith("-"):
        raise ConstraintError(f"{shown(value)} is negative", "write 0 or more")
    if number is None:
        raise ConstraintError(f"{shown(value)} is not a size", "write bytes, or a suffix: 512m, 2g")
    return _checked(float(round(number)), value)


def _checked(number: float, value: Any) -> float:
    if number < 0:
        raise ConstraintError(f"{shown(value)} is negative", "write 0 or more")
    if number > LARGEST_AMOUNT:
        raise ConstraintError(f"{shown(value)} is too large", "leave it empty where there is no limit")
    return number


def _count(value: Any) -> int:
    number = as_number(value)
    if number is None or number != int(number):
        raise ConstraintError(f"{shown(value)} is not a whole number", "write a whole number such as 3")
    if not 0 <= number <= MOST_TASKS:
        raise ConstraintError(f"{shown(value)} is {'negative' if number < 0 else 'too large'}", "write 0 or more")
    return int(number)


def _labels(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        pairs = [(str(key), "" if label is None else _word(label)) for key, label in value.items()]
    else:
        pairs = [_label(text) for text in _listed(value)]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ConstraintError(f"{shown(value)} has a label twice", "write each label once")
    return found


def _label(text: Any) -> tuple[str, str]:
    key, sign, label = str(text).partition("=")
    if not sign or not key.strip() or label.startswith("="):
        raise ConstraintError(f"{shown(text)} is no label", "write k=v;k2=v2")
    return key.strip(), label.strip()


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _constraints(value: Any) -> tuple[Constraint, ...]:
    return tuple(_constraint(one) for one in _listed(value))


def _constraint(one: Any) -> Constraint:
    if not isinstance(one, Mapping):
        return parse_constraint(str(one))
    known = {operator.value.lower(): operator for operator in Operator}
    operator = known.get(str(one.get("operator", "")).lower())
    values = one.get("values", [])
    if operator is None or not isinstance(values, list) or not one.keys() <= {"key", "operator", "values"}:
        raise ConstraintError(
            f"{shown(str(dict(one)))} is no constraint",
            f"write key, operator ({', '.join(o.value for o in Operator)}) and values (a list)",
        )
    return Constraint(parse_attribute(str(one.get("key", ""))), operator, tuple(map(_word, values)))


def _affinities(value: Any) -> tuple[Affinity, ...]:
    return tuple(_affinity(one) for one in _listed(value))


def _affinity(one: Any) -> Affinity:
    if not isinstance(one, Mapping):
        return parse_affinity(str(one))
    selector = {key: value for key, value in one.items() if key != "weight"}
    weight = as_number(one.get("weight", 1))
    if weight is None:
        raise ConstraintError(f"{shown(one['weight'])} is no weight", "write a number above 0")
    return Affinity((_constraint(selector),), weight)


def _listed(value: Any) -> Sequence[Any]:
    """The parts of a cell: a list as it is, text split at semicolons."""
    if isinstance(value, list):
        return value
    return [part.strip() for part in str(value).split(";") if part.strip()]


def in_order(tasks: Iterable[FitTask], nodes: Sequence[NodeCapacity]) -> list[int]:
    """The order of placing: priority first, then those with constraints, then the largest, then as in the file.

    A task is as large as the largest share that it takes of any resource of all nodes together.
    """
    totals = [sum(limit or 0.0 for limit in line) for line in zip(*(node.limits() for node in nodes), strict=True)]

    def size(shape: TaskShape) -> float:
        return max(need / total if total else 0.0 for need, total in zip(shape.need.each(), totals, strict=True))

    shapes = [task.shape for task in tasks]
    keys = [(-shape.priority, not shape.constraints, -size(shape), number) for number, shape in enumerate(shapes)]
    return [key[-1] for key in sorted(keys)]
