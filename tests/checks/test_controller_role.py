# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the role controller needs no host of its own."""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.enact.runner import RUNNER_GRACE_SECONDS
from swarmherd.policy import ClusterSettings
from swarmherd.service import RUNS_OF_AN_ACTION

ROOT = Path(__file__).resolve().parents[2]
CONTROLLER = ROOT / "roles" / "controller"
PLAYED = {
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
    "controller_source": "swarmherd",
    "controller_python": {"stdout": "3.11"},
    "role_path": str(CONTROLLER),
}


def controller(
    folder: Path, *tasks: dict[str, Any], good: bool = True, options: Sequence[str] = (), **given: Any
) -> str:
    """What Ansible said of tasks that have the variables of the role controller, with programs of the folder's own."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "environment": {"PATH": f"{folder}:{os.environ['PATH']}"},
        "vars_files": [str(CONTROLLER / name / "main.yml") for name in ("defaults", "vars")],
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    if not (folder / "templates").exists():
        (folder / "templates").symlink_to(CONTROLLER / "templates")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "play.yml", "-e", json.dumps({**PLAYED, **given})]
    command += options
    settings = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) is good, done.stdout + done.stderr
    return done.stdout


def tasks(name: str, *modules: str) -> list[dict[str, Any]]:
    """Those of a file of the role, or of these modules alone."""
    found = yaml.safe_load((CONTROLLER / "tasks" / f"{name}.yml").read_text())
    return [task for task in found if not modules or any(f"ansible.builtin.{module}" in task for module in modules)]


def included(name: str) -> dict[str, Any]:
    return {"ansible.builtin.include_tasks": str(CONTROLLER / "tasks" / f"{name}.yml")}


def changes(said: str) -> int:
    """How many tasks changed something."""
    return int(said.rsplit("changed=", 1)[1].split()[0])


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def template(name: str, target: Path) -> dict[str, Any]:
    return {"ansible.builtin.template": {"src": str(CONTROLLER / "templates" / name), "dest": str(target)}}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "group_vars" / "__pycache__").mkdir(parents=True)
    for name in ("hosts.yml", "group_vars/all.yml", "group_vars/gone.yml", ".hidden", "group_vars/__pycache__/a.pyc"):
        (folder / name).write_text(f"{name}: 1\n")
    return folder


GROUP = grp.getgrgid(os.getgid()).gr_name


def tree(folder: Path, shop: Path, *options: str) -> int:
    """How many tasks changed something when the folder was copied to `there/cluster`."""
    given = {
        "controller_archives": {"path": str(folder)},
        "controller_digests": {},
        "controller_tree": str(shop),
        "controller_tree_parts": [],
        "controller_tree_copy": str(folder / "there" / "cluster"),
        "controller_tree_mode": "u=rwX,g=rX,o=",
        "controller_tree_group": GROUP,
    }
    facts = ("controller_digests", "controller_tree_differs")
    start = {"ansible.builtin.set_fact": {facts[0]: given.pop("controller_digests")}}
    return changes(controller(folder, start, included("tree"), included("place"), options=options, **given))


@pytest.mark.slow
def test_a_folder_is_copied_as_a_whole_and_only_where_it_differs(tmp_path: Path, shop: Path) -> None:
    there = tmp_path / "there" / "cluster"
    assert tree(tmp_path, shop, "--check") > 0
    assert not there.parent.exists()
    assert tree(tmp_path, shop) > 0
    assert tree(tmp_path, shop, "--check") == 0
    assert tree(tmp_path, shop) == 0
    (shop / "group_vars" / "gone.yml").unlink()
    assert tree(tmp_path, shop, "--check") > 0
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


def test_a_link_that_leads_back_is_not_followed_and_another_is(shop: Path, tmp_path: Path) -> None:
    first = digest(shop)
    (shop / "group_vars" / "back").symlink_to(shop)
    (shop / "group_vars" / "here").symlink_to(".")
    assert digest(shop) == first
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "round").symlink_to(shop)
    (tmp_path / "common" / "all.yml").write_text("a: 1\n")
    found = []
    for name in ("one", "other"):
        (shop / "group_vars" / name).symlink_to(tmp_path / "common")
        found.append(digest(shop))
    assert len({first, *found}) == 3


def test_the_controller_gets_its_environment_as_it_was_written(tmp_path: Path) -> None:
    """Within double quotes systemd takes what a shell takes."""
    given = {"WORD": "a \"b\" $HOME `id` \\ \\n 'c'", "LINES": "one\ntwo", "NUMBER": 3}
    controller(tmp_path, template("controller.env.j2", tmp_path / "env"), controller_environment=given)
    script = 'set -a; . ./env; python3 -c "import json, os; print(json.dumps(dict(os.environ)))"'
    said = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True)
    told = json.loads(said.stdout)
    assert {name: told[name] for name in given} == {name: str(value) for name, value in given.items()}


def unit(folder: Path, *options: str, **given: Any) -> str:
    (folder / "shop").mkdir(exist_ok=True)
    inventory = {"controller_inventory": str(folder / "shop")}
    controller(folder, template("swarmherd.service.j2", folder / "unit"), options=options, **{**inventory, **given})
    return (folder / "unit").read_text()


def test_the_unit_does_what_the_guide_shows(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "docsite" / "rst" / "guide_autoscale.rst").read_text()
    shown = re.search(r"^    \[Unit\]\n((?:    .*\n|\n)+)", guide, re.M)
    assert shown
    wanted = {line.strip() for line in shown[0].splitlines() if line.strip()}
    assert "KillMode=mixed" in wanted
    assert wanted - set(unit(tmp_path, controller_stop_timeout="300").splitlines()) == set()


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (None, "120 120 60s"),
        ({"name": "shop"}, "120 120 60s"),
        ({"playbook_timeout_seconds": "{{ 1 + 1 }}h30m"}, "2h30m 2h30m 60s"),
    ],
)
def test_a_playbook_that_has_begun_has_the_time_that_the_inventory_gives_it(
    tmp_path: Path, cluster: dict[str, Any] | None, said: str
) -> None:
    """systemd adds up what stands in a span of time, in which a number alone is seconds."""
    managers = {"hosts": {"m1": None}, "vars": {"swarmherd_cluster": cluster}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"managers": managers} if cluster else {}))
    assert f"\nTimeoutStopSec={said}\n" in unit(tmp_path, "-i", str(tmp_path / "hosts.yml"))


def test_what_is_waited_for_is_the_longest_that_the_controller_takes() -> None:
    deadline = ClusterSettings(name="shop").playbook_timeout_seconds
    assert (deadline, RUNS_OF_AN_ACTION, RUNS_OF_AN_ACTION * RUNNER_GRACE_SECONDS) == (120, 2, 60)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"controller_python": {"stdout": "3.10"}}, "needs Python 3.11 or later, and localhost has 3.10"),
        ({"controller_inventory": "/no/such/shop"}, "controller_inventory: /no/such/shop is no folder or file"),
        ({"controller_inventory": "prometheus"}, "or is prometheus or haproxy"),
        ({"controller_inventory": "a b"}, "something else than letters"),
        ({"controller_inventory": "a,b,"}, "is no folder or file of this machine"),
        ({"controller_user": "root"}, "controller_user: root is there already on localhost, with another home"),
        ({"controller_environment": {"A B": "1"}}, "controller_environment: a name has something else"),
    ],
)
def test_what_the_controller_cannot_run_with_is_refused(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    for name in ("shop", "prometheus", "a b"):
        (tmp_path / name).mkdir()
    good = {"controller_inventory": "shop", "controller_user": "nobody-yet", "controller_environment": {"A_1": "1"}}
    told = controller(tmp_path, *tasks("present", "assert", "getent"), good=not said, **{**good, **given})
    assert said in " ".join(told.split())


@pytest.mark.parametrize(("state", "there"), [("present", "galaxy.yml"), ("absent", ".git")])
def test_a_folder_that_is_no_virtual_environment_is_left_alone(tmp_path: Path, state: str, there: str) -> None:
    checkout = tmp_path / "swarmherd"
    checkout.mkdir()
    (checkout / there).touch()
    given = {"controller_unit": str(tmp_path / "unit"), "controller_venv": str(checkout), "controller_state": state}
    said = controller(tmp_path, included("main"), good=False, **given)
    assert "is there already and no virtual environment" in " ".join(said.split())
    assert [path.name for path in checkout.iterdir()] == [there]


def home(folder: Path) -> dict[str, Any]:
    """Where all that the role writes is in the folder, by its own user and group."""
    for name in ("home", "settings", "venv"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "controller_home": str(folder / "home"),
        "controller_settings": str(folder / "settings"),
        "controller_unit": str(folder / "unit"),
        "controller_venv": str(folder / "venv"),
        "controller_archives": {"path": str(folder)},
        "controller_user": pwd.getpwuid(os.getuid()).pw_name,
        "controller_tree_group": GROUP,
    }


@pytest.mark.slow
def test_what_is_uninstalled_leaves_nothing_of_earlier_and_broken_runs(tmp_path: Path) -> None:
    given = home(tmp_path)
    for name in ("venv/pyvenv.cfg", "settings/shop/.digest", "settings/old/.digest", "settings/.new-shop/a", "home/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("settings/.old-shop", "settings/haproxy", "settings/by-hand"):
        (tmp_path / name).mkdir()
    (tmp_path / "settings" / "controller.env").touch()
    (tmp_path / "settings" / ".new-controller.env").touch()
    controller(tmp_path, included("main"), controller_state="absent", **given)
    assert sorted(path.name for path in (tmp_path / "settings").iterdir()) == ["by-hand", "haproxy"]
    assert (tmp_path / "home" / "a").exists()
    assert not (tmp_path / "venv").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "made", "gone"),
    [
        ("old", True, True),
        ("old", False, False),  # by somebody else
        ("venv", True, False),
        ("alias", True, False),  # the same
        ("", True, False),  # what all of it lies in
    ],
)
def test_what_was_installed_elsewhere_goes(tmp_path: Path, before: str, made: bool, gone: bool) -> None:
    given = home(tmp_path)
    (tmp_path / "alias").symlink_to("venv")
    folder = tmp_path / before
    folder.mkdir(exist_ok=True)
    if made:
        (folder / ".installed").touch()
    (tmp_path / "settings" / "old").mkdir()
    (tmp_path / "settings" / "old" / ".digest").touch()
    (tmp_path / "settings" / "shop").mkdir()
    (tmp_path / "settings" / "shop" / ".digest").touch()
    unit = f"[Service]\nExecStart={str(folder).rstrip('/')}/bin/swarmherd -i {tmp_path}/settings/old run\n"
    found = {"content": base64.b64encode(unit.encode()).decode()}
    kept = [str(tmp_path / "settings" / "shop")]
    controller(tmp_path, included("leavings"), controller_unit_found=found, controller_kept=kept, **given)
    assert [path.name for path in (tmp_path / "settings").iterdir()] == ["shop"]
    assert folder.exists() is not gone
    assert (tmp_path / "venv").exists()


def copied(folder: Path, *options: str, good: bool = True, **given: Any) -> str:
    """What was said where the inventory was copied, whose controller takes it where that is good."""
    says = "echo valid" if good else 'echo "$*: it is wrong" >&2; exit 1'
    program(folder, "systemd-run", f'cat "{folder}/settings/.new-controller.env" >> "{folder}/seen"; {says}')
    (copy,) = (task for task in tasks("present")[-1]["block"] if task["name"] == "Copy the inventory")
    copy["vars"].pop("controller_tree_group")
    start = {"ansible.builtin.set_fact": {"controller_digests": {}}}
    return controller(
        folder, start, {**copy, **included("inventory")}, good=good, options=options, **home(folder), **given
    )


def place(folder: Path) -> dict[str, str]:
    """All files of the role, with what is in them."""
    found = [path for name in ("home", "settings") for path in (folder / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in found}


@pytest.mark.slow
def test_a_refused_inventory_changes_nothing(tmp_path: Path, shop: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    given = {"controller_inventory": str(shop), "controller_ssh_key": str(tmp_path / "key")}
    copied(tmp_path, controller_environment={"A": "1"}, controller_known_hosts="m1 ssh-ed25519 AAAA", **given)
    before = place(tmp_path)
    assert {
        "settings/controller.env",
        "settings/shop/hosts.yml",
        "home/.ssh/id_ed25519",
        "home/.ssh/known_hosts",
    } < set(before)
    (shop / "hosts.yml").write_text("wrong: 1\n")
    said = copied(tmp_path, good=False, controller_inventory=str(shop), controller_environment={"A": "2"})
    assert f"{shop} validate: it is wrong" in said
    assert place(tmp_path) == before
    assert 'A="2"' in (tmp_path / "seen").read_text()
    copied(tmp_path, controller_environment={"A": "2"}, **given)
    assert 'A="2"' in place(tmp_path)["settings/controller.env"]
    assert place(tmp_path)["settings/shop/hosts.yml"] == "wrong: 1\n"


@pytest.mark.slow
def test_a_key_and_hosts_that_are_not_given_any_more_go(tmp_path: Path, shop: Path) -> None:
    key = tmp_path / "home" / ".ssh" / "id_ed25519"
    (tmp_path / "key").write_text("secret\n")
    given = {
        "controller_inventory": str(shop),
        "controller_ssh_key": str(tmp_path / "key"),
        "controller_known_hosts": "m1",
    }
    copied(tmp_path, controller_inventory=str(shop))
    copied(tmp_path, **given)
    assert changes(copied(tmp_path, **given)) == 0
    assert changes(copied(tmp_path, "--check", controller_inventory=str(shop))) == 2
    copied(tmp_path, controller_inventory=str(shop))
    assert not key.exists()
    assert "m1" not in key.with_name("known_hosts").read_text()
    assert changes(copied(tmp_path, controller_inventory=str(shop))) == 0
    copied(tmp_path, **given)
    key.write_text("another\n")
    copied(tmp_path, controller_inventory=str(shop))
    assert key.read_text() == "another\n"
    assert [path.name for path in key.parent.iterdir() if path.name == ".brought"] == []


@pytest.mark.slow
def test_of_an_inventory_that_is_a_file_nothing_else_is_copied(tmp_path: Path, shop: Path) -> None:
    for name in ("staging.yml", "ansible.cfg"):
        (shop / name).write_text("all: {}\n")
    (shop / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    copied(tmp_path, "-i", str(shop / "hosts.yml"), good=True)
    assert {name for name in place(tmp_path) if name.startswith("settings/hosts/")} == {
        f"settings/hosts/{name}" for name in (".digest", "hosts.yml", "group_vars/all.yml", "group_vars/gone.yml")
    }
    started = unit(tmp_path, controller_inventory=str(shop / "hosts.yml"))
    assert re.search(r"^ExecStart=/opt/swarmherd/bin/swarmherd -i /etc/swarmherd/hosts/hosts.yml run$", started, re.M)
    said = copied(tmp_path, good=False, controller_inventory=str(shop / "hosts.yml"))
    assert f"{shop}/hosts.yml validate: it is wrong" in said


def test_the_inventory_of_the_play_is_taken_where_it_is_one(tmp_path: Path, shop: Path) -> None:
    (shop / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    shown = {"ansible.builtin.debug": {"msg": "{{ controller_inventory_folder }} as {{ controller_inventory_copy }}"}}
    assert f"{shop} as /etc/swarmherd/shop" in controller(tmp_path, shown, options=["-i", str(shop)])
    refusal = tasks("present", "assert")[1]
    told = controller(tmp_path, refusal, good=False, options=["-i", str(shop), "-i", str(tmp_path / "none")])
    assert f"this play has 2 inventories ({shop}, {tmp_path / 'none'})" in " ".join(told.split())


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a file to another group")
def test_a_copy_that_another_user_was_to_read_is_brought_anew(tmp_path: Path, shop: Path) -> None:
    assert tree(tmp_path, shop) > 0
    os.chown(tmp_path / "there" / "cluster", -1, os.getgid() + 1)
    assert tree(tmp_path, shop) > 0
    assert tree(tmp_path, shop) == 0


def installed(folder: Path, source: str, *options: str) -> list[str]:
    """What pip was asked for, with what was in its files."""
    pip = folder / "venv" / "bin" / "pip"
    pip.parent.mkdir(parents=True, exist_ok=True)
    program(pip.parent, "pip", f'shift 3; echo "$*" >> {folder}/log; cat {folder}/venv/.asked-* >> {folder}/log')
    (folder / "log").unlink(missing_ok=True)
    given = {**home(folder), "controller_source": source, "controller_pip_arguments": ["--no-index"]}
    said = controller(folder, included("install"), options=options, **given)
    assert "t0ken" not in said
    assert not [*(folder / "venv").glob(".asked-*")]
    assert (folder / "venv" / ".installed").stat().st_mode & 0o777 == 0o600
    assert "t0ken" not in (folder / "venv" / ".installed").read_text()
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


@pytest.mark.slow
def test_what_is_written_differently_is_installed_though_its_version_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / ".installed").write_text('{"python": "3.11"}')
    asked = f"{tmp_path}/venv/.asked"
    for commit in ("A", "B"):
        source = f"git+https://t0ken@example.com/swarmherd@{commit}"
        assert installed(tmp_path, source, "-vvv", "--diff") == [
            f"--upgrade --no-index -r {asked}-source -r {asked}-packages",
            *("ansible", source),
            f"--force-reinstall --no-deps --no-index -r {asked}-source",
            *("ansible", source),
        ]
    assert installed(tmp_path, source) == []
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "pyproject.toml").touch()
    assert installed(tmp_path, str(checkout)) == [
        f"--upgrade --no-index -r {asked}-source -r {asked}-packages",
        *("ansible", f"{tmp_path}/venv/swarmherd.tar.gz"),
    ]
    assert len(installed(tmp_path, "swarmherd==0.1.0")) == 6


def below(given: Any) -> Iterator[dict[str, Any]]:
    for task in given:
        yield task
        for part in ("block", "always"):
            yield from below(task.get(part, []))


def test_nobody_becomes_root_on_the_machine_that_plays(tmp_path: Path, shop: Path) -> None:
    names = [path.stem for path in (CONTROLLER / "tasks").glob("*.yml")]
    here = [task for name in names for task in below(tasks(name)) if "delegate_to" in task]
    assert len(here) == 5
    assert {str(task["vars"]) for task in here} == {"{'ansible_become': False}"}
    (tmp_path / "hosts.yml").write_text(
        json.dumps({"all": {"vars": {"ansible_become": True, "ansible_become_exe": "/no/sudo"}}})
    )
    given = {"controller_tree": str(shop), "controller_tree_parts": [], "controller_tree_copy": "/there"}
    settings = {**home(tmp_path), "ansible_become": None, **given}
    controller(tmp_path, tasks("tree")[0], options=["-i", str(tmp_path / "hosts.yml")], **settings)


@pytest.mark.parametrize(
    ("installed", "missing"),
    [
        ("", "['python3-venv', 'openssh-client']"),
        ("python3-venv config-files\nopenssh-client installed", "['python3-venv']"),
        ("python3-venv installed\nopenssh-client installed", "[]"),
    ],
)
def test_dpkg_is_asked_which_packages_are_missing(tmp_path: Path, installed: str, missing: str) -> None:
    program(tmp_path, "dpkg-query", f"printf '{installed}'; exit 1")
    (asked,) = tasks("present", "command")[1:]
    (install,) = tasks("present", "apt")
    shown = {"ansible.builtin.debug": {"msg": "<{{ controller_missing }}>"}, "vars": install["vars"]}
    assert f"<{missing}>" in controller(tmp_path, asked, shown)


def test_what_ran_before_is_restarted_and_what_was_started_is_not(tmp_path: Path) -> None:
    (handler,) = yaml.safe_load((CONTROLLER / "handlers" / "main.yml").read_text())
    starts = {
        "enabled": {"changed": True, "status": {"ActiveState": "active"}},
        "failing": {"changed": False, "status": {"ActiveState": "activating"}},
        "started": {"changed": True, "status": {"ActiveState": "inactive"}},
        "checked": {"changed": False, "skipped": True},
    }
    told = {
        "ansible.builtin.debug": {"msg": "restart {{ item.key }}"},
        "loop": "{{ starts | dict2items }}",
        "vars": {"controller_started": "{{ item.value }}"},
        "when": handler["when"],
    }
    assert re.findall(r'"msg": "restart (\w+)"', controller(tmp_path, told, starts=starts)) == ["enabled", "failing"]


def test_a_link_to_nothing_is_named(tmp_path: Path, shop: Path) -> None:
    (shop / "gone.yml").symlink_to("nowhere.yml")
    command = [sys.executable, CONTROLLER / "files" / "pack.py", shop, "any", tmp_path / "any.tar.gz"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    said = f"{shop}/gone.yml: it cannot be read (No such file or directory); mend it, or move it away\n"
    assert (done.returncode, done.stderr) == (1, said)
