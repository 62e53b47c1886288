# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every module of a collection a second time after it changed something; a second change fails the play.

No target has to ask for it, and none can escape: the failure is none that `failed_when` could overrule, and what
`ignore_errors` or `rescue` swallow still ends the program with an error.

What is exempt, and why, stands here and nowhere else:
- check mode: nothing was done, so there is nothing that a second run could find;
- a first run that failed: how far it came is not promised;
- `force_update`: documented to restart the tasks each time.
The second run goes without the options `expected_…`: they say what the first one was to find, which it has changed.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: second_run
type: aggregate
short_description: Fail when the second run of a module changes something
description: Runs each module of a collection again after it reported a change. For tests only.
options:
  collection:
    description: The collection whose modules are run twice.
    type: str
    default: swarmherd.cluster
    env:
      - name: SECOND_RUN_COLLECTION
    ini:
      - section: callback_second_run
        key: collection
"""

FORCED = "force_update"
DECIDED_ON = "expected_"
NOT_IDEMPOTENT = "not idempotent"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "second_run"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Called once, before the first worker is forked: workers inherit the wrapped method and the open file."""
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        # Unbuffered and in append mode: the lines of several workers never run into each other.
        self.found = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115  (it ends with the program)
        ActionBase._execute_module = run_twice(  # type: ignore[method-assign]
            ActionBase._execute_module, f"{self.get_option('collection')}.", self.found.write
        )

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002  (the name is Ansible's)
        self.found.seek(0)
        said = self.found.read().decode()
        if said:
            self._display.error(f"second_run: {said}".strip(), wrap_text=False)
            raise SystemExit(2)


def run_twice(execute: Callable[..., Any], prefix: str, note: Callable[[bytes], Any]) -> Callable[..., Any]:
    """`ActionBase._execute_module`, doubled for the modules whose full name begins with `prefix`."""

    @functools.wraps(execute)
    def doubled(action: Any, module_name: Any = None, module_args: Any = None, **options: Any) -> Any:
        task = action._task
        name = module_name or task.action
        full_name = task.resolved_action if name == task.action else name
        given = dict(task.args if module_args is None else module_args)
        first = execute(action, module_name=module_name, module_args=module_args, **options)
        if not str(full_name).startswith(prefix) or exempt(task, given, first):
            return first
        if options.get("wrap_async"):
            problem = "it runs in the background, where it cannot be run a second time; take async away"
        else:
            again = {key: value for key, value in given.items() if not key.startswith((DECIDED_ON, "_ansible_"))}
            second = execute(action, module_name=module_name, module_args=again, **options)
            problem = complaint(second, hidden=bool(task.no_log))
        if not problem:
            return first
        where = f"{full_name} in task {task.get_name()!r}"
        message = f"{NOT_IDEMPOTENT}: {where}: {problem}{told(given, first, hidden=bool(task.no_log))}"
        note(f"{message}\n".encode())
        # Not a failed result: that is what failed_when is asked about.
        raise AnsibleError(message)

    return doubled


def exempt(task: Any, given: dict[str, Any], first: dict[str, Any]) -> bool:
    forced = given.get(FORCED) and boolean(given[FORCED], strict=False)
    did_something = first.get("changed") or "ansible_job_id" in first
    return bool(task.check_mode or first.get("failed") or forced or not did_something)


def complaint(second: dict[str, Any], *, hidden: bool) -> str:
    """What is wrong with the result of the second run; empty when it changed nothing, as it should."""
    if second.get("failed") or second.get("unreachable"):
        return "its second run failed" + ("" if hidden else f": {second.get('msg', second)}")
    if second.get("changed"):
        return "its second run changes again" + ("" if hidden else f": {as_text(second.get('diff', 'no diff given'))}")
    return ""


def told(given: dict[str, Any], first: dict[str, Any], *, hidden: bool) -> str:
    """The arguments as the module itself reports them, which has its secrets blanked out."""
    if hidden:
        return " (no_log: nothing of it is shown)"
    reported = (first.get("invocation") or {}).get("module_args") or {}
    return f"\n  arguments: {as_text({key: reported[key] for key in given if key in reported})}"


def as_text(value: Any) -> str:
    return json.dumps(value, default=str, sort_keys=True)
