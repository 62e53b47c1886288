# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack as it is written: all is decided before any is written, and all is written before any is waited for.

So a mistake in the last service leaves the first as it is, and services that need each other find each other.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ._client import Document, Swarm
from ._compose import NAMESPACE, Stack
from ._conflicts import retried
from ._errors import SwarmError
from ._service import SETTLED_LOOKS, Written, remove, swarm_networks, write
from ._waiter import Awaited, bound, wait_for_all

Service = Mapping[str, Any]


class Around(NamedTuple):
    """What services refer to: ids by name. A network that is still to be created has its name for an id."""

    networks: dict[str, str]
    names: dict[str, str]
    """Network names by id, of all networks."""
    secrets: dict[str, str]
    configs: dict[str, str]


def deploy(swarm: Swarm, name: str, stack: Stack, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """`params`: `scale`, `prune`, `wait`, `wait_timeout`. Returns the module's result; raises SwarmError with it."""
    around = look_around(swarm, stack)
    new = [network for network in stack.networks if around.networks[network] == network]
    present = swarm.services()
    for service in stack.services.values():
        refuse_foreign(present, service["name"], name)
        put(swarm, service, around, params["scale"], check=True)
    left = sorted(set(names_of(present, name)) - set(stack.services))
    pruned = left if params["prune"] else []
    seconds_left = bound(params["wait_timeout"])
    removed: dict[str, Written] = {}
    ids: dict[str, str] = {}
    try:
        for old in pruned:
            removed[old] = remove(swarm, {**params, "name": old, "wait_timeout": seconds_left()}, check)
        for network in () if check else new:
            ids[network] = create_network(swarm, network, stack.networks[network])
        names = {**around.names, **{identity: network for network, identity in ids.items()}}
        around = around._replace(networks={**around.networks, **ids}, names=names)
        written = put_all(swarm, stack, around, params["scale"], check)
    except SwarmError as error:
        error.facts["changed"] = bool(error.facts.get("changed") or ids or removed)
        raise
    result = told(name, written, removed, new, around.names)
    result["left"] = [] if pruned else left
    result["warnings"] = [
        *stack.warnings,
        *(f"{old} is of the stack and not in the file; it stays" for old in result["left"]),
    ]
    if params["wait"] and not check:
        watch(swarm, written, result, seconds_left())
    return result


def look_around(swarm: Swarm, stack: Stack) -> Around:
    """Raises SwarmError where something that is to be there already is not, or is not as the file says."""
    found = swarm_networks(swarm, stack.networks)
    for name, wanted in stack.networks.items():
        if wanted["external"] and name not in found:
            raise SwarmError(f"networks: no network of the Swarm is called {name}; create it first")
        if name in found and not wanted["external"]:
            refuse_other_network(name, wanted, found[name])
    return Around(
        {name: found[name]["Id"] if name in found else name for name in stack.networks},
        {network["Id"]: name for name, network in found.items()},
        known(swarm, stack, "secrets"),
        known(swarm, stack, "configs"),
    )


def refuse_other_network(name: str, wanted: Mapping[str, Any], found: Document) -> None:
    """Docker cannot change a network. The engine adds options of its own, which are no difference."""
    options = {key: (found.get("Options") or {}).get(key) for key in wanted["options"]}
    subnets = [pool.get("Subnet") for pool in (found.get("IPAM") or {}).get("Config") or []]
    pairs = {
        "driver": (wanted["driver"], found["Driver"]),
        "attachable": (wanted["attachable"], bool(found.get("Attachable"))),
        "internal": (wanted["internal"], bool(found.get("Internal"))),
        "subnets": (wanted["subnets"], subnets if wanted["subnets"] else []),
    }
    different = [f"{key} is {there!r} and not {here!r}" for key, (here, there) in pairs.items() if here != there]
    # A driver's options may hold passwords.
    different += [f"driver_opts.{key} is another" for key, text in wanted["options"].items() if options[key] != text]
    if different:
        raise SwarmError(
            f"networks: {name} is there with other settings: {', '.join(different)}; Docker cannot change a network:"
            " write in the file what it is, or remove it first"
        )


def known(swarm: Swarm, stack: Stack, kind: str) -> dict[str, str]:
    """The ids of all secrets or configs that the stack refers to. Docker is asked only where there are any."""
    wanted = {reference["name"] for service in stack.services.values() for reference in service[kind]}
    if not wanted:
        return {}
    found = {item["Spec"]["Name"]: item["ID"] for item in getattr(swarm, kind)()}
    missing = sorted(wanted - set(found))
    if missing:
        command = kind[:-1]
        raise SwarmError(
            f"{kind}: no {command} of the Swarm is called {', '.join(missing)};"
            f" create it first: docker {command} create {missing[0]} FILE"
        )
    return found


def refuse_foreign(present: Sequence[Document], service: str, stack: str) -> None:
    owner = next(
        (labels_of(found).get(NAMESPACE, stack) for found in present if found["Spec"]["Name"] == service), stack
    )
    if owner != stack:
        raise SwarmError(f"name: the service {service} is of the stack {owner}; give one of the two another name")


def names_of(present: Sequence[Document], stack: str) -> list[str]:
    return [found["Spec"]["Name"] for found in present if labels_of(found).get(NAMESPACE) == stack]


def labels_of(service: Document) -> Mapping[str, str]:
    return service["Spec"].get("Labels") or {}


def put(swarm: Swarm, service: Service, around: Around, scale: str, check: bool) -> Written:
    """One service of the stack. With the scale `keep`, the file's count is for a new service alone (S17)."""
    wanted = {
        **service,
        "networks": [
            {"target": around.networks[network["name"]], "aliases": network["aliases"]}
            for network in service["networks"]
        ],
        "secrets": [{**item, "id": around.secrets[item["name"]]} for item in service["secrets"]],
        "configs": [{**item, "id": around.configs[item["name"]]} for item in service["configs"]],
    }
    if scale == "keep" and "replicas" in wanted:
        wanted["initial_replicas"] = wanted.pop("replicas")
    try:
        return retried(lambda: write(swarm, wanted, check, whole=True))
    except SwarmError as error:
        raise type(error)(f"{service['name']}: {error}", **error.facts) from error


def put_all(swarm: Swarm, stack: Stack, around: Around, scale: str, check: bool) -> dict[str, Written]:
    written: dict[str, Written] = {}
    for service in stack.services.values():
        try:
            written[service["name"]] = put(swarm, service, around, scale, check)
        except SwarmError as error:  # noqa: PERF203 - what was written until then has to be told
            done = [name for name, outcome in written.items() if outcome.changed]
            tail = f"; written before: {', '.join(done)}" if done else ""
            raise SwarmError(f"{error}{tail}", **{**error.facts, "changed": bool(done)}) from error
    return written


def create_network(swarm: Swarm, name: str, wanted: Mapping[str, Any]) -> str:
    pools = [{"Subnet": subnet} for subnet in wanted["subnets"]]
    return swarm.create_network(
        name,
        driver=wanted["driver"],
        options=wanted["options"] or None,
        attachable=wanted["attachable"],
        internal=wanted["internal"],
        labels=wanted["labels"],
        ipam={"Driver": "default", "Config": pools} if pools else None,
    )


def told(
    name: str,
    written: Mapping[str, Written],
    removed: Mapping[str, Written],
    new: Sequence[str],
    names: Mapping[str, str],
) -> dict[str, Any]:
    """What was decided, as a module's result. `names` are network names by id."""
    services = {service: outcome.told(names) for service, outcome in written.items()}
    gone = {service: outcome.told(names) for service, outcome in removed.items()}
    differences = {service: outcome.pop("diff") for service, outcome in {**services, **gone}.items()}
    shown = {
        side: {service: difference[side] for service, difference in differences.items() if difference[side]}
        for side in ("before", "after")
    }
    diff: dict[str, Any] = {side: {"services": found} if found else {} for side, found in shown.items()}
    if new:
        diff["after"]["networks"] = list(new)
    return {
        "changed": bool(new or gone or any(outcome["changed"] for outcome in services.values())),
        "stack": name,
        "services": services,
        "networks": list(new),
        "pruned": sorted(gone),
        "diff": diff,
    }


def watch(swarm: Swarm, written: Mapping[str, Written], result: dict[str, Any], timeout_seconds: float) -> None:
    """Wait for all services, and put into `result` what is seen of each. Raises SwarmError with all that went wrong."""
    awaited = {name: Awaited(outcome.changed, outcome.tried) for name, outcome in written.items()}
    looks = SETTLED_LOOKS if any(outcome.changed for outcome in written.values()) else 1
    try:
        ends = wait_for_all(swarm, awaited, timeout_seconds, looks)
    except SwarmError as error:
        raise SwarmError(str(error), **{**error.facts, **result}) from error
    for name, end in ends.items():
        result["services"][name].update(end.facts())
    problems = [end.problem for end in ends.values() if end.problem]
    if problems:
        raise SwarmError(". ".join(problems), **result)
