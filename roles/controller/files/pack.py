# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs a folder, and says the digest of what is in it, which the same files have on any machine and at any time.

usage: pack.py FOLDER NAME ARCHIVE [PART...]

In the archive all of it lies in a folder NAME, with the digest in NAME/.digest. Of FOLDER itself only the PARTs are
taken, where any are named. Hidden files and what Python makes of its sources stay behind; links are followed.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

MADE = ("__pycache__", ".egg-info")


def kept(names: list[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith(".") and not name.endswith(MADE))


def files(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """Folders and files below the folder, in a fixed order. A link to a folder that it lies in is not followed."""
    for place, folders, names in os.walk(folder, followlinks=True):
        top = parts and Path(place) == folder
        folders[:] = [name for name in kept(folders) if not top or name in parts]
        above = {above.resolve() for above in (Path(place), *Path(place).parents)}
        folders[:] = [name for name in folders if (Path(place) / name).resolve() not in above]
        yield from (Path(place) / name for name in folders)
        yield from (Path(place) / name for name in kept(names) if not top or name in parts)


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        sys.exit(f"{file}: it cannot be read ({error.strerror}); mend it, or move it away")


def main(folder: str, name: str, archive: str, *parts: str) -> str:
    digest = hashlib.sha256()
    with tarfile.open(archive, "w:gz") as packed:

        def add(path: str, content: bytes, mode: int, kind: bytes = tarfile.REGTYPE) -> None:
            digest.update(f"{path}\0{mode}\0{len(content)}\0".encode() + content)
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size, member.mode, member.mtime, member.type = len(content), mode, int(time.time()), kind
            packed.addfile(member, io.BytesIO(content))

        for file in files(Path(folder), parts):
            path, mode = file.relative_to(folder).as_posix(), 0o755 if os.access(file, os.X_OK) else 0o644
            if file.is_dir():
                add(path, b"", 0o755, tarfile.DIRTYPE)
            else:
                add(path, read(file), mode)
        said = digest.hexdigest()
        add(".digest", said.encode(), 0o644)
    return said


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]))
