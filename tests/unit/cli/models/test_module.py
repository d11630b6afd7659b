"""Generated modules: the same to the byte, and importable whatever the schema is called."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flusso_cli.models.command import shapes
from flusso_cli.models.layout import docstring, quoted
from flusso_cli.models.module import module_text
from flusso_query.schema.shape import index_shape
from flusso_shared.config.project import load_project
from flusso_shared.plan.codec import plan_to_json
from support.documents import plan_of
from support.query.awkward import NAMES, SCHEMA
from support.stores.dev import ROOT


def text_of(folder: Path, *names: str, schema: str = SCHEMA, auto_subfields: bool = True) -> str:
    plans = [plan_of(folder, schema, name) for name in names]
    found = [index_shape(plan_to_json(plan)) for plan in plans]
    return module_text(found, auto_subfields=auto_subfields)


@pytest.fixture
def awkward(tmp_path: Path) -> Iterator[ModuleType]:
    path = tmp_path / "awkward_models.py"
    path.write_text(text_of(tmp_path, *NAMES))
    spec = importlib.util.spec_from_file_location("awkward_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["awkward_models"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["awkward_models"]


def test_the_example_has_what_is_generated_now() -> None:
    project = load_project(ROOT / "dev" / "flusso.toml")
    text = module_text(shapes(project), auto_subfields=True)
    assert (ROOT / "dev" / "searchlib" / "documents.py").read_text(encoding="utf-8") == text


def test_no_name_hides_another(awkward: ModuleType) -> None:
    value: dict[str, Any] = {
        "date": "2024-02-03",
        "Decimal": "1.50",
        "json": {"a": 1},
        "class": "first",
        "_hidden": 5,
        "f": True,
        "list": ["a"],
        "str": "x",
        "place": "here",
        "path": {"any": 1, "inside": None, "exists": "yes"},
        "model_fields": 3,
        "Text": "t",
        "items": [{"int": 1, "items": [{"None": "none", "where": {"city": "x"}}]}],
    }
    found = awkward.Text_.model_validate(value)
    assert found.date == date(2024, 2, 3)
    assert (found.json_, found.class_, found.hidden_, found.f_) == ({"a": 1}, "first", 5, True)
    assert (found.model_fields_, found.items[0].items[0].None_) == (3, "none")
    assert found.model_dump(by_alias=True)["path"] == value["path"]
    fields = awkward.Text_.f
    assert (fields.f.path, fields.class_.path, fields.place_.path) == ("f", "class", "place")
    assert fields.path_.path == "path"
    assert fields.path_.any.path == "path.any"
    assert fields.items.items.None_.path == "items.items.None"
    assert fields.items.items.None_.place.levels == ("items", "items.items")
    assert fields.items.items.where.city.place.levels == ("items", "items.items")


def test_each_index_has_classes_of_its_own(awkward: ModuleType) -> None:
    bound = {
        name: item.__binding__.index
        for name, item in vars(awkward).items()
        if hasattr(item, "__binding__") and item.__module__ == "awkward_models"
    }
    assert bound == {
        "Text_": "text",
        "Root_": "root",
        "Index2024": "2024",
        "TextItems": "text_items",
    }


def test_the_automatic_subfields_are_those_of_every_sink(tmp_path: Path) -> None:
    schema = "table: t\nfields: [{ text: a }, { keyword: b, options: { fields: {} } }]\n"
    text = text_of(tmp_path, "things", schema=schema)
    assert 'a: Text[Root] = Text(_THINGS, "a", subfields=True)' in text
    assert 'b: Keyword[Root, str] = Keyword(_THINGS, "b")' in text
    plain = text_of(tmp_path, "things", schema=schema, auto_subfields=False)
    assert 'a: Text[Root] = Text(_THINGS, "a")' in plain


def test_descriptions_are_docstrings(tmp_path: Path) -> None:
    schema = """
    table: t
    description: What we sell, "in" the shop.
    fields: [{ text: a, description: 'It is "named"' }, { object: o, description: Grouped., fields: [] }]
    """
    text = text_of(tmp_path, "things", schema=schema)
    assert '    """What we sell, "in" the shop."""\n' in text
    assert '    a: str | None\n    """It is "named\\""""\n' in text
    assert 'class ThingsO(Fragment):\n    """Grouped."""\n' in text


@pytest.mark.parametrize("text", ['ends with "', 'three """ inside', "back\\slash", "long " * 50])
def test_any_text_can_be_a_docstring(text: str) -> None:
    lines = docstring(text)
    assert max(map(len, lines)) <= 100
    code = compile("def x():\n" + "\n".join(lines), "x", "exec")
    space: dict[str, Any] = {}
    exec(code, space)
    assert " ".join(space["x"].__doc__.split()) == text.strip()


@pytest.mark.parametrize("text", ["plain", 'with "quotes"', "it's", "both \" and '", "\u2028\n\\"])
def test_any_text_can_be_a_literal(text: str) -> None:
    assert eval(quoted(text)) == text
