# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that a person hands over in a file: UTF-8, packed by gzip where the name ends in .gz, and bounded (S25).

YAML is read as it is meant: a key that stands twice is forbidden there, of which PyYAML takes the last, and an alias
stands for all that it names, which a few lines can make larger than any memory.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import yaml

MEBIBYTE = 2**20
DEEPEST = 100
"""PyYAML's loader in C has no bound of its own, and ends the process."""
MOST_NODES = 2_000_000
"""Of a YAML document with aliases, each counted with all that it names."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableError(ValueError):
    """Says which file cannot be used, why, and the remedy."""


def read_text(file: Path, largest_mebibytes: int) -> str:
    """Raises UnreadableError where there is no such text, or more of it than `largest_mebibytes` once unpacked."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content = stream.read(largest_mebibytes * MEBIBYTE + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError for a name with a zero byte
        why = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(f"{file}: cannot be read: {why}; check the path and the file") from None
    if len(content) > largest_mebibytes * MEBIBYTE:
        raise UnreadableError(f"{file}: it is larger than {largest_mebibytes} MiB; split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def read_yaml(text: str) -> Any:
    """The one document in `text`, None where there is none. Raises yaml.YAMLError, and ValueError for no date."""
    loader = _LOADER(text)
    root = _composed(text, loader)
    return None if root is None else loader.construct_document(root)


def check_yaml(text: str) -> None:
    """Raises yaml.YAMLError for what is not YAML, or is so without bounds."""
    _composed(text, _LOADER(text))


def _composed(text: str, loader: Any) -> yaml.Node | None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _mistake("it is nested too deep", event)
    root: yaml.Node | None = loader.get_single_node()
    if root is not None:
        _check(root, {})
    return root


def _check(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many nodes this one stands for; `sizes` knows those that were counted, 0 while they are."""
    if id(node) not in sizes:
        sizes[id(node)] = 0
        sizes[id(node)] = 1 + sum(_check(part, sizes) for part in _parts(node))
        if sizes[id(node)] > max(MOST_NODES, len(sizes)):
            raise _mistake(f"its aliases stand for more than {MOST_NODES} values", node)
    elif sizes[id(node)] == 0:
        raise _mistake("it holds itself", node)
    return sizes[id(node)]


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[tuple[str, str]] = set()
    for key, _value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise _mistake(f"{key.value!r} stands twice", key)
            seen.add((key.tag, key.value))
    return [part for pair in node.value for part in pair]


def _mistake(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)
