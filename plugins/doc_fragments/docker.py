# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a connection to an engine, as users of Docker's own tools and of community.docker know them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Where the Docker engine is reached, as C(unix:///var/run/docker.sock), C(tcp://192.0.2.10:2376) or C(ssh://root@192.0.2.10).
      - If not given, the environment variable E(DOCKER_HOST) is used.
    type: str
    default: unix:///var/run/docker.sock
    aliases: [docker_url]
  api_version:
    description:
      - The version of the engine's API to speak. V(auto) takes the newest that both sides know.
      - If not given, the environment variable E(DOCKER_API_VERSION) is used.
    type: str
    default: auto
    aliases: [docker_api_version]
  timeout:
    description:
      - Seconds to wait for one answer of the engine.
      - If not given, the environment variable E(DOCKER_TIMEOUT) is used.
    type: int
    default: 60
  tls:
    description:
      - Speak TLS, without verifying who the engine is. O(validate_certs=true) goes before it.
      - If not given, the environment variable E(DOCKER_TLS) is used.
    type: bool
    default: false
  validate_certs:
    description:
      - Speak TLS, and verify who the engine is.
      - If not given, the environment variable E(DOCKER_TLS_VERIFY) is used.
    type: bool
    default: false
    aliases: [tls_verify]
  ca_path:
    description:
      - File with the certificate authority that signed the engine's certificate.
      - If not given, C(ca.pem) in the folder that the environment variable E(DOCKER_CERT_PATH) names is used.
    type: path
    aliases: [ca_cert, tls_ca_cert, cacert_path]
  client_cert:
    description:
      - File with the client's certificate.
      - If not given, C(cert.pem) in the folder that the environment variable E(DOCKER_CERT_PATH) names is used.
    type: path
    aliases: [tls_client_cert, cert_path]
  client_key:
    description:
      - File with the client's private key.
      - If not given, C(key.pem) in the folder that the environment variable E(DOCKER_CERT_PATH) names is used.
    type: path
    aliases: [tls_client_key, key_path]
requirements:
  - Docker SDK for Python 5.0.3 or newer (Debian and Ubuntu package C(python3-docker))
  - Docker API 1.41 or newer (Docker Engine 20.10)
"""

    # For plugins, which take the environment variables by themselves; goes with the fragment above.
    ENVIRONMENT = r"""
options:
  docker_host:
    env:
      - name: DOCKER_HOST
  api_version:
    env:
      - name: DOCKER_API_VERSION
  timeout:
    env:
      - name: DOCKER_TIMEOUT
  tls:
    env:
      - name: DOCKER_TLS
  validate_certs:
    env:
      - name: DOCKER_TLS_VERIFY
"""
