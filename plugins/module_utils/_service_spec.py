# SPDX-License-Identifier: GPL-3.0-or-later
"""From a task's parameters and the spec that Docker holds to the spec to write, and to what changes with it. Pure."""

from __future__ import annotations

import copy
from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple, Sequence

from . import _service_attachments as attachments
from . import _service_fields as fields
from ._errors import SwarmError
from ._tasks import mode_name

Spec = Dict[str, Any]
Shown = Dict[str, Any]

HIDDEN = "(hidden)"

_TASK = ("TaskTemplate",)
_CONTAINER = ("TaskTemplate", "ContainerSpec")
_PLACEMENT = ("TaskTemplate", "Placement")
_RESOURCES = ("TaskTemplate", "Resources")


class Field(NamedTuple):
    """Where an option stands in the spec, and how what is wanted and what is held become what is written."""

    option: str
    path: tuple[str, ...]
    merge: Callable[[Any, Any], Any]
    names: Callable[[Any], Iterable[str]] | None = None
    """Of an option that is set name by name, the names that Docker holds."""


def _keys(held: Any) -> Iterable[str]:
    return held or ()


FIELDS: Sequence[Field] = (
    Field("labels", ("Labels",), fields.labels, _keys),
    Field("image", (*_CONTAINER, "Image"), fields.image),
    Field("command", (*_CONTAINER, "Command"), fields.words),
    Field("args", (*_CONTAINER, "Args"), fields.words),
    Field("env", (*_CONTAINER, "Env"), fields.env, fields.env_values),
    Field("container_labels", (*_CONTAINER, "Labels"), fields.labels, _keys),
    Field("user", (*_CONTAINER, "User"), fields.text),
    Field("workdir", (*_CONTAINER, "Dir"), fields.text),
    Field("hosts", (*_CONTAINER, "Hosts"), fields.hosts, fields.host_addresses),
    Field("mounts", (*_CONTAINER, "Mounts"), attachments.mounts),
    Field("stop_grace_period", (*_CONTAINER, "StopGracePeriod"), fields.grace),
    Field("healthcheck", (*_CONTAINER, "Healthcheck"), fields.healthcheck),
    Field("networks", (*_TASK, "Networks"), attachments.networks),
    Field("limits", (*_RESOURCES, "Limits"), fields.resources("limits")),
    Field("reservations", (*_RESOURCES, "Reservations"), fields.resources("reservations")),
    Field("restart_policy", (*_TASK, "RestartPolicy"), fields.restart_policy),
    Field("constraints", (*_PLACEMENT, "Constraints"), fields.constraints),
    Field("placement_preferences", (*_PLACEMENT, "Preferences"), fields.preferences),
    Field("update_config", ("UpdateConfig",), fields.rollout("update_config")),
    Field("rollback_config", ("RollbackConfig",), fields.rollout("rollback_config")),
    Field("endpoint_mode", ("EndpointSpec", "Mode"), fields.endpoint_mode),
    Field("publish", ("EndpointSpec", "Ports"), attachments.publish),
    # What a Compose file can say besides.
    Field("hostname", (*_CONTAINER, "Hostname"), fields.text),
    Field("init", (*_CONTAINER, "Init"), fields.init),
    Field("read_only", (*_CONTAINER, "ReadOnly"), fields.flag),
    Field("tty", (*_CONTAINER, "TTY"), fields.flag),
    Field("stdin_open", (*_CONTAINER, "OpenStdin"), fields.flag),
    Field("stop_signal", (*_CONTAINER, "StopSignal"), fields.text),
    Field("cap_add", (*_CONTAINER, "CapabilityAdd"), fields.capabilities),
    Field("cap_drop", (*_CONTAINER, "CapabilityDrop"), fields.capabilities),
    Field("dns", (*_CONTAINER, "DNSConfig", "Nameservers"), fields.words),
    Field("dns_search", (*_CONTAINER, "DNSConfig", "Search"), fields.words),
    Field("sysctls", (*_CONTAINER, "Sysctls"), fields.labels, _keys),
    Field("secrets", (*_CONTAINER, "Secrets"), attachments.references("Secret")),
    Field("configs", (*_CONTAINER, "Configs"), attachments.references("Config")),
    Field("logging", (*_TASK, "LogDriver"), fields.logging),
    Field("max_replicas_per_node", (*_PLACEMENT, "MaxReplicas"), fields.count),
)

SHOWN = (
    *((field.option, field.path) for field in FIELDS),
    ("replicas", ("Mode", "Replicated", "Replicas")),
    ("force_update", (*_TASK, "ForceUpdate")),
)


