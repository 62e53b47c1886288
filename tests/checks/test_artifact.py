# SPDX-License-Identifier: GPL-3.0-or-later
"""The built collection, installed offline into an empty place: all that is in it works, and nothing else is in it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.certify import artifact as built
from tests.certify.tree import ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
PLAYBOOKS = sorted(
    "swarmherd.cluster." + ".".join(path.relative_to(ROOT / "playbooks").with_suffix("").parts)
    for path in (ROOT / "playbooks").rglob("*.yml")
    if "tasks" not in path.parts
)
GROUP = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["swarm"]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
INVENTORY = f"""
all: {{vars: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}
managers: {{hosts: {{m1: {{ansible_host: 127.0.0.1}}}}}}
workers: {{hosts: {{w1: {{ansible_host: 127.0.0.2}}}}}}
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built.build(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="module")
def place(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the artifact is installed, with no more in it than what Ansible itself reads of a collection."""
    place = tmp_path_factory.mktemp("place")
    collection = built.install(artifact, place)
    for path in collection.iterdir():
        if path.name in {"docs", "changelogs"}:
            shutil.rmtree(path)
        elif path.name in {"README.md", "LICENSE"}:
            path.unlink()
    (place / "hosts.yml").write_text(INVENTORY)
    return place


def test_the_artifact_holds_the_collection_and_nothing_else(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        members = archive.getmembers()
    assert {member.name.split("/")[0] for member in members} == built.PARTS | built.FILES
    assert not [m.name for m in members if m.issym() or m.islnk() or "__pycache__" in m.name or "/." in m.name]


def test_every_module_and_plugin_has_its_documentation(place: Path) -> None:
    told = json.loads(
        built.run_in(place, "ansible-doc", "--json", "-t", "module", *(f"swarmherd.cluster.{name}" for name in MODULES))
    )
    assert sorted(told) == [f"swarmherd.cluster.{name}" for name in MODULES]
    for document in told.values():
        assert Path(document["doc"]["filename"]).is_relative_to(place)
        assert document["examples"]
        assert document["return"]
    inventory = built.run_in(place, "ansible-doc", "--json", "-t", "inventory", "swarmherd.cluster.swarm")
    assert json.loads(inventory)["swarmherd.cluster.swarm"]["doc"]["options"]["docker_host"]


def test_every_role_has_its_argument_spec(place: Path) -> None:
    told = json.loads(built.run_in(place, "ansible-doc", "--json", "-t", "role", "--list", "swarmherd.cluster"))
    assert sorted(told) == [f"swarmherd.cluster.{name}" for name in ROLES]


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_lists_its_tasks_by_name(place: Path, playbook: str) -> None:
    told = built.run_in(
        place, "ansible-playbook", "-i", "hosts.yml", playbook, "--list-tasks", "-e", "swarmherd_service=shop"
    )
    assert re.search(r"^ {6}\S", told, re.M), told


@pytest.fixture
def swarm(engine: Any, make_node: Any, make_service: Any, make_task: Any) -> Any:
    """A Swarm on loopback with a service of two replicas, which it starts and stops as told."""
    engine.nodes.append(make_node("n1", role="manager", labels={"disk": "ssd"}))
    shop = make_service("shop", replicas=2)
    engine.services.append(shop)

    def follow() -> None:
        count = shop["Spec"]["Mode"]["Replicated"]["Replicas"]
        engine.tasks[:] = [make_task(shop, slot) for slot in range(1, count + 1)]

    engine.after_write = follow
    follow()
    return engine


def test_a_playbook_by_its_full_name_changes_the_swarm_once(place: Path, swarm: Any) -> None:
    command = ["ansible-playbook", "-i", "hosts.yml", "swarmherd.cluster.enact.scale"]
    command += ["-e", "swarmherd_service=shop", "-e", "swarmherd_replicas=3"]
    first = built.run_in(place, *command, DOCKER_HOST=swarm.url)
    second = built.run_in(place, *command, DOCKER_HOST=swarm.url)
    assert "changed=1" in first
    assert "changed=0" in second
    assert [spec["Mode"]["Replicated"]["Replicas"] for spec in swarm.writes] == [3]


COMPOSE = """
services:
  web:
    image: shop:${TAG}
    deploy: {replicas: 2}
"""


def test_a_compose_file_is_deployed_from_where_its_writer_is_and_keeps_what_was_decided(
    place: Path, swarm: Any
) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "stack.yml").write_text(COMPOSE)
    web = swarm.services[0]
    web["Spec"]["Name"] = "shop_web"
    web["Spec"]["Mode"]["Replicated"]["Replicas"] = 5
    swarm.after_write()
    command = ["ansible-playbook", "-i", "hosts.yml", "swarmherd.cluster.deploy", "-e", "swarmherd_stack=shop"]
    command += ["-e", "swarmherd_compose=mine/stack.yml", "-e", '{"swarmherd_variables": {"TAG": 2}}']
    first = built.run_in(place, *command, DOCKER_HOST=swarm.url)
    second = built.run_in(place, *command, DOCKER_HOST=swarm.url)
    assert "changed=1" in first
    assert "changed=0" in second
    assert web["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == "shop:2"
    assert web["Spec"]["Mode"]["Replicated"]["Replicas"] == 5


def test_the_inventory_plugin_reads_the_swarm(place: Path, swarm: Any) -> None:
    (place / "shop.swarm.yml").write_text(f"plugin: swarmherd.cluster.swarm\ndocker_host: {swarm.url}\n")
    told = json.loads(built.run_in(place, "ansible-inventory", "-i", "shop.swarm.yml", "--list"))
    assert told["managers"]["hosts"] == told["label_disk_ssd"]["hosts"] == ["n1"]
    assert told["_meta"]["hostvars"]["n1"]["swarm_cpus"] == 2


GROUP_PLAY = """
- hosts: managers
  gather_facts: false
  module_defaults: {{group/swarmherd.cluster.swarm: {{docker_host: "{url}", timeout: 5}}}}
  tasks:
    - swarmherd.cluster.{module}: {arguments}
      check_mode: true
      register: found
      ignore_errors: true
"""
LEAST = {
    "cluster_info": {},
    "node_availability": {"node": "n1", "availability": "active"},
    "node_bootstrap": {},
    "node_labels": {"node": "n1"},
    "placement": {"name": "shop"},
    "service": {"name": "shop", "image": "shop:1"},
    "service_move": {"name": "shop", "node": "n1"},
    "service_rollback": {"name": "shop"},
    "service_scale": {"name": "shop", "replicas": 1},
    "stack": {"name": "shop", "compose": {"services": {"web": {"image": "shop:1"}}}},
    "task_stop": {"task": "abc"},
}


@pytest.mark.parametrize("module", GROUP)
def test_one_module_default_tells_every_module_where_the_engine_is(place: Path, swarm: Any, module: str) -> None:
    """Each module asks the engine that the group's default names: what it makes of the answer is another test's."""
    asked: list[str] = []
    get = swarm.get
    swarm.get = lambda path: (asked.append(path), get(path))[1]
    play = place / f"group-{module}.yml"
    play.write_text(GROUP_PLAY.format(url=swarm.url, module=module, arguments=json.dumps(LEAST.get(module, {}))))
    built.run_in(place, "ansible-playbook", "-i", "hosts.yml", str(play), DOCKER_HOST="unix:///nowhere.sock")
    assert asked


@pytest.mark.slow
def test_galaxy_would_accept_it(artifact: Path) -> None:
    said = built.judge(artifact)
    assert "Importer processing completed successfully" in said
    assert not [line for line in said.splitlines() if line.startswith(("ERROR", "WARNING"))], said
