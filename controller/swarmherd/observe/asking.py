# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Ansible what an inventory comes to.

One `ansible managers -m debug` is run as a child. `debug` is an action plugin: no connection is made. A child rather
than Ansible's Python classes, because those are no public interface and leave settings behind in the process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from swarmherd.observe.errors import InventoryError
from swarmherd.observe.inventory_files import inventory_files
from swarmherd.text_file import check_yaml

CLUSTER, POLICY = "swarmherd_cluster", "swarmherd_policy"
GROUP = "managers"
TIMEOUT_SECONDS = 60.0
MAX_OUTPUT_BYTES = 16 * 1024 * 1024
YAML = (".yml", ".yaml")

OF_A_MANAGER: Mapping[str, tuple[str, ...]] = {
    "connection": ("ansible_connection",),
    "docker_host": ("swarmherd_docker_host",),
    "tls_ca": ("swarmherd_docker_tls_ca",),
    "tls_cert": ("swarmherd_docker_tls_cert",),
    "tls_key": ("swarmherd_docker_tls_key",),
    "host": ("ansible_ssh_host", "ansible_host"),
    "user": ("ansible_ssh_user", "ansible_user"),
    "port": ("ansible_ssh_port", "ansible_port"),
    "key_file": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
    "ssh_args": ("ansible_ssh_args",),
    "ssh_common_args": ("ansible_ssh_common_args",),
    "ssh_extra_args": ("ansible_ssh_extra_args",),
    "ssh_executable": ("ansible_ssh_executable",),
    "check_host_key": ("ansible_ssh_host_key_checking", "ansible_host_key_checking"),
}
"""What is asked of each manager, and the variables that say it: the first that is set holds."""

OF_EVERY_HOST: Mapping[str, str] = {
    "addresses": "ansible_host",
    "node_names": "swarmherd_node_name",
    "ssh_ports": "ansible_port",
    "exporters": "node_exporter_listen_address",
}
"""What is asked of every host that has the variable."""


def _option(name: str) -> str:
    """What ansible.cfg, the environment or Ansible's default say; a host's own variables stand before it."""
    return f"lookup('ansible.builtin.config', '{name}', plugin_type='connection', plugin_name='ssh')"


def _said(question: str, otherwise: str = "''") -> str:
    return _first(OF_A_MANAGER[question], otherwise)


def _first(variables: tuple[str, ...], otherwise: str) -> str:
    """The first of `variables` that is set. `default` would also pass over one whose template cannot be resolved."""
    turns = (f"{one} if lookup('ansible.builtin.varnames', '^{one}$') else" for one in variables)
    return f"{' '.join(turns)} {otherwise}"


def _of_the_first(asked: str, otherwise: str) -> str:
    """What is the same for all managers is asked of the first alone."""
    return f"({asked}) if inventory_hostname == groups['{GROUP}'][0] else {otherwise}"


def _by_host(variable: str) -> str:
    """One variable of every host that has it, by host; one whose template cannot be resolved is an error here too."""
    having = f"groups['all'] | map('extract', hostvars) | select('contains', '{variable}')"
    pairs = f"{having} | map(attribute='inventory_hostname') | zip({having} | map(attribute='{variable}'))"
    return _of_the_first(f"dict({pairs})", "{}")


QUESTIONS: Mapping[str, str] = {
    "cluster": _first((CLUSTER,), "none"),
    "policy": _first((POLICY,), "none"),
    "order": f"groups['{GROUP}']",
    "hosts": _of_the_first("groups['all']", "[]"),
    "members": _of_the_first(f"groups['{GROUP}'] + groups['workers'] | default([])", "[]"),
    "node_labels": _by_host("swarmherd_node_labels"),
    **{question: _by_host(variable) for question, variable in OF_EVERY_HOST.items()},
    "collections_paths": "lookup('ansible.builtin.config', 'COLLECTIONS_PATHS')",
    "check_host_keys": _option("host_key_checking"),
    "connection": _said("connection", "'ssh'"),
    "docker_host": _said("docker_host"),
    "tls_ca": _said("tls_ca"),
    "tls_cert": _said("tls_cert"),
    "tls_key": _said("tls_key"),
    "host": _said("host", "inventory_hostname"),
    "user": _said("user", _option("remote_user")),
    "port": _said("port", _option("port")),
    "key_file": _said("key_file", _option("private_key_file")),
    "ssh_args": _said("ssh_args", _option("ssh_args")),
    "ssh_common_args": _said("ssh_common_args", _option("ssh_common_args")),
    "ssh_extra_args": _said("ssh_extra_args", _option("ssh_extra_args")),
    "ssh_executable": _said("ssh_executable", _option("ssh_executable")),
    "check_host_key": _said("check_host_key", _option("host_key_checking")),
}
ANSWER = re.compile(r"^(?P<host>\S+) \| (?P<word>[A-Z]+!?) => ", re.MULTILINE)
ORIGIN = re.compile(r"^(?P<said>.+)\nOrigin: (?P<where>/.+:\d+:\d+|(?<= is undefined\nOrigin: )/.+:\d+)$", re.MULTILINE)
UNPARSED = re.compile(r"^\[ERROR\]: Completely failed to parse inventory source (?P<file>.+)$", re.MULTILINE)
ATTEMPT = re.compile(
    r"^\[WARNING\]: Failed to parse inventory with '(?P<plugin>.+)' plugin: (?P<why>.+)$", re.MULTILINE
)
BESIDE_THE_POINT = ("no root 'plugin' key found", "Plugin configuration YAML file, not YAML inventory")
"""What Ansible's plugins say of a file that is meant for another of them."""


