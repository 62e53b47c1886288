# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the collection `swarmherd.cluster`, whose playbooks are the only hands of the controller."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SWARMHERD_COLLECTION"
INSIDE = Path("ansible_collections") / "swarmherd" / "cluster"
ENACT = Path("playbooks") / "enact"


class CollectionError(Exception):
    """There is no usable collection: one sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Collection:
    """The collection's directory, under a directory that Ansible can search."""

    root: Path
    search_path: Path
    """What holds `ansible_collections/`."""

    def playbook(self, kind: str) -> Path:
        """The playbook of one kind of action. Raises CollectionError when there is none."""
        file = self.root / ENACT / f"{kind}.yml"
        if not file.is_file():
            raise CollectionError(f"{file} is missing; install a swarmherd.cluster that has {ENACT}/{kind}.yml")
        return file


def find_collection(collections_paths: Iterable[str], links: Path) -> Collection:
    """The collection that `SWARMHERD_COLLECTION` names, else this checkout's own, else the one that Ansible finds.

    A checkout is seldom in a directory `ansible_collections/swarmherd/cluster`, without which Ansible does not see
    its modules: then a link of that name is made below `links`. Raises CollectionError.
    """
    paths = tuple(collections_paths)
    for root in _candidates(paths):
        if (root / ENACT).is_dir():
            return _searchable(root.resolve(), links)
    looked = ", ".join(paths) or "no collections path"
    raise CollectionError(
        f"the collection swarmherd.cluster is not found ({looked}); "
        f"install it with ansible-galaxy, or let {VARIABLE} name its directory"
    )


def _candidates(collections_paths: Iterable[str]) -> Iterator[Path]:
    if named := os.environ.get(VARIABLE):
        yield Path(named).expanduser()
        return
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "galaxy.yml").is_file():
        yield checkout
    # What pip installed lies beside Python's own packages; Ansible looks there last.
    for place in (*collections_paths, *sys.path):
        yield Path(place).expanduser() / INSIDE


def _searchable(root: Path, links: Path) -> Collection:
    if root.parts[-3:] == INSIDE.parts:
        return Collection(root, root.parents[2])
    link = links / INSIDE
    try:
        links.mkdir(parents=True, exist_ok=True, mode=0o700)  # it will hold what the runs leave
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() or link.readlink() != root:
            link.unlink(missing_ok=True)
            link.symlink_to(root)
    except OSError as error:
        raise CollectionError(f"{link}: {error.strerror}; let {VARIABLE} name an installed collection") from error
    return Collection(link, links)
