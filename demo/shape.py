# SPDX-License-Identifier: GPL-3.0-or-later
"""How much traffic the demo offers at each second: pure functions of time, and of a seed.

A shape is a line through points (seconds, requests per second). The deterministic one tells a day in two
and a half minutes: quiet, rise, plateau, spike, fall. The random one is a walk that the same seed repeats.
"""

from __future__ import annotations

import ipaddress
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

LONGEST_SECONDS = 900.0
PRIVATE_NETWORKS = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")))


class TrafficError(Exception):
    """A setting that the traffic cannot be made of; the text is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Point:
    at: float
    """Seconds from the start."""
    rate: float
    """Requests per second."""
    phase: str
    """What the stretch that begins here is called."""


@dataclass(frozen=True, slots=True)
class Shape:
    points: tuple[Point, ...]

    @property
    def seconds(self) -> float:
        return self.points[-1].at

    def rate(self, second: float) -> float:
        """Requests per second offered at `second`; 0 before the start and after the end."""
        for left, right in pairwise(self.points):
            if left.at <= second < right.at:
                return left.rate + (right.rate - left.rate) * (second - left.at) / (right.at - left.at)
        return 0.0

    def phase(self, second: float) -> str:
        return next((p.phase for p in reversed(self.points) if p.at <= second), "")

    def departures(self) -> Iterator[float]:
        """When each request leaves, in seconds from the start: the n-th when n requests are due.

        Within a stretch the rate r + k*x has brought r*x + k*x*x/2 requests after x seconds; solved for x in
        the form that loses no digits when k is near 0.
        """
        due, before = 1.0, 0.0
        for left, right in pairwise(self.points):
            length = right.at - left.at
            slope = (right.rate - left.rate) / length
            here = (left.rate + right.rate) / 2 * length
            while due <= before + here:
                count = due - before
                root = math.sqrt(max(0.0, left.rate**2 + 2 * slope * count))
                yield left.at + min(length, 2 * count / (left.rate + root))
                due += 1
            before += here

    def stretched(self, factor: float) -> Shape:
        return Shape(tuple(Point(p.at * factor, p.rate, p.phase) for p in self.points))


DAY = Shape(
    (
        Point(0, 5, "quiet"),
        Point(20, 5, "rise"),
        Point(50, 40, "plateau"),
        Point(82, 40, "spike"),
        Point(84, 65, "spike"),
        Point(102, 65, "fall"),
        Point(115, 4, "quiet"),
        Point(150, 4, "end"),
    )
)

WALK_STEP_SECONDS = 5.0
WALK_LOW, WALK_HIGH = 15.0, 65.0
WALK_STRIDE = 12.0


def walk(seed: int) -> Shape:
    """A random walk between two quiet stretches, in steps of five seconds: the same seed, the same walk.

    It stays where at least two replicas are needed and starts and ends where one is enough, so that
    whatever the seed, there is something to scale up for and something to scale down from.
    """
    dice = random.Random(f"swarmherd demo {seed}")  # noqa: S311 - traffic, not secrets: it must be repeatable
    points = [Point(0, 5, "quiet"), Point(12, 5, "walk")]
    rate = dice.uniform(WALK_LOW, WALK_HIGH)
    at = 15.0
    while at <= 110.0:
        points.append(Point(at, round(rate, 2), "walk"))
        rate = min(WALK_HIGH, max(WALK_LOW, rate + dice.uniform(-WALK_STRIDE, WALK_STRIDE)))
        at += WALK_STEP_SECONDS
    return Shape((*points, Point(at, 4, "quiet"), Point(150, 4, "end")))


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to send, where, and where to write what became of it."""

    target: str
    log: Path
    shape: Shape

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Traffic:
        """Reads DEMO_TARGET, DEMO_TRAFFIC_LOG, LAB_SUBNET, SHAPE, SEED, STRETCH. Raises TrafficError, naming one."""
        if not (log := environment.get("DEMO_TRAFFIC_LOG", "")):
            raise TrafficError("DEMO_TRAFFIC_LOG: not set; give the file to write a line per second to")
        target = allowed_target(environment.get("DEMO_TARGET", ""), lab_network(environment))
        return cls(target, Path(log), chosen_shape(environment))


def chosen_shape(environment: Mapping[str, str]) -> Shape:
    kind = environment.get("SHAPE") or "deterministic"
    if kind not in ("deterministic", "random"):
        raise TrafficError(f"SHAPE: {kind!r} is not known; give deterministic or random")
    try:
        shape = DAY if kind == "deterministic" else walk(int(environment.get("SEED") or "1"))
    except ValueError:
        raise TrafficError(f"SEED: {environment['SEED']!r} is not a whole number") from None
    return shape.stretched(stretch(environment.get("STRETCH") or "1", shape.seconds))


def stretch(text: str, seconds: float) -> float:
    try:
        factor = float(text)
    except ValueError:
        raise TrafficError(f"STRETCH: {text!r} is not a number; 1 is {seconds:g} seconds of traffic") from None
    if not 0.02 <= factor <= LONGEST_SECONDS / seconds:
        raise TrafficError(f"STRETCH: {text} is out of range; give 0.02 to {LONGEST_SECONDS / seconds:g}")
    return factor


def lab_network(environment: Mapping[str, str]) -> ipaddress.IPv4Network:
    """The lab's addresses, from LAB_SUBNET (10.213.0). Raises TrafficError for a network that is not private."""
    subnet = environment.get("LAB_SUBNET") or "10.213.0"
    try:
        network = ipaddress.IPv4Network(f"{subnet}.0/24")
    except ValueError:
        network = None
    if network is None or not any(network.subnet_of(private) for private in PRIVATE_NETWORKS):
        raise TrafficError(f"LAB_SUBNET: {subnet!r} is not the first three numbers of a private network, as 10.213.0")
    return network


def allowed_target(url: str, lab: ipaddress.IPv4Network) -> str:
    """The same URL. Raises TrafficError for anything but loopback and the lab: this program makes load."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.IPv4Address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    allowed = address is not None and (address.is_loopback or address in lab)
    if not (allowed and url.startswith("http://")):
        raise TrafficError(
            f"DEMO_TARGET: {url!r} is refused; traffic goes only to http:// on loopback or on the lab's {lab}"
        )
    return url
