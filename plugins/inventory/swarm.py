# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: swarm
short_description: The nodes of a Docker Swarm as hosts
version_added: 0.1.0
description:
  - Asks a manager of a Swarm for its nodes, and makes a host of each.
  - Groups are V(managers) and V(workers), V(label_KEY_VALUE) for each label, V(availability_ACTIVE),
    V(availability_PAUSE) and V(availability_DRAIN), and V(state_READY), V(state_DOWN) and so on.
  - An entry that is down while another node of the same hostname is up is what a host left behind, and no host.
  - The file's name ends with C(swarm.yml) or C(swarm.yaml).
author:
  - Swarmherd contributors (@swarmherd)
extends_documentation_fragment:
  - swarmherd.cluster.docker
  - swarmherd.cluster.docker.environment
  - ansible.builtin.constructed
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [swarmherd.cluster.swarm]
  hostnames:
    description: What a host is called. Ids are unique where hostnames are not.
    type: str
    choices: [hostname, id]
    default: hostname
seealso:
  - module: swarmherd.cluster.cluster_info
"""

EXAMPLES = r"""
# production.swarm.yml: through a manager's SSH service, or its engine's own port with TLS (tcp://10.0.0.11:2376)
plugin: swarmherd.cluster.swarm
docker_host: ssh://root@10.0.0.11
# groups and variables of one's own
compose:
  ansible_user: "'admin'"
groups:
  large: swarm_cpus >= 16
keyed_groups:
  - key: swarm_engine_version
    prefix: engine
"""

import os
from typing import Any, Iterable, Mapping

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.swarmherd.cluster.plugins.module_utils import _nodes
from ansible_collections.swarmherd.cluster.plugins.module_utils._client import (
    IMPORT_ERROR,
    Document,
    connect,
    connection_options,
)
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError

FILE_ENDINGS = ("swarm.yml", "swarm.yaml")


def living(nodes: Iterable[Document]) -> list[Document]:
    """The nodes without what hosts left behind: entries that are down while a namesake is up."""
    nodes = list(nodes)
    up = {_nodes.hostname(node) for node in nodes if _nodes.is_up(node)}
    return [node for node in nodes if not (_nodes.is_down(node) and _nodes.hostname(node) in up)]


def groups_of(node: Mapping[str, Any]) -> list[str]:
    """The groups of a node as `_nodes.told` gives it, not yet made safe for Ansible."""
    labels = [f"label_{key}_{value}" for key, value in sorted(node["labels"].items())]
    states = [f"availability_{node['availability'].upper()}", f"state_{node['state'].upper()}"]
    return [f"{node['role']}s", *states, *labels]


def variables_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """A host's variables: where it is reached, and everything known of it under names that begin with `swarm_`."""
    address = {"ansible_host": node["address"]} if node["address"] else {}
    return {**address, **{f"swarm_{key}": value for key, value in node.items()}}


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "swarmherd.cluster.swarm"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and os.fspath(path).endswith(FILE_ENDINGS)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if IMPORT_ERROR:
            raise AnsibleParserError(f"{path}: the Docker SDK for Python is missing; install python3-docker")
        options = {name: self.get_option(name) for name in connection_options()}
        try:
            nodes = living(connect(options).nodes())
        except SwarmError as error:
            raise AnsibleParserError(f"{path}: {error}") from error
        for node in sorted((_nodes.told(node) for node in nodes), key=lambda node: (node["hostname"], node["id"])):
            self._add(node)

    def _add(self, node: Mapping[str, Any]) -> None:
        host = self.inventory.add_host(node[self.get_option("hostnames")])
        variables = variables_of(node)
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        for group in groups_of(node):
            self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), host)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
