# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles write, from what they are told."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
VAULT = ("--vault-password-file", "password")
HIDDEN = "so-secret"
TEMPLATES = sorted(ROOT.glob("roles/*/templates/*.j2"))


def played(folder: Path, role: str, *tasks: dict[str, Any], **given: Any) -> str:
    """What Ansible said of tasks that have the variables of the role."""
    files = [ROOT / "roles" / role / name / "main.yml" for name in ("defaults", "vars")]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(file) for file in files],
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    (folder / "password").write_text("key\n")
    text = yaml.safe_dump({"ansible_become": False, "ansible_python_interpreter": sys.executable, **given})
    (folder / "given.yml").write_text(text.replace("VAULTED", vaulted(folder)) if "VAULTED" in text else text)
    command = [str(BIN / "ansible-playbook"), "--diff", *VAULT, "play.yml", "-e", "@given.yml"]
    around = {**os.environ, "ANSIBLE_NOCOLOR": "true", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def vaulted(folder: Path) -> str:
    command = [str(BIN / "ansible-vault"), "encrypt_string", *VAULT, HIDDEN]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def template(role: str, name: str, target: Path) -> dict[str, Any]:
    return {"ansible.builtin.template": {"src": str(ROOT / "roles" / role / "templates" / name), "dest": str(target)}}


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_what_manages_a_file_is_told_in_a_comment_of_any_number_of_lines(file: Path) -> None:
    assert file.read_text().startswith("{{ ansible_managed | comment }}\n")


def test_an_argument_of_node_exporter_is_one_whatever_is_in_it(tmp_path: Path) -> None:
    given = ["--no-collector.wifi", '--a=it\'s "all" good', "--b=^/(dev|proc)($|/) \\d+ `id` $HOME"]
    write = template("node_exporter", "defaults.j2", tmp_path / "told")
    played(tmp_path, "node_exporter", write, node_exporter_arguments=given)
    # Within double quotes systemd takes from the file what a shell takes, and splits the value as a shell does.
    script = '. ./told; printf %s "$ARGS"'
    value = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True)
    assert shlex.split(value.stdout) == ["--web.listen-address=:9100", *given]
    assert "--no-collector.wifi" in (tmp_path / "told").read_text()


@pytest.mark.parametrize(
    ("listens", "url"),
    [
        (":9100", "http://127.0.0.1:9100/"),
        ("0.0.0.0:9200", "http://127.0.0.1:9200/"),
        ("[::]:9200", "http://127.0.0.1:9200/"),
        ("[fd00::5]:9100", "http://[fd00::5]:9100/"),
        ("10.0.0.5:9100", "http://10.0.0.5:9100/"),
    ],
)
def test_an_exporter_is_asked_where_it_listens(tmp_path: Path, listens: str, url: str) -> None:
    told = {"ansible.builtin.debug": {"var": "node_exporter_url"}}
    assert f'"{url}"' in played(tmp_path, "node_exporter", told, node_exporter_listen_address=listens)


def configured(folder: Path, **given: Any) -> str:
    """What Ansible said when it wrote Prometheus' configuration as the role does, but for the check in a container."""
    tasks = yaml.safe_load((ROOT / "roles/prometheus/tasks/main.yml").read_text())
    task = next(task for task in tasks if task["name"] == "Configure Prometheus")
    options = task["ansible.builtin.template"]
    del options["validate"]
    options["src"] = str(ROOT / "roles/prometheus/templates/prometheus.yml.j2")
    known = {"prometheus_docker_socket": {"stat": {"gid": os.getgid()}}, "prometheus_config_dir": str(folder)}
    return played(folder, "prometheus", task, **known, **given)


def test_prometheus_gets_a_vaulted_password_and_nobody_else_does(tmp_path: Path) -> None:
    job = {"job_name": "extra", "basic_auth": {"username": "a", "password": "VAULTED"}}
    said = configured(tmp_path, prometheus_extra_scrape_configs=[job])
    written = tmp_path / "prometheus.yml"
    assert yaml.safe_load(written.read_text())["scrape_configs"][-1]["basic_auth"]["password"] == HIDDEN
    assert HIDDEN not in said
    assert written.stat().st_mode & 0o777 == 0o640
    assert written.stat().st_gid == os.getgid()


def test_a_configuration_without_entries_of_others_is_shown(tmp_path: Path) -> None:
    assert "+scrape_configs:" in configured(tmp_path)


@pytest.mark.parametrize("role", ["prometheus", "load_balancer"])
def test_what_a_container_no_longer_is_to_have_goes(role: str) -> None:
    blocks = yaml.safe_load((ROOT / "roles" / role / "tasks" / "main.yml").read_text())
    options = next(
        task["community.docker.docker_container"]
        for block in blocks
        for task in block.get("block", [])
        if "community.docker.docker_container" in task
    )
    # Docker itself is asked in the role's Molecule scenario. Lists that are not compared strictly only grow.
    grow = {"groups", "networks", "published_ports", "volumes"} & set(options)
    assert options["comparisons"] == dict.fromkeys(grow, "strict")


def test_no_proxy_stands_between_a_host_and_itself() -> None:
    asking = re.compile(r"^( *)ansible\.builtin\.uri:\n((?:\1 +.*\n)+)", re.M)
    found = [
        (file, asked[2])
        for file in [*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/**/*.yml")]
        for asked in asking.finditer(file.read_text())
    ]
    assert len(found) > 5
    assert [file for file, options in found if "use_proxy: false" not in options] == []
