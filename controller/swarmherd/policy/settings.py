# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd_cluster`: which cluster this is, and how it is read."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, model_validator

from swarmherd.policy.document import Part
from swarmherd.policy.units import PositiveSeconds, Switch, seconds_between, shown, text_like, wrong

SHORTEST_TTL, LONGEST_TTL = 2.0, 300.0
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_USER = r"(?:[^\s/?#@]*@)?"
_IPV6 = r"\[[\da-fA-F:.]+\]"
_PORT = r"(?::(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]))?"
_URL = re.compile(rf"https?://{_USER}(?:\w[\w-]*(?:\.\w[\w-]*)*\.?|{_IPV6}){_PORT}(?:[/?#]\S*)?")
_FILE = r"sqlite(?:\+[a-z0-9_]+)?:///(?!:memory:|file:)[^\s\0?]+(?:\?\S*)?"
_SERVER = rf"postgresql(?:\+[a-z0-9_]+)?://{_USER}(?:[^\s:/?@\[\]]*|{_IPV6}){_PORT}(?:[/?]\S*)?"
_DATABASE = re.compile(f"{_FILE}|{_SERVER}", re.ASCII)


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise wrong(f"{shown(value)} is no name", "write 1 to 63 letters, digits, '_', '.' or '-', such as shop")
    return value


def _url(value: object) -> str:
    if not isinstance(value, str) or not _URL.fullmatch(value):
        secret = isinstance(value, str) and "@" in value
        raise wrong(f"{'this' if secret else shown(value)} is not an address", "write it as http://10.0.0.5:9090")
    return value.rstrip("/")


def _database(value: object) -> str:
    if not isinstance(value, str) or not _DATABASE.fullmatch(value):
        raise wrong(
            "this is no SQLAlchemy address of a SQLite file or of PostgreSQL",
            "write it as sqlite:////var/lib/swarmherd/shop.db or postgresql+psycopg://…",
        )
    return value


def _ttl(seconds: float) -> float:
    if not SHORTEST_TTL <= seconds <= LONGEST_TTL:
        raise wrong(f"{seconds:g} s is no time for a lease", f"write from {SHORTEST_TTL:g} to {LONGEST_TTL:g} seconds")
    return seconds


Name = Annotated[str, BeforeValidator(_name), text_like(_NAME)]
Url = Annotated[str, BeforeValidator(_url), text_like(_URL)]
Database = Annotated[str, BeforeValidator(_database), text_like(_DATABASE)]

LeaseTtl = Annotated[PositiveSeconds, AfterValidator(_ttl), seconds_between(SHORTEST_TTL, LONGEST_TTL)]


class ClusterSettings(Part):
    """One cluster: its name, its Prometheus, and how often and how patiently it is read."""

    name: Name
    """The cluster's name, in every decision and log line."""
    region: str = ""
    """Where it stands, for people."""
    prometheus_url: Url | None = None
    """Prometheus's address; without one every metric is unknown."""
    prometheus_timeout_seconds: PositiveSeconds = 3.0
    """For one query; shorter than the interval."""
    scrape_interval_seconds: PositiveSeconds = 15.0
    """How often Prometheus scrapes. A sample older than three of these is unknown."""
    docker_timeout_seconds: PositiveSeconds = 10.0
    """For one request to a manager."""
    playbook_timeout_seconds: PositiveSeconds = 120.0
    """Deadline of one playbook; past it its process group is ended."""
    interval_seconds: PositiveSeconds = 15.0
    """From the start of one cycle to the start of the next."""
    balancer_url: Url | None = None
    """Where the load balancer's own metrics or page answer; `swarmherd doctor` looks there."""
    state_url: Database | None = None
    """Where the controller keeps its state, as SQLAlchemy writes it; by default a SQLite file of its own."""

    events: Switch = True
    """Whether Docker's events wake a cycle before its time. What is decided rests on looking alone."""
    lease_ttl_seconds: LeaseTtl = 10.0
    """How long a controller leads after it last renewed its lease, which it does three times in this time."""

    @model_validator(mode="after")
    def _answers_within_the_cycle(self) -> ClusterSettings:
        if self.prometheus_timeout_seconds >= self.interval_seconds:
            raise wrong(
                f"prometheus_timeout_seconds {self.prometheus_timeout_seconds:g} is not below "
                f"interval_seconds {self.interval_seconds:g}",
                "write a shorter timeout or a longer interval",
            )
        return self
