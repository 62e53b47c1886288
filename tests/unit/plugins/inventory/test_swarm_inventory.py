# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, read by Ansible's own inventory manager from an engine's API on loopback."""

from __future__ import annotations

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.swarmherd.cluster.plugins.inventory.swarm import InventoryModule, groups_of, living


@pytest.fixture
def inventory(engine, make_node, tmp_path, monkeypatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    engine.nodes.extend(
        [
            make_node("m1", role="manager"),
            make_node("n1", address="10.0.0.9", labels={"disk": "ssd", "has.dot": "x"}, availability="drain"),
            make_node("n1", id="ghost", state="down"),
            make_node("n2", address="10.0.0.8", state="down"),
        ]
    )

    def read(extra=""):
        path = tmp_path / "lab.swarm.yml"
        path.write_text(f"plugin: swarmherd.cluster.swarm\ndocker_host: {engine.url}\n{extra}")
        return InventoryManager(DataLoader(), sources=[str(path)])

    return read


def hosts(manager, group):
    return [host.name for host in manager.groups[group].get_hosts()]


def test_nodes_are_hosts_in_groups_of_role_labels_and_state(inventory):
    found = inventory()
    assert hosts(found, "managers") == ["m1"]
    assert hosts(found, "workers") == ["n1", "n2"]
    assert hosts(found, "label_disk_ssd") == ["n1"]
    assert hosts(found, "label_has_dot_x") == ["n1"]
    assert hosts(found, "availability_DRAIN") == ["n1"]
    assert hosts(found, "state_DOWN") == ["n2"]


def test_a_host_is_reached_at_its_address(inventory):
    found = inventory()
    assert found.get_host("n1").vars["ansible_host"] == "10.0.0.9"
    assert found.get_host("m1").vars["ansible_host"] == "10.0.0.1"
    assert found.get_host("n1").vars["swarm_id"] == "id-n1"


def test_groups_and_variables_of_ones_own_are_composed(inventory):
    found = inventory(
        'compose: {rack: "swarm_labels.disk | default(0)"}\ngroups: {big: swarm_cpus >= 2}\n'
        "keyed_groups: [{key: swarm_role, prefix: role}]\nstrict: true\n"
    )
    assert found.get_host("n1").vars["rack"] == "ssd"
    assert hosts(found, "big") == ["m1", "n1", "n2"]
    assert hosts(found, "role_manager") == ["m1"]


def test_hosts_can_be_called_by_id(inventory):
    assert hosts(inventory("hostnames: id\n"), "managers") == ["id-m1"]


def test_an_engine_that_does_not_answer_is_no_empty_inventory_without_a_word(inventory, engine, capsys):
    engine.failure = (500, "database on fire")
    assert "m1" not in inventory().hosts
    assert "database on fire" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("name", "ours"), [("swarm.yml", True), ("lab.swarm.yaml", True), ("lab.yml", False)])
def test_only_files_with_its_ending_are_its_own(name, ours, tmp_path):
    (tmp_path / name).write_text("")
    assert InventoryModule().verify_file(str(tmp_path / name)) is ours


def test_a_down_node_without_a_living_namesake_is_a_host(make_node):
    ghost, alone = make_node("n1", id="g", state="down"), make_node("n2", state="down")
    assert living([make_node("n1"), ghost, alone]) == [make_node("n1"), alone]


def test_groups_follow_the_words_of_docker():
    node = {"role": "worker", "state": "ready", "availability": "active", "labels": {"b": "2", "a": "1"}}
    assert groups_of(node) == ["workers", "availability_ACTIVE", "state_READY", "label_a_1", "label_b_2"]


def test_a_node_that_has_not_told_its_hostname_yet_is_a_host_by_its_id(inventory, engine):
    engine.nodes[0]["Description"] = {}
    assert hosts(inventory(), "managers") == ["id-m1"]
