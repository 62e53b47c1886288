# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster is an inventory, and Ansible itself resolves it: templates, vault and group_vars mean here what they mean
to `ansible-playbook`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from swarmherd.model import EMPTY, Node
from swarmherd.observe.asking import CLUSTER, GROUP, OF_A_MANAGER, OF_EVERY_HOST, POLICY, ask
from swarmherd.observe.connection import LOCAL_SOCKET, Connection, Ssh, Tls, with_url
from swarmherd.observe.errors import InventoryError
from swarmherd.observe.inventory_files import defining_file, in_place
from swarmherd.policy.units import as_number, shown

LABELS = "swarmherd_node_labels"
LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Inventory:
    """One cluster's inventory, resolved. `cluster` and `policy` are raw: `swarmherd.policy` validates them."""

    path: Path
    cluster: Mapping[str, Any]
    policy: Mapping[str, Any]
    cluster_file: str
    """The file that `swarmherd_cluster` stands in, for error messages; likewise `policy_file`."""
    policy_file: str
    managers: tuple[Connection, ...]
    collections_paths: tuple[str, ...] = ()
    """Where Ansible looks for collections."""
    check_host_keys: bool = True
    """Whether SSH checks host keys where no host's variable says otherwise."""
    hosts: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Every host by its name, with its address; without an address of its own a host is reached by its name."""

    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: EMPTY)
    """What the Swarm is to consist of: by the node's name its labels, as `playbooks/provision.yml` takes them."""
    ssh_ports: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """Where SSH answers, by host, where `ansible_port` says so."""
    exporter_ports: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """Where node_exporter answers, by host, where `node_exporter_listen_address` says so."""

    def host_of(self, node: Node) -> str | None:
        """The host that is this node: of its name, else the only one at its address or hostname. None if unclear."""
        if node.hostname in self.hosts:
            return node.hostname
        places = {node.address, node.hostname} - {""}
        found = [name for name, address in self.hosts.items() if address in places]
        return found[0] if len(found) == 1 else None

    def address_of(self, node: Node) -> str:
        """Where the node is reached from here: as the inventory says, else as Swarm does. A bare name may be ssh's."""
        host = self.host_of(node)
        address = self.hosts[host] if host is not None else ""
        return address if address not in ("", host) else node.address


@in_place()
def read_inventory(path: Path) -> Inventory:
    """Raises InventoryError, one sentence that names the file or the variable."""
    if not path.exists():
        raise InventoryError(f"{path}: no such inventory; give the path that ansible-playbook -i takes")
    answers = ask(path)
    if not answers:
        raise InventoryError(f"{path}: the group {GROUP} is missing or empty; name the Swarm's managers in it")
    first = next(iter(answers.values()))
    order = [host for host in first["order"] if host in answers]
    of_hosts = _of_hosts(answers[order[0]], path)
    return Inventory(
        path=path,
        cluster=_mapping(first["cluster"], CLUSTER, path),
        policy=_mapping(first["policy"], POLICY, path),
        cluster_file=defining_file(path, CLUSTER),
        policy_file=defining_file(path, POLICY),
        managers=tuple(_connection(host, answers[host], path) for host in order),
        collections_paths=tuple(first["collections_paths"]),
        check_host_keys=_true(first["check_host_keys"]),
        hosts=MappingProxyType({name: of_hosts["addresses"].get(name) or name for name in answers[order[0]]["hosts"]}),
        nodes=_nodes(answers[order[0]], of_hosts["node_names"], path),
        ssh_ports=_ports(of_hosts["ssh_ports"], "ssh_ports", path),
        exporter_ports=_ports(of_hosts["exporters"], "exporters", path),
    )


def _of_hosts(said: Mapping[str, Any], path: Path) -> Mapping[str, Mapping[str, str]]:
    """Per question the text by host, of those that say anything."""
    return {
        question: {host: _text(value, host, variable, path) for host, value in said[question].items()}
        for question, variable in OF_EVERY_HOST.items()
    }


