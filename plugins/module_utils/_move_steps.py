# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a move that read and write a Swarm: clear what is left, decide, mark, wait, and undo."""

from __future__ import annotations

import copy
import time
from contextlib import contextmanager
from typing import Any, Callable, Collection, Dict, Iterator, Mapping, NamedTuple, Sequence

from . import _marks, _moves, _nodes
from ._client import Document, Swarm
from ._conflicts import refuse_unexpected, retried, write_node
from ._errors import SwarmError, TimedOutError
from ._service_fields import GRACE_SECONDS
from ._service_spec import value_at
from ._tasks import progress, replicas
from ._values import NANOSECONDS
from ._waiter import wait_for

CONSTRAINTS = ("TaskTemplate", "Placement", "Constraints")
LOOK_EVERY_SECONDS = 0.25
UNDO_SECONDS = 30
"""How long a move begins anew to undo what it set, where no manager leads; what is left then others clear."""
SPARE_SECONDS = 60
"""How long past its own bounds a move may still be alive: connections, and the steps between."""

Shown = Dict[str, Any]


class Move(NamedTuple):
    """What is to be done, decided on one reading of the Swarm."""

    service: Document
    source: Document
    nodes: Sequence[Document]
    """As they are once leftovers are cleared."""
    before: Sequence[Mapping[str, Any]]
    moving: Sequence[Document]
    allowed: Collection[str]
    to_pause: Sequence[str]
    """Ids of nodes to keep Swarm from choosing."""
    drop: Callable[[str, _marks.Mark], bool]
    """Whether a mark on the node with that id is left over."""
    until: float

    @property
    def name(self) -> str:
        return self.service["Spec"]["Name"]

    @property
    def moving_ids(self) -> list[str]:
        return [task["ID"] for task in self.moving]


# ---------------------------------------------------------------- deciding


def decide(swarm: Swarm, params: Mapping[str, Any]) -> Move:
    """Read once. Raises a SwarmError, with nothing written, where the service was changed or is not to be moved."""
    service = swarm.service(params["name"])
    refuse_unexpected(service, params["expected_version"])
    _moves.refuse_without_replicas(service)
    found = swarm.nodes()
    tasks = swarm.tasks_of(service)
    source = _source(found, tasks, params)
    name, method, now = service["Spec"]["Name"], params["method"], time.time()
    # A label evicts nothing from a paused node, so the one to leave is never paused for being avoided.
    others = [node for node in found if node["ID"] != source["ID"]]
    avoid = [node["ID"] for node in others if {node["ID"], _nodes.hostname(node)} & set(params["avoid_nodes"])]
    to_pause = [*avoid, source["ID"]] if method == _moves.PAUSE_AND_STOP else avoid
    drop = _drop(name, now, to_pause)
    nodes = [{**node, "Spec": _marks.cleaned(node, _on(drop, node))} for node in found]
    here = [task for task in tasks if task.get("NodeID") == source["ID"] and task["DesiredState"] == "running"]
    until = now + params["drain_timeout"] + grace_seconds(service) + params["wait_timeout"] + SPARE_SECONDS
    move = Move(
        service=service,
        source=source,
        nodes=nodes,
        before=_moves.kept(service, tasks, nodes),
        moving=_moves.chosen(here, params["task"], method, _nodes.hostname(source)),
        allowed=ids(found, params["allowed_nodes"]),
        to_pause=to_pause,
        drop=drop,
        until=until,
    )
    if move.moving:
        _refuse(move, tasks, avoid, params)
    return move


def _source(nodes: Sequence[Document], tasks: Sequence[Document], params: Mapping[str, Any]) -> Document:
    """The node that is named, or that the named task is on."""
    if params["node"]:
        return _nodes.find(nodes, params["node"])
    wanted = [task for task in tasks if params["task"] and task["ID"].startswith(params["task"])]
    at = {task.get("NodeID", "") for task in wanted if task["DesiredState"] == "running"} - {""}
    if len(at) != 1:
        raise SwarmError("node: it is missing; name the node, or one task that runs by its id")
    return _nodes.find(nodes, at.pop())


def _drop(service: str, now: float, keep: Collection[str]) -> Callable[[str, _marks.Mark], bool]:
    """Leftovers, but for the pauses that this very move wants and that a run of it a moment ago has set."""
    leftover = _marks.leftover(service, now)

    def drop(node_id: str, mark: _marks.Mark) -> bool:
        wanted = mark.kind == "pause" and mark.service == service and mark.until > now and node_id in keep
        return leftover(mark) and not wanted

    return drop


def _on(drop: Callable[[str, _marks.Mark], bool], node: Document) -> Callable[[_marks.Mark], bool]:
    return lambda mark: drop(node["ID"], mark)


