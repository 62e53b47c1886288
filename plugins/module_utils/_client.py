# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's API: the only file of the modules that talks to Docker.

It uses the low-level client of the Docker SDK for Python, from 5.0.3 on, with the calls that all versions since share.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

from ansible.module_utils.basic import env_fallback

from ._errors import NotFoundError, SwarmError, UnavailableError, VersionConflictError
from ._nodes import hostname

IMPORT_ERROR: str | None = None
try:
    import docker
    import docker.errors
    import docker.tls
    import requests.exceptions
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

Document = Dict[str, Any]
"""A document as the engine's API gives it."""

OUT_OF_SEQUENCE = "update out of sequence"
NO_LEADER = (
    "does not have a leader",
    "lost leader status",
    "context deadline exceeded",
    "code = unavailable",
    "manager is being prepared",
)
"""While managers elect a leader, or one starts."""
NOT_A_MANAGER = ("not a swarm manager", "only be used on a manager", "worker nodes can't be used")


def connection_options() -> dict[str, dict[str, Any]]:
    """The argument spec of the doc fragment `docker`."""
    return {
        "docker_host": {
            "type": "str",
            "default": "unix:///var/run/docker.sock",
            "fallback": (env_fallback, ["DOCKER_HOST"]),
            "aliases": ["docker_url"],
        },
        "api_version": {
            "type": "str",
            "default": "auto",
            "fallback": (env_fallback, ["DOCKER_API_VERSION"]),
            "aliases": ["docker_api_version"],
        },
        "timeout": {"type": "int", "default": 60, "fallback": (env_fallback, ["DOCKER_TIMEOUT"])},
        "tls": {"type": "bool", "default": False, "fallback": (env_fallback, ["DOCKER_TLS"])},
        "validate_certs": {
            "type": "bool",
            "default": False,
            "fallback": (env_fallback, ["DOCKER_TLS_VERIFY"]),
            "aliases": ["tls_verify"],
        },
        "ca_path": {"type": "path", "aliases": ["ca_cert", "tls_ca_cert", "cacert_path"]},
        "client_cert": {"type": "path", "aliases": ["tls_client_cert", "cert_path"]},
        "client_key": {"type": "path", "aliases": ["tls_client_key", "key_path"]},
    }


def connect(params: Mapping[str, Any]) -> Swarm:
    """An engine that answered once. Raises SwarmError when it did not, or where the options contradict each other."""
    url = params["docker_host"]
    try:
        api = docker.APIClient(
            base_url=url,
            version=params["api_version"],
            timeout=params["timeout"],
            tls=_tls(params) or False,
            # The ssh command knows the user's keys and configuration, and spares everybody paramiko.
            use_ssh_client=url.startswith("ssh://"),
        )
    except (docker.errors.DockerException, requests.exceptions.RequestException, ValueError) as error:
        raise SwarmError(f"the Docker engine at {url} does not answer: {error}") from error
    return Swarm(api, url)


def _tls(params: Mapping[str, Any]) -> Any:
    """TLS settings as the docker command takes them, or None for a plain connection."""
    if not (params["tls"] or params["validate_certs"]):
        return None
    files = {
        "ca_path": params.get("ca_path") or _from_cert_path("ca.pem"),
        "client_cert": params.get("client_cert") or _from_cert_path("cert.pem"),
        "client_key": params.get("client_key") or _from_cert_path("key.pem"),
    }
    if bool(files["client_cert"]) != bool(files["client_key"]):
        raise SwarmError("client_cert and client_key belong together; give both or neither")
    pair = (files["client_cert"], files["client_key"]) if files["client_cert"] else None
    try:
        return docker.tls.TLSConfig(
            client_cert=pair,
            ca_cert=files["ca_path"] if params["validate_certs"] else None,
            verify=params["validate_certs"],
        )
    except docker.errors.TLSParameterError as error:
        raise SwarmError(f"the TLS options cannot be used: {error}") from error


def _from_cert_path(name: str) -> str | None:
    folder = os.environ.get("DOCKER_CERT_PATH")
    path = Path(folder, name) if folder else None
    return str(path) if path and path.exists() else None


