# SPDX-License-Identifier: GPL-3.0-or-later
"""The service labels `swarmherd.scale.*`, and how they, the policy and its defaults become one.

Key by key, what the policy says of the service wins, then the service's labels, then the policy's defaults. The
policy lies in the inventory, reviewed and in git, and whoever may deploy a service may write its labels: so a label
opts in and fills in, and never overrules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmherd.model import EMPTY, Service
from swarmherd.policy.document import Part
from swarmherd.policy.merge import complete, contradictions, incomplete, merged
from swarmherd.policy.metrics import CpuMetric, MemoryMetric, QueryMetric, RequestsMetric
from swarmherd.policy.parse import POLICY, parse
from swarmherd.policy.problem import PolicyError, Problem
from swarmherd.policy.units import resembling
from swarmherd.policy.wanted import Policy, ScaleKeys, ScalePolicy

PREFIX = "swarmherd.scale."
_PLAIN = ("enabled", "min", "max")
_RULES: Mapping[str, type[Part]] = {"cpu": CpuMetric, "memory": MemoryMetric, "requests_per_replica": RequestsMetric}
_QUERY = ("query", "target")
LABELS = (*_PLAIN, *_RULES, *_QUERY)


@dataclass(frozen=True, slots=True)
class ScalePolicies:
    """How each service that has opted in is scaled, or what is wrong with what was written about it."""

    by_service: Mapping[str, ScalePolicy] = field(default_factory=lambda: EMPTY)
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=lambda: EMPTY)
    """By service: these services are left alone, with the first problem as the reason."""

    @property
    def names(self) -> frozenset[str]:
        """The services that have a policy, sound or not."""
        return frozenset(self.by_service) | frozenset(self.problems)


def scale_policies(policy: Policy, services: Iterable[Service]) -> ScalePolicies:
    """How each service is scaled that the policy or a label `swarmherd.scale.*` of its own names.

    Never raises: nonsense in a label, or between label and policy, is a problem of that service alone. A service
    that the policy names is answered for even where Docker does not have it.
    """
    labels = {service.name: scale_labels(service) for service in services}
    opted_in = {name for name, written in labels.items() if written}
    opted_in |= {name for name, service in policy.services.items() if service.scale is not None}
    sound: dict[str, ScalePolicy] = {}
    problems: dict[str, tuple[Problem, ...]] = {}
    for name in opted_in:
        try:
            sound[name] = _policy_of(name, policy, labels.get(name, EMPTY))
        except PolicyError as error:
            problems[name] = error.problems
    return ScalePolicies(sound, problems)


def scale_labels(service: Service) -> Mapping[str, str]:
    """The service's labels about scaling, without their prefix."""
    return {key[len(PREFIX) :]: text for key, text in service.labels.items() if key.startswith(PREFIX)}


def scale_keys(name: str, policy: Policy, labels: Mapping[str, str]) -> ScaleKeys:
    """What the policy and `labels` (without prefix) say of a service together, as it is written, nothing completed.

    Raises PolicyError with every mistake in the labels.
    """
    named = policy.services.get(name)
    return merged(policy.defaults.scale, from_labels(name, labels), named.scale if named else None)


def _policy_of(name: str, policy: Policy, labels: Mapping[str, str]) -> ScalePolicy:
    keys = scale_keys(name, policy, labels)
    wrong = [*incomplete(keys), *contradictions(keys)]
    if wrong:
        place = (f"service {name}", PREFIX) if labels else (POLICY, f"{POLICY}.services.{name}.scale.")
        raise PolicyError(Problem(place[0], place[1] + key, message, remedy) for key, message, remedy in wrong)
    return complete(keys)


def from_labels(service: str, labels: Mapping[str, str]) -> ScaleKeys | None:
    """What `labels` (without prefix) say; raises PolicyError with every mistake in them."""
    if not labels:
        return None
    problems = list(_strangers(service, labels))
    keys: dict[str, Any] = {}
    metrics: list[Part] = []
    for name, form, part in _parts(labels):
        try:
            read = parse(form, part, f"service {service}", PREFIX[:-1])
        except PolicyError as error:
            problems += error.problems
            continue
        if form is ScaleKeys:
            keys[name] = getattr(read, name)
        else:
            metrics.append(read)
    if problems:
        raise PolicyError(problems)
    return ScaleKeys(**keys, metrics=metrics) if metrics else ScaleKeys(**keys)


def _parts(labels: Mapping[str, str]) -> Iterator[tuple[str, type[Part], Mapping[str, Any]]]:
    """Each label's name, and the part of a policy that it is, in the policy's own form."""
    for name in _PLAIN:
        if name in labels:
            yield name, ScaleKeys, {name: labels[name]}
    for name, form in _RULES.items():
        if name in labels:
            yield name, form, {name: _rule(labels[name])}
    if any(name in labels for name in _QUERY):
        yield "query", QueryMetric, {name: labels[name] for name in _QUERY if name in labels}


def _rule(text: str) -> Any:
    """`70` is a target; `up=80,down=30` are thresholds."""
    if "=" not in text:
        return text
    return {key.strip(): value.strip() for key, _equals, value in (part.partition("=") for part in text.split(","))}


def _strangers(service: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    for name in sorted(set(labels) - set(LABELS)):
        remedy = resembling(name, LABELS) or f"known labels: {', '.join(PREFIX + known for known in LABELS)}"
        yield Problem(f"service {service}", PREFIX + name, "there is no such label", remedy)
