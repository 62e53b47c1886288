# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules' documentation says of their options is what they take."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.loader import fragment_loader, module_loader
from ansible.utils.plugin_docs import get_docstring

COLLECTION = Path(__file__).parents[3]
MODULES = sorted(path.stem for path in (COLLECTION / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
PACKAGE = "ansible_collections.swarmherd.cluster.plugins"
KEYWORDS = {*Task.fattributes, *Block.fattributes, *Play.fattributes, "hosts", "local_action"}
TEMPLATE = re.compile(r"\{\{.*\}\}")


class Told(Exception):  # noqa: N818 - it carries what the module told, and is no error
    """Ends a module as soon as it has told its argument spec."""


@pytest.fixture(params=MODULES)
def module(request):
    return import_module(f"{PACKAGE}.modules.{request.param}")


@pytest.fixture
def documented(module):
    return get_docstring(module.__file__, fragment_loader, collection_name="swarmherd.cluster")[0]


@pytest.fixture
def taken(module, monkeypatch):
    return call_of(module, monkeypatch)


def call_of(module, monkeypatch):
    """What a module hands to AnsibleModule."""

    def tell(**kwargs):
        raise Told(kwargs)

    monkeypatch.setattr(module, "AnsibleModule", tell)
    with pytest.raises(Told) as told:
        module.main()
    return told.value.args[0]


def summary(options, suboptions):
    """Of each option its type, default, choices, elements, aliases, whether it is required, and its suboptions."""
    return {
        name: {
            "type": option.get("type", "str"),
            "default": option.get("default"),
            "choices": option.get("choices"),
            "elements": option.get("elements"),
            "aliases": sorted(option.get("aliases") or []),
            "required": bool(option.get("required")),
            "inner": summary(option.get(suboptions) or {}, suboptions),
        }
        for name, option in options.items()
    }


def test_every_option_is_documented_as_it_is_taken(documented, taken):
    assert summary(documented["options"], "suboptions") == summary(taken["argument_spec"], "options")


def test_check_mode_is_supported_as_documented(documented, taken):
    assert taken["supports_check_mode"] is True
    assert documented["attributes"]["check_mode"]["support"] == "full"
    assert {"diff_mode", "idempotent"} <= set(documented["attributes"])


def test_every_module_that_asks_an_engine_is_in_the_action_group_and_says_so(module, documented, taken):
    """The group's default for the engine would be an unknown option to any other."""
    runtime = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text())
    asks = "docker_host" in taken["argument_spec"]
    assert (module.__name__.rpartition(".")[2] in runtime["action_groups"]["swarm"]) is asks
    assert ("action_group" in documented["attributes"]) is asks


def test_the_action_group_names_modules_that_are_there():
    runtime = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["swarm"]) == runtime["action_groups"]["swarm"]
    assert set(runtime["action_groups"]["swarm"]) <= set(MODULES)


def tasks_in(document):
    """Every task of an example, those in plays and blocks included."""
    for item in document:
        inner = [item[key] for key in ("pre_tasks", "tasks", "post_tasks", "block", "rescue", "always") if key in item]
        for tasks in inner:
            yield from tasks_in(tasks)
        if not inner:
            yield item


def problems(spec, arguments):
    """What Ansible would say of a task's arguments. Templates stand for values that cannot be known here."""
    templated = {key for key, value in arguments.items() if isinstance(value, str) and TEMPLATE.search(value)}
    known = {key: value for key, value in arguments.items() if key not in templated}
    rest = {
        key: option for key, option in spec.items() if not templated.intersection({key, *(option.get("aliases") or [])})
    }
    return ArgumentSpecValidator(rest).validate(known).error_messages


def test_every_task_of_the_examples_would_be_taken(module, monkeypatch):
    tasks = list(tasks_in(yaml.safe_load(module.EXAMPLES)))
    named = []
    for task in tasks:
        [action] = set(task) - KEYWORDS
        named.append(action)
        if not action.startswith("swarmherd.cluster."):
            assert module_loader.find_plugin_with_context(action).resolved, action
            continue
        other = import_module(f"{PACKAGE}.modules.{action.rpartition('.')[2]}")
        assert problems(call_of(other, monkeypatch)["argument_spec"], task[action] or {}) == [], task
        assert task["name"]
    assert f"swarmherd.cluster.{Path(module.__file__).stem}" in named


def test_a_mistake_in_an_example_would_be_seen():
    spec = {"name": {"type": "str", "required": True}, "replicas": {"type": "int"}}
    assert problems(spec, {"name": "shop", "replicas": "{{ count }}"}) == []
    assert len(problems(spec, {"replicas": "many"})) == 2
    assert problems(spec, {"name": "shop", "replica": 1})


def test_the_example_of_the_inventory_is_one_that_the_plugin_takes():
    plugin = import_module(f"{PACKAGE}.inventory.swarm")
    documented = get_docstring(plugin.__file__, fragment_loader, collection_name="swarmherd.cluster")[0]
    example = yaml.safe_load(plugin.EXAMPLES)
    assert set(example) <= set(documented["options"])
    assert example["plugin"] in documented["options"]["plugin"]["choices"]


def test_every_sample_has_the_type_that_is_promised(module):
    types = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict, "float": float}
    for name, value in yaml.safe_load(module.RETURN).items():
        assert isinstance(value["sample"], types[value["type"]]), name
