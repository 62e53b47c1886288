# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service, node or task is where it is, in sentences: (view, policy, word, now) -> Explanation. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from swarmherd.explain.node import about_node
from swarmherd.explain.service import about_service
from swarmherd.explain.subject import find_subject
from swarmherd.explain.task import about_task
from swarmherd.model import Arrangement, ClusterView, Decision, Node, Service
from swarmherd.policy import Policy

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was asked about, and what is known of it."""

    kind: str
    """`service`, `node` or `task`."""
    name: str
    id: str
    sentences: tuple[str, ...]
    service: str = ""
    """The service whose decisions and actions concern it; empty for a node."""


def explain(
    view: ClusterView,
    policy: Policy,
    word: str,
    now: datetime,
    arrangement: Arrangement | None = None,
    decisions: Iterable[Decision] = (),
) -> Explanation:
    """`arrangement` is what is decided now about where tasks run, where anybody decided, and `decisions` about their
    numbers.

    Raises LookupError or ValueError, with one sentence, where `word` means nothing or several things.
    """
    subject, arranged = find_subject(view, word), arrangement or Arrangement()
    if isinstance(subject, Service):
        numbers = (f"Of its replicas: {one.because}." for one in decisions if one.service == subject.name)
        said = (*about_service(view, policy, subject, arranged, now), *numbers)
        return Explanation("service", subject.name, subject.id, said, subject.name)
    if isinstance(subject, Node):
        return Explanation("node", subject.hostname, subject.id, tuple(about_node(view, subject, arranged.rescue)))
    said = tuple(about_task(view, policy, subject, arranged, now))
    return Explanation("task", f"{subject.service}.{subject.slot}", subject.id, said, subject.service)
