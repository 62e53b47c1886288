# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong while reading. Each message is one sentence, ready to be shown."""

from __future__ import annotations


class ObserveError(Exception):
    """The cluster could not be read; nothing may be decided on it."""


class InventoryError(ObserveError):
    """The inventory is missing, broken, or does not say what it must."""


class DockerError(ObserveError):
    """The engines gave no usable answer."""


class UnreachableError(DockerError):
    """No connection, or none in time."""


class NotManagerError(DockerError):
    """The engine answers, and is not an active manager of a Swarm."""


class UnusableAnswerError(DockerError):
    """The engine answered with an error, or with something of an unexpected shape."""
