# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the module `stack` that runs where the Compose file is: on the control node.

It reads the file and what the file refers to, replaces variables, and hands the document to the module on a manager.
What it reads are plain texts: nothing in a Compose file is a template of Ansible's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Mapping

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.swarmherd.cluster.plugins.module_utils._document import mapping
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._interpolation import interpolated, with_env_files

MODULE = "swarmherd.cluster.stack"


class ComposeLoader(yaml.SafeLoader):
    """YAML as Compose files are written in: without numbers to the base of 60, which would make one of `8080:22`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute, replaced as a whole
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


ComposeLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)
ComposeLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0[0-7]*|[1-9][0-9]*|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)


class ActionModule(ActionBase):
    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            args["compose"] = self._document(args, args.pop("variables", None) or {})
        except SwarmError as error:
            return {**result, "failed": True, "msg": str(error)}
        return {**result, **self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)}

    def _document(self, args: Mapping[str, Any], variables: Any) -> dict[str, Any]:
        """The Compose document with all that this node knows put into it."""
        path, given = args.get("file"), args.get("compose")
        if (path is None) == (given is None):
            raise SwarmError("give either file, the path of a Compose file, or compose, its content")
        where = "compose" if path is None else str(path)
        folder = Path(self._loader.get_basedir()) if path is None else Path(self._found(path)).parent
        try:
            document = mapping(given if path is None else self._parsed(path), "")
            document = interpolated(document, mapping(variables, "variables"), "")
            return with_env_files(document, variables, lambda name: self._text(str(folder / Path(name).expanduser())))
        except SwarmError as error:
            raise SwarmError(f"{where}: {error}") from error

    def _found(self, path: str) -> str:
        """A relative path is looked for where Ansible looks for the files of a task."""
        try:
            return self._find_needle("files", path)
        except AnsibleError as error:
            raise SwarmError(f"{path}: there is no such file on this node; give the path of a Compose file") from error

    def _parsed(self, path: str) -> Any:
        try:
            # A safe loader all the same: it derives from SafeLoader and adds no constructor.
            return yaml.load(self._text(self._found(path)), Loader=ComposeLoader)  # noqa: S506
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f"line {mark.line + 1}: " if mark else ""
            raise SwarmError(
                f"{place}this is no YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"
            ) from error

    def _text(self, path: str) -> str:
        """A file as text; one that is encrypted with Ansible Vault is decrypted."""
        try:
            return str(self._loader.get_text_file_contents(path))
        except AnsibleError as error:
            raise SwarmError(f"{path} cannot be read: is it there, and readable?") from error
