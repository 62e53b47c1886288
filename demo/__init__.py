# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make demo` runs: a shop, its traffic, a live view and a report."""
