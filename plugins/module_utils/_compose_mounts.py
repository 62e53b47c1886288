# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Compose service finds in its file system: volumes, tmpfs, secrets and configs. Pure."""

from __future__ import annotations

from typing import Any, Mapping

from ._document import choice, items, section, text, texts, truth
from ._errors import SwarmError
from ._values import size_bytes

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_HARMLESS = ("rw", "consistent", "cached", "delegated")
"""Modes of a short form that say what is so anyway, or what only Docker Desktop knows."""
_READABLE_BY_ALL = 0o444

Volumes = Mapping[str, Mapping[str, Any]]
"""By its key in the document, what a mount says of a volume."""


def mounts(found: Mapping[str, Any], key: str, volumes: Volumes) -> list[dict[str, Any]]:
    """The option `mounts`, from `volumes` and `tmpfs`."""
    wanted: list[dict[str, Any]] = []
    for place, entry in enumerate(items(found.get("volumes"), f"{key}.volumes")):
        here = f"{key}.volumes[{place}]"
        mount = _long(entry, here) if isinstance(entry, dict) else _short(text(entry, here), here)
        wanted.append(_placed(mount, here, volumes))
    wanted.extend(_tmpfs(line, f"{key}.tmpfs") for line in texts(found.get("tmpfs"), f"{key}.tmpfs"))
    return [{"readonly": False, "whole": True, **mount} for mount in wanted]


def _short(line: str, key: str) -> dict[str, Any]:
    """`TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:MODES`; a source that begins as a path is one."""
    parts = line.split(":")
    if len(parts) > 3 or not all(parts):
        raise SwarmError(f"{key}: {line!r} is no volume; write SOURCE:TARGET or SOURCE:TARGET:ro")
    if len(parts) == 1:
        return {"type": "volume", "target": line}
    mount: dict[str, Any] = {
        "type": "bind" if parts[0][0] in "/.~" else "volume",
        "source": parts[0],
        "target": parts[1],
    }
    for mode in parts[2].split(",") if len(parts) == 3 else []:
        if mode == "ro":
            mount["readonly"] = True
        elif mode == "nocopy" and mount["type"] == "volume":
            mount["no_copy"] = True
        elif mode in _PROPAGATIONS and mount["type"] == "bind":
            mount["propagation"] = mode
        elif mode not in _HARMLESS:
            raise SwarmError(f"{key}: {mode} is not supported; write ro, rw, nocopy or a propagation such as rshared")
    return mount


def _long(entry: Any, key: str) -> dict[str, Any]:
    known = ("type", "source", "target", "read_only", "bind", "volume", "tmpfs", "consistency")
    found = section(entry, key, known)
    kind = choice(found.get("type"), f"{key}.type", ("volume", "bind", "tmpfs"))
    bind = section(found.get("bind"), f"{key}.bind", ("propagation",))
    volume = section(found.get("volume"), f"{key}.volume", ("nocopy",))
    tmpfs = section(found.get("tmpfs"), f"{key}.tmpfs", ("size",))
    mount: dict[str, Any] = {"type": kind, "target": text(found.get("target"), f"{key}.target")}
    if "source" in found:
        mount["source"] = text(found["source"], f"{key}.source")
    if "read_only" in found:
        mount["readonly"] = truth(found["read_only"], f"{key}.read_only")
    if bind:
        mount["propagation"] = choice(bind["propagation"], f"{key}.bind.propagation", _PROPAGATIONS)
    if volume:
        mount["no_copy"] = truth(volume["nocopy"], f"{key}.volume.nocopy")
    if tmpfs:
        mount["tmpfs_size"] = _size(tmpfs["size"], f"{key}.tmpfs.size")
    return mount


def _placed(mount: dict[str, Any], key: str, volumes: Volumes) -> dict[str, Any]:
    """With the volume's own settings, or the assurance that the path means something on every node."""
    source = mount.get("source")
    if mount["type"] == "bind" and not str(source).startswith("/"):
        raise SwarmError(f"{key}: a path on the nodes begins with /; {source!r} would mean another place on each")
    if mount["type"] != "volume" or source is None:
        return mount
    if source not in volumes:
        raise SwarmError(f"{key}: no such volume {source}; declare it under volumes at the top")
    return {**mount, **volumes[source]}


def _tmpfs(line: str, key: str) -> dict[str, Any]:
    target, _sep, options = line.partition(":")
    mount: dict[str, Any] = {"type": "tmpfs", "target": target}
    for option in options.split(",") if options else []:
        name, _equals, value = option.partition("=")
        if name != "size":
            raise SwarmError(f"{key}: {name} is not supported; write PATH or PATH:size=64M")
        mount["tmpfs_size"] = _size(value, f"{key}.size")
    return mount


def _size(value: Any, key: str) -> Any:
    size_bytes(value, key)
    return value


def references(value: Any, key: str, declared: Mapping[str, str]) -> list[dict[str, Any]]:
    """Secrets or configs: `name` in the Swarm, and the file that a task finds, as Docker names it where nobody says."""
    found = []
    for place, entry in enumerate(items(value, key)):
        here = f"{key}[{place}]"
        settings = {"source": entry} if isinstance(entry, str) else entry
        settings = section(settings, here, ("source", "target", "uid", "gid", "mode"))
        source = text(settings.get("source"), f"{here}.source")
        if source not in declared:
            raise SwarmError(f"{here}: {source} is not declared; declare it under {key.rpartition('.')[2]} at the top")
        found.append(
            {
                "name": declared[source],
                "target": text(settings.get("target", source), f"{here}.target"),
                "uid": text(settings.get("uid", "0"), f"{here}.uid"),
                "gid": text(settings.get("gid", "0"), f"{here}.gid"),
                "mode": _mode(settings.get("mode", _READABLE_BY_ALL), f"{here}.mode"),
            }
        )
    return found


def _mode(value: Any, key: str) -> int:
    """A number as YAML reads it, where 0440 is octal, or the same digits as text."""
    try:
        return int(value, 8) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        raise SwarmError(f"{key}: write the file's mode as 0440") from None
