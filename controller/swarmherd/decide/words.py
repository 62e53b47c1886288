# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, durations and messages as they stand in a sentence."""

from __future__ import annotations

LONGEST_MESSAGE = 120


def number(value: float) -> str:
    """Three digits or so: `91`, `4.2`, `0.035`, `1234`."""
    if value == round(value, 0) or abs(value) >= 100:
        return f"{value:.0f}" if abs(value) < 1e9 else f"{value:.3g}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """`12 s`, `5 min`, `2 h`: whole units, small ones up to twice the next."""
    whole = round(seconds)
    if whole >= 7200 or whole == 3600:
        return f"{round(whole / 3600)} h"
    if whole >= 120:
        return f"{round(whole / 60)} min"
    return f"{whole} s"


def latency(seconds: float) -> str:
    """`0.5 ms`, `240 ms`, `1.1 s`, and from two minutes on as `duration` has it."""
    if seconds < 0.9995:
        return f"{number(1000 * seconds)} ms"
    return f"{number(seconds)} s" if seconds < 120 else duration(seconds)


def count(many: int, noun: str) -> str:
    return f"{many} {noun}" if many == 1 else f"{many} {noun}s"


def one_line(message: str) -> str:
    """A foreign message, bounded and on one line (S25)."""
    text = " ".join("".join(char if char.isprintable() else " " for char in message[: 4 * LONGEST_MESSAGE]).split())
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"
