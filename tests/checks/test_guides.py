# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation tells people to write and to run is taken by the programs that it is meant for.

The files that a guide shows (a block whose first line is a comment with the path) are written down and read by those
programs; of commands, the words are checked. Nothing is connected to.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.swarmherd.cluster.plugins.module_utils._compose import stack
from ansible_collections.swarmherd.cluster.plugins.module_utils._interpolation import interpolated, with_env_files
from swarmherd.cli import app

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
GUIDES = sorted((ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
MARKDOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKDOWN += sorted((ROOT / "roles").glob("*/README.md"))
PAGES = [*MARKDOWN, *GUIDES]
COMMANDS = re.compile(r"^ *(?:\$ )?((?:swarmherd|ansible-playbook|ansible|make) .*)$", re.M)
ENACT = [f"swarmherd.cluster.enact.{path.stem}" for path in (ROOT / "playbooks" / "enact").glob("*.yml")]
PLAYBOOKS = ["swarmherd.cluster.provision", "swarmherd.cluster.deploy", *ENACT]


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The blocks of code of a page in one of these languages, without their indentation."""
    markdown = r"^```(\w*)\n((?:(?!```).*\n)*)```"
    directive = r"^\.\. code-block:: (\w+)\n\n((?:    .*\n|\n)+)"
    for language, text in re.findall(markdown if page.suffix == ".md" else directive, page.read_text(), re.M):
        if language in languages:
            yield dedent(text)


def commands(*programs: str) -> list[Any]:
    """Every line of a block that calls one of the programs, without its comment, as a pytest parameter."""
    found = {
        re.sub(r"\s+#.*$", "", line): page
        for page in PAGES
        for block in blocks(page, "console", "")
        for line in COMMANDS.findall(re.sub(r"\\\n\s*", "", block))
        if line.split()[0] in programs and not re.search(r"[…\[]|INVENTORY", line.replace("managers[0]", ""))
    }
    return [pytest.param(line, id=f"{page.name}: {line}") for line, page in found.items()]


def files(page: Path) -> dict[str, str]:
    """What a page wants written down, by path."""
    named = ((re.match(r"# ([\w./-]+\.yml)\n", block), block) for block in blocks(page, "yaml"))
    return {match[1]: block for match, block in named if match}


def test_the_pages_have_commands_and_files() -> None:
    called = [parameter.values[0].split() for parameter in commands("swarmherd")]
    shown = {words[3] if words[1] == "-i" else words[1] for words in called}
    assert shown >= {"validate", "doctor", "plan", "run", "status", "explain", "history", "scale"}
    assert all(files(guide) for guide in GUIDES)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text())
    assert [(link, part) for link, part in links if not found(page.parent / link if link else page, part)] == []


def found(target: Path, part: str) -> bool:
    """Whether there is such a file, with a heading of that anchor where one is asked for."""
    if not part:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
    return part in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("line", commands("swarmherd"))
def test_swarmherd_takes_the_command(line: str) -> None:
    program = typer.main.get_command(app)
    words = shlex.split(line.split(">")[0])[1:]
    with program.make_context("swarmherd", words) as context:
        name, command, rest = program.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("line", commands("make"))
def test_make_has_the_target(line: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {word for word in line.split()[1:] if "=" not in word} <= targets


@pytest.mark.parametrize("line", commands("ansible-playbook"))
def test_ansible_knows_the_playbook(line: str) -> None:
    words = shlex.split(line)
    given = [word for before, word in itertools.pairwise(words) if before != "-e"]
    playbooks = [word for word in given if word.endswith(".yml") or word.startswith("swarmherd.cluster.")]
    assert len(playbooks) == 1
    written = {path for page in PAGES for path in files(page)}
    assert playbooks[0] in [*PLAYBOOKS, *written] or (ROOT / playbooks[0]).is_file()


def options(module: str) -> set[str]:
    """The options of a module of ours, with their aliases."""
    path = ROOT / "plugins" / "modules" / f"{module}.py"
    told = get_docstring(str(path), fragment_loader, collection_name="swarmherd.cluster")[0]["options"]
    return set(told) | {alias for option in told.values() for alias in option.get("aliases", [])}


@pytest.mark.parametrize("line", commands("ansible"))
def test_the_module_of_an_ad_hoc_command_has_its_options(line: str) -> None:
    words = shlex.split(line)
    module, arguments = words[words.index("-m") + 1], words[words.index("-a") + 1]
    if module.startswith("swarmherd.cluster."):
        assert {word.split("=")[0] for word in arguments.split()} <= options(module.rsplit(".", 1)[1])


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.name)
def test_modules_have_the_options_that_the_page_gives_them(page: Path) -> None:
    for task in (task for block in blocks(page, "yaml") for task in tasks(block)):
        for name, given in task.items():
            if str(name).startswith("swarmherd.cluster."):
                assert set(given) <= options(name.rsplit(".", 1)[1]), name


def tasks(block: str) -> Iterator[dict[str, Any]]:
    """The tasks of a block that is a playbook or a list of tasks."""
    document = yaml.safe_load(block)
    for play in document if isinstance(document, list) else []:
        yield from play.get("tasks", [play])


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_the_files_of_a_guide_are_read_by_the_programs_they_are_for(page: Path, tmp_path: Path) -> None:
    """A guide rests on the first one, so its files are laid over those."""
    wanted = {**files(GUIDES[[guide.stem for guide in GUIDES].index("guide_first_cluster")]), **files(page)}
    for path, text in wanted.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    said = run(tmp_path, "swarmherd", "-i", "inventories/shop", "validate")
    assert "cluster shop, mode observe" in said
    written = [path for path in wanted if "/" not in path]
    run(tmp_path, "ansible-playbook", "-i", "inventories/shop", "--syntax-check", *PLAYBOOKS[:1], *written)


def test_the_compose_file_of_a_guide_is_one_that_can_be_deployed() -> None:
    stacks = {path: text for page in GUIDES for path, text in files(page).items() if path.startswith("stacks/")}
    for path, text in stacks.items():
        document = interpolated(yaml.safe_load(text), {"TAG": "1.5"}, "")
        found = stack(with_env_files(document, {}, lambda _path: "SHOP_CURRENCY=EUR"), Path(path).stem)
        assert sorted(found.services) == ["shop_db", "shop_web"]
        assert found.warnings == []
    assert stacks


def run(folder: Path, program: str, *arguments: str) -> str:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(
        [str(BIN / program), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout
