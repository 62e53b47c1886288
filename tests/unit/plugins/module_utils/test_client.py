# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter, against an engine's API on loopback."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _client
from ansible_collections.swarmherd.cluster.plugins.module_utils._conflicts import ATTEMPTS, retried
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import (
    NotFoundError,
    SwarmError,
    UnavailableError,
    VersionConflictError,
)


def options(url, **changes):
    plain = {"docker_host": url, "api_version": "auto", "timeout": 5, "tls": False, "validate_certs": False}
    return {**plain, "ca_path": None, "client_cert": None, "client_key": None, **changes}


@pytest.fixture
def swarm(engine):
    return _client.connect(options(engine.url))


def test_an_engine_that_is_not_there_is_told_with_its_address():
    with pytest.raises(SwarmError, match=r"the Docker engine at unix:///nowhere/docker\.sock does not answer"):
        _client.connect(options("unix:///nowhere/docker.sock"))


def test_half_a_client_certificate_is_refused():
    with pytest.raises(SwarmError, match="client_cert and client_key belong together"):
        _client.connect(options("tcp://127.0.0.1:1", tls=True, client_cert="/cert.pem"))


def test_a_certificate_that_is_not_there_is_refused():
    with pytest.raises(SwarmError, match="TLS"):
        _client.connect(options("tcp://127.0.0.1:1", validate_certs=True, ca_path="/nowhere/ca.pem"))


def test_absence_is_an_answer_and_an_error_is_none(engine, swarm):
    assert swarm.find_service("shop") is None
    engine.failure = (500, "database on fire")
    with pytest.raises(SwarmError, match="cannot read the service shop: database on fire") as caught:
        swarm.find_service("shop")
    assert not isinstance(caught.value, NotFoundError)


def test_the_beginning_of_an_id_is_not_a_name(engine, swarm, make_service):
    engine.services.append(make_service("shop"))
    assert swarm.service("shop")["ID"] == "id-shop"
    assert swarm.find_service("id") is None


def test_a_write_sends_the_whole_spec_and_the_version_it_was_decided_on(engine, swarm, make_service):
    engine.services.append(make_service("shop"))
    service = swarm.service("shop")
    spec = {**service["Spec"], "EndpointSpec": {"Mode": "dnsrr"}, "UpdateConfig": {"Parallelism": 3}}
    swarm.update_service(service, spec)
    assert {key: value for key, value in engine.writes[0].items() if value is not None} == spec


def test_networks_of_very_old_clients_are_not_lost(engine, swarm, make_service):
    old = make_service("shop")
    old["Spec"]["Networks"] = [{"Target": "n1"}]
    engine.services.append(old)
    service = swarm.service("shop")
    swarm.update_service(service, service["Spec"])
    assert engine.writes[0]["TaskTemplate"]["Networks"] == [{"Target": "n1"}]


def test_a_write_that_comes_too_late_is_a_conflict(engine, swarm, make_service):
    engine.services.append(make_service("shop"))
    service = swarm.service("shop")
    engine.services[0]["Version"] = {"Index": 11}
    with pytest.raises(VersionConflictError):
        swarm.update_service(service, service["Spec"])
    assert engine.writes == []


def test_a_worker_is_told_to_be_none(engine, swarm):
    engine.failure = (503, "This node is not a swarm manager. Worker nodes can't be used to view state.")
    with pytest.raises(
        SwarmError, match="cannot list the nodes: this engine is no manager of a Swarm; run the task on"
    ):
        swarm.nodes()


@pytest.mark.parametrize(
    "reason",
    [
        "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers …",
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.",
    ],
)
def test_while_no_manager_leads_the_swarm_is_unavailable_and_its_own_words_say_why(reason, engine, swarm):
    engine.failure = (503, reason)
    with pytest.raises(UnavailableError) as caught:
        swarm.nodes()
    assert str(caught.value) == f"cannot list the nodes: {reason}"


def test_an_engine_that_was_there_before_is_unavailable(swarm):
    swarm._api.base_url = "http://127.0.0.1:1"
    with pytest.raises(UnavailableError, match=r"cannot list the nodes: the engine at tcp.* did not answer"):
        swarm.nodes()


def test_trying_again_is_bounded():
    attempts = []

    def attempt():
        attempts.append(1)
        raise VersionConflictError("too late")

    with pytest.raises(SwarmError, match="too late; gave up after 5 attempts") as caught:
        retried(attempt)
    assert len(attempts) == ATTEMPTS
    assert caught.value.facts == {"conflict": True}
