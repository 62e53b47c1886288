#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# .venv, from the lock file: everything that the controller, the collection's tools and the tests need.
set -eu
cd "$(dirname "$0")/.."

missing=""
command -v ssh-keygen > /dev/null || missing="$missing openssh-client"
command -v ip > /dev/null || missing="$missing iproute2"
for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then found=$python; break; fi
done
if [ -z "${found:-}" ]; then
  echo "Swarmherd needs Python 3.11 or later, and found none: install one, or name it with PYTHON=…" >&2
  exit 2
fi
# The package of this very Python, which need not be the one that python3-venv is for.
"$found" -c 'import ensurepip, venv' 2> /dev/null ||
  missing="$missing $("$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "Missing packages:$missing. Install them (sudo apt-get install$missing), then run this again." >&2
    exit 2
  fi
  # shellcheck disable=SC2086  # several packages
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $missing
fi

echo "Installing .venv from requirements/dev.lock ($("$found" --version))"
rm -rf .venv
"$found" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.lock
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable controller

# Ansible finds a collection by its place in a folder tree; this checkout takes that place.
mkdir -p build/collections/ansible_collections/swarmherd
ln -sfn ../../../.. build/collections/ansible_collections/swarmherd/cluster
touch .venv/.complete
