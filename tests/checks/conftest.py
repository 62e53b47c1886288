# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's API on loopback that the modules' unit tests use, for playbooks that are to need no engine."""

from tests.unit.conftest import balancer, engine, make_node, make_service, make_task, served_engine, socket_path

__all__ = ["balancer", "engine", "make_node", "make_service", "make_task", "served_engine", "socket_path"]
