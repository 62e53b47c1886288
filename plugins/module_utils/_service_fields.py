# SPDX-License-Identifier: GPL-3.0-or-later
"""How each option of the module `service` stands in a service's spec. Pure.

Every function takes what the task wants and what the spec holds, and returns what the spec shall hold: the held value
itself when both mean the same, so that what is equal in meaning is never written again; None where the key goes away.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Sequence

from ._constraints import parse as parse_constraint
from ._errors import SwarmError
from ._values import NANOSECONDS, merged_texts, nano_cpus, nanoseconds, size_bytes, stripped

OUR_LABELS = "swarmherd."
"""Labels that the controller reads and writes begin so, on services as on nodes."""

OUR_NODE_LABELS = f"node.labels.{OUR_LABELS}"

FAILOVER_LABEL = OUR_LABELS + "failover"
"""How fast a service fails over; its values are the keys of `FAILOVER_DELAYS`."""

FAILOVER_DELAYS = {"normal": "5s", "fast": "0s"}
"""The time before a task that ended, or whose node went down, is replaced."""

GRACE_SECONDS = 10
"""Docker's own stop grace period."""

RESTART_DEFAULTS = {"Condition": "any", "Delay": 5 * NANOSECONDS, "MaxAttempts": 0, "Window": 0}
UPDATE_DEFAULTS = {
    "Parallelism": 1,
    "Delay": 0,
    "FailureAction": "pause",
    "Monitor": 5 * NANOSECONDS,
    "MaxFailureRatio": 0,
    "Order": "stop-first",
}


