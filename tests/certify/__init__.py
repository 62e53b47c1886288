# SPDX-License-Identifier: GPL-3.0-or-later
"""What Galaxy asks of a collection, without Galaxy: ansible-test in the layout that it demands, and the artifact."""
