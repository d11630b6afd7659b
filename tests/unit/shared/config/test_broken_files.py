"""Files broken in hundreds of ways: each gets a located error, none a traceback, none another meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flusso_shared.config.project import load_project
from flusso_shared.errors import ConfigError
from flusso_shared.plan.model import IndexPlan
from flusso_shared.problems import Problem, Problems
from flusso_shared.schema import types
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema
from support.stores import language as language_store
from support.stores import shapes as shapes_store

ROOT = Path(__file__).parents[4]
_KEY = re.compile(r"([A-Za-z_]+)(?=:(?: |$))", re.MULTILINE)
_SCALAR = re.compile(r"(?<=: )[A-Za-z0-9_-]+$", re.MULTILINE)
_LANGUAGE = {
    *types.TAGS,
    *(name for names in types.SIBLINGS.values() for name in names),
    *("version", "table", "schema", "primary_key", "doc_id", "soft_delete", "filters", "fields"),
    *("left_key", "right_key", "direction", "op", "value", "raw", "when", "field"),
}

Broken = tuple[str, str]
"""How it was broken, and the text."""


def misspelt(text: str) -> Iterator[Broken]:
    """Each key of the language without its last letter; inside `options` any key may stand."""
    for found in _KEY.finditer(text):
        if found[1] not in _LANGUAGE:
            continue
        yield f"`{found[1]}` misspelt", text[: found.end() - 1] + text[found.end() :]


def doubled(text: str) -> Iterator[Broken]:
    """Each line with a key of its own, twice."""
    lines = text.splitlines(keepends=True)
    for at, line in enumerate(lines):
        if re.match(r" *[a-z_]+: \S", line):
            yield f"line {at + 1} twice", "".join([*lines[: at + 1], line, *lines[at + 1 :]])


def mistyped(text: str) -> Iterator[Broken]:
    """Each plain value as a mapping."""
    for found in _SCALAR.finditer(text):
        yield f"`{found[0]}` a mapping", text[: found.start()] + "{ a: 1 }" + text[found.end() :]


def unindented(text: str) -> Iterator[Broken]:
    """Each line one space further to the right."""
    lines = text.splitlines(keepends=True)
    for at, line in enumerate(lines):
        if line.strip():
            yield f"line {at + 1} shifted", "".join([*lines[:at], " " + line, *lines[at + 1 :]])


def tabbed(text: str) -> Iterator[Broken]:
    """Each indented line with a tab."""
    lines = text.splitlines(keepends=True)
    for at, line in enumerate(lines):
        if line.startswith("  "):
            yield f"tab in line {at + 1}", "".join([*lines[:at], "\t" + line, *lines[at + 1 :]])


def unclosed(text: str) -> Iterator[Broken]:
    """Each plain value with a quote or bracket that is never closed."""
    for found in _SCALAR.finditer(text):
        for mark in "\"'[{":
            yield (
                f"{mark} before `{found[0]}`",
                text[: found.start()] + mark + text[found.start() :],
            )


WAYS: list[Callable[[str], Iterator[Broken]]] = [
    misspelt,
    doubled,
    mistyped,
    unindented,
    tabbed,
    unclosed,
]


@pytest.fixture
def schemas(tmp_path: Path) -> list[Path]:
    language_store.write_schemas(tmp_path)
    shapes_store.write_schemas(tmp_path)
    return [
        *sorted((ROOT / "dev" / "schemas").glob("*.yml")),
        *sorted(tmp_path.glob("*.yml")),
    ]


@pytest.mark.parametrize("way", WAYS)
def test_broken_schemas(
    way: Callable[[str], Iterator[Broken]], schemas: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yml"
    count = 0
    for path in schemas:
        text = path.read_text(encoding="utf-8")
        right = compiled(path)
        for what, wrong in way(text):
            broken.write_text(wrong, encoding="utf-8")
            count += located(broken, f"{path.name}: {what}", right)
    assert count >= 30, "hardly anything was broken"


def located(broken: Path, what: str, right: IndexPlan) -> bool:
    """Whether the file is refused, which must be with a place; else it must mean what it meant."""
    problems: tuple[Problem, ...] = ()
    plan = right
    try:
        plan = compiled(broken)
    except Problems as error:
        problems = error.problems
        assert problems, what
    for problem in problems:
        assert problem.line >= 1, f"{what}: {problem}"
        assert problem.column >= 1, f"{what}: {problem}"
    assert (plan.hash, plan.fields) == (right.hash, right.fields), f"{what}: accepted as another"
    return bool(problems)


def compiled(path: Path) -> IndexPlan:
    return compile_index("x", load_schema(path, "x"), "x.yml")


@pytest.mark.parametrize("way", ["misspelt", "unquoted", "doubled"])
def test_broken_configurations(way: str, tmp_path: Path) -> None:
    text = (ROOT / "dev" / "flusso.toml").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    count = 0
    for at, line in enumerate(lines):
        found = re.match(r"([a-z_]+)( = )(.*)", line)
        if found is None:
            continue
        changed = {
            "misspelt": f"{found[1]}q{found[2]}{found[3]}\n",
            "unquoted": f"{found[1]}{found[2]}[{{ a = 1 }}]\n",
            "doubled": line + line,
        }[way]
        (tmp_path / "flusso.toml").write_text("".join([*lines[:at], changed, *lines[at + 1 :]]))
        with pytest.raises(Problems) as caught:
            load_project(tmp_path / "flusso.toml")
        assert all(problem.line >= 1 for problem in caught.value.problems), f"line {at + 1}"
        count += 1
    assert count >= 10


@pytest.mark.parametrize("data", [b"\xff\xfe", b"table: caf\xe9\nfields: []", b"\x00\x01"])
def test_files_that_are_no_text(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_bytes(data)
    with pytest.raises(ConfigError, match=r"x\.yml"):
        load_schema(tmp_path / "x.yml", "x")
    (tmp_path / "flusso.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=r"flusso\.toml"):
        load_project(tmp_path / "flusso.toml")
