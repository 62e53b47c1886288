# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of a Compose service, in their short and long form. Pure."""

from __future__ import annotations

import re
from typing import Any

from ._document import choice, items, section, text, whole_number
from ._errors import SwarmError

_SHORT = re.compile(
    r"^(?:(?P<host>.+):)??(?:(?P<published>\d+(?:-\d+)?):)?(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>tcp|udp|sctp))?$"
)
_FORMS = "write TARGET, PUBLISHED:TARGET or PUBLISHED:TARGET/udp, in quotes"


def publish(value: Any, key: str) -> list[dict[str, Any]]:
    """The option `publish`."""
    found: list[dict[str, Any]] = []
    for place, port in enumerate(items(value, key)):
        here = f"{key}[{place}]"
        found.extend([_long(port, here)] if isinstance(port, dict) else _short(text(port, here), here))
    return found


def _long(port: Any, key: str) -> dict[str, Any]:
    refused = {"host_ip": "Swarm publishes on all addresses of a node; take it out"}
    settings = section(port, key, ("target", "published", "protocol", "mode"), refused)
    long: dict[str, Any] = {
        "target_port": _port(settings.get("target"), f"{key}.target"),
        "protocol": choice(settings.get("protocol", "tcp"), f"{key}.protocol", ("tcp", "udp", "sctp")),
        "mode": choice(settings.get("mode", "ingress"), f"{key}.mode", ("ingress", "host")),
    }
    if "published" in settings:
        long["published_port"] = _port(settings["published"], f"{key}.published")
    return long


def _short(line: str, key: str) -> list[dict[str, Any]]:
    match = _SHORT.match(line)
    if not match:
        raise SwarmError(f"{key}: {line!r} is no port; {_FORMS}")
    if match["host"]:
        raise SwarmError(f"{key}: Swarm publishes on all addresses of a node; take {match['host']}: out")
    targets = _range(match["target"], key)
    published = _range(match["published"], key) if match["published"] else [None] * len(targets)
    if len(published) != len(targets):
        raise SwarmError(f"{key}: {line!r} has ranges of different lengths; {_FORMS}")
    common = {"protocol": match["protocol"] or "tcp", "mode": "ingress"}
    return [
        {"target_port": target, **({"published_port": outside} if outside else {}), **common}
        for target, outside in zip(targets, published)
    ]


def _range(words: str, key: str) -> list[int]:
    first, _sep, last = words.partition("-")
    low, high = _port(first, key), _port(last or first, key)
    if low > high:
        raise SwarmError(f"{key}: the range {words} ends before it begins")
    return list(range(low, high + 1))


def _port(value: Any, key: str) -> int:
    port = whole_number(value, key)
    if not 0 < port < 65536:
        raise SwarmError(f"{key}: {port} is no port; ports are from 1 to 65535")
    return port
