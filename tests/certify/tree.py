# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout at the place that ansible-test demands: …/ansible_collections/swarmherd/cluster, and no link.

It holds what git lists, tracked or not yet, as it stands now: what one is working on is what is tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = "swarmherd/cluster"
BESIDE = ("ansible/posix", "community/docker", "community/library_inventory_filtering_v1")
"""The collections that ours depends on, from the PyPI package `ansible`."""
KEPT = ("tests/output", ".git")
"""ansible-test's own: results, and the virtual environments that make the next run quick."""


def build(place: Path) -> Path:
    """Make the tree below `place`, or bring it up to date. Returns the collection's folder."""
    collections = place / "ansible_collections"
    installed = Path(sysconfig.get_path("purelib")) / "ansible_collections"
    for name in BESIDE:
        link(collections / name, installed / name)
    collection = collections / OURS
    collection.mkdir(parents=True, exist_ok=True)
    mirror(listed(), collection)
    if not (collection / ".git").exists():
        # ansible-test asks git for the files, and would otherwise ask the repository around, which ignores build/.
        subprocess.run(["git", "init", "--quiet", str(collection)], check=True, timeout=60)
        (collection / ".git" / "info" / "exclude").write_text("/tests/output/\n")
    return collection


def listed() -> list[str]:
    """The checkout's files, as git lists them, without those that were deleted."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    return sorted(name for name in set(told.split("\0")) if name and os.path.lexists(ROOT / name))


def mirror(names: list[str], folder: Path) -> None:
    """Make `folder` hold these files of the checkout and no others, writing only what changed."""
    for name in names:
        source, target = ROOT / name, folder / name
        if not same(source, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for path in strangers(folder, set(names)):
        path.unlink()


def strangers(folder: Path, wanted: set[str]) -> list[Path]:
    """The files below `folder` that are neither wanted nor ansible-test's own."""
    found = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent).relative_to(folder)
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        folders[:] = [name for name in folders if (here / name).as_posix() not in KEPT]
        found += [here / name for name in (*files, *links) if (here / name).as_posix() not in wanted]
    return [folder / path for path in found]


def same(source: Path, target: Path) -> bool:
    if not os.path.lexists(target):
        return False
    one, other = source.lstat(), target.lstat()
    return (one.st_size, one.st_mtime_ns, one.st_mode) == (other.st_size, other.st_mtime_ns, other.st_mode)


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() and path.readlink() == target:
        return
    path.unlink(missing_ok=True)
    path.symlink_to(target)
