#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The runme.sh of every target: its role, on the first manager of the cluster that cluster.yml describes.
set -eu
sockets=$(mktemp -d)
trap 'rm -rf "$sockets"' EXIT
# ansible-test works in folders with names too long for the socket of a shared SSH connection.
export ANSIBLE_SSH_CONTROL_PATH_DIR=$sockets ANSIBLE_PIPELINING=true ANSIBLE_ROLES_PATH=..
ansible-playbook -i ../../cluster.yml ../../target.yml -e "ansible_test_target=$(basename "$PWD")" "$@"
