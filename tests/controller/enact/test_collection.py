# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection is found where the operator says, in this checkout, or where Ansible looks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from swarmherd.enact import collection as room
from swarmherd.enact.collection import CollectionError, find_collection


def make(root: Path) -> Path:
    (root / "playbooks" / "enact").mkdir(parents=True)
    (root / "playbooks" / "enact" / "scale.yml").write_text("[]\n")
    return root


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the controller were installed, and not run from a checkout."""
    monkeypatch.delenv("SWARMHERD_COLLECTION", raising=False)
    monkeypatch.setattr(room, "__file__", str(tmp_path / "site" / "swarmherd" / "enact" / "collection.py"))
    # The tests of the plugins put this checkout on the path.
    monkeypatch.setattr(sys, "path", [])


def test_an_installed_collection_is_used_where_it_lies(elsewhere: None, tmp_path: Path) -> None:  # noqa: ARG001  (it sets the scene)
    root = make(tmp_path / "paths" / "ansible_collections" / "swarmherd" / "cluster")
    found = find_collection([str(tmp_path / "paths")], tmp_path / "links")
    assert (found.root, found.search_path) == (root, tmp_path / "paths")
    assert not (tmp_path / "links").exists()


def test_a_checkout_is_linked_to_where_ansible_sees_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "checkout")
    monkeypatch.setenv("SWARMHERD_COLLECTION", str(root))
    found = find_collection([], tmp_path / "links")
    assert found.search_path == tmp_path / "links"
    assert (tmp_path / "links").stat().st_mode & 0o777 == 0o700, "what the runs leave is put there as well"
    assert found.root.resolve() == root
    assert found.playbook("scale").is_file()
    again = make(tmp_path / "another")
    monkeypatch.setenv("SWARMHERD_COLLECTION", str(again))
    assert find_collection([], tmp_path / "links").root.resolve() == again


def test_no_collection_is_one_sentence_with_the_remedy(elsewhere: None, tmp_path: Path) -> None:  # noqa: ARG001  (it sets the scene)
    with pytest.raises(CollectionError, match="SWARMHERD_COLLECTION"):
        find_collection([str(tmp_path)], tmp_path / "links")


def test_a_kind_without_a_playbook_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMHERD_COLLECTION", str(make(tmp_path / "checkout")))
    with pytest.raises(CollectionError, match=r"move\.yml is missing"):
        find_collection([], tmp_path / "links").playbook("move")
