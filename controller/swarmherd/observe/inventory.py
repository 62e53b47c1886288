# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster is an inventory, and Ansible itself resolves it: templates, vault and group_vars mean here what they mean
to `ansible-playbook`.

One `ansible managers -m debug` is run as a child. `debug` is an action plugin: no connection is made. A child rather
than Ansible's Python classes, because those are no public interface and leave settings behind in the process.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from swarmherd.model import EMPTY, Node
from swarmherd.observe.connection import LOCAL_SOCKET, Connection, Ssh, Tls, with_url
from swarmherd.observe.errors import InventoryError

CLUSTER, POLICY = "swarmherd_cluster", "swarmherd_policy"
GROUP = "managers"
TIMEOUT_SECONDS = 60.0
MAX_OUTPUT_BYTES = 16 * 1024 * 1024

SSH_OPTION = "lookup('ansible.builtin.config', '{}', plugin_type='connection', plugin_name='ssh')"
"""What ansible.cfg, the environment or Ansible's default say; a host's own variables stand before it."""

ADDRESSED = "groups['all'] | map('extract', hostvars) | selectattr('ansible_host', 'defined')"


def _per_host(variable: str) -> str:
    """One variable of every host that has it, by host; asked of the first manager alone."""
    having = f"groups['all'] | map('extract', hostvars) | selectattr('{variable}', 'defined')"
    pairs = f"{having} | map(attribute='inventory_hostname') | zip({having} | map(attribute='{variable}'))"
    return f"dict({pairs}) if inventory_hostname == groups['{GROUP}'][0] else {{}}"


QUESTIONS: Mapping[str, str] = {
    "cluster": f"{CLUSTER} | default(none)",
    "policy": f"{POLICY} | default(none)",
    "order": f"groups['{GROUP}']",
    "hosts": f"groups['all'] if inventory_hostname == groups['{GROUP}'][0] else []",
    "addresses": f"({ADDRESSED} | map(attribute='ansible_host') | list) "
    f"if inventory_hostname == groups['{GROUP}'][0] else []",
    "addressed": f"({ADDRESSED} | map(attribute='inventory_hostname') | list) "
    f"if inventory_hostname == groups['{GROUP}'][0] else []",
    "members": f"(groups['{GROUP}'] + groups['workers'] | default([])) "
    f"if inventory_hostname == groups['{GROUP}'][0] else []",
    "node_names": _per_host("swarmherd_node_name"),
    "node_labels": _per_host("swarmherd_node_labels"),
    "ssh_ports": _per_host("ansible_port"),
    "exporters": _per_host("node_exporter_listen_address"),
    "collections_paths": "lookup('ansible.builtin.config', 'COLLECTIONS_PATHS')",
    "connection": "ansible_connection | default('ssh')",
    "docker_host": "swarmherd_docker_host | default('')",
    "tls_ca": "swarmherd_docker_tls_ca | default('')",
    "tls_cert": "swarmherd_docker_tls_cert | default('')",
    "tls_key": "swarmherd_docker_tls_key | default('')",
    "host": "ansible_ssh_host | default(ansible_host) | default(inventory_hostname)",
    "user": f"ansible_ssh_user | default(ansible_user) | default({SSH_OPTION.format('remote_user')})",
    "port": f"ansible_ssh_port | default(ansible_port) | default({SSH_OPTION.format('port')})",
    "key_file": "ansible_ssh_private_key_file | default(ansible_private_key_file) | "
    f"default({SSH_OPTION.format('private_key_file')})",
    "ssh_args": f"ansible_ssh_args | default({SSH_OPTION.format('ssh_args')})",
    "ssh_common_args": f"ansible_ssh_common_args | default({SSH_OPTION.format('ssh_common_args')})",
    "ssh_extra_args": f"ansible_ssh_extra_args | default({SSH_OPTION.format('ssh_extra_args')})",
    "ssh_executable": f"ansible_ssh_executable | default({SSH_OPTION.format('ssh_executable')})",
    "check_host_keys": SSH_OPTION.format("host_key_checking"),
    "check_host_key": "ansible_ssh_host_key_checking | default(ansible_host_key_checking) | "
    f"default({SSH_OPTION.format('host_key_checking')})",
}
ANSWER = re.compile(r"^(?P<host>\S+) \| (?P<word>[A-Z]+!?) => ", re.MULTILINE)
ORIGIN = re.compile(r"^(?P<said>.+)\nOrigin: (?P<where>/.+:\d+:\d+)$", re.MULTILINE)


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


