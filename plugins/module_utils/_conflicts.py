# SPDX-License-Identifier: GPL-3.0-or-later
"""Two writers of one object: what a task expects to find, and deciding again when another was quicker (S16, S17)."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, TypeVar

from . import _nodes
from ._errors import NotFoundError, SwarmError, VersionConflictError
from ._tasks import replicas

Answer = TypeVar("Answer")
Document = Dict[str, Any]

ATTEMPTS = 5


def retried(attempt: Callable[[], Answer], expected_version: int | None = None) -> Answer:
    """`attempt` reads, decides and writes; when its write comes too late it is done again from the reading on.

    With `expected_version` the second attempt meets the check of what is expected, and fails with what it found.
    """
    for _attempt in range(ATTEMPTS):
        try:
            return attempt()
        except VersionConflictError as error:  # noqa: PERF203 - trying again is the purpose
            last = error
    tail = "" if expected_version is None else f", expecting version {expected_version}"
    raise SwarmError(f"{last}; gave up after {ATTEMPTS} attempts{tail}", conflict=True) from last


def write_node(swarm: Any, node_id: str, change: Callable[[Document], Document]) -> bool:
    """Write what `change` makes of the node's present document, its new spec. Returns whether there was anything to.

    A node that has left the Swarm is nothing to write to, and no error.
    """

    def once() -> bool:
        node = _nodes.only(swarm.nodes(), node_id)
        spec = change(dict(node)) if node else None
        if not node or spec == node["Spec"]:
            return False
        try:
            swarm.update_node(node, spec)
        except NotFoundError:
            return False
        return True

    return retried(once)


def refuse_unexpected(
    service: Mapping[str, Any], expected_version: int | None, expected_replicas: int | None = None
) -> None:
    """Raises a SwarmError with `conflict` and `found` where the service is not what the task was decided on."""
    found: dict[str, Any] = {"replicas": replicas(service), "version": service["Version"]["Index"]}
    differences = [
        f"{key} {wanted} was expected and {found[key]} found"
        for key, wanted in (("replicas", expected_replicas), ("version", expected_version))
        if wanted is not None and wanted != found[key]
    ]
    if not differences:
        return
    name = service["Spec"]["Name"]
    raise SwarmError(
        f"conflict: {name} was changed by somebody else: {', '.join(differences)}; nothing was changed",
        conflict=True,
        found=found,
        service=name,
        replicas={"before": found["replicas"], "after": found["replicas"]},
        version=found["version"],
    )
