# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, tried on loopback."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _network
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_one_manager_that_answers_is_enough(listening, refusing):
    _network.require_reachable([refusing, listening])


def test_managers_that_do_not_answer_are_told_one_by_one(refusing):
    with pytest.raises(SwarmError, match=r"no manager can be reached: 127\.0\.0\.1 port \d+: .*refused"):
        _network.require_reachable([refusing])


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:2377", "lo"])
def test_an_address_or_interface_of_this_host_can_be_advertised(address):
    assert _network.own_address(address) == address


@pytest.mark.parametrize("address", ["192.0.2.77", "nosuchif0.invalid"])
def test_an_address_of_another_host_cannot_be_advertised(address):
    with pytest.raises(SwarmError, match=r"^advertise_addr: .*of this host"):
        _network.own_address(address)


@pytest.fixture
def named(monkeypatch):
    """Lets a name resolve to the given addresses, of which those beginning with 10. are this host's."""

    def name(*addresses):
        monkeypatch.setattr(_network, "resolved", lambda hosts: {*hosts, *addresses})
        monkeypatch.setattr(_network, "binding_problem", lambda host: "" if host.startswith("10.") else "not here")

    return name


@pytest.mark.parametrize(
    ("address", "given"), [("m1", "10.0.0.5"), ("m1:2377", "10.0.0.5:2377"), ("m1.example.com", "10.0.0.5")]
)
def test_docker_gets_the_address_of_a_name(named, address, given):
    named("127.0.1.1", "2001:db8::5", "10.0.0.5")
    assert _network.own_address(address) == given


@pytest.mark.parametrize(
    ("addresses", "why"),
    [(["127.0.1.1"], "it is 127.0.1.1 here"), (["::1"], "it is ::1 here"), (["192.0.2.5"], "not here")],
)
def test_a_name_at_which_others_do_not_reach_this_host_is_refused(named, addresses, why):
    named(*addresses)
    with pytest.raises(SwarmError, match=rf"m1 is neither an address nor an interface of this host \({why}\)"):
        _network.own_address("m1")


def test_names_are_resolved_beside_themselves():
    assert {"localhost", "127.0.0.1"} <= _network.resolved(["localhost:2377"])
