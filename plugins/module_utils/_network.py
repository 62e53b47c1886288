# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of this host and of others, tried before Docker is asked to rely on them."""

from __future__ import annotations

import socket
from typing import Sequence

from ._errors import SwarmError
from ._membership import host_port

CONNECT_SECONDS = 3


def require_reachable(addresses: Sequence[str]) -> None:
    """At least one manager accepts a connection. Raises SwarmError that says why each of them did not."""
    problems = []
    for address in addresses:
        problem = connection_problem(address)
        if not problem:
            return
        problems.append(problem)
    raise SwarmError(f"no manager can be reached: {'; '.join(problems)}; check the addresses and the firewall")


def connection_problem(address: str, timeout_seconds: float = CONNECT_SECONDS) -> str:
    """Why no TCP connection can be made to a manager, or an empty string."""
    host, port = host_port(address)
    try:
        socket.create_connection((host, port), timeout_seconds).close()
    except OSError as error:
        return f"{host} port {port}: {error}"
    return ""


def require_own_address(address: str) -> None:
    """The address to advertise is one of this host's, or one of its interfaces: others will come to it."""
    host = host_port(address)[0]
    if host in {name for _index, name in socket.if_nameindex()}:
        return
    try:
        family, kind, _protocol, _name, target = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(target)
    except OSError as error:
        raise SwarmError(
            f"advertise_addr: {host} is neither an address nor an interface of this host ({error});"
            " the other nodes could not reach it there"
        ) from error


def resolved(addresses: Sequence[str]) -> set[str]:
    """The hosts among `addresses`, as written and as addresses. A name that does not resolve stays a name."""
    hosts = {host_port(address)[0] for address in addresses}
    found = set(hosts)
    for host in hosts:
        try:
            found.update(str(answer[4][0]) for answer in socket.getaddrinfo(host, 0))
        except OSError:  # noqa: PERF203 - each name fails for itself
            continue
    return found
