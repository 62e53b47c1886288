# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's schema, step by step. Each opening of a store brings it to the last step."""
