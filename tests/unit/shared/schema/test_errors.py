"""Each error in a schema file is a problem with its line, and all of them are reported at once.

The tables have one row for each error that a schema file can have.
"""

from __future__ import annotations

import random
import textwrap
from pathlib import Path

import pytest

from flusso_shared.errors import ConfigError
from flusso_shared.problems import Problem, Problems
from flusso_shared.schema.reader import load_schema

SCHEMAS = Path(__file__).parents[4] / "dev" / "schemas"


def read(path: Path) -> tuple[Problem, ...]:
    """What is wrong in a file."""
    try:
        load_schema(path, "things")
    except Problems as error:
        return error.problems
    return ()


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong, as `line:column: message`."""
    path = folder / "things.schema.yml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    found = read(path)
    assert {problem.file for problem in found} <= {str(path)}
    return [f"{item.line}:{item.column}: {item.message}" for item in found]


def field(text: str) -> str:
    """A schema with one field, which starts at line 5, column 5."""
    return f"table: things\nprimary_key: id\n\nfields:\n  - {text}\n"


JOIN = "table: t, primary_key: id, fields: []"

ROOT = [
    ("", "0:0: the file is empty; it needs at least `table` and `fields`"),
    ("- a", "1:1: a schema must be a mapping"),
    ("table: t\nfields: [", "not valid YAML"),
    ("table: t\n\tfields: []", "2:1: not valid YAML"),
    ("table: t\nfields: []\n---\ntable: t", "not valid YAML"),
    ("table: &a [*a]\nfields: []", "or inside itself"),
    ("table: t\nfields: " + "[" * 150 + "]" * 150, "nested more than 100 levels deep"),
    ("fields: []", "1:1: `table` is missing"),
    (
        "table: t\nfields: []\nverify_every: 30",
        "3:15: `verify_every` is a number of seconds, minutes",
    ),
    (
        "table: t\nfields: []\nverify_every: 0s",
        "3:15: `verify_every` is a number of seconds, minutes",
    ),
    ("table: t", "1:1: `fields` is missing"),
    ("table: t\nfields: {}", "2:9: `fields` must be a list"),
    ("table: t\nfields:", "2:8: `fields` must be a list"),
    ("table: t\ntable: u\nfields: []", "2:1: `table` is given twice in a schema"),
    (
        "table: t\nfield: []\nfields: []",
        "2:1: a schema has no key `field` (did you mean `fields`?)",
    ),
    (
        "version: 2\ntable: t\nfields: []",
        "1:10: this version is not supported; `version` must be 1",
    ),
    ("version: true\ntable: t\nfields: []", "1:10: this version is not supported"),
    ("version: '1'\ntable: t\nfields: []", "1:10: this version is not supported"),
    ("doc_id: []\ntable: t\nfields: []", "1:9: `doc_id` must name at least one column"),
    (
        "table: public.users\nfields: []",
        "1:8: `public.users` is not one name: the database schema is given by `schema`",
    ),
    ("table: 5\nfields: []", "1:8: `table` must be a string; write it in quotes: '5'"),
    ("table: ' '\nfields: []", "1:8: ` ` is not a name"),
    ('table: "a\\0b"\nfields: []', "must not hold the character U+0000"),
    (f"table: {'a' * 64}\nfields: []", "is longer than 63 bytes"),
    (f"table: {'ä' * 32}\nfields: []", "is longer than 63 bytes"),
    ("table: '\"\"'\nfields: []", "is not a name"),
    ("table: t\nprimary_key: []\nfields: []", "2:14: `primary_key` must name at least one column"),
    ("table: t\nsoft_delete: { column: a, whan: [] }\nfields: []", "did you mean `when`?"),
    ("table: t\nsoft_delete: {}\nfields: []", "takes exactly one of `column` and `field`"),
    ("table: t\nsoft_delete: { column: a, field: b }\nfields: []", "takes exactly one of"),
    ("table: t\nsoft_delete: { field: b }\nfields: []", "no field `b` reads a column of the root"),
    ("table: t\nsoft_delete: deleted\nfields: []", "2:14: `soft_delete` must be a mapping"),
]

FIELDS = [
    ("id", "5:5: a field must be a mapping"),
    ("{ integr: id }", "5:5: a field needs exactly one type, written `type: key`; this one has none among `integr` (did you mean `integer`?)"),
    ("{ column: id }", "has none among `column`"),
    ("{ text: a, keyword: b }", "this one has 2, `text`, `keyword`"),
    ("{ text: 5 }", "5:13: the document key must be a string; write it in quotes: '5'"),
    ("{ text: true }", "the document key must be a string"),
    ("{ text: a-b }", "5:13: `a-b` is not a document key"),
    ("{ text: ' ' }", "is not a document key"),
    (f"{{ text: {'a' * 64} }}", "is not a document key"),
    ("{ text: a, colum: b }", "5:16: `text` field `a` has no key `colum` (did you mean `column`?); allowed are `required`"),
    ("{ text: a, required: 'true' }", "5:26: `required` must be true or false"),
    ("{ text: a, required: yes }", "`required` must be true or false"),
    ("{ text: a, column: t.b }", "5:24: `t.b` is not one name"),
    ("{ text: a, column: '' }", "5:24: `` is not a name"),
    ("{ text: a, options: [] }", "`options` must be a mapping"),
    ("{ text: a, options: { b: 1, b: 2 } }", "`b` is given twice"),
    ("{ text: a, options: { b: .nan } }", "`.nan` is not a number that JSON can hold"),
    ("{ text: a, options: { 1: 2 } }", "a key must be a string; write it in quotes: '1'"),
    ("{ text: a, transforms: [upper] }", "unknown transform `upper`; allowed are `lowercase`, `trim`"),
    ("{ text: a, transforms: lowercase }", "`transforms` must be a list"),
    ("{ text: a, default: [1] }", "`default` must be a single value"),
    ("{ text: a, default: !x 1 }", "the tag `!x` means nothing here"),
    ("{ keyword: a, variants: [b] }", "has no key `variants`"),
    ("{ enum: a, variants: [b, b] }", "the variant `b` is given twice"),
    ("{ enum: a, variants: [b, ' '] }", "must not be blank"),
    ('{ enum: a, variants: ["b\\nc"] }', "must not be blank, or hold `=>`"),
    ("{ enum: a, variants: ['b => c'] }", "must not be blank, or hold `=>`"),
    ("{ custom: a, postgres: [inet] }", "`custom` field `a` needs `opensearch`"),
    ("{ custom: a, postgres: [], opensearch: ip }", "`postgres` must name at least one type"),
    ("{ custom: a, postgres: [inet], opensearch: ip, transforms: [] }", "has no key `transforms`"),
    ("{ geo: a, lat: b }", "takes both `lat` and `lon`, or `column` alone"),
    ("{ geo: a, lat: b, lon: c, column: d }", "takes both `lat` and `lon`"),
    ("{ geo: a, default: 1 }", "`geo` field `a` has no key `default`"),
    ("{ object: a }", "`object` field `a` needs `fields`"),
    ("{ object: a, required: true, fields: [] }", "has no key `required`"),
    ("{ object: a, fields: [{ text: b }, { text: b }] }", "5:40: the key `b` is used twice"),
    ("{ map: a }", "`map` field `a` needs `values`"),
    ("{ map: a, values: boolean }", "unknown `values` `boolean`"),
    ("{ constant: a }", "`constant` field `a` needs `value`"),
    ("{ constant: a, value: [1, b] }", "the values of constant `a` must all be of one type"),
    ("{ constant: a, value: 1, required: true }", "has no key `required`"),
    ("{ belongs_to: a, fields: [{ texd: b }] }", "needs `table`, `primary_key`"),
    (f"{{ belongs_to: a, {JOIN}, foreign_key: b }}", "`belongs_to` field `a` takes `column`, not `foreign_key`"),
    (f"{{ belongs_to: a, {JOIN}, order_by: [] }}", "has no key `order_by`"),
    (f"{{ belongs_to: a, {JOIN}, limit: 1 }}", "has no key `limit`"),
    (f"{{ has_one: a, {JOIN}, column: b }}", "`has_one` field `a` takes `foreign_key`, not `column`"),
    (f"{{ has_one: a, {JOIN}, foreign_key: b, limit: 1 }}", "has no key `limit`"),
    (f"{{ has_many: a, {JOIN}, through: b }}", "`has_many` field `a` takes `foreign_key`, not `through`"),
    (f"{{ has_many: a, {JOIN} }}", "`has_many` field `a` needs `foreign_key`"),
    (f"{{ has_many: a, {JOIN}, foreign_key: b, required: true }}", "has no key `required`"),
    (f"{{ has_many: a, {JOIN}, foreign_key: b, limit: 0 }}", "`limit` must be a whole number from 1"),
    (f"{{ has_many: a, {JOIN}, foreign_key: b, limit: -1 }}", "`limit` must be a whole number from 1"),
    (f"{{ has_many: a, {JOIN}, foreign_key: b, limit: true }}", "`limit` must be a whole number"),
    (f"{{ has_many: a, {JOIN}, foreign_key: [b, c] }}", "keys `b`, `c` and `id` differ in number"),
    (f"{{ has_many: a, {JOIN}, foreign_key: b, order_by: [{{ direction: asc }}] }}", "needs `column`"),
    (f"{{ has_many: a, {JOIN}, foreign_key: b, order_by: [{{ column: c, direction: up }}] }}", "must be `asc` or `desc`"),
    (f"{{ has_many: a, {JOIN}, foreign_key: b, order_by: [c] }}", "must be a mapping"),
    (f"{{ many_to_many: a, {JOIN}, foreign_key: b }}", "`many_to_many` field `a` takes `through`, not `foreign_key`"),
    (f"{{ many_to_many: a, {JOIN}, through: {{ table: t }} }}", "`through` needs `left_key`, `right_key`"),
    (f"{{ many_to_many: a, {JOIN}, through: {{ table: t, left_key: a, right_key: [b, c] }} }}", "differ in number"),
    ("{ count: a }", "`count` field `a` needs `table`"),
    ("{ count: a, table: t }", "takes exactly one of `foreign_key` and `through`"),
    ("{ count: a, table: t, foreign_key: b, required: true }", "has no key `required`"),
    ("{ sum: a, table: t, foreign_key: b }", "needs `column`, `value_type`"),
    ("{ sum: a, table: t, foreign_key: b, column: c, value_type: geo }", "unknown `value_type` `geo`"),
    ("{ sum: a, table: t, foreign_key: b, column: c, value_type: custom }", "unknown `value_type` `custom`"),
    ("{ avg: a, table: t, foreign_key: b }", "needs `column`"),
    ("{ max: a, table: t, foreign_key: b, column: c, value_type: long, element_type: long }", "has no key `element_type`"),
    ("{ ids: a, table: t, foreign_key: b }", "needs `element_type`"),
    ("{ ids: a, table: t, foreign_key: b, element_type: geo }", "unknown `element_type` `geo`"),
    ("{ ids: a, table: t, foreign_key: b, element_type: long, column: c }", "has no key `column`"),
    ("{ ids: a, table: t, foreign_key: b, element_type: long, value_type: long }", "has no key `value_type`"),
]  # fmt: skip

FILTERS = [
    ("a = 1", "a filter must be a mapping"),
    ("{ raw: '  ' }", "`raw` is empty"),
    ("{ raw: a, column: b }", "a raw filter has no key `column`"),
    ("{ raw: a, volatile: often }", "`volatile` must be true or false"),
    ("{ raw: a, volatile: true }", "a filter is `volatile`: say with `verify_every`"),
    ("{ column: a }", "a filter needs `column` and `op`, or `raw`"),
    ("{ column: a, op: equals, value: 1 }", "unknown `op` `equals`"),
    ("{ column: a, op: eq }", "`eq` needs a `value`"),
    ("{ column: a, op: eq, value: null }", "a filter value cannot be null; use `is_null`"),
    ("{ column: a, op: eq, value: [1] }", "a filter value must be a single value"),
    ("{ column: a, op: in, value: 1 }", "`in` needs a list"),
    ("{ column: a, op: in, value: [] }", "`in` needs at least one value"),
    ("{ column: a, op: in, value: [[1]] }", "a filter value must be a single value"),
    ("{ column: a, op: between, value: [1] }", "`between` needs exactly two values"),
    ("{ column: a, op: is_null, value: 1 }", "`is_null` takes no `value`"),
    ("{ column: a, op: eq, value: 1, extra: 2 }", "a filter has no key `extra`"),
    ('{ column: a, op: eq, value: "\\0" }', "must not hold the character U+0000"),
]


@pytest.mark.parametrize(("text", "message"), ROOT)
def test_errors_at_the_top_are_reported(tmp_path: Path, text: str, message: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(("text", "message"), FIELDS)
def test_errors_in_a_field_are_reported(tmp_path: Path, text: str, message: str) -> None:
    assert message in "\n".join(problems(tmp_path, field(text)))


@pytest.mark.parametrize(("text", "message"), FILTERS)
@pytest.mark.parametrize(
    "where",
    [
        "table: t\nfilters: [{}]\nfields: []",
        "table: t\nsoft_delete: {{ column: a, when: [{}] }}\nfields: []",
        "table: t\nprimary_key: id\nfields:\n  - {{ count: n, table: u, foreign_key: b, filters: [{}] }}",
    ],
)
def test_errors_in_a_filter_are_reported(
    tmp_path: Path, where: str, text: str, message: str
) -> None:
    (found,) = problems(tmp_path, where.format(text))
    assert message in found


@pytest.mark.parametrize("tag", ["belongs_to", "has_many", "count"])
def test_relations_need_the_roots_key(tmp_path: Path, tag: str) -> None:
    keys = {
        "belongs_to": JOIN,
        "has_many": f"{JOIN}, foreign_key: b",
        "count": "table: t, foreign_key: b",
    }
    (found,) = problems(tmp_path, f"table: t\nfields:\n  - {{ {tag}: a, {keys[tag]} }}")
    assert found.startswith("3:5: relation `a` needs a `primary_key` at the top of the schema")


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        table: a.b
        primary_key: 1
        fields:
          - has_many: items
            primary_key: id
            fields:
              - { texd: a }
              - { count: n, table: t, foreign_key: a, filters: [{ column: a, op: eq }] }
          - { text: b, requierd: true }
        """,
    )
    assert [item.split(": ")[0] for item in found] == [
        "1:8", "2:14", "4:5", "7:9", "8:57", "9:16",
    ]  # fmt: skip


