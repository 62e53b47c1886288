# SPDX-License-Identifier: GPL-3.0-or-later
"""One service as it is written: read, decide, write, and tell what became of it."""

from __future__ import annotations

from typing import Any, Collection, Mapping, NamedTuple, Sequence

from ._client import Document, Swarm
from ._conflicts import refuse_unexpected
from ._errors import SwarmError
from ._nodes import is_down
from ._service_spec import changes, desired_spec, diff
from ._tasks import mode_name, replicas
from ._waiter import look_at, wait_for, wait_until_converged

SETTLED_LOOKS = 3
"""After a write Swarm takes a moment to mark the update as begun; so one good look is not yet the end of it."""

PREDEFINED_NETWORKS = ("host", "bridge")


class Written(NamedTuple):
    """One attempt's outcome: the service before and after, and the spec that was decided on."""

    before: Document | None
    spec: Document | None
    service: Document | None

    @property
    def held(self) -> Document | None:
        return self.before["Spec"] if self.before else None

    @property
    def changed(self) -> bool:
        return self.spec != self.held

    @property
    def tried(self) -> Document | None:
        """The spec as Docker took it, where one was written."""
        return self.service["Spec"] if self.changed and self.service else None

    def told(self, names: Mapping[str, str]) -> dict[str, Any]:
        """The keys of a module's result that tell what was decided. `names` are network names by id."""
        result: dict[str, Any] = {
            "changed": self.changed,
            "changes": changes(self.held, self.spec),
            "diff": diff(self.held, self.spec, names),
        }
        if self.service:
            result["id"] = self.service["ID"]
        if self.spec:
            before = replicas(self.before) if self.before else 0
            result["replicas"] = {"before": before, "after": replicas({"Spec": self.spec})}
        return result


def swarm_networks(swarm: Swarm, names: Collection[str]) -> dict[str, Document]:
    """The networks that span the Swarm, by name, and of `names` Docker's own.

    Of these the engine lists its local ones. What a service is attached to is one of the Swarm that no list shows.
    """
    found = {network["Name"]: network for network in swarm.networks() if network["Scope"] == "swarm"}
    return {**found, **{name: swarm.swarm_network(name) for name in PREDEFINED_NETWORKS if name in names}}


def network_ids(swarm: Swarm, names: Sequence[str]) -> dict[str, str]:
    """The ids of those networks, by name."""
    known = swarm_networks(swarm, names)
    missing = [name for name in names if name not in known]
    if missing:
        raise SwarmError(f"networks: no network of the Swarm is called {', '.join(missing)}; create it first")
    return {name: known[name]["Id"] for name in names}


def write(swarm: Swarm, params: Mapping[str, Any], check: bool, whole: bool = False) -> Written:
    """Read, decide and write once. `whole` as in `desired_spec`."""
    found = swarm.find_service(params["name"])
    expect(found, params.get("expected_version"), params["name"])
    spec = desired_spec(found["Spec"] if found else None, params, whole)
    if check or (found and spec == found["Spec"]):
        return Written(found, spec, found)
    if found:
        swarm.update_service(found, spec)
        return Written(found, spec, swarm.service(found["ID"]))
    return Written(None, spec, swarm.service(swarm.create_service(spec)))


def remove(swarm: Swarm, params: Mapping[str, Any], check: bool) -> Written:
    """Remove the service, and wait until none of its tasks runs any more, but on nodes that are down or gone.

    Swarm lists what was there for a day or longer, and nobody is left to say that it ended.
    """
    found = swarm.find_service(params["name"])
    if found is None:
        return Written(None, None, None)
    expect(found, params.get("expected_version"), params["name"])
    if not check:
        swarm.remove_service(found)
        if params["wait"]:
            wait_until_gone(swarm, found, params["wait_timeout"])
    return Written(found, None, None)


def wait_until_gone(swarm: Swarm, service: Document, timeout_seconds: float) -> None:
    def look() -> list[Document]:
        alive = {node["ID"] for node in swarm.nodes() if not is_down(node)}
        tasks = [task for task in swarm.tasks() if task["ServiceID"] == service["ID"]]
        return [task for task in tasks if still_runs(task) and task.get("NodeID") in alive]

    try:
        wait_for(
            f"the tasks of {service['Spec']['Name']} to stop",
            look,
            lambda tasks: not tasks,
            timeout_seconds,
            lambda tasks: f"{len(tasks)} still run",
        )
    except SwarmError as error:
        error.facts["changed"] = True
        raise


def still_runs(task: Document) -> bool:
    return task["Status"]["State"] in ("starting", "running")


def expect(found: Document | None, expected_version: int | None, name: str) -> None:
    if expected_version is None:
        return
    if found is None:
        raise SwarmError(
            f"conflict: {name} was expected at version {expected_version} and is not there", conflict=True, found=None
        )
    refuse_unexpected(found, expected_version)


def ends_by_itself(spec: Document) -> bool:
    """True of jobs, which nobody waits for."""
    return mode_name({"Spec": spec}).endswith("job")


def watch(swarm: Swarm, written: Written, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What is seen of the service, after waiting for it where that was asked for."""
    if check or not params["wait"] or ends_by_itself(written.spec):
        service, seen = look_at(swarm, written.service["ID"])
    else:
        looks = SETTLED_LOOKS if written.changed else 1
        service, seen = wait_until_converged(
            swarm, params["name"], params["wait_timeout"], written.changed, looks, written.tried
        )
    return {"version": service["Version"]["Index"], **seen.seen()}
