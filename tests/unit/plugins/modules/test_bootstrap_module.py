# SPDX-License-Identifier: GPL-3.0-or-later
"""node_bootstrap about another node, where the list of nodes changes meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.swarmherd.cluster.plugins.modules import node_bootstrap


def test_an_entry_that_somebody_else_removes_meanwhile_needs_no_removal(make_node):
    lists = [[make_node("n1")], []]
    swarm = SimpleNamespace(nodes=lambda: lists.pop(0) if len(lists) > 1 else lists[0])
    result = node_bootstrap.remove_other(swarm, {"node": "n1", "force": False, "wait_timeout": 1}, check=False)
    assert (result["changed"], result["node"]) == (False, {})


def test_docker_is_given_an_address_where_a_name_was(monkeypatch):
    monkeypatch.setattr(node_bootstrap, "own_address", {"m1": "10.0.0.5"}.get)
    given = {"advertise_addr": "m1", "remote_addrs": []}
    assert node_bootstrap.with_addresses(given)["advertise_addr"] == "10.0.0.5"
    assert node_bootstrap.with_addresses({**given, "advertise_addr": None})["advertise_addr"] is None
