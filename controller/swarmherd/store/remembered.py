# SPDX-License-Identifier: GPL-3.0-or-later
"""`Memory` as rows, one per service, node, … that something is remembered of.

Driven by the fields of `Memory` that are mappings by name: a new one is kept without a word here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

import sqlalchemy as sa

from swarmherd.codec import decode, encode
from swarmherd.model import Memory, Pause
from swarmherd.store.database import upsert
from swarmherd.store.schema import REMEMBERED

LOCK = 0x5357_4D4D
"""Of PostgreSQL's advisory locks of two numbers: with a cluster's, for who writes what is remembered of it."""


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


def lock(connection: sa.Connection, cluster: str) -> None:
    """Until the transaction ends nobody else writes what is remembered of the cluster: who reads it from now on may
    write it back."""
    if connection.dialect.name == "postgresql":
        words = {"key": LOCK, "cluster": cluster}
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key, hashtext(:cluster))"), words)
    else:  # SQLite has one writer at a time, whatever is written
        connection.execute(REMEMBERED.delete().where(sa.false()))


def merged(before: Memory, after: Memory, held: Memory) -> Memory:
    """What was made of `before`, over what is held by now. What another process changed meanwhile wins, field by field:
    it is what an action taught, or what a person said."""
    found = {part: _part(*(getattr(one, part) for one in (before, after, held))) for part in parts()}
    return Memory(**found, pauses=held.pauses)


def _part(before: Mapping[str, Any], after: Mapping[str, Any], held: Mapping[str, Any]) -> Mapping[str, Any]:
    found = {name: _one(before.get(name), after.get(name), held.get(name)) for name in {*after, *held}}
    return {name: value for name, value in found.items() if value is not None}


def _one(before: Any, after: Any, held: Any) -> Any:
    if after == before:
        return held
    if held in (before, None):
        return after
    if after is None:
        return held
    ours = [one.name for one in fields(held) if getattr(held, one.name) == getattr(before, one.name, one.default)]
    return replace(held, **{name: getattr(after, name) for name in ours})


def write(connection: sa.Connection, cluster: str, before: Memory, after: Memory) -> None:
    """What changed, a statement for all rows: see `newest`. `before` was read under the lock."""
    rows, gone = [], []
    for part, name, value in _changes(before, after):
        if value is None:
            gone.append({"of_part": part, "of_name": name})
        else:
            document = encode(value, parts()[part])
            rows.append({"cluster": cluster, "part": part, "name": name, "document": document})
    if gone:
        named = (REMEMBERED.c.part == sa.bindparam("of_part"), REMEMBERED.c.name == sa.bindparam("of_name"))
        connection.execute(REMEMBERED.delete().where(REMEMBERED.c.cluster == cluster, *named), gone)
    if rows:
        upsert(connection, REMEMBERED, rows)


def _changes(before: Memory, after: Memory) -> Iterator[tuple[str, str, Any]]:
    for part in parts():
        old, new = getattr(before, part), getattr(after, part)
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield part, name, new.get(name)


def _is_mapping(hint: Any) -> bool:
    return get_origin(hint) is Mapping
