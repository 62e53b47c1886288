# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a Compose file reaches the module: the part of `stack` that runs on the control node."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.swarmherd.cluster.plugins.action.stack import ActionModule


@pytest.fixture
def hand_over(tmp_path, monkeypatch):
    """Runs the action in a folder with these files; gives what the module would get, or the result that says why."""
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))
    loader.set_vault_secrets([("default", VaultSecret(b"open"))])

    def run(files=None, **args):
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(text))
        task = Task()
        task.action = "swarmherd.cluster.stack"
        task.args = {"name": "shop", **args}
        monkeypatch.setattr(task, "get_search_path", lambda: [str(tmp_path)])
        nothing_to_connect = SimpleNamespace(_shell=SimpleNamespace(tmpdir=""))
        action = ActionModule(task, nothing_to_connect, None, loader, Templar(loader=loader), None)
        given = []
        monkeypatch.setattr(action, "_execute_module", lambda **call: given.append(call) or {"changed": True})
        result = action.run(task_vars={})
        if not given:
            return result
        assert given[0]["module_name"] == "swarmherd.cluster.stack"
        assert result["changed"]
        return given[0]["module_args"]

    return run


WEB = """
    services:
      web:
        image: shop:${TAG}
        env_file: web.env
        environment: [B=here, C]
        ports:
          - 8080:22
          - 80
"""


def test_the_module_gets_the_document_with_variables_and_files_put_in(hand_over):
    args = hand_over(
        {"stacks/stack.yml": WEB, "stacks/web.env": "A=file\nB=file\n"},
        file="stacks/stack.yml",
        variables={"TAG": 2, "C": "c"},
    )
    assert args["compose"] == {
        "services": {
            "web": {"image": "shop:2", "environment": {"A": "file", "B": "here", "C": "c"}, "ports": ["8080:22", 80]}
        }
    }
    assert args["file"] == "stacks/stack.yml"
    assert "variables" not in args


def test_an_encrypted_file_of_variables_is_decrypted(hand_over):
    sealed = VaultLib([("default", VaultSecret(b"open"))]).encrypt("A=geheim").decode()
    args = hand_over({"stack.yml": WEB, "web.env": sealed}, file="stack.yml", variables={"TAG": 1})
    assert args["compose"]["services"]["web"]["environment"] == {"A": "geheim", "B": "here"}


def test_anchors_and_numbers_are_those_of_compose_files(hand_over):
    text = """
        x-common: &common {image: "shop:1", stop_grace_period: 1m}
        services:
          web:
            <<: *common
            ports: [22:22]
            deploy: {replicas: 2, update_config: {max_failure_ratio: 0.5}}
            secrets: [{source: key, mode: 0440}]
    """
    web = hand_over({"s.yml": text}, file="s.yml")["compose"]["services"]["web"]
    assert (web["image"], web["ports"]) == ("shop:1", ["22:22"])
    assert web["deploy"] == {"replicas": 2, "update_config": {"max_failure_ratio": 0.5}}
    assert web["secrets"] == [{"source": "key", "mode": 0o440}]


def test_what_looks_like_a_template_is_text(hand_over):
    args = hand_over({"s.yml": "services: {web: {image: 'a', hostname: '{{.Node.Hostname}}'}}"}, file="s.yml")
    assert args["compose"]["services"]["web"]["hostname"] == "{{.Node.Hostname}}"


def test_a_document_in_the_task_is_treated_alike(hand_over):
    compose = {"services": {"web": {"image": "shop:$TAG", "env_file": ["web.env"]}}}
    args = hand_over({"web.env": "A=1"}, compose=compose, variables={"TAG": "1"})
    assert args["compose"] == {"services": {"web": {"image": "shop:1", "environment": {"A": "1"}}}}


@pytest.mark.parametrize(
    ("files", "args", "message"),
    [
        ({}, {}, "give either file, the path of a Compose file, or compose, its content"),
        ({}, {"file": "a.yml", "compose": {}}, "give either file"),
        ({}, {"file": "nowhere.yml"}, "nowhere.yml: there is no such file on this node; give the path"),
        ({"s.yml": "a: [1"}, {"file": "s.yml"}, "s.yml: line 1: this is no YAML: expected ',' or ']'"),
        ({"s.yml": "a: !!python/name:os.system"}, {"file": "s.yml"}, "s.yml: line 1: this is no YAML"),
        ({"s.yml": "- a"}, {"file": "s.yml"}, "s.yml: the document: this is a list; write a dictionary"),
        ({"s.yml": WEB}, {"file": "s.yml"}, "s.yml: services.web.image: the variable TAG is not given; give it"),
        (
            {"s.yml": WEB},
            {"file": "s.yml", "variables": {"TAG": 1}},
            "web.env cannot be read: is it there, and readable?",
        ),
        (
            {"s.yml": WEB, "web.env": "A=1\nsecret words\n"},
            {"file": "s.yml", "variables": {"TAG": 1}},
            "s.yml: web.env: line 2 is not NAME=value",
        ),
        ({"s.yml": WEB}, {"file": "s.yml", "variables": ["TAG=1"]}, "s.yml: variables: this is a list; write a dict"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(files, args, message, hand_over):
    result = hand_over(files, **args)
    assert result["failed"]
    assert message in result["msg"]
    assert "\n" not in result["msg"]
    assert "secret words" not in str(result)
