# SPDX-License-Identifier: GPL-3.0-or-later
"""One service of a Compose document as options of the module `service`, and those that it has besides. Pure.

Every option is in the answer: what the file leaves out has Docker's default, so that taking a key out of the file takes
its effect away.
"""

from __future__ import annotations

from typing import Any, Mapping

from . import _compose_mounts as mounts
from . import _compose_ports as ports
from ._document import choice, command, items, mapping, number, section, text, texts, truth, whole_number
from ._errors import SwarmError
from ._interpolation import pairs
from ._service_fields import FAILOVER_LABEL, constraints, restart_delay
from ._values import nano_cpus, nanoseconds, size_bytes

_KNOWN = (
    *("image", "command", "entrypoint", "environment", "deploy", "networks", "ports", "volumes", "tmpfs", "secrets"),
    *("configs", "healthcheck", "stop_grace_period", "stop_signal", "user", "working_dir", "extra_hosts", "logging"),
    *("labels", "hostname", "init", "read_only", "tty", "stdin_open", "cap_add", "cap_drop", "dns", "dns_search"),
    "sysctls",
)
_IGNORED = {
    "build": "the image is run as it is",
    "container_name": "Swarm names each task's container",
    "depends_on": "Swarm starts all services at once",
    "expose": "within a network all ports are open",
    "links": "within a network services know each other by name",
    "restart": "deploy.restart_policy says it for Swarm",
}
"""Without effect in a Swarm, and without harm: a warning is enough."""
_REFUSED = {
    "devices": "Swarm hands no devices to tasks; mount the device's path as a volume",
    "env_file": "the files are read on the control node; run this through the module's action, as a task does",
    "extends": "write the service out, or use YAML anchors",
    "network_mode": "for the node's own network attach the service to an external network called host",
    "privileged": "Swarm runs no privileged tasks; name the capabilities in cap_add",
    "profiles": "write a file for each profile",
    "scale": "write deploy.replicas",
    "mem_limit": "write deploy.resources.limits.memory",
    "mem_reservation": "write deploy.resources.reservations.memory",
    "cpus": "write deploy.resources.limits.cpus",
    "security_opt": "Swarm has no such setting; set it for the engine",
}
_DEPLOY = (
    *("mode", "replicas", "labels", "update_config", "rollback_config", "restart_policy", "resources", "placement"),
    "endpoint_mode",
)
_ROLLOUT = ("parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order")
_ROLLOUT_DEFAULTS = {
    "parallelism": 1,
    "delay": "0s",
    "failure_action": "pause",
    "monitor": "5s",
    "max_failure_ratio": 0.0,
    "order": "stop-first",
}


def service(
    stack_name: str,
    name: str,
    value: Any,
    shared: Mapping[str, Mapping[str, Any]],
    warnings: list[str],
    fast: bool = False,
) -> dict[str, Any]:
    """`shared` has the networks, volumes, secrets and configs of the document; `warnings` gets what is ignored.

    With `fast` it fails over fast, whatever the document says of that.
    """
    key = f"services.{name}"
    found = section(value, key, (*_KNOWN, *_IGNORED), _REFUSED)
    warnings.extend(f"{key}.{word} is ignored: {why}" for word, why in _IGNORED.items() if word in found)
    if not found.get("image"):
        raise SwarmError(f"{key}.image: there is none; a Swarm runs images from a registry and builds none")
    return {
        "name": f"{stack_name}_{name}",
        "image": text(found["image"], f"{key}.image"),
        **_process(found, key),
        **_container(found, key),
        **_deploy(found.get("deploy"), f"{key}.deploy", fast),
        "networks": _networks(name, found, f"{key}.networks", shared["networks"]),
        "publish": ports.publish(found.get("ports"), f"{key}.ports"),
        "mounts": mounts.mounts(found, key, shared["volumes"]),
        "secrets": mounts.references(found.get("secrets"), f"{key}.secrets", shared["secrets"]),
        "configs": mounts.references(found.get("configs"), f"{key}.configs", shared["configs"]),
    }


