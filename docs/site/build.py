# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the site: the collection's reference pages by antsibull-docs, our own pages beside them, Sphinx over both.

    python docs/site/build.py [FOLDER]     # build/docs unless told; the site is FOLDER/html, its sources FOLDER/rst

A warning fails the build. Nothing is fetched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
COLLECTION = "swarmherd.cluster"


def build(folder: Path) -> Path:
    """The finished site's folder."""
    sources, site = folder / "rst", folder / "html"
    for old in (sources, site):
        shutil.rmtree(old, ignore_errors=True)
    # antsibull-docs insists that nobody else may write there.
    sources.mkdir(parents=True, mode=0o755)
    run("antsibull-docs", "--config-file", str(HERE / "antsibull-docs.cfg"), "collection", "--use-current",
        "--squash-hierarchy", "--fail-on-error", "--cleanup", "everything", "--no-add-antsibull-docs-version",
        "--dest-dir", str(sources), COLLECTION)  # fmt: skip
    add_our_pages(sources)
    add_changelog(sources, folder / "changelog")
    run("sphinx-build", "--builder", "html", "--conf-dir", str(HERE), "--doctree-dir", str(folder / "doctrees"),
        "--fail-on-warning", "--keep-going", "--quiet", str(sources), str(site))  # fmt: skip
    return site


def add_our_pages(sources: Path) -> None:
    """The pages, pictures and scenarios of docs/, under the paths that they have there, so that their links hold."""
    (sources / "index.rst").rename(sources / "reference.rst")
    ours = [page for page in (ROOT / "docs").iterdir() if page.is_file()]
    for page in [*ours, *HERE.glob("*.rst")]:
        shutil.copy(page, sources)
    for folder in ("design", "scenarios"):
        shutil.copytree(ROOT / "docs" / folder, sources / folder)


def add_changelog(sources: Path, copy: Path) -> None:
    """The changelog as it would be if this were released now: fragments are seen before there is a release."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    shutil.copy(ROOT / "galaxy.yml", copy)
    shutil.copytree(ROOT / "changelogs", copy / "changelogs")
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    if any((copy / "changelogs" / "fragments").glob("*.yml")):
        run("antsibull-changelog", "release", "--version", f"{version}-unreleased", cwd=copy)
    else:
        run("antsibull-changelog", "generate", cwd=copy)
    shutil.copy(copy / "CHANGELOG.rst", sources / "changelog.rst")


def run(program: str, *arguments: str, cwd: Path = ROOT) -> None:
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    subprocess.run([str(BIN / program), *arguments], cwd=cwd, env=environment, check=True)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs"
    try:
        site = build(folder.resolve())
    except subprocess.CalledProcessError as error:
        print(f"{Path(error.cmd[0]).name} ended with {error.returncode}: the site is not built", file=sys.stderr)
        return 1
    print(f"{site / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
