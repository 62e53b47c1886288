# SPDX-License-Identifier: GPL-3.0-or-later
"""What Galaxy and its users would run, on the lab: the targets through ansible-test, and the installed artifact."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.certify import artifact, integration

from . import lab as on

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow, pytest.mark.one_release]

SERVICE = "swarmherd-test-artifact"


def targets() -> list[str]:
    return sorted(path.parent.name for path in (Path(__file__).parent / "targets").glob("*/runme.sh"))


@pytest.mark.usefixtures("engines_on_spares")
@pytest.mark.parametrize("target", targets())
def test_target_through_ansible_test(target: str) -> None:
    done = integration.run(target, timeout=500)
    assert done.returncode == 0, done.stdout[-8000:]


def test_the_installed_artifact_scales_a_service_by_the_playbooks_full_name(tmp_path: Path) -> None:
    artifact.install(artifact.build(tmp_path), tmp_path)
    create = ["service", "create", "--quiet", "--detach", "--name", SERVICE, "--endpoint-mode", "dnsrr"]
    on.docker(*create, "swarmherd-lab/base:bookworm", "sleep", "infinity")
    try:
        command = ["ansible-playbook", "-i", str(on.ROOT / on.INVENTORY), "swarmherd.cluster.enact.scale"]
        command += ["-e", f"swarmherd_service={SERVICE}", "-e", "swarmherd_replicas=2"]
        assert on.changed(artifact.run_in(tmp_path, *command)) == {"manager1": 1}
        assert on.running(SERVICE) == 2
        assert on.changed(artifact.run_in(tmp_path, *command)) == {"manager1": 0}
    finally:
        on.docker("service", "rm", SERVICE)
