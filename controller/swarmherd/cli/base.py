# SPDX-License-Identifier: GPL-3.0-or-later
"""The program itself: the options before the command, exit codes, and errors as single sentences.

Exit codes: 0 well; 1 something outside is wrong (an engine, the database, a playbook); 2 the input is wrong.
"""

from __future__ import annotations

import errno
import functools
import io
import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar
from unicodedata import category

import structlog
import typer
from rich.console import Console
from typer.core import TyperGroup

import swarmherd
from swarmherd.enact.collection import CollectionError
from swarmherd.observe.errors import InventoryError, ObserveError
from swarmherd.policy import PolicyError
from swarmherd.store import StoreError

P = ParamSpec("P")
T = TypeVar("T")
NO_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What writing fails with where a disk is full, or nobody holds the other end."""


class InputError(Exception):
    """What was typed cannot be used: one sentence."""


class Program(TyperGroup):
    """The commands, with what is the same for all of them: what may be typed at all, and where output ends."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Ends the process, as Typer does. Raises SystemExit."""
        words = sys.argv[1:] if args is None else args
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # whose encoding may not have every character
                stream.reconfigure(errors="backslashreplace")
        try:
            _check_words(words)
            return super().main(words, *rest, **options)
        except InputError as error:
            sys.exit(_ended(error, 2).exit_code)
        except OSError as error:
            if error.errno not in NO_OUTPUT or error.filename is not None:
                raise
            sys.stdout = io.StringIO()  # what is left unwritten is not tried again
            sys.exit(_ended(f"standard output cannot be written: {error.strerror}; give it room", 1).exit_code)


def _check_words(words: Sequence[str]) -> None:
    """An empty word would stand for an option that was left out, and widen what a command is about."""
    for before, word in zip(("", *words), words, strict=False):
        name, _sign, value = word.partition("=") if word.startswith("--") and "=" in word else (before, "", word)
        if not value:
            what = name if name.startswith("-") else "a word"
            raise InputError(f"{what}: it is given nothing; write a value, or leave {what} out")
        if harmless(word) != word:
            raise InputError(f"{word!a} holds what is no UTF-8 text, or steers a terminal; write it without that")


def harmless(text: str) -> str:
    """`text` with what is no text, or would steer the terminal that shows it, written out."""
    return "".join(ascii(one)[1:-1] if category(one) in ("Cc", "Cs") and one not in "\n\t" else one for one in text)


app = typer.Typer(
    name="swarmherd",
    cls=Program,
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


def _ended(error: Exception | str, code: int) -> typer.Exit:
    with suppress(OSError):  # nobody is there to be told
        typer.echo(f"swarmherd: {harmless(str(error))}", err=True)
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
