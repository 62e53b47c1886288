# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of a load balancer, over a runtime socket on this machine that answers as HAProxy 2.6 does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swarmherd.cluster.plugins.modules import balancer_server

FREE = 0x20
"""The bit of a slot that DNS has no address for."""


@pytest.fixture
def set_server(socket_path, capsys):
    def run(**args):
        with patch_module_args({"backend": "shop", "socket": socket_path, **args}), pytest.raises(SystemExit):
            balancer_server.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_a_server_is_found_by_its_address_drained_and_no_other_touched(set_server, balancer):
    result = set_server(addresses=["10.0.1.5", "10.0.9.9"], state="drain")
    assert result["changed"]
    assert result["servers"] == [{"name": "shop-1", "address": "10.0.1.5", "state": "ready", "weight": 1}]
    assert balancer.told == ["set server shop/shop-1 state drain\n"]
    assert not set_server(addresses=["10.0.1.5"], state="drain")["changed"]


def test_a_drain_waits_until_the_sessions_of_its_servers_have_ended(set_server, balancer):
    balancer.sessions = [2, 1, 0]
    assert set_server(servers=["shop-1"], state="drain")["sessions"] == 0
    assert balancer.sessions == [0]


def test_sessions_that_wait_count_too(set_server, balancer):
    assert set_server(servers=["shop-2"], state="drain", wait=False)["sessions"] == 9
    assert balancer.told == ["set server shop/shop-2 state drain\n"]


def test_sessions_that_are_not_told_are_not_taken_for_none(set_server, balancer):
    balancer.untold = [("shop", "shop-1")]
    result = set_server(servers=["shop-1", "shop-2"], state="drain")
    assert result["failed"]
    assert "does not tell of the sessions of shop-1 in shop" in result["msg"]


def test_past_the_bound_the_sessions_that_are_left_are_told_and_are_no_error(set_server, balancer):
    balancer.sessions = [3]
    result = set_server(servers=["shop-1"], state="drain", wait_timeout=0)
    assert (result.get("failed"), result["sessions"]) == (None, 3)


def test_a_slot_serves_again_and_one_without_an_address_keeps_waiting_for_one(set_server, balancer):
    balancer.servers["shop-3"][1] = FREE | 8
    assert set_server(servers=["shop-3"], state="ready")["changed"]
    assert balancer.servers["shop-3"][1] == FREE
    assert not set_server(servers=["shop-3"], state="ready")["changed"]


def test_an_address_that_the_balancer_does_not_know_needs_no_drain(set_server, balancer):
    result = set_server(addresses=["10.0.9.9", "-"], state="drain")
    assert (result["changed"], result["servers"], balancer.told) == (False, [], [])


def test_check_mode_tells_the_same_and_gives_no_order(set_server, balancer):
    wanted = {"servers": ["shop-2"], "state": "maint", "weight": 7}
    check = set_server(_ansible_check_mode=True, **wanted)
    assert balancer.told == []
    assert check["diff"] == set_server(**wanted)["diff"]
    assert check["diff"]["after"] == {"shop-2": {"state": "maint", "weight": 7}}
    assert balancer.servers["shop-2"] == ["10.0.1.6", 1, 7]


@pytest.mark.usefixtures("balancer")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"backend": "nope"}, "backend: the load balancer has no backend nope: Can't find backend."),
        ({"backend": "a b; shutdown"}, "backend: 'a b; shutdown' is no name of HAProxy's"),
        ({"servers": ["shop-9"]}, "servers: the backend shop has no server shop-9"),
        ({"weight": 300}, "weight: 300 is not between 0 and 256"),
    ],
)
def test_what_is_not_there_or_cannot_be_is_refused(given, words, set_server):
    result = set_server(**{"servers": ["shop-1"], "state": "drain", **given})
    assert result["failed"]
    assert result["msg"].startswith(words)


def test_a_balancer_that_cannot_be_reached_is_an_error(set_server, socket_path):
    result = set_server(servers=["shop-1"], state="drain")
    assert result["failed"]
    assert result["msg"].startswith(f"the load balancer at {socket_path} cannot be reached")


