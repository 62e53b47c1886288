# SPDX-License-Identifier: GPL-3.0-or-later
"""inventories/lab: of which Debian release the lab's hosts are, who made them, and how they are reached."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.observe.inventory import read_inventory

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ROOT / "inventories" / "lab" / "hosts.py"


def hosts(lab: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The inventory's command for the lab in that folder."""
    settings = {"PATH": os.environ["PATH"], "LAB_DIR": str(lab), **environment}
    return subprocess.run(
        [sys.executable, HOSTS], capture_output=True, text=True, timeout=60, env=settings, check=False
    )


def inventory(lab: Path, **environment: str) -> Any:
    done = hosts(lab, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def releases(lab: Path, **environment: str) -> dict[str, str]:
    found = inventory(lab, **environment)["_meta"]["hostvars"]
    return {host: variables["lab_release"] for host, variables in found.items()}


def test_hosts_are_of_bookworm_when_nobody_says_otherwise(tmp_path: Path) -> None:
    assert set(releases(tmp_path, SPARES="2").values()) == {"bookworm"}


def test_nodes_are_of_the_first_release_and_spares_take_turns(tmp_path: Path) -> None:
    found = releases(tmp_path, LAB_RELEASE="trixie,bookworm", NODES="2", SPARES="3")
    nodes = {"manager1": "trixie", "worker1": "trixie"}
    assert found == {**nodes, "spare1": "trixie", "spare2": "bookworm", "spare3": "trixie"}


def test_later_commands_see_the_releases_that_the_lab_was_made_with(tmp_path: Path) -> None:
    made = inventory(tmp_path, LAB_RELEASE="trixie", NODES="1")
    (tmp_path / "size.json").write_text(json.dumps(made["all"]["vars"]["lab_size"]))
    assert releases(tmp_path) == {"manager1": "trixie"}


@pytest.mark.parametrize("wrong", ["etch", "bookworm,", "trixie,etch"])
def test_an_unknown_release_is_refused_in_one_sentence(wrong: str, tmp_path: Path) -> None:
    done = hosts(tmp_path, LAB_RELEASE=wrong)
    assert done.returncode == 1
    assert done.stderr.startswith("LAB_RELEASE: the lab has no hosts of ")
    assert "only of bookworm, trixie, forky" in done.stderr


def test_the_lab_makes_an_image_for_each_release_that_it_offers(tmp_path: Path) -> None:
    images = yaml.safe_load((ROOT / "molecule" / "default" / "vars" / "lab.yml").read_text())["lab_host_images"]
    for release in images:
        assert set(releases(tmp_path, LAB_RELEASE=release).values()) == {release}
    assert hosts(tmp_path, LAB_RELEASE=",".join(images)).returncode == 0
    assert f"only of {', '.join(images)}." in hosts(tmp_path, LAB_RELEASE="etch").stderr


def test_who_made_the_lab_is_noted_and_later_commands_do_not_change_it(tmp_path: Path) -> None:
    size = inventory(tmp_path, LAB_MADE_BY="demo")["all"]["vars"]["lab_size"]
    (tmp_path / "size.json").write_text(json.dumps(size))
    assert inventory(tmp_path)["all"]["vars"]["lab_size"]["LAB_MADE_BY"] == "demo"
    assert inventory(tmp_path / "another")["all"]["vars"]["lab_size"]["LAB_MADE_BY"] == ""


def test_a_folder_with_a_blank_is_one_file_for_the_shell_and_for_ssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = tmp_path / "a lab"
    monkeypatch.setenv("LAB_DIR", str(lab))
    monkeypatch.chdir(ROOT)
    ssh = read_inventory(HOSTS.parent).managers[0].ssh
    assert ssh is not None
    assert f'UserKnownHostsFile="{lab}/known_hosts"' in ssh.arguments


def test_a_lab_of_another_user_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise PermissionError

    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SystemExit, match=f"{tmp_path} is another user's: "):
        runpy.run_path(str(HOSTS), run_name="__main__")
