# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with something that an operator wrote, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One mistake: where it stands, what it is, and its remedy, each in a few words."""

    file: str
    """The file that the variable stands in, or `service NAME` for a label."""
    key: str
    """The path of the key from the variable on: `swarmherd_policy.services.shop_api.scale.min`."""
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.message}; {self.remedy}"


class PolicyError(Exception):
    """Every mistake of one document, one line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
