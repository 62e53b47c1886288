# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module does around its work: connect, do it, and end the process in one place."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, Mapping

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


def run(module: AnsibleModule, work: Work, hidden: Iterable[str] = ()) -> None:
    """Exit with what `work` returns, or fail with its SwarmError.

    `hidden` names the options whose values stay out of logs and results although they are no passwords by nature,
    such as environment variables. Declared `no_log`, such an option would blank out every equal text in the result:
    an environment variable `1` would hide each replica count. So its values are taken off that list, and the option
    itself is not repeated in the result.
    """
    if IMPORT_ERROR:
        module.fail_json(
            msg=missing_required_lib("docker (Docker SDK for Python, Debian: python3-docker)"), exception=IMPORT_ERROR
        )
    for name in hidden:
        module.no_log_values.difference_update(texts_in(module.params.get(name)))
    invocation = {"module_args": {k: HIDDEN if k in hidden and v else v for k, v in module.params.items()}}
    try:
        result = work(connect(module.params), module.params, module.check_mode)
    except SwarmError as error:
        module.fail_json(msg=str(error), invocation=invocation, **error.facts)
    module.exit_json(invocation=invocation, **result)
