# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules' documentation says of their options is what they take."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

MODULES = ["cluster_info", "node_bootstrap", "node_labels", "service", "service_scale"]
PACKAGE = "ansible_collections.swarmherd.cluster.plugins.modules"


class Told(Exception):  # noqa: N818 - it carries what the module told, and is no error
    """Ends a module as soon as it has told its argument spec."""


@pytest.fixture(params=MODULES)
def module(request):
    return import_module(f"{PACKAGE}.{request.param}")


@pytest.fixture
def documented(module):
    return get_docstring(module.__file__, fragment_loader, collection_name="swarmherd.cluster")[0]


@pytest.fixture
def taken(module, monkeypatch):
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
    assert {"diff_mode", "idempotent", "action_group"} <= set(documented["attributes"])


def test_every_module_is_in_the_action_group():
    runtime = yaml.safe_load((Path(__file__).parents[3] / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["swarm"]) == MODULES


def test_examples_use_only_documented_options(module, documented):
    for task in yaml.safe_load(module.EXAMPLES):
        name, arguments = next((key, value) for key, value in task.items() if key.startswith("swarmherd.cluster."))
        if name.endswith(f".{Path(module.__file__).stem}"):
            aliases = {alias for option in documented["options"].values() for alias in option.get("aliases", [])}
            assert set(arguments or {}) <= set(documented["options"]) | aliases
