# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx for the site that `make docs` builds; docs/site/build.py brings the pages together."""

from __future__ import annotations

project = "Swarmherd"
project_copyright = "Swarmherd contributors"
html_title = "Swarmherd"
html_short_title = "Swarmherd"

# No intersphinx: the site is built without a network. What lies elsewhere is linked by its address.
extensions = ["sphinx_antsibull_ext", "myst_parser"]
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
# The theme's own banner, search elsewhere and survey are Ansible's, not ours.
html_theme_options = {"vcs_pageview_mode": "edit", "documentation_home_url": "index.html", "topbar_links": {}}

pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
# Every reference has a target, else the build fails.
nitpicky = True

# Headings of the Markdown pages can be linked to, as in the repository.
myst_heading_anchors = 3
