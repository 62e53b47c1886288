# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a document that people wrote: what stands somewhere, or one error that names the key and a remedy. Pure."""

from __future__ import annotations

import difflib
import shlex
from typing import Any, Collection, Mapping

from ._errors import SwarmError


def section(value: Any, key: str, known: Collection[str], refused: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A dictionary with known keys; nothing at all is an empty one. `refused` has a remedy for each key it names.

    Keys that begin with `x-` are the writer's own everywhere, as in the Compose specification.
    """
    found = mapping(value, key)
    for name in found:
        if name in known or str(name).startswith("x-"):
            continue
        place = f"{key}.{name}" if key else str(name)
        if name in (refused or {}):
            raise SwarmError(f"{place} is not supported: {refused[name]}")
        near = difflib.get_close_matches(str(name), list(known), 1)
        remedy = f"write {near[0]} if that is meant" if near else f"take it out; known are {', '.join(sorted(known))}"
        raise SwarmError(f"{place} is not supported: {remedy}")
    return {name: inner for name, inner in found.items() if name in known and inner is not None}


def mapping(value: Any, key: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SwarmError(f"{key or 'the document'}: this is {kind(value)}; write a dictionary")
    return value


def items(value: Any, key: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise SwarmError(f"{key}: this is {kind(value)}; write a list")
    return value


def text(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SwarmError(f"{key}: this is {kind(value)}; write text, in quotes")
    return str(value)


def texts(value: Any, key: str) -> list[str]:
    """A list of texts, or a single one."""
    if isinstance(value, str):
        return [value]
    return [text(item, f"{key}[{place}]") for place, item in enumerate(items(value, key))]


def command(value: Any, key: str) -> list[str]:
    """A list of words, or text that is split as a shell would."""
    if not isinstance(value, str):
        return texts(value, key)
    try:
        return shlex.split(value)
    except ValueError as error:
        raise SwarmError(f"{key}: {error}; write a list of words") from error


def whole_number(value: Any, key: str) -> int:
    """A whole number from 0 on; text, as a variable leaves it, will do."""
    if isinstance(value, bool) or not str(value).strip().isdigit():
        raise SwarmError(f"{key}: write a whole number from 0 on")
    return int(value)


def number(value: Any, key: str) -> float:
    try:
        return float("" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise SwarmError(f"{key}: write a number") from None


def truth(value: Any, key: str) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise SwarmError(f"{key}: write true or false")
    return str(value).lower() == "true"


def choice(value: Any, key: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise SwarmError(f"{key}: {value!r} is none of {', '.join(choices)}")
    return value


def kind(value: Any) -> str:
    """What a value is, in words; never the value, which may be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "a dictionary", list: "a list", str: "text", int: "a number", float: "a number"}
    return next((name for type_, name in names.items() if isinstance(value, type_)), type(value).__name__)
