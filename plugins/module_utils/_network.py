# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of this host and of others, tried before Docker is asked to rely on them."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Sequence

from ._errors import SwarmError
from ._membership import host_and_port, host_port

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


def own_address(address: str) -> str:
    """The address to advertise, as Docker takes it: an interface of this host, or one of its addresses for a name.

    Others will come to it, so a name that leads a host back to itself alone, as Debian's /etc/hosts has it, is refused.
    """
    host, port = host_port(address)
    if is_address(host):
        problem = binding_problem(host)
        if not problem:
            return address
    else:
        if host in {name for _index, name in socket.if_nameindex()}:
            return address
        problem = ""
        for found in sorted(resolved([host]) - {host}, key=lambda each: ":" in each):
            if ip_address(found.partition("%")[0]).is_loopback:
                problem = problem or f"it is {found} here"
                continue
            problem = binding_problem(found)
            if not problem:
                return found if address == host else host_and_port(f"[{found}]:{port}")
    raise SwarmError(
        f"advertise_addr: {host} is neither an address nor an interface of this host"
        f" ({problem or 'it does not resolve'}); the other nodes could not reach it there"
    )


def is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def binding_problem(host: str) -> str:
    """Why nothing of this host can listen at the address, or an empty string."""
    try:
        family, kind, _protocol, _name, target = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(target)
    except OSError as error:
        return str(error)
    return ""


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
