# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema for editors says what the parser does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from swarmherd.policy import json_schema, parse_cluster, parse_policy

HERE = Path(__file__).parent
WRONG = yaml.safe_load((HERE / "documents" / "wrong.yml").read_text())
SOUND = yaml.safe_load((HERE / "documents" / "sound.yml").read_text())
SCHEMA = Draft202012Validator(json_schema())
# Mistakes that lie between keys, or that no pattern tells: the parser alone finds them.
BETWEEN_KEYS = ("above max", "min is 0", "stands twice", "contradict", "nor both", "is not below", "foretold")
OF_ADVICE = ("is more than since",)
OF_QUEUES = ("neither service_time", "no number of replicas", "not sorted", "latency falls", "one point", "at once is")
BETWEEN_SERVICES = ("itself", "is to be near", "it follows")
BETWEEN = (*BETWEEN_KEYS, "above longest", *OF_QUEUES, *OF_ADVICE, *BETWEEN_SERVICES)
BEYOND = (*BETWEEN, "kind of step", "is too long", "3600 s is", "nan is", "control", "'99999")


def test_it_is_a_schema_of_the_dialect_that_it_names() -> None:
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("document", SOUND, ids=str)
def test_what_the_parser_reads_the_schema_allows(document: dict[str, Any]) -> None:
    parse_policy(document.get("swarmherd_policy", {}), "f.yml")
    parse_cluster(document.get("swarmherd_cluster", {"name": "shop"}), "f.yml")
    assert [error.message for error in SCHEMA.iter_errors({**document, "other_variable": 1})] == []


@pytest.mark.parametrize(
    "case",
    [case for case in WRONG if not any(words in case["says"] for words in BEYOND)],
    ids=lambda case: case["says"][:50],
)
def test_what_the_schema_can_tell_it_refuses(case: dict[str, Any]) -> None:
    if "cluster" in case:
        document = {"swarmherd_cluster": case["cluster"]}
    else:
        scale = {"services": {"shop_api": {"scale": {"max": 9, **case.get("scale", {})}}}}
        document = {"swarmherd_policy": case.get("policy", scale)}
    assert list(SCHEMA.iter_errors(document)), document


def test_every_key_is_described() -> None:
    schema = json_schema()
    assert [key for key, shape in keys(schema["$defs"]) if not shape.get("description")] == []


def keys(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key that may be written, wherever it stands in `schema`."""
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from properties.items()
        for part in schema.values():
            yield from keys(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from keys(part)


def test_editors_leave_templates_to_ansible() -> None:
    document = {"services": {"a": {"scale": {"max": "{{ shop_max }}", "metrics": [{"cpu": "{{ shop_cpu }}"}]}}}}
    assert [error.message for error in SCHEMA.iter_errors({"swarmherd_policy": document})] == []


def test_the_published_schema_is_the_one_of_this_code() -> None:
    published = Path(__file__).resolve().parents[3] / "docs" / "swarmherd.schema.json"
    assert json.loads(published.read_text()) == json_schema(), "run: swarmherd schema > docs/swarmherd.schema.json"