def test_whatever_is_drained_serves_again_where_that_is_asked_for(set_server, balancer):
    balancer.servers["shop-1"][1], balancer.servers["shop-2"][1] = 8, 1
    balancer.servers["shop-3"][1] = FREE | 8
    result = set_server(drained=True, state="ready")
    assert [server["name"] for server in result["servers"]] == ["shop-1", "shop-3"]
    assert [admin for _address, admin, _weight in balancer.servers.values()] == [0, 1, FREE]
    assert not set_server(drained=True, state="ready")["changed"]


def test_a_server_serves_again_once_its_task_has_gone(set_server, balancer):
    balancer.servers["shop-1"][1] = 8
    looks = []

    def then():
        looks.append(balancer.servers["shop-1"][1])
        if len(looks) == 3:
            balancer.servers["shop-1"][1] |= FREE

    balancer.before_state = then
    assert set_server(servers=["shop-1"], state="ready", gone=["10.0.1.5"])["changed"]
    assert balancer.servers["shop-1"][1] == FREE
    assert len(looks) >= 3


def test_what_does_not_go_within_the_bound_serves_again_nevertheless(set_server, balancer):
    balancer.servers["shop-1"][1] = 8
    result = set_server(servers=["shop-1"], state="ready", gone=["10.0.1.5"], wait_timeout=0)
    assert (result["changed"], balancer.servers["shop-1"][1]) == (True, 0)


def test_what_is_set_is_kept_for_a_reload_where_there_is_a_file_for_it(set_server, balancer, socket_path):
    file = Path(socket_path).with_name("servers.state")
    set_server(servers=["shop-1"], state="drain", wait=False)
    assert not file.exists()
    file.write_text("1\n")
    set_server(servers=["shop-2"], state="drain", wait=False)
    assert file.read_text().splitlines()[:3] == [
        "1",
        balancer.state().splitlines()[1],
        "3 shop 1 shop-1 10.0.1.5 2 8 1 1 80",
    ]


@pytest.mark.usefixtures("balancer")
def test_two_that_save_the_state_at_once_do_not_write_into_one_draft(set_server, tmp_path, monkeypatch):
    drafts, replace = [], Path.replace
    monkeypatch.setattr(Path, "replace", lambda new, file: (drafts.append(new.name), replace(new, file))[1])
    for process in (11, 12):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        set_server(backend=None, state_file=str(tmp_path / "kept"))
    assert drafts == ["kept.11.new", "kept.12.new"]
    (tmp_path / "folder").mkdir()
    assert set_server(backend=None, state_file=str(tmp_path / "folder"))["msg"].startswith("state_file: ")
    assert {one.name for one in tmp_path.iterdir()} == {"kept", "folder"}, "what could not be put in its place is gone"


def test_the_state_is_written_without_a_change_and_not_in_check_mode(set_server, balancer, tmp_path):
    file = tmp_path / "kept"
    assert not set_server(backend=None, state_file=str(file), _ansible_check_mode=True)["changed"]
    assert not file.exists()
    assert not set_server(backend=None, state_file=str(file))["changed"]
    assert file.read_text().startswith("1\n# be_id")
    assert balancer.told == []
    result = set_server(backend=None, state_file=str(tmp_path / "no" / "kept"))
    assert result["msg"].startswith("state_file: ")


@pytest.mark.usefixtures("balancer")
def test_a_server_that_could_not_be_made_ready_is_told_apart(set_server):
    assert set_server(servers=["shop-9"], state="ready")["not_ready"]
    assert not set_server(servers=["shop-9"], state="drain")["not_ready"]


def test_a_drain_that_fails_halfway_tells_which_servers_it_may_have_drained(set_server, balancer):
    balancer.refused = "shop-2"
    result = set_server(servers=["shop-1", "shop-2", "shop-3"], state="drain", weight=0)
    assert (result["failed"], result["changed"]) == (True, True)
    assert [server["name"] for server in result["servers"]] == ["shop-1", "shop-2"]
    assert [told.split()[2] for told in balancer.told] == ["shop/shop-1", "shop/shop-1", "shop/shop-2"]


def test_a_drain_whose_sessions_are_not_told_tells_which_servers_it_has_drained(set_server, balancer):
    balancer.untold = [("shop", "shop-1")]
    assert [server["name"] for server in set_server(servers=["shop-1"], state="drain")["servers"]] == ["shop-1"]
