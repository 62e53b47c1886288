# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents into settings, mistakes into problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from swarmherd.policy.advising import AdviseKeys
from swarmherd.policy.anchors import between_services
from swarmherd.policy.document import Part
from swarmherd.policy.merge import advise_keys, contradictions, contradictions_of_advice, merged
from swarmherd.policy.problem import PolicyError, Problem
from swarmherd.policy.settings import ClusterSettings
from swarmherd.policy.units import resembling, shown
from swarmherd.policy.wanted import Policy

DEEPEST = 16
CLUSTER = "swarmherd_cluster"
POLICY = "swarmherd_policy"
P = TypeVar("P", bound=Part)


def parse_cluster(document: Mapping[str, Any], file: str) -> ClusterSettings:
    """The settings in `document`, the value of `swarmherd_cluster`; raises PolicyError with every mistake in it."""
    return parse(ClusterSettings, document, file, CLUSTER)


def parse_policy(document: Mapping[str, Any], file: str) -> Policy:
    """The policy in `document`, the value of `swarmherd_policy`; raises PolicyError with every mistake in it."""
    policy = parse(Policy, document, file, POLICY)
    problems = tuple(_contradictions(policy, file))
    if problems:
        raise PolicyError(problems)
    return policy


def parse(part: type[P], document: object, file: str, key: str) -> P:
    """`document` as a `part`, or a PolicyError whose key paths begin with `key`."""
    plain = _plain(document, file, key, DEEPEST)
    readers: dict[int, type[Part]] = {}
    try:
        return part.model_validate(plain, context=readers)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise PolicyError(_problem(detail, plain, readers, file, key) for detail in details) from None


def path(key: str, steps: tuple[str | int, ...]) -> str:
    """The way to a key, as people write it: `swarmherd_policy.services.shop_api.scale.metrics[0].cpu`."""
    for step in steps:
        if isinstance(step, int):
            key += f"[{step}]"
        elif not step.startswith("<"):  # the tag of a metric's form, not a key
            key += f".{_printable(step)}"
    return key


def _printable(step: str) -> str:
    """A key as it may stand in a one-line error, whatever it is made of."""
    return step if step.isprintable() and len(step) <= 80 else repr(step[:80])


def _plain(value: object, file: str, key: str, depth: int) -> Any:
    """`value` in the plain types of YAML, or a PolicyError: no dates, no sets, no keys but text, no endless nesting."""
    if depth == 0:
        raise PolicyError([Problem(file, key, "it is nested too deep", "see docs/policy.md for what stands here")])
    if isinstance(value, Mapping):
        return {
            _key(name, file, key): _plain(v, file, f"{key}.{_printable(str(name))}", depth - 1)
            for name, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, file, f"{key}[{index}]", depth - 1) for index, item in enumerate(value)]
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise PolicyError(
        [Problem(file, key, f"a {type(value).__name__} cannot stand here", "put it in quotes if text is meant")]
    )


def _key(name: object, file: str, key: str) -> str:
    if not isinstance(name, str):
        raise PolicyError([Problem(file, key, f"the key {shown(name)} is not text", "put it in quotes")])
    return str(name)


# What pydantic calls the mistakes that are not ours, and how we say them: message, remedy.
_WORDS = {
    "missing": ("it is missing", "write it"),
    "model_type": ("{value} is not a mapping", "write keys and values below it"),
    "model_attributes_type": ("{value} is not a mapping", "write keys and values below it"),
    "dict_type": ("{value} is not a mapping", "write keys and values below it"),
    "tuple_type": ("{value} is not a list", "write a list"),
    "string_type": ("{value} is not text", "put it in quotes"),
    "enum": ("{value} cannot stand here", "write {expected}"),
    "string_pattern_mismatch": ("{value} is no label name", "write letters, digits and underscores"),
}


def _problem(detail: ErrorDetails, plain: Any, readers: Mapping[int, type[Part]], file: str, key: str) -> Problem:
    steps, context = detail["loc"], detail.get("ctx", {})
    where = path(key, steps).removesuffix(".[key]")
    if detail["type"] == "swarmherd":
        return Problem(file, where, context["message"], context["remedy"])
    if detail["type"] == "extra_forbidden":
        return Problem(file, where, "there is no such key", _known_keys(plain, steps, readers))
    message, remedy = _WORDS.get(detail["type"], ("{value} cannot stand here", "see docs/policy.md for what can"))
    words = {"value": shown(detail["input"]), "expected": context.get("expected", "")}
    return Problem(file, where, message.format(**words), remedy.format(**words))


def _known_keys(plain: Any, steps: tuple[str | int, ...], readers: Mapping[int, type[Part]]) -> str:
    """What may stand beside the unknown key at `steps`, the one that it resembles first."""
    parent = plain
    for step in steps[:-1]:
        tag = isinstance(step, str) and step.startswith("<")
        single = isinstance(step, int) and isinstance(parent, Mapping)  # what may be a list, written as its one item
        if not tag and not single:
            parent = parent[step]
    known = sorted(readers[id(parent)].model_fields)
    return resembling(str(steps[-1]), known) or f"known keys: {', '.join(known)}"


def _contradictions(policy: Policy, file: str) -> Iterator[Problem]:
    """What is wrong between keys, as far as the file alone can tell."""
    if policy.defaults.scale is not None:
        for key, message, remedy in contradictions(policy.defaults.scale):
            yield Problem(file, f"{POLICY}.defaults.scale.{key}", message, remedy)
    for name, service in policy.services.items():
        if service.scale is not None:
            for key, message, remedy in contradictions(merged(policy.defaults.scale, service.scale)):
                yield Problem(file, f"{POLICY}.services.{name}.scale.{key}", message, remedy)
    for place, keys in _advice(policy):
        for key, message, remedy in contradictions_of_advice(keys):
            yield Problem(file, f"{POLICY}.{place}.advise.{key}", message, remedy)
    for name, (key, message, remedy) in between_services(policy.services):
        yield Problem(file, f"{POLICY}.services.{name}.{key}", message, remedy)


def _advice(policy: Policy) -> Iterator[tuple[str, AdviseKeys]]:
    """Each place that asks for advice, with the keys that hold there."""
    if policy.defaults.advise is not None:
        yield "defaults", policy.defaults.advise
    for name, service in policy.services.items():
        if service.advise is not None and (keys := advise_keys(policy, name)) is not None:
            yield f"services.{name}", keys
