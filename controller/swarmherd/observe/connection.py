# SPDX-License-Identifier: GPL-3.0-or-later
"""How a manager's engine is reached, as the inventory says it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

LOCAL_SOCKET = "unix:///var/run/docker.sock"
REMOTE_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Ssh:
    """Ansible's own SSH settings of a host, so that what `ansible-playbook` reaches is reached here too."""

    host: str
    user: str = ""
    port: int | None = None
    private_key_file: str = ""
    arguments: tuple[str, ...] = ()
    """Ansible's ssh_args, ssh_common_args and ssh_extra_args, split."""
    executable: str = "ssh"
    check_host_key: bool = True


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for a `tcp://` engine that asks for certificates; empty where not given."""

    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """One manager: either the URL of its engine (unix, tcp), or the SSH settings to reach its socket with."""

    name: str
    """The inventory's name of the host."""
    url: str = ""
    ssh: Ssh | None = None
    tls: Tls = Tls()

    def __str__(self) -> str:
        if self.ssh is None:
            return f"{self.name} ({self.url})"
        return f"{self.name} (ssh://{self.ssh.user + '@' if self.ssh.user else ''}{self.ssh.host})"


def with_url(name: str, url: str, ssh: Ssh, tls: Tls) -> Connection:
    """The connection that `swarmherd_docker_host` asks for; an `ssh://` URL replaces host, user and port of `ssh`.

    Raises ValueError with one sentence for a URL that cannot be used.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_address(url) from None
    if parts.scheme == "unix" and parts.path:
        return Connection(name, url=url)
    if parts.scheme == "tcp" and parts.hostname:
        return Connection(name, url=url, tls=tls)
    if parts.scheme == "ssh" and parts.hostname:
        return Connection(name, ssh=_overridden(ssh, parts.hostname, parts.username, port))
    raise _no_address(url)


def _no_address(url: str) -> ValueError:
    return ValueError(f"{url!r} is no engine's address; give unix:///path, tcp://host:port or ssh://user@host")


def _overridden(ssh: Ssh, host: str, user: str | None, port: int | None) -> Ssh:
    return Ssh(
        host=host,
        user=user or ssh.user,
        port=port or ssh.port,
        private_key_file=ssh.private_key_file,
        arguments=ssh.arguments,
        executable=ssh.executable,
        check_host_key=ssh.check_host_key,
    )