def desired_spec(held: Mapping[str, Any] | None, params: Mapping[str, Any], whole: bool = False) -> Spec:
    """The whole spec to write: `held`, or nothing for a new service, with what the task names.

    With `whole`, what is set name by name (environment, labels, hosts) loses the names that the task does not give, but
    for labels of Swarmherd. `params["networks"]` are network ids. Raises SwarmError where the task asks for what cannot
    be. `params["initial_replicas"]` is for a new service alone.
    """
    spec: Spec = copy.deepcopy(dict(held)) if held else {"Name": params["name"], "TaskTemplate": {"ContainerSpec": {}}}
    if not held and not params.get("image"):
        raise SwarmError(f"image: the service {params['name']} is not there, and a new one needs an image")
    params = fields.hastened(params)
    for field in FIELDS:
        wanted = params.get(field.option)
        if wanted is None:
            continue
        present = value_at(spec, field.path)
        if whole and field.names:
            wanted = {**_nulls(field.names(present)), **wanted}
        _put(spec, field.path, field.merge(wanted, present))
    _put_mode(spec, params, new=not held)
    if held and params.get("force_update"):
        template = spec["TaskTemplate"]
        template["ForceUpdate"] = template.get("ForceUpdate", 0) + 1
    _refuse_impossible(spec)
    return spec


def _nulls(names: Iterable[str]) -> dict[str, None]:
    return {name: None for name in names if not name.startswith(fields.OUR_LABELS)}


def _put_mode(spec: Spec, params: Mapping[str, Any], new: bool) -> None:
    mode, count = params.get("mode"), params.get("replicas")
    if new:
        count = params.get("initial_replicas") if count is None else count
        spec["Mode"] = {"Global": {}} if mode == "global" else {"Replicated": {"Replicas": 1}}
    found = mode_name({"Spec": spec})
    if mode and mode != found:
        raise SwarmError(f"mode: {spec['Name']} is {found}, and Docker cannot make it {mode}; remove it first")
    if count is None:
        return
    if found != "replicated":
        raise SwarmError(f"replicas: {spec['Name']} is {found}: it has no count of replicas")
    if value_at(spec, ("Mode", "Replicated", "Replicas")) != count:
        _put(spec, ("Mode", "Replicated", "Replicas"), count)


def _refuse_impossible(spec: Spec) -> None:
    endpoint = spec.get("EndpointSpec") or {}
    ingress = [port for port in endpoint.get("Ports") or [] if port.get("PublishMode", "ingress") == "ingress"]
    if endpoint.get("Mode") == "dnsrr" and ingress:
        raise SwarmError("publish: ports in ingress mode need endpoint_mode vip; with dnsrr publish them in mode host")


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The options whose meaning differs between two specs, in the order of the documentation."""
    differing = [option for option, path in SHOWN if value_at(before, path) != value_at(after, path)]
    return [option for option in differing if option != "force_update" or (before and after)]


def shown(spec: Mapping[str, Any] | None, options: Sequence[str], names: Mapping[str, str]) -> Shown:
    """Those options of a spec for people to read. `names` are network names by id."""
    paths = dict(SHOWN)
    values = {option: value_at(spec, paths[option]) for option in options}
    if values.get("mounts"):
        values["mounts"] = [_without_driver_options(mount) for mount in values["mounts"]]
    if values.get("networks"):
        values["networks"] = [names.get(net["Target"], net["Target"]) for net in values["networks"]]
    if (values.get("logging") or {}).get("Options"):
        values["logging"] = {**values["logging"], "Options": dict.fromkeys(values["logging"]["Options"], HIDDEN)}
    return {option: value for option, value in values.items() if value is not None}


def _without_driver_options(mount: Mapping[str, Any]) -> dict[str, Any]:
    told = copy.deepcopy(dict(mount))
    options = value_at(told, ("VolumeOptions", "DriverConfig", "Options")) or {}
    options.update(dict.fromkeys(options, HIDDEN))
    return told


def diff(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, names: Mapping[str, str]
) -> dict[str, Shown]:
    """What changes, for diff mode.

    Of environment variables it tells only that they differ; options of log and volume drivers, which may hold
    passwords, are hidden.
    """
    options = changes(before, after)
    told = {"before": shown(before, options, names), "after": shown(after, options, names)}
    if "env" in options:
        old, new = (fields.env_values(value_at(spec, (*_CONTAINER, "Env"))) for spec in (before, after))
        told["before"]["env"] = dict.fromkeys(old, HIDDEN)
        told["after"]["env"] = {
            name: HIDDEN if old.get(name, value) == value else "(hidden, changed)" for name, value in new.items()
        }
    return told


def value_at(document: Mapping[str, Any] | None, path: Sequence[str]) -> Any:
    """What stands at `path`, or None."""
    found: Any = document
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _put(spec: Spec, path: Sequence[str], value: Any) -> None:
    """Set or, with None, remove. Nothing is created on the way to something that is to be absent."""
    if value_at(spec, path) == value:
        return
    place = spec
    for key in path[:-1]:
        place[key] = place.get(key) or {}
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
