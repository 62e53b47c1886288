# SPDX-License-Identifier: GPL-3.0-or-later
"""A PromQL expression as operators write it: text of a bounded length, without control characters."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from swarmherd.policy.units import shown, wrong

LONGEST_QUERY = 4000


def _promql(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(f"{shown(value)} is not a query", "write a PromQL expression that answers one number")
    if len(value) > LONGEST_QUERY:
        raise wrong("the query is too long", f"write at most {LONGEST_QUERY} characters, or a recording rule")
    if any(not char.isprintable() and char not in "\n\t" for char in value):
        raise wrong("the query has control characters", "write it as plain text")
    return value.strip()


PromQL = Annotated[
    str,
    BeforeValidator(_promql),
    WithJsonSchema({"type": "string", "pattern": r"\S", "maxLength": LONGEST_QUERY}),
]
