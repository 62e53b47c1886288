# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work has come: a bar on standard error where that is a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def told(words: str, items: Iterable[T], total: int) -> Iterator[T]:
    """`items` one by one, `total` of them or about so many."""
    quiet = not sys.stderr.isatty()
    yield from track(items, words, total, console=Console(stderr=True), transient=True, disable=quiet)
