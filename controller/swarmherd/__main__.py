# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's beginning, also as `python -m swarmherd`. Ctrl-C ends it quietly while it still loads, too."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""What shells say of a program that Ctrl-C ended."""


def main() -> None:
    """Ends the process."""
    try:
        from swarmherd.cli import app

        app(prog_name="swarmherd")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