@contextmanager
def _in_place() -> Iterator[None]:
    """A file that is taken away while it is read is the inventory's fault, and may be back the next time."""
    try:
        yield
    except OSError as error:
        what = error.filename or "the inventory"
        raise InventoryError(f"{what}: it cannot be read ({error.strerror or error})") from error


@_in_place()
def read_inventory(path: Path) -> Inventory:
    """Raises InventoryError, one sentence that names the file or the variable."""
    if not path.exists():
        raise InventoryError(f"{path}: no such inventory; give the path that ansible-playbook -i takes")
    answers = _answers(path, _ask(path))
    if not answers:
        raise InventoryError(f"{path}: the group {GROUP} is missing or empty; name the Swarm's managers in it")
    first = next(iter(answers.values()))
    order = [host for host in first["order"] if host in answers]
    return Inventory(
        path=path,
        cluster=_mapping(first["cluster"], CLUSTER, path),
        policy=_mapping(first["policy"], POLICY, path),
        cluster_file=defining_file(path, CLUSTER),
        policy_file=defining_file(path, POLICY),
        managers=tuple(_connection(host, answers[host], path) for host in order),
        collections_paths=tuple(first["collections_paths"]),
        check_host_keys=_true(first["check_host_keys"]),
        hosts=_hosts(answers[order[0]]),
        nodes=_nodes(answers[order[0]]),
        ssh_ports=_ports(answers[order[0]]["ssh_ports"]),
        exporter_ports=_ports(answers[order[0]]["exporters"]),
    )


def _hosts(said: Mapping[str, Any]) -> Mapping[str, str]:
    addresses = dict(zip(said["addressed"], map(str, said["addresses"]), strict=True))
    return MappingProxyType({name: addresses.get(name, name) for name in said["hosts"]})


