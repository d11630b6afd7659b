"""Which parts of a document a model reads, and what OpenSearch leaves out when only these are fetched.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flusso_query.schema.annotations import document_keys, element, members

Json = dict[str, Any]


def source_includes(model: type[BaseModel]) -> list[str]:
    """The dotted document keys that a model reads, sorted: what `_source` is asked for."""
    return sorted(set(_includes(model, "")))


def completed(model: type[BaseModel], source: Mapping[str, Any]) -> Json:
    """What was fetched, with the empty arrays and the nulls that are missing in it.

    Where parts of an object are fetched, OpenSearch gives neither an empty array of such objects, nor one that is null.
    """
    found = dict(source)
    for part in _parts(model):
        key = next((name for name in part.names if name in found), None)
        if key is None:
            found[part.names[0]] = part.missing()
        elif part.inside:
            found[key] = _completed(part.model, found[key])
    return found


def _completed(model: type[BaseModel], value: Any) -> Any:
    if isinstance(value, list):
        return [_completed(model, item) for item in value]
    return completed(model, value) if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True)
class _Part:
    """A field of a model whose value is another model, or a list of them."""

    names: tuple[str, ...]
    """The document keys, and the name of the field."""
    model: type[BaseModel]
    many: bool
    optional: bool
    inside: bool
    """Whether that model has such fields itself."""

    def missing(self) -> Any:
        """The value of a document in which nothing of it was found."""
        if self.many:
            return []
        return None if self.optional else completed(self.model, {})


@cache
def _parts(model: type[BaseModel]) -> tuple[_Part, ...]:
    found: list[_Part] = []
    for name, field in model.model_fields.items():
        inner, many, optional = _model(field)
        if inner is not None:
            names = (*document_keys(name, field), name)
            found.append(_Part(names, inner, many, optional, bool(_parts(inner))))
    return tuple(found)


def _includes(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner, many, optional = _model(field)
        for key in document_keys(name, field):
            if inner is None or ((many or optional) and not _has_leaf(inner)):
                # Of objects in which nothing is left, nothing tells that they are there.
                yield f"{path}{key}"
            else:
                yield from _includes(inner, f"{path}{key}.")


def _has_leaf(model: type[BaseModel]) -> bool:
    return any(_model(field)[0] is None for field in model.model_fields.values())


def _model(field: FieldInfo) -> tuple[type[BaseModel] | None, bool, bool]:
    """The model in a field like `list[Order]` or `Profile | None`, whether it is a list, and whether it may be null."""
    given = members(field.annotation)
    inner = [item for item in given if item is not type(None)]
    lists = [element(item) for item in inner]
    many = bool(inner) and None not in lists
    if many:
        inner = [item for found in lists for item in members(found)]
    models = [item for item in inner if isinstance(item, type) and issubclass(item, BaseModel)]
    # Of several models, which one a value is cannot be known here: it is fetched whole.
    alone = models[0] if len(models) == 1 and len(inner) == 1 else None
    return alone, many, len(given) > 1 and type(None) in given
