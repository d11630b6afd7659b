"""A model against the fields of its index: all that does not fit, at once.  Pure."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel

from flusso_query.binding import Binding
from flusso_query.point import Point
from flusso_query.schema.annotations import Declared, declared, element, map_value, members
from flusso_query.schema.shape import IndexShape, Shape
from flusso_query.schema.value_types import Value

_ACCEPTED: dict[Value, tuple[type[Any], ...]] = {
    "str": (str,),
    "UUID": (UUID, str),
    "bool": (bool,),
    "int": (int,),
    "float": (float,),
    "Decimal": (Decimal, float),
    "date": (date, str),
    "datetime": (datetime, str),
    "time": (time, str),
    "bytes": (str,),
    "Point": (Point,),
}
_SHOWN: dict[str, str] = {"bytes": "Base64Bytes"}
"""What reads a value, where its type alone does not."""
_NOT_THOUGH = {int: bool, date: datetime}
"""A class -> the one below it that is of another kind."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """The level of a document that a model stands for."""

    index: str
    path: str
    model: type[BaseModel]

    def __str__(self) -> str:
        return f"`{self.path}` in index `{self.index}`" if self.path else f"index `{self.index}`"

    def problem(self, name: str, text: str) -> str:
        return f"{self.model.__name__}.{name}: {text} ({self})"


def problems(
    model: type[BaseModel], binding: Binding, indexes: Mapping[str, IndexShape]
) -> list[str]:
    """One line for each thing that does not fit; empty when all does."""
    index = indexes.get(binding.index)
    if index is None:
        near = _did_you_mean(binding.index, indexes)
        text = f"{model.__name__}: there is no index `{binding.index}`{near}; there are {_listed(indexes)}"
        return [text]
    found: list[str] = []
    if binding.hash is not None and binding.hash != index.hash:
        found.append(
            f"{model.__name__}: made for schema {binding.hash} of index `{index.name}`, which is now {index.hash}"
        )
    scope = _Scope(index.name, "", model)
    found += _level(scope, index.fields, complete=binding.complete)
    return found


def _level(scope: _Scope, fields: Iterable[Shape], *, complete: bool) -> Iterator[str]:
    shapes = {field.key: field for field in fields}
    read: set[str] = set()
    for name, info in scope.model.model_fields.items():
        item = declared(name, info)
        read.update(item.keys)
        shape = next((shapes[key] for key in item.keys if key in shapes), None)
        if shape is None:
            yield scope.problem(name, _unknown(item.keys[0], shapes))
        else:
            yield from _field(scope, item, shape, complete=complete)
    for key in shapes if complete else ():
        if key not in read:
            yield scope.problem(
                key, f"the schema has it (`{_shown(shapes[key])}`), and the model has not"
            )


def _field(scope: _Scope, item: Declared, shape: Shape, *, complete: bool) -> Iterator[str]:
    if not item.members:
        return
    if shape.nullable and not item.optional:
        yield scope.problem(item.name, "it may be null: write `| None`")
    if not shape.nullable and item.optional:
        yield scope.problem(item.name, "it is never null: leave `| None` out")
    for type_ in item.members:
        if shape.many:
            inner = element(type_)
            found = [] if inner is None else list(members(inner))
            if inner is None:
                yield scope.problem(item.name, _other(shape, type_))
        else:
            found = [type_]
        for one in found:
            yield from _value(scope, item.name, one, shape, complete=complete)


def _value(scope: _Scope, name: str, type_: Any, shape: Shape, *, complete: bool) -> Iterator[str]:
    """Whether a value of the field may be read as this type."""
    if shape.kind == "object" and isinstance(type_, type) and issubclass(type_, BaseModel):
        inner = _Scope(scope.index, shape.path, type_)
        yield from _level(inner, shape.fields, complete=complete)
        return
    if shape.kind == "object":
        fits = map_value(type_) is not None
    elif shape.kind == "map":
        value = map_value(type_)
        fits = value is not None and all(_fits(one, shape.value) for one in members(value))
    else:
        fits = _fits(type_, shape.value)
    if not fits:
        yield scope.problem(name, _other(shape, type_))
    elif shape.variants:
        yield from _labels(scope, name, type_, shape)


def _fits(type_: Any, value: Value) -> bool:
    accepted = _ACCEPTED.get(value)
    if accepted is None or type_ is type(None):
        return True
    values = _values(type_)
    if values is not None:
        return all(isinstance(item, accepted) for item in values)
    if not isinstance(type_, type):
        return False
    if hasattr(type_, "__get_pydantic_core_schema__") and not issubclass(type_, BaseModel):
        return True  # a type with its own way of reading
    return any(
        issubclass(type_, item) and not issubclass(type_, _NOT_THOUGH.get(item, ()))
        for item in accepted
    )


def _labels(scope: _Scope, name: str, type_: Any, shape: Shape) -> Iterator[str]:
    values = _values(type_)
    if values is None:
        return
    other = [str(item) for item in values if item not in shape.variants]
    missing = [item for item in shape.variants if item not in values]
    if other:
        known = _listed(shape.variants)
        yield scope.problem(name, f"the schema does not have {_listed(other)}; it has {known}")
    if missing:
        yield scope.problem(name, f"documents may also have {_listed(missing)}")


def _values(type_: Any) -> list[Any] | None:
    """The values of a `Literal` or an enumeration; None for any other type."""
    if get_origin(type_) is Literal:
        return list(get_args(type_))
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return [item.value for item in type_]
    return None


def _unknown(key: str, shapes: Mapping[str, Shape]) -> str:
    return f"there is no key `{key}`{_did_you_mean(key, shapes)}; the keys are {_listed(sorted(shapes))}"


def _shown(shape: Shape) -> str:
    """The type of the field, as an annotation says it."""
    match shape.kind:
        case "object":
            one = "a model"
        case "map":
            one = f"dict[str, {_SHOWN.get(shape.value, shape.value)}]"
        case _:
            one = _SHOWN.get(shape.value, shape.value)
    if shape.variants:
        one = f"Literal[{', '.join(map(repr, shape.variants))}]"
    shown = f"list[{one}]" if shape.many else one
    return f"{shown} | None" if shape.nullable else shown


def _other(shape: Shape, type_: Any) -> str:
    return f"the schema has `{_shown(shape)}`, not `{_name(type_)}`"


def _name(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) else str(type_).replace("typing.", "")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
