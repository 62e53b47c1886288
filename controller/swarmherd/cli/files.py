# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML files that a command reads, and pages that it writes: one clear error for each mistake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from swarmherd.cli.base import InputError
from swarmherd.text_file import read_yaml

LARGEST_BYTES = 2**20


def read_keys(file: Path, example: str) -> dict[str, Any]:
    """The mapping in a YAML file; `example` says what to write where there is none. Raises InputError."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise InputError(f"{file}: it is larger than {LARGEST_BYTES} bytes; check that it is the right file")
        found = read_yaml(content.decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}; check the path") from None
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: {' '.join(str(error).split())}; write valid YAML") from None
    if not isinstance(found, dict):
        raise InputError(f"{file}: there are no keys; {example}")
    return found


def check_page(option: str, page: Path, read: Iterable[Path]) -> None:
    """Before all the work: whether `page` can be written, and is nothing that is read. Raises InputError."""
    there = _is_there(option, page)
    target = _target(page)
    if any(one in (target, *target.parents) for one in map(_target, read)):
        raise InputError(f"{page}: {option} would overwrite what is read; give another path")
    if page.is_dir():
        raise _unwritable(option, page, "it is a folder")
    if not target.parent.is_dir():
        raise _unwritable(option, page, "there is no such folder")
    needed = [page] if there else []
    needed += [] if there and not page.is_file() else [target.parent]
    if not all(os.access(one, os.W_OK) for one in needed):
        raise _unwritable(option, page, "permission denied")


def write_page(option: str, page: Path, text: str) -> None:
    """All of it or nothing. Raises InputError."""
    try:
        if page.exists() and not page.is_file():  # a pipe, a terminal
            page.write_text(text, encoding="utf-8")
            return
        target = _target(page)
        with TemporaryDirectory(prefix=".swarmherd-", dir=target.parent) as folder:
            draft = Path(folder, "page.html")
            draft.write_text(text, encoding="utf-8")
            if target.exists():
                shutil.copymode(target, draft)
            draft.replace(target)
    except OSError as error:
        raise _unwritable(option, page, error.strerror) from None


def _is_there(option: str, page: Path) -> bool:
    try:
        page.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unwritable(option, page, error.strerror) from None
    return True


def _target(file: Path) -> Path:
    """Past all links; unlike `Path.resolve` without a word of what cannot be looked at."""
    return Path(os.path.realpath(file))


def _unwritable(option: str, page: Path, why: str | None) -> InputError:
    return InputError(f"{page}: cannot be written: {why}; check the path of {option}")
