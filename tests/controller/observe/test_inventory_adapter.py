# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible resolves the inventory; what is wrong with it is one sentence that names the file or the variable."""

from __future__ import annotations

from pathlib import Path

import pytest
from swarmherd.model import Availability, Node, NodeState, Role
from swarmherd.observe.connection import Ssh, Tls, with_url
from swarmherd.observe.errors import InventoryError
from swarmherd.observe.inventory import read_inventory
from swarmherd.observe.inventory_files import fingerprint
from swarmherd.observe.tunnel import command

VARIABLES = """
base: 10.9.8
swarmherd_cluster: {name: shop, prometheus_url: "http://{{ base }}.7:9090"}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_templates_and_group_vars_are_resolved_and_their_files_known(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "shop",
        hosts="[managers]\nb ansible_host=10.9.8.2 ansible_port=2222\na ansible_connection=local\n",
        group_vars__all__cluster=VARIABLES,
        group_vars__managers="swarmherd_policy: {services: {web: {scale: {max: '{{ 2 + 3 }}'}}}}\n"
        "ansible_user: ops\nansible_ssh_private_key_file: '{{ inventory_dir }}/key'\n"
        "ansible_ssh_common_args: -o ProxyJump=gate -o StrictHostKeyChecking=no\n",
    )
    found = read_inventory(folder)
    assert found.cluster == {"name": "shop", "prometheus_url": "http://10.9.8.7:9090"}
    assert found.policy == {"services": {"web": {"scale": {"max": 5}}}}
    assert found.cluster_file == str(folder / "group_vars" / "all" / "cluster")
    assert found.policy_file == str(folder / "group_vars" / "managers")
    b, a = found.managers
    assert (b.name, a.name, a.url) == ("b", "a", "unix:///var/run/docker.sock")
    assert b.ssh is not None
    assert (b.ssh.host, b.ssh.port, b.ssh.user) == ("10.9.8.2", 2222, "ops")
    assert b.ssh.private_key_file == str(folder / "key")
    assert b.ssh.arguments[-4:-2] == ("-o", "ProxyJump=gate")


def test_where_hosts_are_looked_at_and_which_nodes_there_are_to_be_is_known_of_every_host(tmp_path: Path) -> None:
    """Of managers and workers; a spare host is no node."""
    folder = write(
        tmp_path / "shop",
        hosts="[managers]\na ansible_host=10.9.8.1 ansible_port=2222\n"
        "[workers]\nw1 swarmherd_node_name=big1 node_exporter_listen_address=127.0.0.1:9101\nw2\n[spares]\ns1\n",
        group_vars__all__cluster=VARIABLES + "swarmherd_policy: {}\n",
        group_vars__workers="ansible_port: '{{ 20 + 3 }}'\n"
        "swarmherd_node_labels: {ssd: true, zone: \"{{ 'b' if inventory_hostname == 'w2' else 'a' }}\"}\n",
    )
    found = read_inventory(folder)
    assert found.ssh_ports == {"a": 2222, "w1": 23, "w2": 23}
    assert found.exporter_ports == {"w1": 9101}
    assert found.nodes == {"a": {}, "big1": {"ssd": "true", "zone": "a"}, "w2": {"ssd": "true", "zone": "b"}}


def test_a_change_of_any_file_shows_in_the_fingerprint(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", hosts="[managers]\na\n", group_vars__all="x: 1\n")
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    write(folder, group_vars__all="x: 22\n")
    assert fingerprint(folder) != before


OFF = "swarmherd_policy: {enabled: false}\n"


@pytest.mark.parametrize("place", ["shop/group_vars/all/more.yml", "shop/more/switch.yml", "group_vars/managers.yml"])
def test_a_kill_switch_shows_wherever_ansible_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Behind a link, in the inventory's own folders, and in the directory that the controller runs in (S19)."""
    monkeypatch.chdir(tmp_path)
    folder = write(
        tmp_path / "shop",
        hosts="[managers]\na\n",
        group_vars__managers="here: shop\n",
        more__hosts="[workers]\nb\n",
    )
    common = write(tmp_path / "common", all__cluster=VARIABLES + "swarmherd_policy: {}\n")
    (folder / "group_vars" / "all").symlink_to(common / "all")
    (common / "all" / "round").symlink_to(common)
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    assert read_inventory(folder).policy == {}
    write(tmp_path, **{place: f"managers:\n  vars:\n    {OFF}" if "switch" in place else OFF})
    assert fingerprint(folder) != before
    if "switch" in place:  # there group_vars/all wins, as ever
        (common / "all" / "cluster").write_text(VARIABLES)
    found = read_inventory(folder)
    assert found.policy == {"enabled": False}
    assert Path(found.policy_file).samefile(tmp_path / place)


BOMB = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 12 if n else 'x')}]" for n in range(8))
GOOD = {"hosts": "[managers]\na\n", "group_vars__all": VARIABLES + "swarmherd_policy: {}\n"}


@pytest.mark.parametrize("name", ["local", "ansible.builtin.local", "ansible.legacy.local"])
def test_a_connection_is_local_by_each_of_its_names(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "shop", **{**GOOD, "hosts": f"[managers]\na ansible_connection={name}\n"})
    assert read_inventory(folder).managers[0].url == "unix:///var/run/docker.sock"


