"""What a pydantic model declares of its fields, in the terms of a schema.  Pure."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Annotated, Any, NewType, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, EncodedBytes
from pydantic.fields import FieldInfo
from pydantic.functional_validators import (
    AfterValidator,
    BeforeValidator,
    PlainValidator,
    WrapValidator,
)


class Unchecked:
    """Mark of a field whose type is its author's matter: `Annotated[Money, Unchecked]`.  Its key is checked."""


_LISTS = (list, tuple, set, frozenset, Sequence, Set)
_CONVERTS = (BeforeValidator, PlainValidator, WrapValidator, AfterValidator, EncodedBytes)
"""Annotations of pydantic that make another value of what a document has."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One field of a model."""

    name: str
    keys: tuple[str, ...]
    """The document keys that it reads: the first that is there."""
    optional: bool
    members: tuple[Any, ...]
    """Its type, or the members of a union, without None; empty where it is not to be checked."""


def declared(name: str, field: FieldInfo) -> Declared:
    """What a field of a model says."""
    keys = document_keys(name, field)
    if any(_frees(item) for item in field.metadata):
        return Declared(name, keys, True, ())
    members = tuple(_members(field.annotation))
    if Any in members:
        return Declared(name, keys, True, ())
    given = tuple(item for item in members if item is not type(None))
    return Declared(name, keys, len(given) < len(members), given)


def document_keys(name: str, field: FieldInfo) -> tuple[str, ...]:
    """The keys of a document that a field of a model reads: the first that is there."""
    alias = field.validation_alias or field.alias or name
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return tuple(str(item.path[0]) if isinstance(item, AliasPath) else item for item in choices)


def element(type_: Any) -> Any | None:
    """The type of the elements of a list; None for what is no list."""
    if type_ in _LISTS:
        return Any
    origin, arguments = get_origin(type_), get_args(type_)
    if origin not in _LISTS:
        return None
    return arguments[0] if len(arguments) == 1 or arguments[1:] == (...,) else None


def map_value(type_: Any) -> Any | None:
    """The type of the values of a dict with text keys; None for what is none."""
    if type_ is dict:
        return Any
    origin, arguments = get_origin(type_), get_args(type_)
    if origin not in (dict, Mapping) or arguments[0] is not str:
        return None
    return arguments[1]


def members(type_: Any) -> tuple[Any, ...]:
    """A type, or the members of a union; empty where it is not to be checked."""
    found = tuple(_members(type_))
    return () if Any in found else found


def _members(type_: Any) -> Iterator[Any]:
    """Without annotations, aliases and new names of types."""
    origin = get_origin(type_)
    if origin in (Union, types.UnionType):
        for item in get_args(type_):
            yield from _members(item)
    elif origin is Annotated:
        inner, *marks = get_args(type_)
        if any(_frees(mark) for mark in marks):
            yield Any
        else:
            yield from _members(inner)
    elif isinstance(type_, NewType):
        yield from _members(type_.__supertype__)
    elif hasattr(type_, "__value__"):  # of a `type` statement
        yield from _members(type_.__value__)
    else:
        yield type_


def _frees(mark: Any) -> bool:
    return mark is Unchecked or isinstance(mark, (Unchecked, *_CONVERTS))
