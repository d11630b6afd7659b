"""Plan -> the body of an OpenSearch index: settings, analysis and mapping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flusso_shared.plan.field_paths import join_path, walk
from flusso_shared.plan.model import (
    ColumnField,
    ConstantField,
    Field,
    IndexPlan,
    JoinField,
    ObjectField,
)

Json = dict[str, Any]

_LONGEST_KEYWORD = 256
_OBJECT_OPTIONS = ("type", "dynamic", "enabled", "properties")
"""Options by which the user decides how an object of unknown keys is mapped."""


def index_body(
    plan: IndexPlan,
    *,
    auto_subfields: bool,
    text_analysis: str,
    shards: int,
    replicas: int,
    refresh_interval: str,
) -> Json:
    """What `PUT /<index>` takes."""
    return {
        "settings": {
            "index": {
                "refresh_interval": refresh_interval,
                "number_of_shards": shards,
                "number_of_replicas": replicas,
            },
            "analysis": _analysis(plan, text_analysis),
        },
        "mappings": {
            "dynamic": "strict",
            "properties": properties(plan.fields, auto_subfields=auto_subfields),
        },
    }


def properties(fields: Iterable[Field], *, auto_subfields: bool, path: str = "") -> Json:
    """Field key -> property."""
    return {
        field.key: _property(field, auto_subfields, join_path(path, field.key)) for field in fields
    }


def _property(field: Field, auto_subfields: bool, path: str) -> Json:
    mapping = field.mapping
    own: Json = {"type": mapping.type}
    if isinstance(field, ObjectField | JoinField):
        own.update(mapping.options)
        if field.fields:
            own["properties"] = properties(field.fields, auto_subfields=auto_subfields, path=path)
        return own
    if isinstance(field, ColumnField) and field.kind == "identifier":
        own["analyzer"] = "flusso_code"
    if mapping.type == "object":
        own.update(_open_object(field))
    subfields = _subfields(mapping.type, auto_subfields)
    if auto_subfields and mapping.type == "text":
        own.setdefault("analyzer", "flusso_text")
    if mapping.variants:
        subfields["sort"] = {
            "type": "keyword",
            "normalizer": _sort_name(path),
            "ignore_above": _LONGEST_KEYWORD,
        }
    if subfields:
        own["fields"] = subfields
    own.update(mapping.options)
    return own


def _open_object(field: Field) -> Json:
    """What lets an object of unknown keys into a mapping that is strict otherwise."""
    if not field.mapping.options.keys().isdisjoint(_OBJECT_OPTIONS):
        return {}
    if isinstance(field, ConstantField) or (isinstance(field, ColumnField) and field.kind == "map"):
        return {"dynamic": True}
    # Any JSON is kept in `_source`; indexing it would guess types from the first document.
    return {"enabled": False}


def _subfields(type_: str, auto_subfields: bool) -> Json:
    if not auto_subfields or type_ not in ("text", "keyword"):
        return {}
    lower = {
        "type": "keyword",
        "normalizer": "flusso_lowercase",
        "ignore_above": _LONGEST_KEYWORD,
    }
    if type_ == "text":
        exact = {"type": "keyword", "ignore_above": _LONGEST_KEYWORD}
        return {"keyword": exact, "keyword_lowercase": lower}
    return {"text": {"type": "text", "analyzer": "flusso_code"}, "keyword_lowercase": lower}


def _analysis(plan: IndexPlan, text_analysis: str) -> Json:
    icu = text_analysis == "icu"
    folding = "icu_folding" if icu else "asciifolding"
    code = ["flusso_word_delimiter", "flatten_graph", "lowercase", folding]
    analysis: Json = {
        "filter": {
            "flusso_word_delimiter": {
                "type": "word_delimiter_graph",
                "catenate_all": True,
                "preserve_original": True,
            }
        },
        "analyzer": {
            "flusso_code": {"type": "custom", "tokenizer": "whitespace", "filter": code},
            "flusso_text": {
                "type": "custom",
                "tokenizer": "icu_tokenizer" if icu else "standard",
                "filter": ["icu_normalizer", "icu_folding"]
                if icu
                else ["lowercase", "asciifolding"],
            },
        },
        "normalizer": {
            "flusso_lowercase": {
                "type": "custom",
                "filter": ["icu_normalizer"] if icu else ["lowercase", "asciifolding"],
            }
        },
    }
    for path, field, _ in walk(plan.fields):
        variants = field.mapping.variants
        if not variants:
            continue
        name, width = _sort_name(path), len(str(len(variants) - 1))
        ranks = [
            f"{_escaped(variant)} => {rank:0{width}d}" for rank, variant in enumerate(variants)
        ]
        analysis.setdefault("char_filter", {})[name] = {"type": "mapping", "mappings": ranks}
        analysis["normalizer"][name] = {"type": "custom", "char_filter": [name], "filter": []}
    return analysis


def _escaped(variant: str) -> str:
    """As the mapping character filter reads it."""
    return variant.replace("\\", "\\\\")


def _sort_name(path: str) -> str:
    # No document key holds a `-`, so that no two fields share a name.
    return "flusso_enumsort__" + path.replace(".", "-")
