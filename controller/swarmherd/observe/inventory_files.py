# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files an inventory consists of, as Ansible finds them, and in which of them a variable stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarmherd.observe.errors import InventoryError


@contextmanager
def in_place() -> Iterator[None]:
    """A file that is taken away while it is read is the inventory's fault, and may be back the next time."""
    try:
        yield
    except OSError as error:
        what = error.filename or "the inventory"
        raise InventoryError(f"{what}: it cannot be read ({error.strerror or error})") from error


@in_place()
def fingerprint(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a file of the inventory does, so that a switch in it is honoured within one cycle (S19).

    Raises InventoryError.
    """
    stats = ((file, file.stat()) for file in inventory_files(path))
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def defining_file(path: Path, variable: str) -> str:
    """The inventory's file in which `variable` stands; of several the one that wins. Else the inventory itself."""
    pattern = re.compile(rf"(?m)^\s*[\"']?{variable}[\"']?\s*[:=]")
    found = [file for file in inventory_files(path) if pattern.search(file.read_text(errors="replace"))]
    return str(max(found, key=_precedence, default=path))


def inventory_files(path: Path) -> list[Path]:
    """The inventory's own files and the variables beside it, in a fixed order.

    Also those beside us: `ansible`, which is asked, takes the working directory for that of a playbook.
    """
    beside = path if path.is_dir() else path.parent
    found = {path} if path.is_file() else set(_below(path))
    for place in (beside, Path()) if not beside.samefile(Path()) else (beside,):
        for folder in (place / "group_vars", place / "host_vars"):
            found |= set(_below(folder)) if folder.is_dir() else set()
    return sorted(found)


def _below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """A folder's files as Ansible finds them, through links too, and nothing hidden. No link leads up again."""
    stat = folder.stat()
    here = (stat.st_dev, stat.st_ino)
    for one in folder.iterdir() if here not in above else ():
        if one.name.startswith("."):
            continue
        if one.is_dir():
            yield from _below(one, above | {here})
        elif one.is_file():
            yield one


def _precedence(file: Path) -> tuple[int, bool, int, str]:
    """Ansible's order: the inventory's files, group_vars/all, group_vars of a group, host_vars; of each kind those
    beside us, whose paths begin there, win."""
    parts = file.parts
    ours = parts[0] in ("group_vars", "host_vars")
    if "host_vars" in parts:
        return (3, ours, len(parts), str(file))
    if "group_vars" not in parts:
        return (0, ours, len(parts), str(file))
    group = Path(parts[parts.index("group_vars") + 1]).stem
    return (1 if group == "all" else 2, ours, len(parts), str(file))
