# SPDX-License-Identifier: GPL-3.0-or-later
"""The role docker_engine on this machine, whose engine and packages are played."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OWN = {"log-driver": "json-file", "log-opts": {"max-file": "3", "max-size": "10m"}}

PROGRAMS = {
    "dockerd": "true",
    "docker": "echo active",
    "dpkg-query": "printf 'installed docker.io\\ninstalled iptables\\n'",
    # The engine was started when the file was written that stands for it.
    "systemctl": """case "$*" in
*ExecMainStartTimestamp*) date -r "$FOLDER/started" '+%a %F %T UTC' ;;
show*)
    printf 'LoadState=%s\\nActiveState=%s\\n' "${LOAD:-loaded}" "${STATE:-active}"
    echo "UnitFileState=${ENABLED:-enabled}" ;;
reset-failed*) touch "$FOLDER/forgiven" ;;
restart*)
    [ -z "$TIRED" ] || [ -e "$FOLDER/forgiven" ] || exit 1
    [ -z "$BROKEN" ] || exit 1; echo restart >> "$FOLDER/log"; touch "$FOLDER/started" ;;
enable*|start*) echo "$1" >> "$FOLDER/log" ;;
is-enabled*) echo "${ENABLED:-enabled}"; [ "${ENABLED:-enabled}" = enabled ] ;;
esac""",
}

Engine = Callable[..., str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc" / "daemon.json"


@pytest.fixture
def engine_role(tmp_path: Path, file: Path) -> Engine:
    """Run the role and give what it said."""
    for name, script in PROGRAMS.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    (tmp_path / "started").touch()
    old(tmp_path / "started", 100)

    def run(*options: str, good: bool = True, without: str = "", **given: Any) -> str:
        told = {name: given.pop(name) for name in list(given) if name.isupper()}
        (tmp_path / without).unlink() if without else None
        settings = {
            "FOLDER": str(tmp_path),
            "TZ": "UTC",
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            **told,
        }
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["docker_engine"]}
        play["environment"] = settings
        (tmp_path / "play.yml").write_text(json.dumps([play]))
        said = {
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "docker_engine_packages": ["docker.io", "iptables"],
            "docker_engine_file": str(file),
            "docker_engine_start_timeout": 1,
            **given,
        }
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "play.yml", "-e", json.dumps(said), *options]
        around = {**os.environ, "ANSIBLE_ROLES_PATH": str(ROOT / "roles"), "ANSIBLE_NOCOLOR": "true"}
        done = subprocess.run(
            command, cwd=tmp_path, env=around, capture_output=True, text=True, timeout=100, check=False
        )
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done.stdout

    return run


def old(path: Path, seconds: float) -> None:
    before = path.stat().st_mtime - seconds
    os.utime(path, (before, before))


def restarts(folder: Path) -> int:
    log = folder / "log"
    return log.read_text().splitlines().count("restart") if log.exists() else 0


def changes(said: str) -> int:
    return int(said.rsplit("changed=", 1)[1].split()[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("there", "config", "expected"),
    [
        (None, {"mtu": 1400}, {**OWN, "mtu": 1400}),
        (None, {"log-driver": "journald"}, {"log-driver": "journald"}),
        (
            OWN,
            {"log-driver": "journald", "log-opts": {"tag": "a"}},
            {"log-driver": "journald", "log-opts": {"tag": "a"}},
        ),
        (None, {"log-driver": "local"}, {**OWN, "log-driver": "local"}),
        (
            {"data-root": "/srv/docker", "proxies": {"a": 1}, "mtu": 9000, "debug": True, "log-opts": {"tag": "x"}},
            {"mtu": 1400, "debug": None},
            {**OWN, "data-root": "/srv/docker", "proxies": {"a": 1}, "mtu": 1400},
        ),
        ("", {}, OWN),
    ],
)
def test_the_configuration_is_what_was_there_under_what_is_asked_for(
    engine_role: Engine, file: Path, there: Any, config: dict[str, Any], expected: dict[str, Any]
) -> None:
    if there is not None:
        file.write_text(there and json.dumps(there))
        file.chmod(0o600)
    engine_role(docker_engine_config=config)
    assert json.loads(file.read_text()) == expected
    assert file.stat().st_mode & 0o777 == (0o644 if there is None else 0o600)
    assert len(list(file.parent.iterdir())) == (1 if there is None else 2)


@pytest.mark.slow
def test_what_says_the_same_stays_as_it_is_written(engine_role: Engine, file: Path, tmp_path: Path) -> None:
    file.write_text(json.dumps(OWN))
    old(file, 200)
    assert changes(engine_role()) == 0
    assert file.read_text() == json.dumps(OWN)
    assert restarts(tmp_path) == 0


@pytest.mark.parametrize("there", ["{", "[1]"])
def test_what_is_no_json_is_said_and_left_alone(engine_role: Engine, file: Path, there: str) -> None:
    file.write_text(there)
    assert f"{file} on localhost is no JSON object" in engine_role(good=False)
    assert file.read_text() == there


@pytest.mark.slow
def test_an_engine_that_could_not_be_restarted_is_restarted_by_the_next_run(
    engine_role: Engine, file: Path, tmp_path: Path
) -> None:
    assert changes(engine_role("--check")) == 2
    assert not file.exists()
    engine_role(good=False, BROKEN="yes")
    old(tmp_path / "started", 10)
    assert changes(engine_role("--check")) > 0
    assert restarts(tmp_path) == 0
    engine_role()
    assert restarts(tmp_path) == 1
    assert changes(engine_role()) == 0


def test_an_engine_that_runs_and_is_only_not_enabled_is_restarted(engine_role: Engine, tmp_path: Path) -> None:
    engine_role(ENABLED="disabled")
    assert restarts(tmp_path) == 1


def test_starts_of_the_last_minute_do_not_keep_an_engine_from_its_configuration(
    engine_role: Engine, tmp_path: Path
) -> None:
    """systemd refuses a restart after three starts within a minute, also where somebody wants it."""
    engine_role(TIRED="yes")
    assert restarts(tmp_path) == 1


@pytest.mark.slow
def test_an_engine_that_did_not_run_is_started_once(engine_role: Engine, tmp_path: Path) -> None:
    engine_role(STATE="inactive")
    assert (tmp_path / "log").read_text().splitlines() == ["start"]


@pytest.mark.slow
def test_a_check_of_a_host_without_an_engine_starts_none(engine_role: Engine, tmp_path: Path) -> None:
    engine_role("--check", without="dockerd", LOAD="not-found", STATE="inactive", ENABLED="")
    assert not (tmp_path / "log").exists()


def test_a_package_is_missing_also_where_it_left_its_configuration(tmp_path: Path) -> None:
    tasks = yaml.safe_load((ROOT / "roles/docker_engine/tasks/main.yml").read_text())
    task = next(task for task in tasks if task["name"] == "Install what is missing")
    known = {
        "docker_engine_packages": ["docker.io", "iptables", "python3-docker", "docker-cli"],
        "docker_engine_dpkg": {"stdout_lines": ["installed iptables", "config-files docker-cli", "installed docker"]},
        "docker_engine_found": {"results": [{"rc": 0}, {"rc": 2}]},
    }
    told = {"ansible.builtin.debug": {"var": "docker_engine_missing"}, "vars": task["vars"], "when": task["when"]}
    play = {"hosts": "localhost", "gather_facts": False, "vars": known, "tasks": [told]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "play.yml"]
    around = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=tmp_path, env=around, capture_output=True, text=True, timeout=60, check=True)
    assert sorted(re.findall('"([^"]+)"[,\n]', done.stdout)) == ["docker-cli", "python3-docker"]
