# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, durations and label values, from the forms that people write to those that Docker stores. Pure."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ._errors import SwarmError

NANOSECONDS = 1_000_000_000

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?\s*$", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNIT_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "h": 3600 * NANOSECONDS,
}


def size_bytes(value: Any, key: str) -> int:
    """Bytes of `512M`, `1.5GiB` or `1048576`. Units are powers of 1024, as the docker command has them."""
    match = _SIZE.match(str(value))
    if not match:
        raise SwarmError(f"{key}: {value!r} is not a size; write bytes, or a number with K, M, G, T, as 512M")
    number, unit = match.groups()
    return int(float(number) * 1024 ** " kmgtp".index(unit.lower() or " "))


def nanoseconds(value: Any, key: str) -> int:
    """Nanoseconds of `10s`, `1m30s`, `500ms`; a bare number is seconds."""
    text = str(value).strip()
    if re.match(r"^\d+(\.\d+)?$", text):
        return round(float(text) * NANOSECONDS)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise SwarmError(f"{key}: {value!r} is not a duration; write seconds, or parts such as 1m30s or 500ms")
    return round(sum(float(number) * _UNIT_NANOSECONDS[unit] for number, unit in parts))


def nano_cpus(value: Any, key: str) -> int:
    """Billionths of a core, the unit of Docker's API, of a number of cores."""
    try:
        cores = float(value)
    except (TypeError, ValueError):
        cores = -1.0
    if not 0 <= cores < 1_000_000:
        raise SwarmError(f"{key}: {value!r} is not a number of cores; write for example 0.5")
    return round(cores * 1_000_000_000)


def label_text(value: Any, key: str) -> str:
    """A label's value as Docker keeps it. True is `true`, as in Docker's own tools, and not Python's `True`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise SwarmError(f"{key}: a value is text or a number, not {type(value).__name__}; quote it")


def merged_texts(held: Mapping[str, str], wanted: Mapping[str, Any], key: str) -> dict[str, str]:
    """`held` with each key of `wanted` set, or taken out where its value is null. Other keys stay as they are."""
    merged = dict(held)
    for name, value in wanted.items():
        if value is None:
            merged.pop(str(name), None)
        else:
            merged[str(name)] = label_text(value, f"{key}.{name}")
    return merged


def stripped(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without what Docker leaves out because it is empty, so that two documents compare by meaning."""
    inner = {key: stripped(value) if isinstance(value, dict) else value for key, value in document.items()}
    return {key: value for key, value in inner.items() if value not in (None, "", 0, {}, [])}
