# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module does around its work: connect, do it, and end the process in one place."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._client import IMPORT_ERROR, Swarm, connect
from ._errors import SwarmError

Work = Callable[[Swarm, Mapping[str, Any], bool], Dict[str, Any]]
"""From the engine, the task's parameters and whether this is check mode, to the module's result."""

HIDDEN = "(hidden)"


def texts_in(value: Any) -> Iterator[str]:
    """Every value within, as Ansible puts them on the list of what it blanks out."""
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)
    elif value is not None:
        yield str(value)


def without(value: Any, path: Sequence[str]) -> Any:
    """`value` with what lies at `path` hidden, in each element of a list."""
    if not path:
        return HIDDEN if value else value
    if isinstance(value, list):
        return [without(inner, path) for inner in value]
    return {**value, path[0]: without(value.get(path[0]), path[1:])} if value else value


def at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """What lies at `path`, in each element of a list."""
    for inner in value if isinstance(value, list) else [value]:
        if path and inner:
            yield from at(inner.get(path[0]), path[1:])
        elif not path:
            yield inner


def run(module: AnsibleModule, work: Work, hidden: Iterable[str] = ()) -> None:
    """Exit with what `work` returns, or fail with its SwarmError.

    `hidden` names the options, with a dot those within others, whose values stay out of logs and results although they
    are no passwords by nature, such as environment variables. Declared `no_log`, such an option would blank out every
    equal text in the result: an environment variable `1` would hide each replica count. So its values are taken off
    that list, and the option itself is not repeated in the result.
    """
    if IMPORT_ERROR:
        module.fail_json(
            msg=missing_required_lib("docker (Docker SDK for Python, Debian: python3-docker)"), exception=IMPORT_ERROR
        )
    shown: Any = module.params
    for path in (name.split(".") for name in hidden):
        module.no_log_values.difference_update(texts_in(list(at(module.params, path))))
        shown = without(shown, path)
    invocation = {"module_args": shown}
    try:
        result = work(connect(module.params), module.params, module.check_mode)
    except SwarmError as error:
        module.fail_json(msg=str(error), invocation=invocation, **error.facts)
    module.exit_json(invocation=invocation, **result)
