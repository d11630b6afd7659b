"""Models of documents: pydantic models that are bound to an index."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import core_schema

from flusso_query import projection
from flusso_query.binding import Binding
from flusso_query.schema import development


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
    __reader__: ClassVar[tuple[Any, Any]]
    """The validator that pydantic has made for this model, and what reads documents instead of it (`search.instances`)."""

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

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        schema = handler(source)
        if not hasattr(cls, "__binding__") or cls.__binding__.complete:
            return schema
        # Not for whole documents: a call of Python for each of them takes as long as two of its fields.
        return core_schema.no_info_before_validator_function(cls._completed, schema)

    @classmethod
    def _completed(cls, value: Any) -> Any:
        """What was fetched of a document in part, with what OpenSearch leaves out then."""
        return projection.completed(cls, value) if isinstance(value, dict) else value


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