def _process(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What runs, and how it is started and stopped."""
    grace = text(found.get("stop_grace_period", "10s"), f"{key}.stop_grace_period")
    nanoseconds(grace, f"{key}.stop_grace_period")
    return {
        "command": command(found.get("entrypoint"), f"{key}.entrypoint"),
        "args": command(found.get("command"), f"{key}.command"),
        "env": {name: value for name, value in _pairs(found, "environment", key).items() if value is not None},
        "user": text(found.get("user", ""), f"{key}.user"),
        "workdir": text(found.get("working_dir", ""), f"{key}.working_dir"),
        "stop_grace_period": grace,
        "stop_signal": text(found.get("stop_signal", ""), f"{key}.stop_signal"),
        "healthcheck": _healthcheck(found.get("healthcheck"), f"{key}.healthcheck"),
        "init": truth(found["init"], f"{key}.init") if "init" in found else "default",
        "tty": truth(found.get("tty", False), f"{key}.tty"),
        "stdin_open": truth(found.get("stdin_open", False), f"{key}.stdin_open"),
    }


def _container(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What is around the process."""
    logs = section(found.get("logging"), f"{key}.logging", ("driver", "options"))
    return {
        "container_labels": _labels(found, key),
        "hosts": _pairs(found, "extra_hosts", key, ":="),
        "hostname": text(found.get("hostname", ""), f"{key}.hostname"),
        "read_only": truth(found.get("read_only", False), f"{key}.read_only"),
        "cap_add": texts(found.get("cap_add"), f"{key}.cap_add"),
        "cap_drop": texts(found.get("cap_drop"), f"{key}.cap_drop"),
        "dns": texts(found.get("dns"), f"{key}.dns"),
        "dns_search": texts(found.get("dns_search"), f"{key}.dns_search"),
        "sysctls": _pairs(found, "sysctls", key),
        "logging": {
            "driver": text(logs.get("driver", ""), f"{key}.logging.driver"),
            "options": _pairs(logs, "options", f"{key}.logging"),
        },
    }


def _pairs(found: Mapping[str, Any], name: str, key: str, separators: str = "=") -> dict[str, Any]:
    return pairs(found.get(name, {}), f"{key}.{name}", separators)


def _labels(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: "" if value is None else value for name, value in _pairs(found, "labels", key).items()}


def _networks(
    name: str, found: Mapping[str, Any], key: str, networks: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The service is known by its short name in each network, as in every stack."""
    wanted = found.get("networks") or ["default"]
    if isinstance(wanted, list):
        wanted = dict.fromkeys(texts(wanted, key))
    attached = []
    for network, settings in mapping(wanted, key).items():
        if network not in networks:
            raise SwarmError(f"{key}.{network}: no such network; declare it under networks at the top")
        aliases = section(
            settings, f"{key}.{network}", ("aliases",), {"ipv4_address": "Swarm chooses addresses; use the name"}
        ).get("aliases")
        names = [name, *texts(aliases, f"{key}.{network}.aliases")]
        attached.append({"name": networks[network]["name"], "aliases": list(dict.fromkeys(names))})
    return attached


def _healthcheck(value: Any, key: str) -> dict[str, Any]:
    known = ("test", "interval", "timeout", "start_period", "retries", "disable")
    found = section(value, key, known)
    durations = {name: text(found.get(name, "0s"), f"{key}.{name}") for name in ("interval", "timeout", "start_period")}
    for name, duration in durations.items():
        nanoseconds(duration, f"{key}.{name}")
    test = found.get("test", [])
    if not isinstance(test, str):
        test = texts(test, f"{key}.test")
        if test and test[0] not in ("NONE", "CMD", "CMD-SHELL"):
            raise SwarmError(f"{key}.test: begin the list with CMD, CMD-SHELL or NONE, or write text for a shell")
    if truth(found.get("disable", False), f"{key}.disable"):
        test = ["NONE"]
    return {"test": test, **durations, "retries": whole_number(found.get("retries", 0), f"{key}.retries")}


def _deploy(value: Any, key: str, fast: bool = False) -> dict[str, Any]:
    found = section(value, key, _DEPLOY)
    modes = ("replicated", "global")
    labels = {**_labels(found, key), **({FAILOVER_LABEL: "fast"} if fast else {})}
    delay = restart_delay(labels.get(FAILOVER_LABEL, "normal"), f"{key}.labels.{FAILOVER_LABEL}")
    options = {
        "mode": choice(found.get("mode", "replicated"), f"{key}.mode", modes),
        "labels": labels,
        "endpoint_mode": choice(found.get("endpoint_mode", "vip"), f"{key}.endpoint_mode", ("vip", "dnsrr")),
        "update_config": _rollout(
            found.get("update_config"), f"{key}.update_config", ("pause", "continue", "rollback")
        ),
        "rollback_config": _rollout(found.get("rollback_config"), f"{key}.rollback_config", ("pause", "continue")),
        "restart_policy": _restart_policy(found.get("restart_policy"), f"{key}.restart_policy", delay),
        **_resources(found.get("resources"), f"{key}.resources"),
        **_placement(found.get("placement"), f"{key}.placement"),
    }
    if "replicas" not in found:
        return options
    if options["mode"] == "global":
        raise SwarmError(f"{key}.replicas: a global service has one task on every node; take replicas or mode out")
    return {**options, "replicas": whole_number(found["replicas"], f"{key}.replicas")}


def _rollout(value: Any, key: str, failure_actions: tuple[str, ...]) -> dict[str, Any]:
    found = {**_ROLLOUT_DEFAULTS, **section(value, key, _ROLLOUT)}
    for name in ("delay", "monitor"):
        nanoseconds(found[name], f"{key}.{name}")
    ratio = number(found["max_failure_ratio"], f"{key}.max_failure_ratio")
    if not 0 <= ratio <= 1:
        raise SwarmError(f"{key}.max_failure_ratio: write a number from 0 to 1")
    return {
        "parallelism": whole_number(found["parallelism"], f"{key}.parallelism"),
        "delay": found["delay"],
        "failure_action": choice(found["failure_action"], f"{key}.failure_action", failure_actions),
        "monitor": found["monitor"],
        "max_failure_ratio": ratio,
        "order": choice(found["order"], f"{key}.order", ("stop-first", "start-first")),
    }


def _restart_policy(value: Any, key: str, delay: str) -> dict[str, Any]:
    known = ("condition", "delay", "max_attempts", "window")
    found = {"condition": "any", "delay": delay, "max_attempts": 0, "window": "0s", **section(value, key, known)}
    for name in ("delay", "window"):
        nanoseconds(found[name], f"{key}.{name}")
    return {
        "condition": choice(found["condition"], f"{key}.condition", ("none", "on-failure", "any")),
        "delay": found["delay"],
        "max_attempts": whole_number(found["max_attempts"], f"{key}.max_attempts"),
        "window": found["window"],
    }


def _resources(value: Any, key: str) -> dict[str, Any]:
    found = section(value, key, ("limits", "reservations"))
    devices = "Compose's words for what nodes offer are not taken; reserve it with a constraint on a node label"
    refused = {"generic_resources": devices, "devices": devices}
    limits = section(found.get("limits"), f"{key}.limits", ("cpus", "memory", "pids"))
    reservations = section(found.get("reservations"), f"{key}.reservations", ("cpus", "memory"), refused)
    return {
        "limits": {
            **_amounts(limits, f"{key}.limits"),
            "pids": whole_number(limits.get("pids", 0), f"{key}.limits.pids"),
        },
        "reservations": _amounts(reservations, f"{key}.reservations"),
    }


def _amounts(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    cpus, memory = found.get("cpus", 0), found.get("memory", 0)
    nano_cpus(cpus, f"{key}.cpus")
    size_bytes(memory, f"{key}.memory")
    return {"cpus": cpus, "memory": memory}


def _placement(value: Any, key: str) -> dict[str, Any]:
    found = section(value, key, ("constraints", "preferences", "max_replicas_per_node"))
    lines = texts(found.get("constraints"), f"{key}.constraints")
    try:
        constraints(lines, None)
    except SwarmError as error:
        raise SwarmError(f"{key}.{error}") from error
    preferences = [
        section(entry, f"{key}.preferences", ("spread",))
        for entry in items(found.get("preferences"), f"{key}.preferences")
    ]
    return {
        "constraints": lines,
        "placement_preferences": [text(entry.get("spread"), f"{key}.preferences.spread") for entry in preferences],
        "max_replicas_per_node": whole_number(found.get("max_replicas_per_node", 0), f"{key}.max_replicas_per_node"),
    }
