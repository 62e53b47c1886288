# SPDX-License-Identifier: GPL-3.0-or-later
"""How networks, mounts, ports, secrets and configs stand in a service's spec. Pure; rules as in `_service_fields`."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ._errors import SwarmError
from ._values import merged_texts, size_bytes, stripped


def networks(wanted: Sequence[Any], held: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Each wanted network is its id, or a dictionary of `target`, its id, and all `aliases` of the service in it.

    An attachment that stays keeps its driver options, and its aliases where none are named.
    """
    attached = {attachment["Target"]: attachment for attachment in held or []}
    after = [_attachment(network, attached) for network in wanted]
    return held if _in_order(after, _target) == _in_order(held or [], _target) else after or None


def _attachment(wanted: Any, attached: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if isinstance(wanted, str):
        return attached.get(wanted, {"Target": wanted})
    found = attached.get(wanted["target"], {"Target": wanted["target"]})
    same = sorted(found.get("Aliases") or []) == sorted(wanted["aliases"])
    return found if same else {**found, "Aliases": list(wanted["aliases"])}


def _target(attachment: Mapping[str, Any]) -> str:
    return attachment["Target"]


def references(kind: str) -> Callable[[Sequence[Mapping[str, Any]], Any], Any]:
    """For `Secret` or `Config`: references with `id`, `name`, `target`, `uid`, `gid` and `mode`, each one file."""

    def merge(wanted: Sequence[Mapping[str, Any]], held: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        after = [
            {
                f"{kind}ID": item["id"],
                f"{kind}Name": item["name"],
                "File": {"Name": item["target"], "UID": item["uid"], "GID": item["gid"], "Mode": item["mode"]},
            }
            for item in wanted
        ]
        return held if _in_order(after, _file) == _in_order(held or [], _file) else after or None

    return merge


def _file(reference: Mapping[str, Any]) -> str:
    return (reference.get("File") or {}).get("Name", "")


def mounts(wanted: Sequence[Mapping[str, Any]], held: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """A mount that stays where it is keeps the settings that the task does not name, unless it is told as a `whole`."""
    places = {_mount_place(mount): mount for mount in held or []}
    after = []
    for mount in wanted:
        place = (mount["target"], mount["type"], mount.get("source") or "")
        after.append(_mount(mount, {} if mount.get("whole") else places.get(place, {})))
    if _in_order(after, _mount_place) == _in_order(held or [], _mount_place):
        return held
    return after or None


def _mount(mount: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    kind, key = mount["type"], f"mounts: {mount['target']}"
    if kind == "bind" and not mount.get("source"):
        raise SwarmError(f"{key}: a bind mount needs a source")
    new: dict[str, Any] = {**held, "Type": kind, "Source": mount.get("source") or "", "Target": mount["target"]}
    if mount.get("readonly") is not None:
        new["ReadOnly"] = mount["readonly"]
    if mount.get("propagation"):
        new["BindOptions"] = {**(held.get("BindOptions") or {}), "Propagation": mount["propagation"]}
    if mount.get("tmpfs_size") is not None:
        size = size_bytes(mount["tmpfs_size"], f"{key}: tmpfs_size")
        new["TmpfsOptions"] = {**(held.get("TmpfsOptions") or {}), "SizeBytes": size}
    volume = _volume(mount, held.get("VolumeOptions") or {}, key)
    if volume:
        new["VolumeOptions"] = volume
    else:
        new.pop("VolumeOptions", None)
    return new


def _volume(mount: Mapping[str, Any], held: Mapping[str, Any], key: str) -> dict[str, Any]:
    driver = held.get("DriverConfig") or {}
    if mount.get("driver") and mount["driver"] != (driver.get("Name") or "local"):
        driver = {}  # what one driver is told means nothing to another
    options = merged_texts(driver.get("Options") or {}, mount.get("driver_options") or {}, f"{key}: driver_options")
    driver = {**driver, **stripped({"Name": mount.get("driver")}), "Options": options}
    if not options:
        del driver["Options"]
    named = stripped({"NoCopy": mount.get("no_copy"), "Labels": mount.get("volume_labels")})
    kept = {name: value for name, value in held.items() if name != "DriverConfig"}
    return {**kept, **named, **({"DriverConfig": driver} if driver else {})}


def _mount_place(mount: Mapping[str, Any]) -> Sequence[str]:
    return (mount.get("Target", ""), mount.get("Type", ""), mount.get("Source", ""))


def publish(wanted: Sequence[Mapping[str, Any]], held: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    after = [
        stripped(
            {
                "Protocol": port["protocol"],
                "TargetPort": port["target_port"],
                "PublishedPort": port.get("published_port"),
                "PublishMode": port["mode"],
            }
        )
        for port in wanted
    ]
    defaults = {"Protocol": "tcp", "PublishMode": "ingress"}
    filled = [{**defaults, **stripped({k: v for k, v in port.items() if k != "Name"})} for port in held or []]
    return held if _in_order(after, _port_place) == _in_order(filled, _port_place) else after or None


def _port_place(port: Mapping[str, Any]) -> Sequence[Any]:
    return (port["TargetPort"], port.get("Protocol", ""), port.get("PublishedPort", 0))


def _in_order(items: Sequence[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], Any]) -> list[dict[str, Any]]:
    return sorted((stripped(item) for item in items), key=key)
