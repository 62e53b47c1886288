# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that a person hands over in a file: UTF-8, packed by gzip where the name ends in .gz, and bounded (S25)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

MEBIBYTE = 2**20


class UnreadableError(ValueError):
    """Says which file cannot be used, why, and the remedy."""


def read_text(file: Path, largest_mebibytes: int) -> str:
    """Raises UnreadableError where there is no such text, or more of it than `largest_mebibytes` once unpacked."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content = stream.read(largest_mebibytes * MEBIBYTE + 1)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(f"{file}: cannot be read: {why}; check the path and the file") from None
    if len(content) > largest_mebibytes * MEBIBYTE:
        raise UnreadableError(f"{file}: it is larger than {largest_mebibytes} MiB; split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
