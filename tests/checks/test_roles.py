# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the roles needs no host of its own."""

from __future__ import annotations

import json
import os
import re
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
            "docker_engine_started": {"changed": False},
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


def test_where_one_engine_does_not_come_back_no_other_is_restarted(tmp_path: Path) -> None:
    assert sum(line.startswith("restart") for line in restarted(tmp_path, broken=2)) == 2


def balanced(folder: Path, good: bool, **service: str) -> str:
    """HAProxy's configuration for a service that is said to be so, or why it was refused."""
    role = ROOT / "roles" / "load_balancer"
    first = yaml.safe_load((role / "tasks" / "main.yml").read_text())[0]
    write = {"src": str(role / "templates" / "haproxy.cfg.j2"), "dest": str(folder / "haproxy.cfg")}
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(role / "defaults" / "main.yml")],
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [first, {"ansible.builtin.template": write}],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    services = {"load_balancer_services": [{"name": "shop", "port": 80, "bind": 80, **service}]}
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


CONTROLLER = ROOT / "roles" / "controller"
PLAYED = {
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
    "controller_source": "swarmherd",
    "controller_python": {"stdout": "3.11"},
    "role_path": str(CONTROLLER),
}


def controller(folder: Path, *tasks: dict[str, Any], good: bool = True, check: bool = False, **given: Any) -> str:
    """What Ansible said of tasks that have the variables of the role controller."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(CONTROLLER / name / "main.yml") for name in ("defaults", "vars")],
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "play.yml", "-e", json.dumps({**PLAYED, **given})]
    command += ["--check"] if check else []
    settings = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) is good, done.stdout + done.stderr
    return done.stdout


def template(name: str, target: Path) -> dict[str, Any]:
    return {"ansible.builtin.template": {"src": str(CONTROLLER / "templates" / name), "dest": str(target)}}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "group_vars" / "__pycache__").mkdir(parents=True)
    for name in ("hosts.yml", "group_vars/all.yml", "group_vars/gone.yml", ".hidden", "group_vars/__pycache__/a.pyc"):
        (folder / name).write_text(f"{name}: 1\n")
    return folder


def tree(folder: Path, shop: Path, check: bool = False) -> int:
    """How many tasks changed something when the folder was copied to `there/cluster`."""
    given = {
        "controller_archives": {"path": str(folder)},
        "controller_digests": {},
        "controller_inventory_copy": "/no/inventory",
        "controller_tree": str(shop),
        "controller_tree_parts": [],
        "controller_tree_copy": str(folder / "there" / "cluster"),
        "controller_tree_mode": "u=rwX,g=rX,o=",
        "controller_tree_group": str(os.getgid()),
    }
    facts = ("controller_digests", "controller_tree_differs")
    start = {"ansible.builtin.set_fact": {facts[0]: given.pop("controller_digests")}}
    copy = {"ansible.builtin.include_tasks": str(CONTROLLER / "tasks" / "tree.yml")}
    said = controller(folder, start, copy, check=check, **given)
    return int(said.rsplit("changed=", 1)[1].split()[0])


def test_a_folder_is_copied_as_a_whole_and_only_where_it_differs(tmp_path: Path, shop: Path) -> None:
    there = tmp_path / "there" / "cluster"
    assert tree(tmp_path, shop, check=True) > 0
    assert not there.parent.exists()
    assert tree(tmp_path, shop) > 0
    assert tree(tmp_path, shop, check=True) == 0
    assert tree(tmp_path, shop) == 0
    (shop / "group_vars" / "gone.yml").unlink()
    assert tree(tmp_path, shop, check=True) > 0
    assert tree(tmp_path, shop) > 0
    copied = {str(path.relative_to(there)): path.stat().st_mode & 0o777 for path in there.rglob("*")}
    assert copied == {"hosts.yml": 0o640, "group_vars": 0o750, "group_vars/all.yml": 0o640, ".digest": 0o640}
    assert [path.name for path in there.parent.iterdir()] == ["cluster"]


def digest(folder: Path, *parts: str) -> str:
    command = [sys.executable, CONTROLLER / "files" / "pack.py", folder, "any", folder.parent / "any.tar.gz", *parts]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def test_a_digest_tells_what_is_in_a_folder_and_nothing_else(tmp_path: Path, shop: Path) -> None:
    first = digest(shop)
    another = shutil.copytree(shop, tmp_path / "another")
    os.utime(another / "hosts.yml", (1, 1))
    (another / ".hidden").unlink()
    assert digest(another) == first
    (another / "hosts.yml").chmod(0o755)
    assert digest(another) != first
    assert digest(another, "group_vars") == digest(shop, "group_vars") != first


def test_the_controller_gets_its_environment_as_it_was_written(tmp_path: Path) -> None:
    """Within double quotes systemd takes what a shell takes."""
    given = {"WORD": "a \"b\" $HOME `id` \\ \\n 'c'", "LINES": "one\ntwo", "NUMBER": 3}
    controller(tmp_path, template("controller.env.j2", tmp_path / "env"), controller_environment=given)
    script = 'set -a; . ./env; python3 -c "import json, os; print(json.dumps(dict(os.environ)))"'
    said = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True)
    told = json.loads(said.stdout)
    assert {name: told[name] for name in given} == {name: str(value) for name, value in given.items()}


def test_the_unit_does_what_the_guide_shows(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    inventory = {"controller_inventory": str(tmp_path / "shop")}
    controller(tmp_path, template("swarmherd.service.j2", tmp_path / "unit"), **inventory)
    guide = (ROOT / "docs" / "docsite" / "rst" / "guide_autoscale.rst").read_text()
    shown = re.search(r"^    \[Unit\]\n((?:    .*\n|\n)+)", guide, re.M)
    assert shown
    wanted = {line.strip() for line in shown[0].splitlines() if line.strip()}
    assert "KillMode=mixed" in wanted
    assert wanted - set((tmp_path / "unit").read_text().splitlines()) == set()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"controller_python": {"stdout": "3.10"}}, "needs Python 3.11 or later, and localhost has 3.10"),
        ({"controller_inventory": "/no/such/shop"}, "controller_inventory: /no/such/shop is no folder"),
        ({"controller_inventory": "prometheus"}, "or is prometheus or haproxy"),
        ({"controller_inventory": "a b"}, "something else than letters"),
        ({"controller_environment": {"A B": "1"}}, "controller_environment: a name has something else"),
    ],
)
def test_what_the_controller_cannot_run_with_is_refused(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    for name in ("shop", "prometheus", "a b"):
        (tmp_path / name).mkdir()
    asserts = [task for task in yaml.safe_load((CONTROLLER / "tasks" / "present.yml").read_text()) if is_assert(task)]
    good = {"controller_inventory": "shop", "controller_environment": {"A_1": "1"}}
    told = controller(tmp_path, *asserts, good=not said, **{**good, **given})
    assert said in " ".join(told.split())


def is_assert(task: dict[str, Any]) -> bool:
    return "ansible.builtin.assert" in task
