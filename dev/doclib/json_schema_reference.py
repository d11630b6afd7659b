"""Every key of `flusso.toml` and of schema files, from the JSON Schemas that `flusso schema` prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from doclib import since
from flusso_cli.json_schema.config import config_schema
from flusso_cli.json_schema.index import index_schema
from flusso_cli.json_schema.keys import Key, keys
from flusso_shared.schema import types

Json = dict[str, Any]

_TABLES = (
    ("", "Top level", ""),
    ("source", "`[source]`", "[source]"),
    ("connection_url", "`[source.connection_url]`", "[source.connection_url]"),
    ("sinks.<name>", "`[sinks.<name>]`", "[sinks.primary]"),
    ("aws", "`[sinks.<name>.aws]`", "[sinks.primary.aws]"),
    ("index[]", "`[[index]]`", "[[index]]"),
    ("queue", "`[queue]`", "[queue]"),
    ("server", "`[server]`", "[server]"),
    ("env", "References to variables", ""),
    ("file", "References to files", ""),
)
"""Path of a table -> its heading, and how it begins in the file."""
_REFERENCES = {"env": "connection_url", "file": "password"}
"""Reference -> a key that may have it, for the example."""
_NAMES = {
    "env": '[`{ env = "VAR" }`](#env)',
    "file": '[`{ file = "/path" }`](#file)',
    "value": "string or [reference](#env)",
    "connection_url": "URL, [reference](#env) or [table](#connection_url)",
    "aws": "[table](#aws)",
    "fields": "list of fields",
    "filters": "list of [conditions](#conditions)",
    "name": "name",
    "columns": "name or list of names",
    "key": "key of the document",
    "through": "[junction table](#through)",
    "soft_delete": "[marker](#soft_delete)",
}
"""Definition -> what a value of it is called."""
_OPENINGS = ("source", "sinks", "index", "server", "queue")
"""The keys at the top level that have a heading of their own."""


# --- flusso.toml ----------------------------------------------------------------------------------


def config_keys() -> str:
    """The tables of `flusso.toml`, with every key."""
    found = list(keys(config_schema()))
    parts: list[str] = []
    for path, heading, opening in _TABLES:
        parts += [f"## {heading} {{ #{_anchor(path)} }}\n", *_table_of(found, path, opening)]
    return "\n".join(parts)


def _table_of(found: list[Key], path: str, opening: str) -> Iterator[str]:
    inside = [key for key in found if key.path.rpartition(".")[0] == path]
    for name in dict.fromkeys(_name(key) for key in inside):
        same = [key for key in inside if _name(key) == name]
        if not path and name in _OPENINGS:
            continue
        anchor = f"{_anchor(path)}-{name}"
        yield _entry(
            f"`{name}`",
            anchor,
            same,
            since.of(f"flusso.toml: {same[0].path}"),
            [_toml(path, opening, name, value) for value in same[0].schema.get("examples", ())],
            "toml",
        )
    if not path:
        tables = [key for key in inside if key.path in _OPENINGS]
        yield "The tables:\n"
        yield from (f"* `{key.path}`: {_without_name(key.schema['description'])}" for key in tables)
        yield ""


def _anchor(path: str) -> str:
    return re.sub(r"[^a-z_]+", "-", path).strip("-") or "top"


def _without_name(description: str) -> str:
    """`[queue]`: Kafka. -> Kafka."""
    text = re.sub(r"^`\[.*?\]`: ", "", description)
    return text[:1].upper() + text[1:]


def _toml(path: str, opening: str, name: str, value: Any) -> str:
    if path in _REFERENCES:
        return f"{_REFERENCES[path]} = {_toml_value({name: value})}"
    line = f"{name} = {_toml_value(value)}"
    return f"{opening}\n{line}" if opening else line


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml_key(name)} = {_toml_value(item)}" for name, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return json.dumps(value)


def _toml_key(name: str) -> str:
    return json.dumps(name) if "." in name else name


# --- schema files ---------------------------------------------------------------------------------


def index_keys() -> str:
    """The keys of a schema file: at the root, the types of fields, the keys beside them, and the rest."""
    found = list(keys(index_schema()))
    root = [key for key in found if "." not in key.path]
    parts = ["## Root keys\n", *(_yaml_entry(key.path, "root", [key]) for key in root)]
    parts += ["## Field types\n", _field_types()]
    parts.append("## Keys beside a field\n")
    beside: dict[str, list[tuple[str, Key]]] = {}
    for key in found:
        tag, _, name = key.path.removeprefix("field_").partition(".")
        if key.path.startswith("field_") and "." not in name and name != tag:
            beside.setdefault(name, []).append((tag, key))
    for name, pairs in beside.items():
        parts += _beside(name, pairs)
    for definition, heading in (
        ("through", "through"),
        ("soft_delete", "soft_delete"),
        ("filter", "Conditions"),
    ):
        parts.append(f"## {heading if heading == 'Conditions' else f'`{heading}`'}\n")
        inside = [key for key in found if key.path.rpartition(".")[0] == definition]
        for name in dict.fromkeys(_name(key) for key in inside):
            parts.append(
                _yaml_entry(name, definition, [key for key in inside if _name(key) == name])
            )
    return "\n".join(parts)


def _field_types() -> str:
    definitions = index_schema()["definitions"]
    rows = []
    for tag in types.TAGS:
        must = types.REQUIRED.get(tag, ())
        may = [name for name in types.SIBLINGS[tag] if name not in must]
        rows.append(
            f"| `{tag}` | {definitions[f'field_{tag}']['description']} | {_links(must)} | {_links(may)} | "
            f"{since.of(f'schema.yml: field {tag}')} |"
        )
    head = ["| type | meaning | required beside it | optional beside it | since |"]
    return "\n".join([*head, "|---|---|---|---|---|", *rows, ""])


def _links(names: Iterable[str]) -> str:
    return " ".join(f"[`{name}`](#field-{name})" for name in names)


def _beside(name: str, pairs: list[tuple[str, Key]]) -> Iterator[str]:
    """One key, once for each meaning that it has beside other types."""
    meanings: dict[str, list[tuple[str, Key]]] = {}
    for tag, key in pairs:
        meanings.setdefault(json.dumps(key.schema, sort_keys=True), []).append((tag, key))
    yield f"### `{name}` {{ #field-{name} }}\n"
    for same in meanings.values():
        tags = " ".join(f"`{tag}`" for tag, _ in same)
        key = same[0][1]
        yield f"Beside {tags}:\n" if len(meanings) > 1 or len(same) < len(types.TAGS) else ""
        yield _body([key], since.of(f"schema.yml: field.{name}"), _yaml_examples(name, key), "yaml")
    below = [
        Key(f"{name}[].{inner}", schema, inner == "column")
        for inner, schema in pairs[0][1].schema.get("items", {}).get("properties", {}).items()
    ]
    for key in below:
        yield _yaml_entry(_name(key), f"field-{name}", [key])


def _yaml_entry(name: str, above: str, same: list[Key]) -> str:
    return _entry(
        f"`{name}`",
        f"{above}-{name}",
        same,
        since.of(f"schema.yml: {above}.{name}"),
        _yaml_examples(name, same[0]),
        "yaml",
    )


def _yaml_examples(name: str, key: Key) -> list[str]:
    return [f"{name}: {_yaml_value(value)}" for value in key.schema.get("examples", ())]


def _yaml_value(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.removesuffix("...\n").strip()


# --- one key --------------------------------------------------------------------------------------


def _name(key: Key) -> str:
    return key.path.rpartition(".")[2]


def _entry(
    heading: str, anchor: str, same: list[Key], version: str, examples: list[str], language: str
) -> str:
    return f"### {heading} {{ #{anchor} }}\n\n{_body(same, version, examples, language)}"


def _body(same: list[Key], version: str, examples: list[str], language: str) -> str:
    """Keys of one name: a sink's `type` has one value for each kind of sink."""
    key = same[0]
    type_ = " or ".join(dict.fromkeys(_type(item.schema) for item in same))
    default = key.schema.get("default")
    facts = [f"**Type:** {type_}"]
    if default is not None and default != "":
        facts.append(f"**Default:** `{_toml_value(default)}`")
    elif key.required:
        facts.append("**Required**")
    facts.append(f"**Since:** {version}")
    lines = [key.schema["description"], "", " · ".join(facts), ""]
    for example in examples:
        lines += [f"```{language}", example, "```", ""]
    return "\n".join(lines)


def _type(schema: Json) -> str:
    for form in schema.get("allOf", ()):
        return _NAMES[form["$ref"].rpartition("/")[2]]
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if forms := (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        return " or ".join(_type(form) for form in forms)
    kind = schema.get("type", "any value")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_plural(schema.get('items', {}))}"
    if kind == "integer":
        return _number(schema)
    return "table" if kind == "object" else str(kind)


def _plural(items: Json) -> str:
    kind = _type(items)
    return kind if "`" in kind else f"{kind}s"


def _number(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        return f"integer, {low} to {high}"
    return "integer" if low is None else f"integer, at least {low}"
