"""Models of documents: pydantic models that are bound to an index."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class Binding:
    """The index that a model reads."""

    index: str
    """The logical name, as the configuration has it."""
    hash: str | None
    """The schema's hash; None addresses whatever schema is live."""
    complete: bool
    """Whether the model has every field of the schema."""

    def alias(self, prefix: str = "") -> str:
        """What searches are sent to."""
        return f"{prefix}{self.index}_{self.hash}" if self.hash else f"{prefix}{self.index}"


class Fragment(BaseModel):
    """A part of a document: an object, a related row, an element of a nested array."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class Document(Fragment):
    """A whole document, or a projection of it: `class UserCard(Document, index="users")`.

    Only the fields that the model has are fetched, unless it is `complete`.
    """

    __binding__: ClassVar[Binding]

    def __init_subclass__(
        cls,
        *,
        index: str | None = None,
        hash: str | None = None,
        complete: bool = False,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        if index is not None:
            cls.__binding__ = Binding(index, hash, complete)


def source_includes(model: type[BaseModel]) -> list[str]:
    """The dotted document keys that a model reads, sorted."""
    return sorted(_includes(model, ""))


def _includes(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{path}{field.validation_alias or field.alias or name}"
        parts = list(_models(field.annotation))
        for part in parts:
            yield from _includes(part, f"{key}.")
        if not parts:
            yield key


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation like `list[Order]` or `Profile | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (list, tuple, Union, types.UnionType):
        for part in get_args(annotation):
            yield from _models(part)
