"""The index body that follows from a plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flusso_shared.plan.mapping import index_body, properties
from support.documents import plan_of

LOWER = {"type": "keyword", "normalizer": "flusso_lowercase", "ignore_above": 256}
TEXT = {
    "type": "text",
    "analyzer": "flusso_text",
    "fields": {"keyword": {"type": "keyword", "ignore_above": 256}, "keyword_lowercase": LOWER},
}
KEYWORD = {
    "type": "keyword",
    "fields": {
        "text": {"type": "text", "analyzer": "flusso_code"},
        "keyword_lowercase": LOWER,
    },
}


def body(folder: Path, schema: str, text_analysis: str = "builtin") -> dict[str, Any]:
    return index_body(
        plan_of(folder, schema),
        auto_subfields=True,
        text_analysis=text_analysis,
        shards=2,
        replicas=0,
        refresh_interval="-1",
    )


def mapped(folder: Path, field: str, auto_subfields: bool = True) -> dict[str, Any]:
    plan = plan_of(folder, f"table: t\nprimary_key: id\nfields:\n  - {field}")
    found = properties(plan.fields, auto_subfields=auto_subfields)
    assert list(found) == ["a"]
    return dict(found["a"])


def test_settings_and_analysis(tmp_path: Path) -> None:
    assert body(tmp_path, "table: t\nfields: []") == {
        "settings": {
            "index": {"refresh_interval": "-1", "number_of_shards": 2, "number_of_replicas": 0},
            "analysis": {
                "filter": {
                    "flusso_word_delimiter": {
                        "type": "word_delimiter_graph",
                        "catenate_all": True,
                        "preserve_original": True,
                    }
                },
                "analyzer": {
                    "flusso_code": {
                        "type": "custom",
                        "tokenizer": "whitespace",
                        "filter": [
                            "flusso_word_delimiter",
                            "flatten_graph",
                            "lowercase",
                            "asciifolding",
                        ],
                    },
                    "flusso_text": {
                        "type": "custom",
                        "tokenizer": "standard",
                        "filter": ["lowercase", "asciifolding"],
                    },
                },
                "normalizer": {
                    "flusso_lowercase": {"type": "custom", "filter": ["lowercase", "asciifolding"]}
                },
            },
        },
        "mappings": {"dynamic": "strict", "properties": {}},
    }


def test_icu_has_its_own_folding(tmp_path: Path) -> None:
    analysis = body(tmp_path, "table: t\nfields: []", "icu")["settings"]["analysis"]
    assert analysis["analyzer"]["flusso_code"]["filter"][-1] == "icu_folding"
    assert analysis["analyzer"]["flusso_text"] == {
        "type": "custom",
        "tokenizer": "icu_tokenizer",
        "filter": ["icu_normalizer", "icu_folding"],
    }
    assert analysis["normalizer"]["flusso_lowercase"]["filter"] == ["icu_normalizer"]


@pytest.mark.parametrize(
    ("field", "rich", "bare"),
    [
        ("text: a", TEXT, {"type": "text"}),
        ("identifier: a", TEXT | {"analyzer": "flusso_code"}, {"type": "text", "analyzer": "flusso_code"}),
        ("{ identifier: a, options: { analyzer: x } }", TEXT | {"analyzer": "x"}, {"type": "text", "analyzer": "x"}),
        ("{ text: a, options: { fields: {}, boost: 2 } }", {"type": "text", "analyzer": "flusso_text", "fields": {}, "boost": 2}, {"type": "text", "fields": {}, "boost": 2}),
        ("keyword: a", KEYWORD, {"type": "keyword"}),
        ("uuid: a", KEYWORD, {"type": "keyword"}),
        ("{ custom: a, postgres: [inet], opensearch: keyword }", KEYWORD, {"type": "keyword"}),
        ("{ constant: a, value: x }", KEYWORD, {"type": "keyword"}),
        ("{ constant: a, value: { b: 1 } }", {"type": "object", "dynamic": True}, {"type": "object", "dynamic": True}),
        ("{ ids: a, table: t, foreign_key: b, element_type: long }", {"type": "long"}, {"type": "long"}),
        ("{ max: a, table: t, foreign_key: b, column: c, value_type: identifier }", TEXT, {"type": "text"}),
        ("decimal: a", {"type": "double"}, {"type": "double"}),
        ("{ timestamp: a, options: { format: epoch_millis } }", {"type": "date", "format": "epoch_millis"}, {"type": "date", "format": "epoch_millis"}),
        ("geo: a", {"type": "geo_point"}, {"type": "geo_point"}),
        ("{ map: a, values: long }", {"type": "object", "dynamic": True}, {"type": "object", "dynamic": True}),
        ("{ map: a, values: long, options: { dynamic: false } }", {"type": "object", "dynamic": False}, {"type": "object", "dynamic": False}),
        ("json: a", {"type": "object", "enabled": False}, {"type": "object", "enabled": False}),
        ("{ json: a, options: { dynamic: true } }", {"type": "object", "dynamic": True}, {"type": "object", "dynamic": True}),
        ("{ json: a, options: { type: flat_object } }", {"type": "flat_object"}, {"type": "flat_object"}),
        ("{ object: a, fields: [] }", {"type": "object"}, {"type": "object"}),
        ("{ object: a, options: { dynamic: false }, fields: [{ long: b }] }", {"type": "object", "dynamic": False, "properties": {"b": {"type": "long"}}}, None),
        ("{ has_many: a, table: t, primary_key: id, foreign_key: b, fields: [{ long: b }] }", {"type": "nested", "properties": {"b": {"type": "long"}}}, None),
    ],
)  # fmt: skip
def test_properties(
    tmp_path: Path, field: str, rich: dict[str, Any], bare: dict[str, Any] | None
) -> None:
    assert mapped(tmp_path, field) == rich
    assert mapped(tmp_path, field, auto_subfields=False) == (bare if bare is not None else rich)


def test_an_ordered_enum_sorts_by_rank(tmp_path: Path) -> None:
    variants = [f"v{rank}" for rank in range(10)] + ["back\\slash"]
    schema = f"""
        table: t
        fields:
          - object: o
            fields: [{{ enum: a, variants: {json.dumps(variants)} }}]
        """
    made = body(tmp_path, schema)
    name = "flusso_enumsort__o-a"
    analysis = made["settings"]["analysis"]
    mappings = analysis["char_filter"][name]["mappings"]
    assert mappings[0] == "v0 => 00"
    assert mappings[-1] == "back\\\\slash => 10"
    assert analysis["normalizer"][name] == {"type": "custom", "char_filter": [name], "filter": []}
    field = made["mappings"]["properties"]["o"]["properties"]["a"]
    assert field["fields"]["sort"] == {"type": "keyword", "normalizer": name, "ignore_above": 256}
    assert set(field["fields"]) == {"text", "keyword_lowercase", "sort"}


def test_an_ordered_enum_sorts_without_subfields_too(tmp_path: Path) -> None:
    found = mapped(tmp_path, "{ enum: a, variants: [b] }", auto_subfields=False)
    assert set(found["fields"]) == {"sort"}
