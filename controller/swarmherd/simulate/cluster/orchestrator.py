# SPDX-License-Identifier: GPL-3.0-or-later
"""What Swarm does by itself: fills slots, places tasks, replaces what ended, enforces constraints, drains.

The rules are those of `facts` that the design rests on, read in swarmkit (manager/orchestrator, manager/scheduler): a
task passes the scheduler once; a replacement waits for the restart delay, and for the end of the old task where its
node can tell of it; tasks of a node that is down stay listed as they were. Where a new task may land and which ones go
first is `decide.foretell`, the same that decides; of equals the seed chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from swarmherd.decide.foretell import landing, victims
from swarmherd.decide.place.seen import wanted
from swarmherd.model import Availability, NodeState, Service, Task, TaskState
from swarmherd.simulate.cluster.agent import Agent
from swarmherd.simulate.cluster.hosts import MISSED_HEARTBEATS, Host
from swarmherd.simulate.cluster.swarm import ENDED, Swarm, matches

RETRY_SECONDS = 1.0
"""How soon managers without a majority try again."""
OLD_TASK_SECONDS = 60.0
"""How long a replacement waits for the end of the old task (swarmkit, restart.go)."""
UNMATCHED = "assigned node no longer meets constraints"


class Orchestrator:
    """One Swarm's managers at work."""

    def __init__(self, swarm: Swarm) -> None:
        self.swarm = swarm
        self.agent = Agent(swarm, self.ended)
        self.after_end: dict[str, Callable[[], None]] = {}
        """By task id: what waits for its end."""
        self._looking = False
        swarm.at_write = self._look_soon

    # ------------------------------------------------------------ what was written is acted on

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self.swarm.timeline.after(0.0, lambda: self._led(self._look))

    def _led(self, do: Callable[[], None]) -> None:
        """Managers do something only while they have a majority."""
        if self.swarm.has_quorum:
            do()
        else:
            self.swarm.timeline.after(RETRY_SECONDS, lambda: self._led(do))

    def _look(self) -> None:
        self._looking = False
        for service in list(self.swarm.services.values()):
            self._fill(service)
        for host in self.swarm.hosts.values():
            self._enforce(host)
        self._place_pending()

    def _fill(self, service: Service) -> None:
        """As many slots as are wanted: new ones get the lowest free numbers, and the superfluous go by Swarm's rule.

        A task that is not to be replaced keeps its slot when it has ended (swarmkit, orchestrator/replicated).
        """
        there = self.swarm.kept(service.name) if service.restarts else self.swarm.tasks_of(service.name)
        slots = {task.slot for task in there}
        wanted_slots = service.replicas or 0
        for _more in range(wanted_slots - len(slots)):
            slot = next(n for n in range(1, len(slots) + 2) if n not in slots)
            slots.add(slot)
            self.create(service.name, slot, TaskState.RUNNING)
        if len(slots) > wanted_slots:
            self._shrink(service, len(slots) - wanted_slots)

    def _shrink(self, service: Service, fewer: int) -> None:
        view, present = self.swarm.view(), {task.slot for task in self.swarm.kept(service.name)}
        chosen = victims(view, replace(service, replicas=len(present)), fewer).tasks
        slots = sorted({self.swarm.tasks[one].slot for one in chosen})
        for slot in self.swarm.random.sample(slots, min(fewer, len(slots))):
            for task in self.swarm.kept(service.name):
                if task.slot == slot:
                    self.stop(task)

    def _enforce(self, host: Host) -> None:
        """Tasks on an active node that does not match any more are rejected; a drained node's are shut down. A paused
        node keeps what it has (swarmkit, constraint_enforcer.go)."""
        for task in [t for t in self.swarm.tasks.values() if t.node_id == host.node.id and wanted(t)]:
            if host.node.availability is Availability.DRAIN:
                self.replace(task)
            elif host.node.availability is Availability.ACTIVE and not self._fits(task, host):
                self.ended(task, TaskState.REJECTED, UNMATCHED)

    def _fits(self, task: Task, host: Host) -> bool:
        service = self.swarm.services.get(task.service)
        return service is None or all(matches(host.node, text) for text in service.constraints)

    # ------------------------------------------------------------ tasks

    def create(self, service: str, slot: int, desired: TaskState) -> Task:
        self.swarm.created += 1
        now = self.swarm.timeline.now
        name, template = f"{service}.{slot}.{self.swarm.created}", self.swarm.services[service].template
        task = Task(name, service, slot, "", TaskState.PENDING, desired, now, now, template=template)
        self.swarm.images[task.id] = self.swarm.services[service].image
        self.swarm.put(task)
        self.swarm.forget_old_tasks(service, slot)
        return self.place(task)

    def place(self, task: Task) -> Task:
        """The task on a node, if the filters let it on any."""
        service = self.swarm.services[task.service]
        found = sorted(landing(self.swarm.view(), service).nodes)
        if not found:
            return self.swarm.put(replace(task, message="no suitable node"))
        node_id = self.swarm.random.choice(found)
        now = self.swarm.timeline.now
        placed = self.swarm.put(replace(task, node_id=node_id, state=TaskState.ASSIGNED, state_at=now, message=""))
        self.agent.take(placed)
        return placed

    def _place_pending(self) -> None:
        for task in [t for t in self.swarm.tasks.values() if t.state is TaskState.PENDING and wanted(t)]:
            self.place(task)

    def stop(self, task: Task) -> None:
        """The task is to end, and has no heir."""
        self.agent.stop(self.swarm.put(replace(self.swarm.tasks[task.id], desired=TaskState.SHUTDOWN)))

    def ended(self, task: Task, state: TaskState, message: str) -> None:
        """A task's end, as its node or the managers say it. What was wanted is replaced."""
        now = self.swarm.tasks.get(task.id)
        if now is None or now.state in ENDED:
            return
        heir_wanted = wanted(now)
        self.swarm.put(replace(now, state=state, state_at=self.swarm.timeline.now, message=message))
        if waiting := self.after_end.pop(task.id, None):
            waiting()
        if heir_wanted:
            self.replace(self.swarm.tasks[task.id])
        self._look_soon()

    def replace(self, task: Task) -> Task | None:
        """An heir in the same slot. It is made and placed at once, and begins to run after the restart delay."""
        service = self.swarm.services.get(task.service)
        self.stop(task)
        if service is None or not service.restarts:
            return None
        heir = self.create(task.service, task.slot, TaskState.READY)
        delay = self.swarm.habits[task.service].restart_delay_seconds
        self.swarm.timeline.after(delay, lambda: self._led(lambda: self._begin(heir, task)))
        return heir

    def _begin(self, heir: Task, old: Task) -> None:
        """After the delay, and after the end of the old task where its node will tell of it."""
        if self.over(old) or (self.swarm.timeline.now - heir.created_at).total_seconds() >= OLD_TASK_SECONDS:
            self.let_run(heir)
            return
        self.after_end[old.id] = lambda: self.let_run(heir)
        self.swarm.timeline.after(OLD_TASK_SECONDS, lambda: self.let_run(heir))

    def over(self, old: Task) -> bool:
        """Whether there is nothing to wait for: it has ended, or its node will not tell."""
        before, host = self.swarm.tasks.get(old.id), self.swarm.hosts.get(old.node_id)
        return before is None or before.state in ENDED or host is None or host.node.state is NodeState.DOWN

    def let_run(self, heir: Task) -> None:
        now = self.swarm.tasks.get(heir.id)
        if now is not None and now.desired is TaskState.READY:
            self.agent.go_on(self.swarm.put(replace(now, desired=TaskState.RUNNING)))

    # ------------------------------------------------------------ nodes that fall silent, and come back

    def silent(self, host: Host) -> None:
        """No heartbeat comes from now on; the last one was up to a period ago."""
        host.silence += 1
        silence, host.silent_since = host.silence, self.swarm.timeline.seconds
        since_last = self.swarm.random.uniform(0.0, self.swarm.heartbeat_seconds)
        left = MISSED_HEARTBEATS * self.swarm.heartbeat_seconds - since_last

        def down() -> None:
            if host.silence == silence and not host.heard:
                self._down(host)

        self.swarm.timeline.after(left, lambda: self._led(down))

    def _down(self, host: Host) -> None:
        """Its tasks stay listed as they were, and each gets an heir."""
        self.swarm.set_node_state(host, NodeState.DOWN)
        for task in [t for t in self.swarm.tasks.values() if t.node_id == host.node.id and wanted(t)]:
            self.replace(task)
        self._look_soon()

    def heard_again(self, host: Host) -> None:
        """It registers anew: what happened there is told, and what is to stop there stops."""
        host.silence += 1
        host.silent_since = None
        self.swarm.set_node_state(host, NodeState.READY)
        unsaid, host.unsaid = host.unsaid, []
        for say in unsaid:
            say()
        for task in [t for t in self.swarm.tasks.values() if t.node_id == host.node.id and t.state not in ENDED]:
            if not wanted(task):
                self.agent.stop(task)
        self._look_soon()