def hastened(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """`params` with what their `failover`, or the label of the same meaning, stands for.

    What the task says of the restart policy itself wins. Where nothing is said of failing over, nothing is changed.
    """
    labels = params.get("labels") or {}
    speed = params.get("failover") or labels.get(FAILOVER_LABEL)
    if speed is None:
        return params
    delay = restart_delay(speed, f"labels.{FAILOVER_LABEL}")
    said = {key: value for key, value in (params.get("restart_policy") or {}).items() if value is not None}
    condition = {"condition": "any"} if speed == "fast" else {}
    policy = {**condition, "delay": delay, **said}
    return {**params, "labels": {**labels, FAILOVER_LABEL: speed}, "restart_policy": policy}


def restart_delay(speed: Any, key: str) -> str:
    if speed not in FAILOVER_DELAYS:
        raise SwarmError(f"{key}: {speed!r} is no speed of failing over; write normal or fast")
    return FAILOVER_DELAYS[speed]


def image(wanted: str, held: str | None) -> str:
    """The docker command adds a digest to what it stores; a tag without one stays satisfied by it."""
    held_name = held or ""
    if "@" not in wanted:
        held_name = held_name.partition("@")[0]
    return held if held and _tagged(held_name) == _tagged(wanted) else wanted


def _tagged(name: str) -> str:
    has_tag = ":" in name.rpartition("/")[2]
    return name if has_tag or "@" in name else f"{name}:latest"


def text(wanted: str, held: str | None) -> str | None:
    return held if (held or "") == wanted else wanted or None


def flag(wanted: bool, held: bool | None) -> bool | None:
    """For settings that are off where Docker holds nothing."""
    return held if bool(held) == wanted else wanted


def init(wanted: bool | str, held: bool | None) -> bool | None:
    """True, False, or `default` for what the engine is set to, which need not be off."""
    return None if wanted == "default" else held if held is wanted else bool(wanted)


def count(wanted: int, held: int | None) -> int | None:
    """A number of which 0 means that there is none."""
    return held if (held or 0) == wanted else wanted or None


def capabilities(wanted: Sequence[str], held: list[str] | None) -> list[str] | None:
    """Docker holds them in capitals and with their prefix; their order carries no meaning."""
    capitals = [name.upper() for name in wanted]
    after = [name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in capitals]
    return held if sorted(after) == sorted(held or []) else after or None


def logging(wanted: Mapping[str, Any], held: dict[str, Any] | None) -> dict[str, Any] | None:
    """`driver` and `options`; without a driver the engine's own."""
    after = {"Name": wanted["driver"], "Options": merged_texts({}, wanted.get("options") or {}, "logging.options")}
    if not wanted["driver"]:
        return None
    return held if stripped(after) == stripped(held or {}) else stripped(after)


def words(wanted: Sequence[str], held: list[str] | None) -> list[str] | None:
    return held if (held or []) == list(wanted) else list(wanted) or None


def env(wanted: Mapping[str, Any], held: list[str] | None) -> list[str] | None:
    """The order in which variables stand carries no meaning, and is kept.

    One that is held without a value takes the image's away: it is left so, unless it is given one.
    """
    before = env_values(held)
    after = merged_texts(before, wanted, "env")
    if after == before:
        return held
    bare = {entry for entry in held or [] if "=" not in entry} - set(wanted)
    return [name if name in bare else f"{name}={value}" for name, value in after.items()] or None


def env_values(held: Sequence[str] | None) -> dict[str, str]:
    return {name: value for name, _sep, value in (entry.partition("=") for entry in held or [])}


def labels(wanted: Mapping[str, Any], held: dict[str, str] | None) -> dict[str, str] | None:
    after = merged_texts(held or {}, wanted, "labels")
    return held if after == (held or {}) else after


def hosts(wanted: Mapping[str, Any], held: list[str] | None) -> list[str] | None:
    """Docker holds lines of an address and its names, as a hosts file does. A name may have several addresses: they
    stay, unless it is given one."""
    before = host_addresses(held)
    after = merged_texts(before, wanted, "hosts")
    if after == before:
        return held
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    lines = [f"{address} {name}" for address, name in _hosts(held) if name not in changed]
    return [*lines, *(f"{after[name]} {name}" for name in after if name in changed)] or None


def host_addresses(held: Sequence[str] | None) -> dict[str, str]:
    """The addresses of each name, of several all in one text."""
    found: dict[str, str] = {}
    for address, name in _hosts(held):
        found[name] = f"{found[name]} {address}" if name in found else address
    return found


def _hosts(held: Sequence[str] | None) -> list[tuple[str, str]]:
    return [(line.split()[0], name) for line in held or [] for name in line.split()[1:]]


def grace(wanted: str, held: int | None) -> int | None:
    wanted_ns = nanoseconds(wanted, "stop_grace_period")
    held_ns = GRACE_SECONDS * NANOSECONDS if held is None else held
    return held if held_ns == wanted_ns else wanted_ns


def endpoint_mode(wanted: str, held: str | None) -> str | None:
    return held if (held or "vip") == wanted else wanted


def constraints(wanted: Sequence[str], held: list[str] | None) -> list[str] | None:
    """All constraints but Swarmherd's own, which stay as long as the list says nothing of their very labels."""

    def plain(lines: Sequence[str] | None) -> list[str]:
        return sorted("".join(line.split()) for line in lines or [])

    for line in wanted:
        parse_constraint(line)
    named = {constraint_key(line) for line in wanted}
    ours = [line for line in held or [] if constraint_key(line).startswith(OUR_NODE_LABELS)]
    after = [*wanted, *(line for line in ours if constraint_key(line) not in named)]
    return held if plain(after) == plain(held) else after or None


def constraint_key(line: str) -> str:
    """What a constraint compares, as `node.labels.disk`."""
    return re.split("[=!]=", line)[0].strip()


def preferences(wanted: Sequence[str], held: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    after = [{"Spread": {"SpreadDescriptor": key}} for key in wanted]
    return held if after == (held or []) else after or None


def resources(kind: str) -> Callable[[Mapping[str, Any], dict[str, Any] | None], dict[str, Any] | None]:
    """For `limits` or `reservations`. 0 takes one of them away; what is not named, as generic resources, stays."""

    def merge(wanted: Mapping[str, Any], held: dict[str, Any] | None) -> dict[str, Any] | None:
        after = dict(held or {})
        if wanted.get("cpus") is not None:
            after["NanoCPUs"] = nano_cpus(wanted["cpus"], f"{kind}.cpus")
        if wanted.get("memory") is not None:
            after["MemoryBytes"] = size_bytes(wanted["memory"], f"{kind}.memory")
        if wanted.get("pids") is not None:
            after["Pids"] = int(wanted["pids"])
        after = {key: value for key, value in after.items() if value}
        return held if after == stripped(held or {}) else after or None

    return merge


def restart_policy(wanted: Mapping[str, Any], held: dict[str, Any] | None) -> dict[str, Any] | None:
    settings = {
        "Condition": wanted.get("condition"),
        "Delay": _duration(wanted, "delay", "restart_policy"),
        "MaxAttempts": wanted.get("max_attempts"),
        "Window": _duration(wanted, "window", "restart_policy"),
    }
    return _settings(settings, held, RESTART_DEFAULTS)


def rollout(kind: str) -> Callable[[Mapping[str, Any], dict[str, Any] | None], dict[str, Any] | None]:
    """For `update_config` or `rollback_config`."""

    def merge(wanted: Mapping[str, Any], held: dict[str, Any] | None) -> dict[str, Any] | None:
        settings = {
            "Parallelism": wanted.get("parallelism"),
            "Delay": _duration(wanted, "delay", kind),
            "FailureAction": wanted.get("failure_action"),
            "Monitor": _monitor(_duration(wanted, "monitor", kind)),
            "MaxFailureRatio": wanted.get("max_failure_ratio"),
            "Order": wanted.get("order"),
        }
        return _settings(settings, held, UPDATE_DEFAULTS)

    return merge


def _monitor(wanted_ns: int | None) -> int | None:
    """To Docker's API none is the same as its default; it cannot be had."""
    return UPDATE_DEFAULTS["Monitor"] if wanted_ns == 0 else wanted_ns


def _settings(
    wanted: Mapping[str, Any], held: dict[str, Any] | None, defaults: Mapping[str, Any]
) -> dict[str, Any] | None:
    """`held` with what is wanted.

    A new group starts from Docker's defaults: an absent parallelism would read as 0, which is all at once.
    """
    effective = {**defaults, **{key: value for key, value in (held or {}).items() if value not in ("", None)}}
    after = {**effective, **{key: value for key, value in wanted.items() if value is not None}}
    return held if after == effective else after


def _duration(wanted: Mapping[str, Any], key: str, group: str) -> int | None:
    return None if wanted.get(key) is None else nanoseconds(wanted[key], f"{group}.{key}")


def healthcheck(wanted: Mapping[str, Any], held: dict[str, Any] | None) -> dict[str, Any] | None:
    """A test written as text goes to a shell; `NONE` switches off the check of the image."""
    test = wanted.get("test")
    if isinstance(test, str):
        test = ["NONE"] if test.upper() == "NONE" else ["CMD-SHELL", test]
    elif isinstance(test, list):
        test = [str(word) for word in test]
        test = test if not test or test[0] in ("NONE", "CMD", "CMD-SHELL") else ["CMD", *test]
    settings = {
        "Test": test,
        "Interval": _duration(wanted, "interval", "healthcheck"),
        "Timeout": _duration(wanted, "timeout", "healthcheck"),
        "StartPeriod": _duration(wanted, "start_period", "healthcheck"),
        "Retries": wanted.get("retries"),
    }
    after = {**(held or {}), **{key: value for key, value in settings.items() if value is not None}}
    return held if stripped(after) == stripped(held or {}) else after
