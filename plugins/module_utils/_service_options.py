# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of everything that a task can say of a service's specification."""

from __future__ import annotations

from typing import Any


def resource_options() -> dict[str, Any]:
    return {"type": "dict", "options": {"cpus": {"type": "float"}, "memory": {"type": "str"}}}


def rollout_options() -> dict[str, Any]:
    return {
        "type": "dict",
        "options": {
            "parallelism": {"type": "int"},
            "delay": {"type": "str"},
            "failure_action": {"type": "str", "choices": ["pause", "continue", "rollback"]},
            "monitor": {"type": "str"},
            "max_failure_ratio": {"type": "float"},
            "order": {"type": "str", "choices": ["stop-first", "start-first"]},
        },
    }


def publish_options() -> dict[str, Any]:
    return {
        "type": "list",
        "elements": "dict",
        "options": {
            "target_port": {"type": "int", "required": True},
            "published_port": {"type": "int"},
            "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
            "mode": {"type": "str", "choices": ["ingress", "host"], "default": "ingress"},
        },
    }


def mount_options() -> dict[str, Any]:
    propagations = ["private", "rprivate", "shared", "rshared", "slave", "rslave"]
    return {
        "type": "list",
        "elements": "dict",
        "options": {
            "target": {"type": "str", "required": True},
            "source": {"type": "str"},
            "type": {"type": "str", "choices": ["bind", "volume", "tmpfs"], "default": "volume"},
            "readonly": {"type": "bool"},
            "propagation": {"type": "str", "choices": propagations},
            "tmpfs_size": {"type": "str"},
            "driver": {"type": "str"},
            "driver_options": {"type": "dict", "no_log": True},
        },
    }


def healthcheck_options() -> dict[str, Any]:
    return {
        "type": "dict",
        "options": {
            "test": {"type": "raw"},
            "interval": {"type": "str"},
            "timeout": {"type": "str"},
            "start_period": {"type": "str"},
            "retries": {"type": "int"},
        },
    }


def restart_options() -> dict[str, Any]:
    return {
        "type": "dict",
        "options": {
            "condition": {"type": "str", "choices": ["none", "on-failure", "any"]},
            "delay": {"type": "str"},
            "max_attempts": {"type": "int"},
            "window": {"type": "str"},
        },
    }


def service_options() -> dict[str, dict[str, Any]]:
    words = {"type": "list", "elements": "str"}
    return {
        "image": {"type": "str"},
        "command": words,
        "args": words,
        "env": {"type": "dict", "no_log": True},
        "labels": {"type": "dict"},
        "container_labels": {"type": "dict"},
        "user": {"type": "str"},
        "workdir": {"type": "str"},
        "hosts": {"type": "dict"},
        "mode": {"type": "str", "choices": ["replicated", "global"]},
        "replicas": {"type": "int"},
        "networks": words,
        "endpoint_mode": {"type": "str", "choices": ["vip", "dnsrr"]},
        "publish": publish_options(),
        "mounts": mount_options(),
        "constraints": words,
        "placement_preferences": words,
        "limits": resource_options(),
        "reservations": resource_options(),
        "restart_policy": restart_options(),
        "failover": {"type": "str", "choices": ["normal", "fast"]},
        "update_config": rollout_options(),
        "rollback_config": rollout_options(),
        "stop_grace_period": {"type": "str"},
        "healthcheck": healthcheck_options(),
    }
