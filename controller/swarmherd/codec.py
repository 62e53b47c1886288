# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses and policy documents as JSON, and back exactly as they were. Pure.

Driven by the classes' own annotations: a new field needs no code here. What a field is missing in an older document
its default stands for; what a document has beyond the class is left out.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel

T = TypeVar("T")
Change = Callable[[Any], Any]
PLAIN = (str, int, float, bool, type(None), Any, object)


class CodecError(Exception):
    """A document is not what the class says, or the class holds what has no form in JSON."""


def encode(value: Any, of: Any) -> Any:
    """`value`, which is annotated `of`, as plain JSON."""
    return _encoder(of)(value)


def decode(document: Any, of: type[T]) -> T:
    """The value that `document` stands for. Raises CodecError."""
    try:
        return cast(T, _decoder(cast(Any, of))(document))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CodecError(f"this is no {getattr(of, '__name__', of)}: {error}") from error


@functools.cache
def _encoder(of: Any) -> Change:
    if of in PLAIN:
        return _same
    origin, inner = get_origin(of), get_args(of)
    if _optional(of):
        return _unless_none(_encoder(_but_none(of)))
    if origin is tuple:
        return _each_out(inner)
    if origin in (frozenset, set):
        return _set_out(_encoder(inner[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_out(*inner)
    if origin is None and isinstance(of, type):
        return _class_encoder(of)
    raise CodecError(f"{of} has no form in JSON here")


def _class_encoder(of: type) -> Change:
    if issubclass(of, datetime):
        return lambda value: value.astimezone(UTC).isoformat()
    if issubclass(of, Enum):
        # An enumeration of words, or the word that was written in its place.
        return lambda value: value.value if isinstance(value, Enum) else value
    if issubclass(of, BaseModel):
        # What was written and what was not differ where policies are merged.
        return lambda value: value.model_dump(mode="json", exclude_unset=True)
    if not is_dataclass(of):
        raise CodecError(f"{of.__name__} has no form in JSON here")
    hints = get_type_hints(of)
    parts = [(one.name, _encoder(hints[one.name])) for one in fields(of)]
    return lambda value: {name: change(getattr(value, name)) for name, change in parts}


@functools.cache
def _decoder(of: Any) -> Change:
    if of in PLAIN:
        return _same
    origin, inner = get_origin(of), get_args(of)
    if _optional(of):
        return _unless_none(_decoder(_but_none(of)))
    if origin is tuple:
        return _each_in(inner)
    if origin in (frozenset, set):
        return _set_in(_decoder(inner[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_in(*inner)
    if origin is None and isinstance(of, type):
        return _class_decoder(of)
    raise CodecError(f"{of} has no form in JSON here")


def _class_decoder(of: type) -> Change:
    if issubclass(of, datetime):
        return datetime.fromisoformat
    if issubclass(of, Enum):
        return of
    if issubclass(of, BaseModel):
        return of.model_validate
    if not is_dataclass(of):
        raise CodecError(f"{of.__name__} has no form in JSON here")
    hints = get_type_hints(of)
    parts = [(one.name, _decoder(hints[one.name]), _needed(one)) for one in fields(of)]

    def build(document: Mapping[str, Any]) -> Any:
        if not isinstance(document, Mapping):  # where every field has a default, anything would do
            raise TypeError(f"a {type(document).__name__} has no fields")
        given = {name: change(document[name]) for name, change, needed in parts if needed or name in document}
        return of(**given)

    return build


def _needed(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _same(value: Any) -> Any:
    return value


def _optional(of: Any) -> bool:
    return get_origin(of) in (Union, types.UnionType) and types.NoneType in get_args(of)


def _but_none(of: Any) -> Any:
    rest = tuple(one for one in get_args(of) if one is not types.NoneType)
    if len(rest) != 1:
        raise CodecError(f"{of}: a choice between classes has no form in JSON here")
    return rest[0]


def _unless_none(change: Change) -> Change:
    return lambda value: None if value is None else change(value)


def _each_out(inner: tuple[Any, ...]) -> Change:
    if inner[1:] == (...,):
        change = _encoder(inner[0])
        return lambda values: [change(value) for value in values]
    changes = [_encoder(one) for one in inner]
    return lambda values: [change(value) for change, value in zip(changes, values, strict=True)]


def _each_in(inner: tuple[Any, ...]) -> Change:
    if inner[1:] == (...,):
        change = _decoder(inner[0])
        return lambda values: tuple(change(value) for value in values)
    changes = [_decoder(one) for one in inner]
    return lambda values: tuple(change(value) for change, value in zip(changes, values, strict=True))


def _set_out(change: Change) -> Change:
    return lambda values: sorted(change(value) for value in values)


def _set_in(change: Change) -> Change:
    return lambda values: frozenset(change(value) for value in values)


def _mapping_out(key: Any, item: Any) -> Change:
    """An object where the keys are text, otherwise a list of pairs."""
    keys, items = _encoder(key), _encoder(item)
    if key is str:
        return lambda values: {name: items(value) for name, value in values.items()}
    return lambda values: [[keys(name), items(value)] for name, value in values.items()]


def _mapping_in(key: Any, item: Any) -> Change:
    keys, items = _decoder(key), _decoder(item)
    if key is str:
        return lambda document: types.MappingProxyType({name: items(value) for name, value in document.items()})
    return lambda pairs: types.MappingProxyType({keys(name): items(value) for name, value in pairs})