def ask(path: Path) -> dict[str, dict[str, Any]]:
    """Per manager Ansible's answers to QUESTIONS. Raises InventoryError."""
    return _answers(path, _asked(path))


def _environment() -> dict[str, str]:
    """Our own environment, with the settings that make Ansible's answers machine-readable and its errors early."""
    ours = {
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_DUPLICATE_YAML_DICT_KEY": "error",
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "false",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }
    return {**os.environ, **ours}


def _asked(path: Path) -> str:
    if endless := _broken_yaml(path, holding=b"*"):  # aliases, of which Ansible writes out all that they name
        raise InventoryError(endless)
    questions = json.dumps({"msg": {name: f"{{{{ {asked} }}}}" for name, asked in QUESTIONS.items()}})
    words = [sys.executable, "-m", "ansible", "adhoc", "-i", str(path), GROUP]
    words += ["-m", "ansible.builtin.debug", "-a", questions]
    try:
        done = subprocess.run(
            words,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
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
        except (ValueError, RecursionError) as error:
            raise InventoryError(f"{path}: Ansible's answer for {match['host']} cannot be read") from error
        if match["word"] != "SUCCESS":
            raise InventoryError(f"{path}: {match['host']}: {answer.get('msg', answer)}")
        answers[match["host"]] = answer["msg"]
    return answers


def _complaint(path: Path, text: str) -> str:
    """What Ansible says, and the file and line that it says it of, on one line."""
    if broken := _broken_yaml(path):
        return broken
    if unparsed := UNPARSED.search(text):
        return f"{unparsed['file']}: Ansible cannot read it {_attempts(Path(unparsed['file']), text)}"
    if origins := ORIGIN.findall(text):
        said, where = origins[-1]
        remedy = "; set it, or take out the template that names it" if said.endswith(" is undefined") else ""
        return f"{where}: {said.strip()}{remedy}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("[ERROR]", "ERROR!"))] or lines or ["Ansible failed"]
    return f"{path}: {errors[0].removeprefix('[ERROR]:').removeprefix('ERROR!').strip()}"


def _attempts(file: Path, text: str) -> str:
    """What each plugin that may have been meant says of the file: by its name YAML is nothing for `ini`."""
    tried = {
        plugin: why
        for plugin, why in ATTEMPT.findall(text)
        if not why.startswith(BESIDE_THE_POINT) and not (plugin == "ini" and file.suffix in YAML)
    }
    said = {why: f"as {plugin} ({why.strip()})" for plugin, why in tried.items()}
    return ", nor ".join(said.values()) or "by any of its plugins"


def _broken_yaml(path: Path, holding: bytes = b"") -> str:
    """For some broken files Ansible says only that there is one. `holding` bounds it to files with these bytes."""
    named = (file for file in inventory_files(path) if file.suffix in YAML or _of_variables(file))
    found = ((file, content) for file in named if holding in (content := file.read_bytes()))
    return next((said for file, content in found if (said := _broken(file, content))), "")


def _of_variables(file: Path) -> bool:
    return bool({"group_vars", "host_vars"} & set(file.parts))


def _broken(file: Path, content: bytes) -> str:
    """Why this is no YAML; empty where it is."""
    try:
        check_yaml(content.decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        return f"{file}{line}: not valid YAML: {getattr(error, 'problem', None) or 'not text'}; mend it there"
    return ""
