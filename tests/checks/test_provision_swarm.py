# SPDX-License-Identifier: GPL-3.0-or-later
"""Provisioning makes a Swarm where none of the managers is in one. What their engines say is played."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def made(folder: Path, *options: str, **states: str) -> tuple[int, str]:
    """How the play that makes the Swarm ended before its last task, and what it said, with managers in these states."""
    plays = yaml.safe_load((ROOT / "playbooks" / "provision.yml").read_text())
    play = next(play for play in plays if play["name"] == "Make the Swarm")
    # The last makes it.
    play["tasks"][-1] = {"ansible.builtin.debug": {"msg": "It goes on at {{ inventory_hostname }}."}}
    play["environment"] = {"PATH": f"{folder}:{os.environ['PATH']}"}
    programs = {"docker": 'echo "$SWARM"'}
    programs.update({f"python-{name}": f'SWARM={state} exec {sys.executable} "$@"' for name, state in states.items()})
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    common = {"ansible_connection": "local", "ansible_become": False}
    hosts = {name: {**common, "ansible_python_interpreter": str(folder / f"python-{name}")} for name in states}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"children": {"managers": {"hosts": hosts}}}}))
    (folder / "play.yml").write_text(json.dumps([play]))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.yml", "play.yml", *options]
    settings = {**os.environ, "ANSIBLE_NOCOLOR": "true"}
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize("states", [("inactive", "inactive"), ("active", "active"), ("active", "inactive")])
def test_where_no_other_manager_alone_is_in_a_swarm_one_is_made_or_kept(
    tmp_path: Path, states: tuple[str, str]
) -> None:
    code, said = made(tmp_path, m1=states[0], m2=states[1])
    assert (code, "It goes on at m1." in said) == (0, True)


def test_a_first_manager_that_was_reinstalled_gets_no_swarm_of_its_own(tmp_path: Path) -> None:
    for option in ([], ["--check"]):
        code, said = made(tmp_path, *option, m1="inactive", m2="inactive", m3="active")
        assert code != 0
        assert "m1 is in no Swarm and m3 is in one: run it with -e swarmherd_manager=m3, and m1 joins that." in said
    code, said = made(tmp_path, "-e", "swarmherd_manager=m3", m1="inactive", m2="inactive", m3="active")
    assert (code, "It goes on at m3." in said) == (0, True)
