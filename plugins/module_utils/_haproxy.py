# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's runtime socket: the commands that concern servers, and what their answers mean.

Formats: the management guide of HAProxy 2.x, `show servers state`, `show stat` and `set server`.
"""

from __future__ import annotations

import re
import socket
from typing import Iterable, NamedTuple, Sequence

from ._errors import SwarmError

ANSWER_SECONDS = 5
MOST_BYTES = 16 * 1024 * 1024
NAME = re.compile(r"^[A-Za-z0-9_.:\-]+$")

FORCED_MAINT, FORCED_DRAIN = 0x01, 0x08
"""Bits of `srv_admin_state` that a person or this module sets. Others are inherited."""
NO_ADDRESS = 0x20
"""Its bit of a slot that DNS has no address for, whatever address it had last."""


class Server(NamedTuple):
    """One slot of a backend."""

    name: str
    address: str
    """Empty, or an address without meaning, while the slot is free."""
    admin: int
    weight: int
    """As it is set now, and not as it is configured."""

    @property
    def state(self) -> str:
        """`ready`, `drain` or `maint`, as it was asked for."""
        if self.admin & FORCED_MAINT:
            return "maint"
        return "drain" if self.admin & FORCED_DRAIN else "ready"

    @property
    def free(self) -> bool:
        """Whether no task is behind it."""
        return not self.address or bool(self.admin & NO_ADDRESS)


def ask(path: str, command: str) -> str:
    """The answer to one command. Raises a SwarmError where nothing answers."""
    chunks, size = [], 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(ANSWER_SECONDS)
            line.connect(path)
            line.sendall(f"{command}\n".encode())
            while size < MOST_BYTES:
                chunk = line.recv(65536)
                if not chunk:
                    break
                chunks.append(chunk)
                size += len(chunk)
    except OSError as error:
        raise SwarmError(f"the load balancer at {path} cannot be reached: {error.strerror or error}") from error
    return b"".join(chunks).decode(errors="replace").strip()


def safe(name: str, option: str) -> str:
    """A name that can stand in a command, which ends at a blank, a semicolon or a new line."""
    if not NAME.match(name):
        raise SwarmError(f"{option}: {name!r} is no name of HAProxy's; it may have letters, digits and -_.:")
    return name


def servers(answer: str, backend: str) -> list[Server]:
    """From the answer to `show servers state BACKEND`."""
    lines = answer.splitlines()
    header = next((line for line in lines if line.startswith("# ")), "")
    if not header:
        raise SwarmError(f"backend: the load balancer has no backend {backend}: {answer or 'no answer'}")
    keys = header[2:].split()
    rows = [dict(zip(keys, line.split())) for line in lines[lines.index(header) + 1 :] if line.strip()]
    return [
        Server(row["srv_name"], _address(row["srv_addr"]), int(row["srv_admin_state"]), int(row["srv_uweight"]))
        for row in rows
    ]


def _address(text: str) -> str:
    return "" if text == "-" else text


def sessions(path: str, backend: str) -> dict[str, int]:
    """Sessions that are served or wait, by server of a backend. Raises a SwarmError where that is not told.

    Servers of all backends are asked for: by its name HAProxy would look for a frontend first, which often has the
    same name, and tell of its servers, which are none.
    """
    answer = ask(path, "show stat -1 4 -1")
    lines = [line for line in answer.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# "):
        raise SwarmError(f"the load balancer's answer about sessions is not understood: {answer[:200]!r}")
    keys = lines[0][2:].split(",")
    rows = [dict(zip(keys, line.split(","))) for line in lines[1:]]
    return {row["svname"]: int(row["scur"]) + int(row["qcur"]) for row in rows if row["pxname"] == backend}


def chosen(
    found: Iterable[Server], names: Sequence[str], addresses: Sequence[str], backend: str, drained: bool = False
) -> list[Server]:
    """The servers with those names, which have to be there, those at the addresses, which need not, and, where that is
    asked for, those that are drained."""
    found = list(found)
    missing = sorted(set(names) - {server.name for server in found})
    if missing:
        raise SwarmError(f"servers: the backend {backend} has no server {', '.join(missing)}")
    return [
        server
        for server in found
        if server.name in names
        or (server.address and server.address in addresses)
        or (drained and server.state == "drain")
    ]
