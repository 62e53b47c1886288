# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per step; a step that was released is never edited."""
