# SPDX-License-Identifier: GPL-3.0-or-later
"""A Swarm in memory and a clock, with the real controller above it.

From below: `timeline` (time), `hosts`, `habits`, `swarm` (what the managers hold), `agent`, `orchestrator`, `rollout`
(what Swarm does by itself), `waiting` (requests in line), `measuring` (Prometheus), `api` (Docker as it is reached),
`steps`, `balancing`, `playbooks`, `moving`, `mending`, `hands` (what acts), `controller` (one process of ours),
`simulation` (all of it through time), `faults`, `building` (small clusters), `crashes` and `rows` (the crash-point
matrix), `chance` (random faults).
"""