def ids(nodes: Sequence[Document], names: Sequence[str]) -> list[str]:
    """The nodes' ids; what no node is called stays as it is, to be told."""
    ids = {_nodes.hostname(node): node["ID"] for node in nodes if not _nodes.is_down(node)}
    return [ids.get(name, name) for name in names]


def _refuse(move: Move, tasks: Sequence[Document], avoid: Sequence[str], params: Mapping[str, Any]) -> None:
    _refuse_other_moves(move)
    if params["method"] == _moves.DENY_LABEL:
        _refuse_paused(move)
    if not params["force"]:
        _moves.refuse_unmovable(move.service, params["method"])
        _refuse_unwell(move, tasks)
    again = params["method"] == _moves.STOP
    found = _moves.places(
        denying(move.service) if params["method"] == _moves.DENY_LABEL else move.service,
        [task for task in tasks if not (again and task["ID"] in move.moving_ids)],
        move.nodes,
        "" if again else move.source["ID"],
        move.allowed,
        avoid,
    )
    if not found.nodes:
        raise SwarmError(f"refused: no node would take a task of {move.name}: {'; '.join(found.why_not)}")
    if again and not params["force"]:
        _refuse_leaving_data(move, tasks, avoid)


def _refuse_leaving_data(move: Move, tasks: Sequence[Document], avoid: Collection[str]) -> None:
    """Swarm gives a new task to any node that it fits on, allowed by us or not."""
    free = [task for task in tasks if task["ID"] not in move.moving_ids]
    reachable = _moves.places(move.service, free, move.nodes, "", (), avoid).nodes
    others = set(reachable) - {move.source["ID"]}
    away = [_nodes.hostname(node) for node in move.nodes if node["ID"] in others]
    if away and _moves.has_local_data(move.service["Spec"]["TaskTemplate"]):
        raise SwarmError(
            f"refused: {move.name} has a volume or path of its node, and might start on {', '.join(away)} without it;"
            f" name those in avoid_nodes, or {_moves.FORCE}"
        )


def _refuse_other_moves(move: Move) -> None:
    for node in move.nodes:
        for mark in _marks.marks(node):
            if mark.kind == "pause" and mark.service != move.name and node["ID"] in move.to_pause:
                left = round(mark.until - time.time())
                raise SwarmError(
                    f"{_nodes.hostname(node)} is paused by a move of {mark.service}; try again when that is over,"
                    f" at the latest in {left} s, or clear what it left with state cleared and name {mark.service}"
                )


def _refuse_paused(move: Move) -> None:
    now = _nodes.only(move.nodes, move.source["ID"]) or move.source
    if now["Spec"].get("Availability") == "pause":
        raise SwarmError(
            f"refused: {_nodes.hostname(now)} is paused, and from a paused node Swarm takes nothing away by label;"
            f" set it active, or move one task with method {_moves.PAUSE_AND_STOP}"
        )


def _refuse_unwell(move: Move, tasks: Sequence[Document]) -> None:
    seen = progress(move.service, tasks, move.nodes)
    if not seen.converged:
        raise SwarmError(f"refused: {move.name} does not stand as it should: {seen.sentence}; {_moves.FORCE}")