def _nodes(said: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """Labels by the node's name; a host's own name is that of its node unless told."""
    labels = {host: _labels(said["node_labels"].get(host)) for host in said["members"]}
    return MappingProxyType({str(said["node_names"].get(host, host)): labels[host] for host in labels})


def _labels(said: Any) -> Mapping[str, str]:
    """As text, as Docker keeps them, and truth values in lower case, as the collection's module writes them."""
    written = said.items() if isinstance(said, dict) else ()
    return {str(key): str(value).lower() if isinstance(value, bool) else str(value) for key, value in written}


def _ports(said: Mapping[str, Any]) -> Mapping[str, int]:
    """The number behind the last colon, or the number alone."""
    found = {name: str(value).rpartition(":")[2] for name, value in said.items()}
    return MappingProxyType({name: int(port) for name, port in found.items() if port.isdigit()})


@_in_place()
def fingerprint(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a file of the inventory does, so that a switch in it is honoured within one cycle (S19).

    Raises InventoryError.
    """
    stats = ((file, file.stat()) for file in _files(path))
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def defining_file(path: Path, variable: str) -> str:
    """The inventory's file in which `variable` stands; of several the one that wins. Else the inventory itself."""
    pattern = re.compile(rf"(?m)^\s*[\"']?{variable}[\"']?\s*[:=]")
    found = [file for file in _files(path) if pattern.search(file.read_text(errors="replace"))]
    return str(max(found, key=_precedence, default=path))


def ansible_environment() -> dict[str, str]:
    """Our own environment, with the settings that make Ansible's answers machine-readable and its errors early."""
    ours = {
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "false",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }
    return {**os.environ, **ours}


def _ask(path: Path) -> str:
    questions = json.dumps({"msg": {name: f"{{{{ {asked} }}}}" for name, asked in QUESTIONS.items()}})
    words = [sys.executable, "-m", "ansible", "adhoc", "-i", str(path), GROUP]
    words += ["-m", "ansible.builtin.debug", "-a", questions]
    try:
        done = subprocess.run(
            words,
            env=ansible_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InventoryError(f"{path}: Ansible did not resolve it within {TIMEOUT_SECONDS:g} s") from error
    if done.returncode != 0 and not ANSWER.search(done.stdout):
        raise InventoryError(_complaint(path, done.stderr or done.stdout))
    if "| FAILED!" in done.stdout and ORIGIN.search(done.stdout + done.stderr):
        raise InventoryError(_complaint(path, done.stdout + done.stderr))
    return done.stdout[:MAX_OUTPUT_BYTES]


def _answers(path: Path, output: str) -> dict[str, dict[str, Any]]:
    """Per manager what Ansible said to the questions."""
    answers = {}
    decoder = json.JSONDecoder()
    for match in ANSWER.finditer(output):
        try:
            answer, _end = decoder.raw_decode(output, match.end())
        except ValueError as error:
            raise InventoryError(f"{path}: Ansible's answer for {match['host']} cannot be read") from error
        if match["word"] != "SUCCESS":
            raise InventoryError(f"{path}: {match['host']}: {answer.get('msg', answer)}")
        answers[match["host"]] = answer["msg"]
    return answers


def _complaint(path: Path, text: str) -> str:
    """What Ansible says, and the file and line that it says it of, on one line."""
    if origins := ORIGIN.findall(text):
        said, where = origins[-1]
        return f"{where}: {said.strip()}"
    if broken := _broken_yaml(path):
        return broken
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("[ERROR]", "ERROR!"))] or lines or ["Ansible failed"]
    return f"{path}: {errors[0].removeprefix('[ERROR]:').removeprefix('ERROR!').strip()}"


def _broken_yaml(path: Path) -> str:
    """For some broken files Ansible says only that there is one."""
    for file in _files(path):
        if file.suffix in (".yml", ".yaml"):
            try:
                yaml.compose(file.read_text(), Loader=yaml.SafeLoader)
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                mark = getattr(error, "problem_mark", None)
                line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
                return f"{file}{line}: not valid YAML: {getattr(error, 'problem', None) or 'not text'}"
    return ""


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


def _connection(name: str, said: Mapping[str, Any], path: Path) -> Connection:
    if not said["docker_host"] and str(said["connection"]).rpartition(".")[2] == "local":
        return Connection(name, url=LOCAL_SOCKET)
    ssh = Ssh(
        host=str(said["host"]),
        user=str(said["user"] or ""),
        port=int(said["port"]) if said["port"] else None,
        private_key_file=str(Path(str(said["key_file"])).expanduser()) if said["key_file"] else "",
        arguments=tuple(_words(said["ssh_args"], said["ssh_common_args"], said["ssh_extra_args"])),
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


def _words(*arguments: str | None) -> Iterator[str]:
    for text in arguments:
        yield from shlex.split(text or "")


def _files(path: Path) -> list[Path]:
    """The inventory's own files and the variables beside it, in a fixed order.

    Also those beside us: `ansible`, which is asked, takes the working directory for that of a playbook.
    """
    beside = path if path.is_dir() else path.parent
    found = {path} if path.is_file() else set(_below(path))
    for place in (beside, Path()) if not beside.samefile(Path()) else (beside,):
        for folder in (place / "group_vars", place / "host_vars"):
            found |= set(_below(folder)) if folder.is_dir() else set()
    return sorted(found)


def _below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """A folder's files as Ansible finds them, through links too, and nothing hidden. No link leads up again."""
    stat = folder.stat()
    here = (stat.st_dev, stat.st_ino)
    for one in folder.iterdir() if here not in above else ():
        if one.name.startswith("."):
            continue
        if one.is_dir():
            yield from _below(one, above | {here})
        elif one.is_file():
            yield one


def _precedence(file: Path) -> tuple[int, bool, int, str]:
    """Ansible's order: the inventory's files, group_vars/all, group_vars of a group, host_vars; of each kind those
    beside us, whose paths begin there, win."""
    parts = file.parts
    ours = parts[0] in ("group_vars", "host_vars")
    if "host_vars" in parts:
        return (3, ours, len(parts), str(file))
    if "group_vars" not in parts:
        return (0, ours, len(parts), str(file))
    group = Path(parts[parts.index("group_vars") + 1]).stem
    return (1 if group == "all" else 2, ours, len(parts), str(file))
