# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the roles needs no host of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

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
