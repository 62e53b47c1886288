# SPDX-License-Identifier: GPL-3.0-or-later
"""The site of `make docs` is built without a warning, has every page, and fetches nothing when it is read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, str(ROOT / "docs" / "site" / "build.py"), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return folder / "html"


@pytest.mark.slow
def test_every_module_role_plugin_guide_and_page_is_in_the_site(site: Path) -> None:
    wanted = {
        *(f"{path.stem}_module" for path in (ROOT / "plugins" / "modules").glob("*.py")),
        *(f"{path.stem}_inventory" for path in (ROOT / "plugins" / "inventory").glob("*.py")),
        *(f"{path.parent.parent.name}_role" for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")),
        *(path.stem for path in (ROOT / "docs").glob("*.md")),
        *(f"docsite/{path.stem}" for path in (ROOT / "docs" / "docsite" / "rst").glob("*.rst")),
        *(f"design/{path.stem}" for path in (ROOT / "docs" / "design").glob("*.md")),
    }
    assert [page for page in sorted(wanted) if not (site / f"{page}.html").is_file()] == []


@pytest.mark.slow
def test_a_reader_without_a_network_gets_all_of_it(site: Path) -> None:
    fetched = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="((?:https?:)?//[^"]+)"')
    assert {url for page in site.rglob("*.html") for url in fetched.findall(page.read_text())} == set()
