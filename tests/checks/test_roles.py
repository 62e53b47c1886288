# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the roles needs no host of its own."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ("m1", "m2", "m3")

PROGRAMS = {
    "systemctl": """case "$1" in
show) printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n' ;;
restart) echo "restart $HOST" >> "$FOLDER/log" ;;
esac""",
    # As an engine does that was restarted a moment ago: it does not answer, is not a member yet, and then is.
    "docker": """echo "ask $HOST" >> "$FOLDER/log"
[ "$(grep -c restart "$FOLDER/log")" = "$BROKEN" ] && { echo pending; exit 0; }
case "$(grep -c "ask $HOST" "$FOLDER/log")" in
1) echo 'Cannot connect to the Docker daemon' >&2; exit 1 ;;
2) echo 'activeThe swarm does not have a leader' ;;
*) echo active ;;
esac""",
}


def restarted(folder: Path, broken: int = 0) -> list[str]:
    """What the engines were asked when the configuration of all changed; the `broken`th does not come back."""
    for name, script in PROGRAMS.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    play = {
        "hosts": "all",
        "gather_facts": False,
        "environment": {
            "HOST": "{{ inventory_hostname }}",
            "FOLDER": str(folder),
            "BROKEN": str(broken),
            "PATH": f"{folder}:{os.environ['PATH']}",
        },
        "vars": {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "docker_engine_started": {"changed": True, "status": {"ActiveState": "active"}},
            "docker_engine_start_timeout": 3,
        },
        "roles": ["docker_engine"],
    }
    role = folder / "roles" / "docker_engine"
    shutil.copytree(ROOT / "roles/docker_engine/handlers", role / "handlers")
    (role / "tasks").mkdir()
    (role / "tasks" / "main.yml").write_text(json.dumps([{"command": "true", "notify": "Restart the engine"}]))
    (folder / "play.yml").write_text(json.dumps([play]))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", f"{','.join(HOSTS)},", "play.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode == 0) is (not broken), done.stdout + done.stderr
    return (folder / "log").read_text().splitlines()


def test_engines_restart_one_after_the_other(tmp_path: Path) -> None:
    said = restarted(tmp_path)
    first = [line.removeprefix("restart ") for line in said[::4]]
    assert sorted(first) == list(HOSTS)
    assert said == [line for host in first for line in [f"restart {host}", *[f"ask {host}"] * 3]]


@pytest.mark.slow
def test_where_one_engine_does_not_come_back_no_other_is_restarted(tmp_path: Path) -> None:
    assert sum(line.startswith("restart") for line in restarted(tmp_path, broken=2)) == 2


def balanced(folder: Path, good: bool, *others: dict[str, Any], **service: Any) -> str:
    """HAProxy's configuration for a service that is said to be so, or why it was refused."""
    role = ROOT / "roles" / "load_balancer"
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text())
    write = {"src": str(role / "templates" / "haproxy.cfg.j2"), "dest": str(folder / "haproxy.cfg")}
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(role / name / "main.yml") for name in ("defaults", "vars")],
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [*(task for task in tasks if "ansible.builtin.assert" in task), {"ansible.builtin.template": write}],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    services = {"load_balancer_services": [{"name": "shop", "port": 80, "bind": 80, **service}, *others]}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "play.yml", "-e", json.dumps(services)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) is good, done.stdout + done.stderr
    return (folder / "haproxy.cfg").read_text() if good else done.stdout


def test_what_a_service_is_checked_by_is_one_word_of_the_configuration(tmp_path: Path) -> None:
    given = {"check_path": "/well?is=#1", "check_expect": 'it\'s all good # "yes" $HOME \\ '}
    # In single quotes and before a quote HAProxy takes what a shell takes.
    lines = [shlex.split(line) for line in balanced(tmp_path, good=True, **given).splitlines() if "http-check" in line]
    assert lines[0][:6] == ["http-check", "send", "meth", "GET", "uri", given["check_path"]]
    assert lines[2] == ["http-check", "expect", "string", given["check_expect"]]


@pytest.mark.parametrize("service", [{"name": "a\nbackend b"}, {"name": "a b"}, {"check_expect": "well\nhttp-check"}])
def test_what_would_be_more_than_a_word_is_refused(tmp_path: Path, service: dict[str, str]) -> None:
    assert "load_balancer_services: the name" in balanced(tmp_path, good=False, **service)


def test_an_option_of_a_service_that_is_null_has_its_default(tmp_path: Path) -> None:
    given = {"slots": None, "balance": None, "timeout_server": None, "check_path": None, "check_expect": None}
    assert balanced(tmp_path, good=True, **given) == balanced(tmp_path, good=True)


@pytest.mark.parametrize(
    ("service", "others"),
    [
        ({"name": "metrics"}, []),
        ({"bind": 8404}, []),
        ({}, [{"name": "shop", "port": 80, "bind": 81}]),
        ({}, [{"name": "other", "port": 80, "bind": 80}]),
    ],
)
def test_what_would_be_there_twice_is_refused(
    tmp_path: Path, service: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    said = " ".join(balanced(tmp_path, False, *others, **service).split())
    assert "a name is there twice or is metrics" in said
    assert "or is 8404, which is load_balancer_metrics_port" in said