class Swarm:
    """The reads and writes of one engine that the modules need. Every failure is a SwarmError."""

    def __init__(self, api: Any, url: str = "") -> None:
        self._api = api
        self._url = url

    def _ask(self, doing: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except docker.errors.NotFound as error:
            raise NotFoundError(f"cannot {doing}: {_reason(error)}") from error
        except docker.errors.APIError as error:
            raise _translated(doing, _reason(error)) from error
        except requests.exceptions.RequestException as error:
            raise UnavailableError(f"cannot {doing}: the engine at {self._url} did not answer: {error}") from error
        except docker.errors.DockerException as error:
            raise SwarmError(f"cannot {doing}: {error}") from error

    # ------------------------------------------------------------ reads

    def info(self) -> Document:
        return self._ask("read the engine's state", self._api.info)

    def swarm(self) -> Document:
        return self._ask("read the Swarm", self._api.inspect_swarm)

    def nodes(self, filters: Document | None = None) -> list[Document]:
        return self._ask("list the nodes", self._api.nodes, filters=filters)

    def services(self, filters: Document | None = None) -> list[Document]:
        return self._ask("list the services", self._api.services, filters=filters)

    def tasks(self, filters: Document | None = None) -> list[Document]:
        return self._ask("list the tasks", self._api.tasks, filters=filters)

    def networks(self) -> list[Document]:
        return self._ask("list the networks", self._api.networks)

    def swarm_network(self, name: str) -> Document:
        """The network of the whole Swarm that is called `name`, also one that no list shows. Raises NotFoundError."""
        return self._ask(f"read the network {name}", self._api.inspect_network, name, scope="swarm")

    def secrets(self) -> list[Document]:
        return self._ask("list the secrets", self._api.secrets)

    def configs(self) -> list[Document]:
        return self._ask("list the configs", self._api.configs)

    def service(self, name: str) -> Document:
        """The service called `name` exactly, or with that id. Raises NotFoundError.

        Docker takes the beginning of an id as well, which could be a name that is simply not there.
        """
        found = self._ask(f"read the service {name}", self._api.inspect_service, name)
        if name not in (found["ID"], found["Spec"]["Name"]):
            raise NotFoundError(f"the Swarm has no service {name}")
        return found

    def find_service(self, name: str) -> Document | None:
        """The service, or None when the managers say that there is none."""
        try:
            return self.service(name)
        except NotFoundError:
            return None

    def tasks_of(self, service: Document) -> list[Document]:
        return self.tasks({"service": service["ID"]})

    def containers_of_task(self, task_id: str) -> list[Document]:
        """On this engine alone, also those that have ended."""
        labels = {"label": f"com.docker.swarm.task.id={task_id}"}
        return self._ask("list the containers", self._api.containers, all=True, filters=labels)

    # ------------------------------------------------------------ writes; each carries the version it was decided on

    def create_service(self, spec: Document) -> str:
        """The id of the new service."""
        answer = self._ask(f"create the service {spec['Name']}", self._api.create_service, **_service_call(spec))
        return answer["ID"]

    def update_service(self, service: Document, spec: Document) -> None:
        """Write the whole of `spec` over the version that `service` was read at. Raises VersionConflictError."""
        self._ask(
            f"update the service {spec['Name']}",
            self._api.update_service,
            service["ID"],
            service["Version"]["Index"],
            **_service_call(spec),
        )

    def rollback_service(self, service: Document) -> None:
        """Put the previous spec in force, by Docker's own rollback, over the version that `service` was read at.

        The SDK has no call for it. Raises VersionConflictError.
        """
        name = service["Spec"]["Name"]
        self._ask(f"roll back the service {name}", self._rollback, service)

    def _rollback(self, service: Document) -> None:
        url = f"{self._api.base_url}/v{self._api.api_version}/services/{service['ID']}/update"
        asked = {"version": service["Version"]["Index"], "rollback": "previous"}
        answer = self._api.post(url, params=asked, json=service["Spec"], timeout=self._api.timeout)
        try:
            answer.raise_for_status()
        except requests.exceptions.HTTPError as error:
            docker.errors.create_api_error_from_http_exception(error)

    def remove_service(self, service: Document) -> None:
        self._ask(f"remove the service {service['Spec']['Name']}", self._api.remove_service, service["ID"])

    def create_network(self, name: str, **settings: Any) -> str:
        """The id of a new network of the whole Swarm. `settings` are those of the SDK's `create_network`."""
        answer = self._ask(f"create the network {name}", self._api.create_network, name, scope="swarm", **settings)
        return answer["Id"]

    def update_node(self, node: Document, spec: Document) -> None:
        """Raises VersionConflictError when the node was written since `node` was read."""
        name = hostname(node)
        self._ask(f"update the node {name}", self._api.update_node, node["ID"], node["Version"]["Index"], spec)

    def remove_node(self, node_id: str, force: bool = False) -> None:
        self._ask(f"remove the node {node_id}", self._api.remove_node, node_id, force=force)

    def stop_container(self, container_id: str, grace_seconds: int) -> None:
        """Ask it to end, and kill it after the grace period. Raises NotFoundError."""
        self._ask(f"stop the container {container_id[:12]}", self._api.stop, container_id, timeout=grace_seconds)

    def update_swarm(self, swarm: Document, spec: Document) -> None:
        self._ask("update the Swarm", self._api.update_swarm, swarm["Version"]["Index"], swarm_spec=spec)

    def init(self, **settings: Any) -> None:
        self._ask("initialise the Swarm", self._api.init_swarm, **settings)

    def join(self, **settings: Any) -> None:
        self._ask("join the Swarm", self._api.join_swarm, **settings)

    def leave(self, force: bool) -> None:
        self._ask("leave the Swarm", self._api.leave_swarm, force=force)


def _service_call(spec: Document) -> Document:
    """A service's spec as the SDK's keyword arguments, nothing left out."""
    return {
        "task_template": spec["TaskTemplate"],
        "name": spec["Name"],
        "labels": spec.get("Labels"),
        "mode": spec.get("Mode"),
        "update_config": spec.get("UpdateConfig"),
        "rollback_config": spec.get("RollbackConfig"),
        # Services made by very old clients hold their networks here; they would be lost with the update otherwise.
        "networks": None if spec["TaskTemplate"].get("Networks") else spec.get("Networks"),
        "endpoint_spec": spec.get("EndpointSpec"),
    }


def _reason(error: Any) -> str:
    return str(error.explanation or error)


def _translated(doing: str, reason: str) -> SwarmError:
    if OUT_OF_SEQUENCE in reason:
        return VersionConflictError(f"cannot {doing}: somebody else wrote it in the meantime ({reason})")
    if any(words in reason.lower() for words in NO_LEADER):
        return UnavailableError(f"cannot {doing}: {reason}")
    if any(words in reason.lower() for words in NOT_A_MANAGER):
        return SwarmError(f"cannot {doing}: this engine is no manager of a Swarm; run the task on a manager")
    return SwarmError(f"cannot {doing}: {reason}")
