# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and instants as people type them after an option."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from swarmherd.cli.base import InputError
from swarmherd.policy.units import PositiveSeconds

_SECONDS: TypeAdapter[float] = TypeAdapter(PositiveSeconds)


def duration(option: str, text: str) -> float:
    """Seconds, written as in the policy: `90`, `30m`, `1h30m`. Raises InputError."""
    try:
        return _SECONDS.validate_python(text)
    except ValidationError as error:
        said = error.errors()[0].get("ctx", {})
        raise InputError(f"{option}: {said['message']}; {said['remedy']}") from None


def instant(option: str, text: str, now: datetime) -> datetime:
    """So long ago, or an ISO time; one without a zone is in UTC. Raises InputError."""
    if (at := iso(text)) is not None:
        return at
    try:
        return now - timedelta(seconds=duration(option, text))
    except InputError:
        raise InputError(f"{option}: {text!r} is no time; write 30m, 2h, or 2026-03-01T12:00") from None


def iso(text: str) -> datetime | None:
    """The instant that `text` spells as ISO 8601, None where it spells none."""
    try:
        at = datetime.fromisoformat(text) if "-" in text else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
