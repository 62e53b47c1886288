# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Compose document to a stack's networks and services, named and labelled as `docker stack deploy` does. Pure.

Volumes are no objects of a Swarm: each node makes them when a task that mounts them starts. So they are part of mounts.
"""

from __future__ import annotations

import re
from typing import Any, Collection, Mapping, NamedTuple

from ._compose_service import service
from ._document import items, mapping, section, text, truth
from ._errors import SwarmError
from ._interpolation import pairs

NAMESPACE = "com.docker.stack.namespace"
"""The label of everything that belongs to a stack; Docker's own `stack` commands go by it."""

_STACK_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
_TOP = ("version", "name", "services", "networks", "volumes", "secrets", "configs")
_NETWORK = ("name", "external", "driver", "driver_opts", "attachable", "internal", "labels", "ipam")
_VOLUME = ("name", "external", "driver", "driver_opts", "labels")
_CREATED_BEFORE = ("name", "external", "file", "labels")


class Stack(NamedTuple):
    networks: dict[str, dict[str, Any]]
    """By full name: `external`, `driver`, `options`, `attachable`, `internal`, `labels`, `subnets`."""
    services: dict[str, dict[str, Any]]
    """By full name, the options of the module `service` and those that only a Compose file has. Every one is there, so
    that what the file leaves out is set back to Docker's default. Networks, secrets and configs are names still."""
    warnings: list[str]


def stack(document: Any, name: str, fast: Collection[str] = ()) -> Stack:
    """`document` has its variables replaced already. Raises SwarmError naming the key, and what to write instead."""
    if not _STACK_NAME.match(name):
        raise SwarmError(f"name: {name!r} cannot be a stack's name; use letters, digits, and - _ . within")
    top = section(document, "", _TOP)
    if not top.get("services"):
        raise SwarmError("services: there are none; a stack has at least one")
    shared = {
        "networks": {key: _network(name, key, value) for key, value in _inner(top, "networks")},
        "volumes": {key: _volume(name, key, value) for key, value in _inner(top, "volumes")},
        "secrets": {
            key: _full_name(name, key, _created(f"secrets.{key}", value)) for key, value in _inner(top, "secrets")
        },
        "configs": {
            key: _full_name(name, key, _created(f"configs.{key}", value)) for key, value in _inner(top, "configs")
        },
    }
    shared["networks"].setdefault("default", _network(name, "default", None))
    warnings: list[str] = []
    services = {
        f"{name}_{key}": _labelled(service(name, key, value, shared, warnings, f"{name}_{key}" in fast), name)
        for key, value in _inner(top, "services")
    }
    used = {network["name"] for options in services.values() for network in options["networks"]}
    networks = {network.pop("name"): network for network in shared["networks"].values()}
    return Stack({key: value for key, value in networks.items() if key in used}, services, warnings)


def _inner(top: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in mapping(top.get(key), key).items()]


def _labelled(options: dict[str, Any], name: str) -> dict[str, Any]:
    options["labels"] = {**options["labels"], NAMESPACE: name, "com.docker.stack.image": options["image"]}
    options["container_labels"] = {**options["container_labels"], NAMESPACE: name}
    return options


def _full_name(stack_name: str, key: str, found: Mapping[str, Any]) -> str:
    """`name` is taken as it is, an external object is called as its key, and all others are named after the stack."""
    external = found.get("external", False)
    if isinstance(external, dict) and external.get("name"):
        return text(external["name"], f"{key}.external.name")
    if found.get("name"):
        return text(found["name"], f"{key}.name")
    return key if _is_external(found, key) else f"{stack_name}_{key}"


def _is_external(found: Mapping[str, Any], key: str) -> bool:
    external = found.get("external", False)
    return isinstance(external, dict) or truth(external, f"{key}.external")


def _network(stack_name: str, key: str, value: Any) -> dict[str, Any]:
    place = f"networks.{key}"
    found = section(value, place, _NETWORK, {"enable_ipv6": "overlay networks of a Swarm speak IPv4"})
    ipam = section(found.get("ipam"), f"{place}.ipam", ("config",), {"driver": "Swarm uses its own; take it out"})
    subnets = [
        text(section(entry, f"{place}.ipam.config", ("subnet",)).get("subnet"), f"{place}.ipam.config.subnet")
        for entry in items(ipam.get("config"), f"{place}.ipam.config")
    ]
    return {
        "name": _full_name(stack_name, key, found),
        "external": _is_external(found, place),
        "driver": text(found.get("driver", "overlay"), f"{place}.driver"),
        "options": _texts(found, "driver_opts", place),
        "attachable": truth(found.get("attachable", False), f"{place}.attachable"),
        "internal": truth(found.get("internal", False), f"{place}.internal"),
        "labels": {**_texts(found, "labels", place), NAMESPACE: stack_name},
        "subnets": subnets,
    }


def _volume(stack_name: str, key: str, value: Any) -> dict[str, Any]:
    """What a mount of this volume says of it. An external one is there already, and nothing is said."""
    place = f"volumes.{key}"
    found = section(value, place, _VOLUME)
    name = _full_name(stack_name, key, found)
    if _is_external(found, place):
        return {"source": name}
    return {
        "source": name,
        "driver": text(found.get("driver", ""), f"{place}.driver"),
        "driver_options": _texts(found, "driver_opts", place),
        "volume_labels": {**_texts(found, "labels", place), NAMESPACE: stack_name},
    }


def _created(place: str, value: Any) -> dict[str, Any]:
    """Secrets and configs are created before: nothing of theirs passes through here."""
    remedies = dict.fromkeys(("content", "environment"), "create it with docker, and write external: true")
    return section(value, place, _CREATED_BEFORE, remedies)


def _texts(found: Mapping[str, Any], name: str, place: str) -> dict[str, str]:
    return {
        key: "" if value is None else str(value) for key, value in pairs(found.get(name, {}), f"{place}.{name}").items()
    }
