# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML files that a command reads, and pages that it writes: one clear error for each mistake."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from swarmherd.cli.base import InputError
from swarmherd.policy.units import shown

LARGEST_BYTES = 2**20


class _EachKeyOnce(yaml.SafeLoader):
    """YAML forbids a key that stands twice, PyYAML takes the last one."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(problem=f"{shown(key.value)} stands twice", problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return node


def read_keys(file: Path, example: str) -> dict[str, Any]:
    """The mapping in a YAML file; `example` says what to write where there is none. Raises InputError."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise InputError(f"{file}: it is larger than {LARGEST_BYTES} bytes; check that it is the right file")
        found = _EachKeyOnce(content.decode("utf-8-sig")).get_single_data()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}; check the path") from None
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: {' '.join(str(error).split())}; write valid YAML") from None
    if not isinstance(found, dict):
        raise InputError(f"{file}: there are no keys; {example}")
    return found


def check_page(option: str, page: Path, read: Iterable[Path]) -> None:
    """Before all the work: whether `page` can be written, and is none of the files that are read. Raises InputError."""
    if page.exists() and any(one.exists() and page.samefile(one) for one in read):
        raise InputError(f"{page}: {option} would overwrite what is read; give another path")
    if page.is_dir():
        raise _unwritable(option, page, "it is a folder")
    if not page.parent.is_dir():
        raise _unwritable(option, page, "there is no such folder")
    if not os.access(page if page.exists() else page.parent, os.W_OK):
        raise _unwritable(option, page, "permission denied")


def write_page(option: str, page: Path, text: str) -> None:
    """Raises InputError."""
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(option, page, error.strerror) from None


def _unwritable(option: str, page: Path, why: str | None) -> InputError:
    return InputError(f"{page}: cannot be written: {why}; check the path of {option}")
