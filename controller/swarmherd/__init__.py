# SPDX-License-Identifier: GPL-3.0-or-later
"""Swarmherd keeps Docker Swarm clusters in shape: observe, decide, plan, enact, verify."""

__version__ = "0.1.0"
