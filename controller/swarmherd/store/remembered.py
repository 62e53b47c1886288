# SPDX-License-Identifier: GPL-3.0-or-later
"""`Memory` as rows, one per service, node, … that something is remembered of.

Driven by the fields of `Memory` that are mappings by name: a new one is kept without a word here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

import sqlalchemy as sa

from swarmherd.codec import decode, encode
from swarmherd.model import Memory, Pause
from swarmherd.store.schema import REMEMBERED


@cache
def parts() -> Mapping[str, type]:
    """The fields of `Memory` that are kept here, and the class of their values."""
    hints = get_type_hints(Memory)
    by_name = {one.name: get_args(hints[one.name]) for one in fields(Memory) if _is_mapping(hints[one.name])}
    return MappingProxyType({name: inner[1] for name, inner in by_name.items()})


def read(connection: sa.Connection, cluster: str, pauses: Iterable[Pause]) -> Memory:
    """Rows of a part that this program does not know are left alone: a newer one wrote them."""
    found: dict[str, dict[str, Any]] = {part: {} for part in parts()}
    query = sa.select(REMEMBERED).where(REMEMBERED.c.cluster == cluster).order_by(REMEMBERED.c.name)
    for row in connection.execute(query).mappings():
        if row["part"] in found:
            found[row["part"]][row["name"]] = decode(row["document"], parts()[row["part"]])
    return Memory(**{part: MappingProxyType(values) for part, values in found.items()}, pauses=tuple(pauses))


def write(connection: sa.Connection, cluster: str, before: Memory, after: Memory) -> None:
    """What changed, row by row: another process may have written the others meanwhile."""
    for part, name, value in _changes(before, after):
        mine = (REMEMBERED.c.cluster == cluster, REMEMBERED.c.part == part, REMEMBERED.c.name == name)
        connection.execute(REMEMBERED.delete().where(*mine))
        if value is not None:
            row = {"cluster": cluster, "part": part, "name": name, "document": encode(value, parts()[part])}
            connection.execute(REMEMBERED.insert().values(row))


def _changes(before: Memory, after: Memory) -> Iterator[tuple[str, str, Any]]:
    for part in parts():
        old, new = getattr(before, part), getattr(after, part)
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield part, name, new.get(name)


def _is_mapping(hint: Any) -> bool:
    return get_origin(hint) is Mapping
