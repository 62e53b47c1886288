# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests of the controller share: `described`, beside this file, and a hypothesis that repeats itself."""

from hypothesis import settings

settings.register_profile("swarmherd", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("swarmherd")
