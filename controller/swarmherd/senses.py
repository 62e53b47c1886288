# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller that leads keeps an eye and an ear on between its cycles."""

from __future__ import annotations

from swarmherd.hints import Bell, Listener, listen
from swarmherd.service import Cluster
from swarmherd.watching import Watcher


class Senses:
    """One cluster's watch over its hosts, and its listeners to Docker's events. For the loop's thread alone."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._cluster: Cluster | None = None
        self._watcher: Watcher | None = None
        self._listeners: tuple[Listener, ...] = ()

    def lead(self, cluster: Cluster) -> None:
        """They are awake, and about this cluster. What the watch knows stays when an inventory was read again."""
        if cluster is self._cluster:
            return
        keys = cluster.policy.probe
        if self._watcher is None:
            watcher = Watcher(cluster.settings.name, keys, cluster.inventory, self._bell.ring)
            watcher.start()  # where no thread can be started, the next cycle tries again
            self._watcher = watcher
        else:
            self._watcher.use(keys, cluster.inventory)
        cluster.probes, cluster.silent_hosts = self._watcher.seen, self._watcher.silent_hosts
        self._listen(cluster)
        self._cluster = cluster

    def rest(self) -> None:
        """They stop: who does not lead looks at nothing."""
        self._hush()
        if self._watcher is not None:
            self._watcher.stop()
        self._watcher = self._cluster = None

    def _listen(self, cluster: Cluster) -> None:
        self._hush()
        settings = cluster.settings
        managers = cluster.inventory.managers if settings.events else ()
        self._listeners = listen(settings.name, managers, self._bell.hint, settings.docker_timeout_seconds)

    def _hush(self) -> None:
        for one in self._listeners:
            one.stop()
        for one in self._listeners:
            one.join()
        self._listeners = ()
