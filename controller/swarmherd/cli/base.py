# SPDX-License-Identifier: GPL-3.0-or-later
"""The program itself: the options before the command, exit codes, and errors as single sentences.

Exit codes: 0 well; 1 something outside is wrong (an engine, the database, a playbook); 2 the input is wrong.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import structlog
import typer
from rich.console import Console

import swarmherd
from swarmherd.enact.collection import CollectionError
from swarmherd.observe.errors import InventoryError, ObserveError
from swarmherd.policy import PolicyError
from swarmherd.store import StoreError

P = ParamSpec("P")
T = TypeVar("T")

app = typer.Typer(
    name="swarmherd",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: swarmherd -i inventories/lab plan",
)
console = Console(soft_wrap=False)


_WITHOUT_VALUES = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""A traceback's variables may hold an address with its password."""


class InputError(Exception):
    """What was typed cannot be used: one sentence."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"swarmherd {swarmherd.__version__}")
        raise typer.Exit


Inventories = Annotated[
    list[Path] | None,
    typer.Option(
        "-i",
        "--inventory",
        envvar="SWARMHERD_INVENTORY",
        help="The cluster: the same inventory that ansible-playbook takes. Several are several clusters.",
    ),
]
Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.callback()
def main(context: typer.Context, inventory: Inventories = None, version: Version = False) -> None:  # noqa: ARG001  (typer calls _version)
    """Keeps Docker Swarm clusters in shape: observes, decides, and acts by playbook."""
    context.obj = tuple(inventory or ())
    _set_up_logs()


def one_sentence(command: Callable[P, T]) -> Callable[P, T]:
    """Turns every expected error of a command into its sentence and exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (InputError, InventoryError, PolicyError) as error:
            raise _ended(error, 2) from None
        except (ObserveError, StoreError, CollectionError) as error:
            raise _ended(error, 1) from None

    return wrapped


def inventories(context: typer.Context) -> tuple[Path, ...]:
    """Every `-i`, at least one."""
    paths: tuple[Path, ...] = context.find_root().obj
    if not paths:
        raise InputError("no inventory is given; write swarmherd -i PATH before the command")
    return paths


def single(context: typer.Context) -> Path:
    """The one `-i` of a command about one cluster."""
    paths = inventories(context)
    if len(paths) > 1:
        raise InputError("this command is about one cluster; give one -i")
    return paths[0]


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2, default=str))


def _ended(error: Exception, code: int) -> typer.Exit:
    typer.echo(f"swarmherd: {error}", err=True)
    return typer.Exit(code)


def _set_up_logs() -> None:
    """JSON lines on standard error, or something for eyes where that is a terminal."""
    # Alembic and the SDKs speak through the standard library: only their warnings are of interest.
    logging.basicConfig(level=logging.WARNING)
    eyes = sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer()
    if eyes:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _as_it_is if eyes else structlog.processors.ExceptionRenderer(_WITHOUT_VALUES),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _as_it_is(_logger: Any, _method: str, event: Any) -> Any:
    return event