def test_a_user_may_be_a_number(tmp_path: Path) -> None:
    hosts = "[managers]\na ansible_user=1001 ansible_ssh_private_key_file=7\n"
    ssh = read_inventory(write(tmp_path / "shop", **{**GOOD, "hosts": hosts})).managers[0].ssh
    assert ssh is not None
    assert (ssh.user, ssh.private_key_file) == ("1001", "7")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"hosts": "[web]\na\n"}, ["group managers is missing or empty"]),
        ({"group_vars__all": ""}, ["variable swarmherd_cluster is not set"]),
        ({"group_vars__all": VARIABLES}, ["variable swarmherd_policy is not set"]),
        (
            {"group_vars__all": VARIABLES + "swarmherd_policy: '{{ nope }}'\n"},
            ["group_vars/all:4:19: 'nope' is undefined; set it, or take out the template that names it"],
        ),
        (
            {"group_vars__all": VARIABLES + "swarmherd_policy: '{{ none }}'\n"},
            ["group_vars/all: swarmherd_policy: it comes to nothing for the group managers; write keys under it, and"],
        ),
        ({"group_vars__all": "swarmherd_cluster: [1]\n"}, ["group_vars/all: swarmherd_cluster: must be a mapping"]),
        ({"group_vars__all": "swarmherd_cluster: {name: '{{ nope }}'}\n"}, ["group_vars/all:1:", "nope"]),
        ({"group_vars__managers.yml": "a: [\n"}, ["group_vars/managers.yml:2:1", "YAML"]),
        ({"hosts": "all:\n  hosts: [\n", "hosts.yml": "all: [\n"}, ["hosts"]),
        ({"hosts": "[managers]\na swarmherd_docker_host=gopher://x\n"}, ["a: swarmherd_docker_host", "gopher"]),
        ({"hosts": "[managers]\na swarmherd_docker_host=tcp://x:port\n"}, ["a: swarmherd_docker_host", "tcp://x:port"]),
        ({"hosts": "[managers]\na ansible_ssh_port=many\n"}, ["a: ", "'many' could not be converted"]),
        ({"hosts": "[managers]\na ansible_port=70000\n"}, ["a: ansible_port: '70000' is no port; write a number from"]),
        (
            {"group_vars__managers": "swarmherd_docker_tls_ca: [1]\n"},
            ["group_vars/managers: a: swarmherd_docker_tls_ca: a list ca"],
        ),
        ({"group_vars__managers": "swarmherd_docker_host: {}\n"}, ["a: swarmherd_docker_host: a mapping cannot stand"]),
        ({"group_vars__managers": "swarmherd_node_labels: [1]\n"}, ["a: swarmherd_node_labels: a list is not a mapp"]),
        (
            {"group_vars__managers": "ansible_ssh_args: -o 'x\n"},
            ["a: ansible_ssh_args: No closing quotation; write it"],
        ),
        (
            {"group_vars__managers": "swarmherd_docker_host: '{{ nope }}'\n"},
            ["managers:1:24: 'nope' is undefined; set"],
        ),
        (
            {"hosts": "[managers]\na\n[workers]\nw ansible_host='{{ nope }}'\n"},
            ["shop/hosts:4: 'nope' is undefined; set"],
        ),
        (
            {"group_vars__all": VARIABLES + "base: 1\nswarmherd_policy: {}\n"},
            ["all:4:1: not valid YAML: 'base' stands tw"],
        ),
        ({"group_vars__all": BOMB}, ["all:7:5: not valid YAML: its aliases stand for more than"]),
        ({"hosts": "[managers]\na b\n"}, ["hosts: Ansible cannot read it as yaml (", "nor as ini (", "got: b"]),
        (
            {"more.yml": "managers: {hosts: [b]}\n"},
            ["more.yml: Ansible cannot read it as yaml (Invalid", '"hosts" entry'],
        ),
        ({"more.yml": "plugin: some.thing.else\n"}, ["more.yml: Ansible cannot read it as auto (", "unknown plugin"]),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, files: dict[str, str], words: list[str]) -> None:
    folder = write(tmp_path / "shop", **{**GOOD, **files})
    with pytest.raises(InventoryError) as raised:
        read_inventory(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="no such inventory"):
        read_inventory(tmp_path / "nowhere")


def test_an_ssh_address_replaces_host_user_and_port_and_keeps_the_rest() -> None:
    ssh = Ssh("one", "root", 22, "/key", ("-o", "ProxyJump=gate"))
    changed = with_url("m", "ssh://ops@two:2200", ssh, Tls()).ssh
    assert changed == Ssh("two", "ops", 2200, "/key", ("-o", "ProxyJump=gate"))


def test_our_own_ssh_options_stand_before_the_operators() -> None:
    words = command(Ssh("h", "u", 2200, "/k", ("-o", "ControlMaster=auto"), check_host_key=False), Path("/s"), 3)
    assert words.index("ControlMaster=no") < words.index("ControlMaster=auto")
    assert "StrictHostKeyChecking=no" in words
    assert words[words.index("--") + 1] == "h"
    assert words[words.index("-l") + 1] == "u"


def test_a_node_is_found_among_the_hosts_by_its_name_or_its_address(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "shop",
        hosts="[managers]\nm1 ansible_host='{{ base }}.2'\nm2 ansible_host=10.9.8.3\n"
        "[workers]\nw1\nw2 ansible_host=10.9.8.5\ntwin1 ansible_host=10.9.8.9\ntwin2 ansible_host=10.9.8.9\n",
        group_vars__all__cluster=VARIABLES + "swarmherd_policy: {}\n",
    )
    found = read_inventory(folder)
    assert found.hosts["m1"] == "10.9.8.2"
    assert found.hosts["w1"] == "w1"
    asked = {"w1": "w1", "10.9.8.5": "w2", "10.9.8.9": None, "10.9.8.77": None}
    assert {address: found.host_of(node(address)) for address in asked} == {**asked, "w1": "w1"}
    assert found.host_of(node("10.9.8.2", hostname="m2")) == "m2", "a name is more than an address"


def node(address: str, hostname: str = "") -> Node:
    return Node("id", hostname or address, Role.WORKER, NodeState.READY, Availability.ACTIVE, address)
