# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the text of a Compose file and its meaning: variables, and files of environment variables. Pure.

The syntax is that of the Compose specification, https://docs.docker.com/reference/compose-file/interpolation/.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

from ._document import kind
from ._errors import SwarmError

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<operator>:?[-?+])(?P<word>[^}]*))?\}|(?P<bad>))"
)


def interpolated(value: Any, variables: Mapping[str, Any], key: str) -> Any:
    """`value` with the variables in all of its texts replaced. `key` says where it stands, as `services.web`.

    A variable that is not given and has no default is an error: an empty text in its place deploys something else.
    """
    if isinstance(value, dict):
        return {
            name: interpolated(inner, variables, f"{key}.{name}" if key else str(name)) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [interpolated(inner, variables, f"{key}[{place}]") for place, inner in enumerate(value)]
    if isinstance(value, str) and "$" in value:
        return _VARIABLE.sub(lambda match: _replacement(match, variables, key), value)
    return value


def _replacement(match: re.Match[str], variables: Mapping[str, Any], key: str) -> str:
    if match["dollar"]:
        return "$"
    name = match["plain"] or match["name"]
    if not name:
        raise SwarmError(f"{key}: a dollar sign begins no variable here; write $$ for a dollar sign, or ${{NAME}}")
    operator, word = match["operator"] or "", match["word"] or ""
    if "$" in word:
        raise SwarmError(f"{key}: a variable within the default of {name} is not supported; give {name} itself")
    found = variables.get(name)
    given = found is not None and not (operator.startswith(":") and str(found) == "")
    if operator.endswith("+"):
        return word if given else ""
    if given:
        return str(found)
    if operator.endswith("-"):
        return word
    why = f": {word}" if word else f"; give it, or write ${{{name}:-DEFAULT}}"
    raise SwarmError(f"{key}: the variable {name} is not given{why}")


def with_env_files(
    document: Mapping[str, Any], variables: Mapping[str, Any], read: Callable[[str], str]
) -> dict[str, Any]:
    """A Compose document whose services have all of their variables in `environment`, and no `env_file`.

    `read` gives the text of a file; what stands in `environment` wins. A variable without a value takes the one that
    `variables` has, and is left out where they have none.
    """
    services = document.get("services")
    if not isinstance(services, dict):
        return dict(document)
    return {
        **document,
        "services": {name: _complete(name, service, variables, read) for name, service in services.items()},
    }


def _complete(name: str, service: Any, variables: Mapping[str, Any], read: Callable[[str], str]) -> Any:
    if not isinstance(service, dict) or not {"environment", "env_file"} & set(service):
        return service
    key = f"services.{name}"
    files = service.get("env_file") or []
    found: dict[str, Any] = {}
    for path in [files] if isinstance(files, str) else files:
        if not isinstance(path, str):
            raise SwarmError(f"{key}.env_file: write the path of a file, or a list of them")
        found.update(env_file(read(path), path))
    found.update(pairs(service.get("environment") or {}, f"{key}.environment"))
    values = {word: variables.get(word) if value is None else value for word, value in found.items()}
    rest = {word: value for word, value in service.items() if word != "env_file"}
    return {**rest, "environment": {word: value for word, value in values.items() if value is not None}}


def env_file(text: str, path: str) -> dict[str, str | None]:
    """The variables of a file of lines `NAME=value`, taken as they stand but for one pair of quotes around a value."""
    found: dict[str, str | None] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, sep, value = line.partition("=")
        if not re.match(r"^[A-Za-z_][\w.-]*$", name.strip()):
            raise SwarmError(f"{path}: line {number} is not NAME=value")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found[name.strip()] = (value[1:-1] if quoted else value) if sep else None
    return found


def pairs(value: Any, key: str, separators: str = "=") -> dict[str, Any]:
    """A dictionary, or a list of `NAME=value`, as a dictionary. A name alone has the value None."""
    if isinstance(value, dict):
        found = dict(value)
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        split = [re.split(f"[{separators}]", item, maxsplit=1) for item in value]
        found = {parts[0]: parts[1] if len(parts) > 1 else None for parts in split}
    else:
        raise SwarmError(f"{key}: write NAME: value for each, or a list of NAME=value")
    for name, inner in found.items():
        if isinstance(inner, bool) or not isinstance(inner, (str, int, float, type(None))):
            raise SwarmError(f"{key}.{name}: a value is text or a number, not {kind(inner)}; quote it")
    return {str(name): inner for name, inner in found.items()}