def test_a_problem_shows_the_line_and_a_caret(tmp_path: Path) -> None:
    path = tmp_path / "x.schema.yml"
    path.write_text("table: t\nfields:\n  - { text: größe, colum: a }\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_schema(path, "x")
    assert str(caught.value).splitlines()[-3:] == [
        f"{path}:3:20: `text` field `` has no key `colum` (did you mean `column`?);"
        " allowed are `required`, `column`, `options`, `description`, `array`, `path`, `transforms`, `default`",
        "      - { text: größe, colum: a }",
        "                       ^",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "index `x`: cannot read schema"), (b"table: \xff", "is not UTF-8 text")],
)
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.schema.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_schema(path, "x")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["users", "orders", "products"])
def test_no_mutation_of_a_good_file_ends_in_anything_but_located_problems(
    tmp_path: Path, name: str
) -> None:
    good = (SCHEMAS / f"{name}.schema.yml").read_text(encoding="utf-8")
    random_ = random.Random(name)
    path = tmp_path / "x.schema.yml"
    for _ in range(400):
        path.write_text(_mutated(good, random_), encoding="utf-8")
        assert all(problem.line for problem in read(path))


def _mutated(text: str, random_: random.Random) -> str:
    lines = text.splitlines()
    at = random_.randrange(len(lines))
    line = lines[at]
    spot = random_.randrange(len(line) + 1)
    match random_.randrange(6):
        case 0:
            lines[at] = line[:spot] + random_.choice("{}[]:,-#&*!|>'\"%@` \t1~") + line[spot:]
        case 1:
            lines[at] = line[:spot] + line[spot + 1 :]
        case 2:
            del lines[at]
        case 3:
            lines[at] = " " * random_.randrange(5) + line
        case 4:
            lines.insert(at, line)
        case _:
            key, colon, _ = line.partition(":")
            value = random_.choice([" 5", " [1]", " {a: 1}", "", " null", " true", " 'x y'"])
            lines[at] = key + colon + value
    return "\n".join(lines) + "\n"
