"""Instances of models, of documents that a search gave.

pydantic notes for each instance, in a set of its own, which fields were given.  In a model whose fields all have to be given these
sets are equal, and cost a quarter of the time: to make them, and to look through them when the garbage collector runs.  So
instances of such models share one.  Everything else is as pydantic does it: a model with defaults, validators, private attributes or
a configuration of its own is left to it, also within others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import SchemaValidator, core_schema

from flusso_query.document import Document, Fragment

M = TypeVar("M", bound=Document)
Schema = dict[str, Any]

_SLOTS = ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
"""What an instance consists of; where a version of pydantic has more, instances are left to it."""


def reader(model: type[M]) -> Callable[[Any], M]:
    """What makes an instance of the JSON of a document, as `model.model_validate` does.

    It accepts the same documents.  Where it raises `ValidationError`, the words may be others: `read` has those of pydantic.
    """
    validator = model.__pydantic_validator__
    known: tuple[Any, Callable[[Any], M]] | None = model.__dict__.get("__reader__")
    if known is None or known[0] is not validator:
        # A model that is completed or rebuilt has another validator then.
        known = model.__reader__ = (validator, _made(model))
    return known[1]


def read(model: type[M], document: Any) -> M:
    """An instance of a model.  Raises `ValidationError` with the words of `model.model_validate`."""
    try:
        return reader(model)(document)
    except ValidationError:
        return model.model_validate(document)


def _made(model: type[M]) -> Callable[[Any], M]:
    validator = model.__pydantic_validator__
    if not isinstance(validator, SchemaValidator):
        # A plugin of pydantic wants to see each call; or the model is not complete yet.
        return model.model_validate
    schema = _shared(dict(model.__pydantic_core_schema__))
    return SchemaValidator(schema).validate_python


def _shared(schema: Schema) -> Any:
    """A schema of pydantic's whose instances share what they can."""
    match schema["type"]:
        case "model" if _is_plain(schema):
            return _of_model(schema)
        case "nullable" | "function-before":
            return {**schema, "schema": _shared(schema["schema"])}
        case "list" if "items_schema" in schema:
            return {**schema, "items_schema": _shared(schema["items_schema"])}
        case "definitions":
            definitions = [_shared(item) for item in schema["definitions"]]
            return {**schema, "schema": _shared(schema["schema"]), "definitions": definitions}
        case _:
            return schema


def _is_plain(schema: Schema) -> bool:
    """Whether every instance is what its fields say and has all of them."""
    model, inner = schema["cls"], schema["schema"]
    return (
        tuple(BaseModel.__slots__) == _SLOTS
        and not any(schema.get(key) for key in ("custom_init", "post_init", "root_model", "strict"))
        and model.__new__ is object.__new__
        and _configured(schema) == _configured(dict(Fragment.__pydantic_core_schema__))
        and inner["type"] == "model-fields"
        and not any(inner.get(key) for key in ("extras_schema", "extra_behavior"))
        and all(field["schema"]["type"] != "default" for field in inner["fields"].values())
    )


def _configured(schema: Schema) -> Schema:
    return {key: value for key, value in schema.get("config", {}).items() if key != "title"}


def _of_model(schema: Schema) -> core_schema.CoreSchema:
    fields = schema["schema"]["fields"]
    values = core_schema.typed_dict_schema(
        {
            name: core_schema.typed_dict_field(
                _shared(field["schema"]), validation_alias=field.get("validation_alias")
            )
            for name, field in fields.items()
        },
        config=schema["config"],
    )
    return core_schema.no_info_after_validator_function(
        _maker(schema["cls"], _Given(fields)), values, ref=schema.get("ref")
    )


def _maker(model: type[BaseModel], given: _Given) -> Callable[[dict[str, Any]], BaseModel]:
    new = object.__new__
    set_values, set_given, set_extra, set_private = (
        BaseModel.__dict__[name].__set__ for name in _SLOTS
    )

    def make(values: dict[str, Any]) -> BaseModel:
        # As `BaseModel.model_construct` does it.
        instance = new(model)
        set_values(instance, values)
        set_given(instance, given)
        set_extra(instance, None)
        set_private(instance, None)
        return instance

    return make


class _Given(set[str]):
    """The fields of all instances of a model.  It stays as it is: one that is set has been given before."""

    def add(self, field: str, /) -> None:
        """As pydantic does when a field is set."""
        if field not in self:
            self._refuse()

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError(
            "documents that were read share this set of fields: change that of a copy (`model_copy`)"
        )

    remove = discard = pop = clear = update = _refuse
    intersection_update = difference_update = symmetric_difference_update = _refuse
    __ior__ = __iand__ = __isub__ = __ixor__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy belongs to one instance.
        return set, (list(self),)