def grace_seconds(service: Document) -> int:
    """How long a container may take to stop."""
    held = value_at(service["Spec"], ("TaskTemplate", "ContainerSpec", "StopGracePeriod"))
    return GRACE_SECONDS if held is None else -(-held // NANOSECONDS)


# ---------------------------------------------------------------- writing


def clear(
    swarm: Swarm, nodes: Sequence[Document], drop: Callable[[str, _marks.Mark], bool], check: bool
) -> list[dict[str, str]]:
    """Undo the marks that `drop` tells. Returns what there was to undo."""
    cleared = []
    for node in nodes:
        found = [mark for mark in _marks.marks(node) if drop(node["ID"], mark)]
        if found and not check:
            write_node(swarm, node["ID"], lambda now: _marks.cleaned(now, _on(drop, now)))
        cleared += [{"node": _nodes.hostname(node), "kind": mark.kind, "service": mark.service} for mark in found]
    return cleared


def pause(swarm: Swarm, move: Move) -> None:
    """Pause what has to be, each with its mark. A node that is not active already stays as somebody left it."""
    for node_id in move.to_pause:
        write_node(swarm, node_id, lambda node: paused(node, move)["Spec"])


def paused(node: Document, move: Move) -> Document:
    active = node["Spec"].get("Availability", "active") == "active"
    return {**node, "Spec": _marks.paused(node["Spec"], move.name, move.until)} if active else node


def deny(swarm: Swarm, move: Move) -> None:
    """Label the node that the service's tasks are to leave. The constraint has to be there before."""
    write_node(swarm, move.source["ID"], lambda node: _marks.denied(node["Spec"], move.name, move.until))


def constrain(swarm: Swarm, params: Mapping[str, Any]) -> Document:
    """Give the service the constraint that its deny label works through, once and for all; no task restarts."""

    def once() -> Document:
        service = swarm.service(params["name"])
        refuse_unexpected(service, params["expected_version"])
        wanted = denying(service)
        if wanted is service:
            return service
        swarm.update_service(service, wanted["Spec"])
        return swarm.service(service["ID"])

    return retried(once, params["expected_version"])


def denying(service: Document) -> Document:
    """The service with the deny constraint; the very same one where it has it."""
    constraint = _marks.deny_constraint(service["Spec"]["Name"])
    held = value_at(service["Spec"], CONSTRAINTS) or []
    if constraint in held:
        return service
    spec = copy.deepcopy(dict(service["Spec"]))
    placement = {**(spec["TaskTemplate"].get("Placement") or {}), "Constraints": [*held, constraint]}
    spec["TaskTemplate"]["Placement"] = placement
    return {**service, "Spec": spec}


def shown_nodes(nodes: Sequence[Document], touched: Collection[str]) -> Shown:
    """Nodes for diff mode; without times, so that check mode foretells it exactly."""
    return {
        _nodes.hostname(node): {
            "availability": node["Spec"].get("Availability", "active"),
            "marks": [f"{mark.kind} for {mark.service}" for mark in _marks.marks(node)],
        }
        for node in nodes
        if node["ID"] in touched
    }


# ---------------------------------------------------------------- waiting


@contextmanager
def undone_afterwards(swarm: Swarm, service: str) -> Iterator[None]:
    """Whatever happens inside, the marks of this service's move are gone afterwards."""
    try:
        yield
    except SwarmError as error:
        try:
            clear_own(swarm, service)
        except SwarmError as second:
            message = f"{error}; and what the move had set could not be undone: {second}; run state cleared"
            raise SwarmError(message, **error.facts) from error
        raise
    clear_own(swarm, service)


def clear_own(swarm: Swarm, service: str) -> list[dict[str, str]]:
    """Also where the managers have no leader for a moment: a node that stays paused takes no tasks."""
    return wait_for(
        f"the marks of {service} to be cleared",
        lambda: clear(swarm, swarm.nodes(), lambda _node, mark: mark.service == service, check=False),
        lambda _cleared: True,
        UNDO_SECONDS,
    )


def wait_for_landing(
    swarm: Swarm,
    service: Document,
    before: Sequence[Mapping[str, Any]],
    moving: Collection[str],
    timeout_seconds: float,
    where: str = "elsewhere",
) -> _moves.Landing:
    """Wait until every task of `moving` runs elsewhere, or again. Raises a SwarmError with what was seen, past the
    bound, as soon as a node rejects one, or where somebody changes the service meanwhile (S17)."""
    name = service["Spec"]["Name"]

    def look() -> _moves.Landing:
        _refuse_changed(swarm, service)
        return _moves.landing(before, moving, service, swarm.tasks_of(service), swarm.nodes())

    try:
        seen = wait_for(
            f"{name} to run {where}",
            look,
            lambda seen: seen.over,
            timeout_seconds,
            lambda seen: seen.sentence,
            longest_pause_seconds=LOOK_EVERY_SECONDS,
        )
    except TimedOutError as error:
        said = f"{error}; what the move had set is undone"
        raise SwarmError(said, version=service["Version"]["Index"], **facts(before, error.last)) from error
    if seen.rejected:
        said = f"the new task does not start: {seen.sentence}; what the move had set is undone"
        raise SwarmError(said, version=service["Version"]["Index"], **facts(before, seen))
    return seen


def _refuse_changed(swarm: Swarm, service: Document) -> None:
    name = service["Spec"]["Name"]
    now = swarm.find_service(service["ID"])
    if now is None:
        raise SwarmError(f"conflict: somebody removed {name} while it moved", conflict=True, found={})
    if now["Spec"] != service["Spec"]:
        found = {"replicas": replicas(now), "version": now["Version"]["Index"]}
        raise SwarmError(
            f"conflict: somebody else changed {name} while it moved; what the move had set is undone, and no more",
            conflict=True,
            found=found,
            version=found["version"],
        )


def facts(before: Sequence[Mapping[str, Any]], seen: _moves.Landing) -> dict[str, Any]:
    """The keys of a result that tell what became of a move."""
    return {"tasks": {"before": list(before), "after": list(seen.tasks)}, "moved": list(seen.moved)}
