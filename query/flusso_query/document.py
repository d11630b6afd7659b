"""Models of documents: pydantic models that are bound to an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from flusso_query.binding import Binding
from flusso_query.schema import development
from flusso_query.schema.annotations import document_keys


class Fragment(BaseModel):
    """A part of a document: an object, a related row, an element of a nested array."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, protected_namespaces=())


class Document(Fragment):
    """A whole document, or a projection of it: `class UserCard(Document, index="users")`.

    Only the fields that the model has are fetched, unless it is `complete`.  `index` may also be a generated model: the
    hash of its schema is then that of the projection, too.  Where a `flusso.lock` is found (`schema.lock`), a projection
    that does not fit the schema raises `SchemaMismatchError` when it is defined.
    """

    __binding__: ClassVar[Binding]

    def __init_subclass__(
        cls,
        *,
        index: str | type[Document] | None = None,
        hash: str | None = None,
        complete: bool = False,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        if isinstance(index, str):
            cls.__binding__ = Binding(index, hash, complete)
        elif index is not None:
            cls.__binding__ = Binding(index.__binding__.index, index.__binding__.hash, complete)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        # One that refers to classes which are defined further down is complete only later.
        if cls.__pydantic_complete__ and hasattr(cls, "__binding__"):
            development.check(cls, cls.__binding__)


def models_of(module: ModuleType) -> Iterator[type[Document]]:
    """The documents that a module defines, in its order."""
    for item in list(vars(module).values()):
        if (
            isinstance(item, type)
            and issubclass(item, Document)
            and item.__module__ == module.__name__
            and hasattr(item, "__binding__")
        ):
            item.model_rebuild()
            yield item


def source_includes(model: type[BaseModel]) -> list[str]:
    """The dotted document keys that a model reads, sorted."""
    return sorted(_includes(model, ""))


def _includes(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        parts = list(_models(field.annotation))
        for key in document_keys(name, field):
            for part in parts:
                yield from _includes(part, f"{path}{key}.")
            if not parts:
                yield f"{path}{key}"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation like `list[Order]` or `Profile | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (dict, Mapping, Literal):
        for part in get_args(annotation):
            yield from _models(part)
