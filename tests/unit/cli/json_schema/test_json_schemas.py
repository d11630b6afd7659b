"""The JSON Schemas accept what the loader accepts, and refuse what it refuses, as far as a JSON Schema can."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from flusso_cli.json_schema.command import Which, text
from flusso_cli.json_schema.keys import keys
from flusso_shared.config.model import Queue
from flusso_shared.config.toml_file import read_config
from flusso_shared.config.toml_positions import KeyPositions
from flusso_shared.problems import Problems
from flusso_shared.schema import types
from flusso_shared.schema.reader import load_schema
from support.stores import language as language_store
from support.stores import shapes as shapes_store

ROOT = Path(__file__).parents[4]
INDEX = Draft7Validator(json.loads(text(Which.INDEX)))
CONFIG = Draft7Validator(json.loads(text(Which.CONFIG)))


@pytest.mark.parametrize("which", list(Which))
def test_the_files_are_what_the_command_prints(which: Which) -> None:
    """`flusso schema index > schemas/index.schema.json`, and `config` likewise."""
    path = ROOT / "schemas" / f"{which}.schema.json"
    assert path.read_text(encoding="utf-8") == text(which) + "\n"


@pytest.mark.parametrize("which", list(Which))
def test_they_are_schemas(which: Which) -> None:
    Draft7Validator.check_schema(json.loads(text(which)))


def test_every_type_and_key_is_described() -> None:
    fields = json.loads(text(Which.INDEX))["definitions"]
    for tag in types.TAGS:
        field = fields[f"field_{tag}"]
        assert field["description"]
        assert set(field["properties"]) == {tag, *types.SIBLINGS[tag]}


@pytest.mark.parametrize("which", list(Which))
def test_every_key_has_a_description_and_an_example_that_is_accepted(which: Which) -> None:
    schema = json.loads(text(which))
    found = list(keys(schema))
    assert len(found) > 40
    for key in found:
        assert key.schema.get("description", "").endswith("."), f"{key.path}: {key.schema}"
        if "const" in key.schema:
            continue
        assert key.schema.get("examples"), key.path
        validator = Draft7Validator({**key.schema, "definitions": schema["definitions"]})
        for example in key.schema["examples"]:
            assert [error.message for error in validator.iter_errors(example)] == [], key.path


def test_the_defaults_are_those_of_the_models() -> None:
    found = {key.path: key.schema.get("default") for key in keys(json.loads(text(Which.CONFIG)))}
    assert found["queue.partitions"] == Queue().partitions
    assert found["source.manage_publication"] is True
    assert found["index[].on_error"] is None


def test_examples_are_accepted(tmp_path: Path) -> None:
    shapes_store.write_schemas(tmp_path)
    language_store.write_schemas(tmp_path)
    files = [*(ROOT / "dev" / "schemas").glob("*.yml"), *tmp_path.glob("*.yml")]
    assert len(files) == 10
    for file in files:
        assert [
            error.message for error in INDEX.iter_errors(yaml.safe_load(file.read_text()))
        ] == []
    config = tomllib.loads((ROOT / "dev" / "flusso.toml").read_text())
    assert [error.message for error in CONFIG.iter_errors(config)] == []


FIELDS = [
    # taken, field
    (True, "{ keyword: a }"),
    (
        True,
        "{ keyword: a, column: b, required: true, transforms: [trim], default: x, options: {} }",
    ),
    (True, "{ enum: a, variants: [x, y] }"),
    (True, "{ custom: a, postgres: [inet], opensearch: ip }"),
    (True, "{ map: a, values: long }"),
    (True, "{ geo: a, lat: x, lon: y }"),
    (True, "{ constant: a, value: null }"),
    (True, "{ json: a, column: d, path: [x, 0] }"),
    (True, "{ belongs_to: a, column: [b, c], table: t, primary_key: [d, e], fields: [] }"),
    (
        True,
        "{ values: a, table: t, foreign_key: b, column: c, element_type: text, distinct: true }",
    ),
    (
        True,
        "{ ids: a, table: t, element_type: long, through: { table: j, left_key: a, right_key: b } }",
    ),
    (
        True,
        "{ count: a, table: t, foreign_key: b, filters: [{ column: x, op: between, value: [1, 2] }] }",
    ),
    (
        True,
        "{ count: a, table: t, foreign_key: b, filters: [{ column: x, op: is_null }, { raw: x > 1 }] }",
    ),
    (False, "{}"),
    (False, "{ column: b }"),
    (False, "{ count: a, table: t, through: {} }"),
    (False, "{ count: a, table: t, foreign_key: b, filters: [{}] }"),
    (False, "{ keyword: a, text: b }"),
    (False, "{ keyword: 5 }"),
    (False, "{ keyword: a-b }"),
    (False, "{ keyword: a, colum: b }"),
    (False, "{ keyword: a, required: yes please }"),
    (False, "{ keyword: a, transforms: [upper] }"),
    (False, "{ keyword: a, default: [1] }"),
    (False, "{ keyword: a, path: [] }"),
    (False, "{ keyword: a, table: t }"),
    (False, "{ keyword: a, variants: [x] }"),
    (False, "{ enum: a, variants: [x, x] }"),
    (False, "{ custom: a, postgres: [inet] }"),
    (False, "{ custom: a, postgres: [], opensearch: ip }"),
    (False, "{ map: a, values: boolean }"),
    (False, "{ geo: a, lat: x }"),
    (False, "{ geo: a, column: p, lat: x, lon: y }"),
    (False, "{ object: a }"),
    (False, "{ constant: a }"),
    (False, "{ belongs_to: a, table: t, primary_key: b, foreign_key: c, fields: [] }"),
    (False, "{ has_many: a, table: t, primary_key: b, foreign_key: c, fields: [], limit: 0 }"),
    (False, "{ has_one: a, table: t, primary_key: b, foreign_key: c, fields: [], limit: 1 }"),
    (False, "{ many_to_many: a, table: t, primary_key: b, fields: [], through: { table: j } }"),
    (False, "{ count: a, table: t }"),
    (False, "{ sum: a, table: t, foreign_key: b, column: c }"),
    (False, "{ sum: a, table: t, foreign_key: b, column: c, value_type: geo_point }"),
    (False, "{ ids: a, table: t, foreign_key: b }"),
    (
        False,
        "{ count: a, table: t, foreign_key: b, through: { table: j, left_key: a, right_key: b } }",
    ),
    (False, "{ count: a, table: t, foreign_key: b, filters: [{ column: x, op: in, value: [] }] }"),
    (False, "{ count: a, table: t, foreign_key: b, filters: [{ column: x, op: eq, value: [1] }] }"),
    (False, "{ count: a, table: t, foreign_key: b, filters: [{ column: x, op: eq }] }"),
    (
        False,
        "{ count: a, table: t, foreign_key: b, filters: [{ column: x, op: is_null, value: 1 }] }",
    ),
    (False, "{ count: a, table: t, foreign_key: b, filters: [{ column: x, op: near, value: 1 }] }"),
    (False, "{ count: a, table: t, foreign_key: b, filters: [{ raw: ' ' }] }"),
]
TOPS = [
    (True, "table: t\nfields: []"),
    (True, "version: 1\ntable: t\nschema: s\nprimary_key: [a, b]\ndoc_id: c\nfields: []"),
    (True, "table: t\nsoft_delete: { column: c, when: [{ raw: x }] }\nfields: []"),
    (False, "fields: []"),
    (False, "table: t"),
    (False, "table: t\nfields: {}"),
    (False, "table: t\nfields: []\nfilter: []"),
    (False, "version: 2\ntable: t\nfields: []"),
    (False, "table: t\nsoft_delete: {}\nfields: []"),
    (False, "table: t\nsoft_delete: { column: c, field: d }\nfields: []"),
]


@pytest.mark.parametrize(
    ("taken", "schema"),
    [
        *TOPS,
        *[(taken, f"table: t\nprimary_key: id\nfields:\n  - {item}") for taken, item in FIELDS],
    ],
)
def test_the_loader_agrees(taken: bool, schema: str, tmp_path: Path) -> None:
    path = tmp_path / "x.schema.yml"
    path.write_text(schema)
    assert loads(path) == taken
    assert INDEX.is_valid(yaml.safe_load(schema)) == taken


def loads(path: Path) -> bool:
    try:
        load_schema(path, "x")
    except Problems:
        return False
    return True


@pytest.mark.parametrize(
    ("taken", "config"),
    [
        (True, 'connection_url = "postgresql://x/y"'),
        (True, 'connection_url = { env = "X" }'),
        (True, 'connection_url = { database = "x", password = { env = "Y" } }'),
        (True, '[sinks.a]\ntype = "opensearch"\nurl = { env = "U" }\nbatch_size = 5'),
        (True, '[sinks.a]\ntype = "stdout"\npretty = true'),
        (True, '[[index]]\nname = "a"\nschema = "a.yml"'),
        (True, '[queue.properties]\n"security.protocol" = "SSL"'),
        (False, 'conection_url = "x"'),
        (False, "connection_url = 5"),
        (False, 'connection_url = { host = "x" }'),
        (False, 'connection_url = { env = "X", default = "y" }'),
        (False, '[sinks.a-b]\ntype = "stdout"'),
        (False, '[sinks.a]\ntype = "kafka"'),
        (False, '[sinks.a]\ntype = "opensearch"\nbatch_size = 0'),
        (False, '[sinks.a]\ntype = "opensearch"\npretty = true'),
        (False, '[[index]]\nname = "a"'),
        (False, '[[index]]\nname = "a"\nschema = "a.yml"\non_error = "ignore"'),
        (False, "[queue]\npartitions = 0"),
        (False, '[queue.properties]\nacks = "1"'),
        (False, "[server]\nport = 5"),
    ],
)
def test_the_configuration_is_judged_alike(taken: bool, config: str) -> None:
    source = f'[source]\ntype = "postgres"\n{config}\n'
    value: dict[str, Any] = tomllib.loads(source)
    assert CONFIG.is_valid(value) == taken
    try:
        read_config(value, "flusso.toml", KeyPositions(source))
    except Problems:
        assert not taken
    else:
        assert taken


def test_the_first_lines_of_our_own_files_name_the_schemas() -> None:
    files = {
        "index": (ROOT / "dev" / "schemas").glob("*.yml"),
        "config": [ROOT / "dev/flusso.toml"],
    }
    openings = {"index": "# yaml-language-server: $schema=", "config": "#:schema "}
    for which, paths in files.items():
        for path in paths:
            first = path.read_text().partition("\n")[0]
            assert first.startswith(openings[which])
            named = path.parent / first.removeprefix(openings[which])
            assert named.resolve() == ROOT / "schemas" / f"{which}.schema.json"