def _text(value: Any, host: str, variable: str, path: Path) -> str:
    if isinstance(value, dict | list):
        raise _wrong(path, host, variable, f"{shown(value)} cannot stand here", "write text or a number")
    return "" if value is None else str(value)


def _wrong(path: Path, host: str, variable: str, message: str, remedy: str) -> InventoryError:
    return InventoryError(f"{defining_file(path, variable)}: {host}: {variable}: {message}; {remedy}")


def _nodes(said: Mapping[str, Any], names: Mapping[str, str], path: Path) -> Mapping[str, Mapping[str, str]]:
    """Labels by the node's name; a host's own name is that of its node unless told."""
    labels = {host: _labels(said["node_labels"].get(host), host, path) for host in said["members"]}
    return MappingProxyType({names.get(host) or host: labels[host] for host in labels})


def _labels(said: Any, host: str, path: Path) -> Mapping[str, str]:
    """As text, as Docker keeps them, and truth values in lower case, as the collection's module writes them."""
    if said is not None and not isinstance(said, dict):
        raise _wrong(path, host, LABELS, f"{shown(said)} is not a mapping", "write labels and values below it")
    written = {str(key): (value, _text(value, host, f"{LABELS}.{key}", path)) for key, value in (said or {}).items()}
    return {key: text.lower() if isinstance(value, bool) else text for key, (value, text) in written.items()}


def _ports(said: Mapping[str, str], question: str, path: Path) -> Mapping[str, int]:
    """The number behind the last colon, or the number alone."""
    found = {host: text.rpartition(":")[2] for host, text in said.items()}
    return MappingProxyType(
        {host: _port(port, host, OF_EVERY_HOST[question], path) for host, port in found.items() if port.isdigit()}
    )


def _port(text: str, host: str, variable: str, path: Path) -> int:
    number = as_number(text)
    if number is None or number != int(number) or not 1 <= number <= LAST_PORT:
        raise _wrong(path, host, variable, f"{shown(text)} is no port", f"write a number from 1 to {LAST_PORT}")
    return int(number)


def _mapping(value: Any, variable: str, path: Path) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    where = defining_file(path, variable)
    if value is not None:
        raise InventoryError(f"{where}: {variable}: must be a mapping, not {type(value).__name__}; write keys under it")
    if where == str(path):
        raise InventoryError(f"{path}: the variable {variable} is not set for the group {GROUP}; set it in group_vars")
    remedy = f"write keys under it, and set for {GROUP} what its template names"
    raise InventoryError(f"{where}: {variable}: it comes to nothing for the group {GROUP}; {remedy}")


def _connection(name: str, answers: Mapping[str, Any], path: Path) -> Connection:
    said = {asked: _text(answers[asked], name, variables[-1], path) for asked, variables in OF_A_MANAGER.items()}
    if not said["docker_host"] and said["connection"].rpartition(".")[2] == "local":
        return Connection(name, url=LOCAL_SOCKET)
    ssh = Ssh(
        host=said["host"],
        user=said["user"],
        port=_port(said["port"], name, "ansible_port", path) if said["port"] else None,
        private_key_file=str(Path(said["key_file"]).expanduser()) if said["key_file"] else "",
        arguments=tuple(_words(said, name, path)),
        executable=said["ssh_executable"] or "ssh",
        check_host_key=_true(said["check_host_key"]),
    )
    if not said["docker_host"]:
        return Connection(name, ssh=ssh)
    try:
        return with_url(name, said["docker_host"], ssh, Tls(said["tls_ca"], said["tls_cert"], said["tls_key"]))
    except ValueError as error:
        raise InventoryError(f"{path}: {name}: swarmherd_docker_host: {error}") from error


def _true(value: Any) -> bool:
    return str(value).lower() not in ("false", "no", "off", "0")


def _words(said: Mapping[str, str], host: str, path: Path) -> Iterator[str]:
    for asked in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        try:
            yield from shlex.split(said[asked])
        except ValueError as error:
            variable = OF_A_MANAGER[asked][0]
            raise _wrong(path, host, variable, str(error), "write it as on a command line, quotes closed") from error
