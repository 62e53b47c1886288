# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python -m tests.certify sanity | units | integration | every | artifact [ansible-test's own arguments]

sanity, units and integration are ansible-test's commands, the last on a lab that is made for it (LAB_KEEP=1 uses the
one that stands); every runs the first two on every Python found; artifact is built into build/ and judged.
"""

from __future__ import annotations

import sys

from tests.certify import artifact, integration, matrix
from tests.certify.ansible_test import ours
from tests.certify.tree import ROOT
from tests.integration.lab import standing_lab

LONGEST_SECONDS = 3600


def main(words: list[str]) -> int:
    match words:
        case [("sanity" | "units") as command, *arguments]:
            return ours().run(command, *arguments, timeout=LONGEST_SECONDS, capture=False).returncode
        case ["integration", *arguments]:
            with standing_lab(NODES="3", MANAGERS="1", SPARES="2"):
                integration.prepare()
                return integration.run(*arguments, timeout=LONGEST_SECONDS, capture=False).returncode
        case ["every"]:
            return matrix.every()
        case ["artifact"]:
            built = artifact.build(ROOT / "build")
            print(artifact.judge(built), built, sep="\n")
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
