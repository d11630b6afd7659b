"""Type checkers over generated modules, and over code that uses them: mypy and pyright, both strict."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flusso_cli.models.module import module_text
from flusso_query.schema.shape import index_shape
from flusso_shared.plan.codec import plan_to_json
from support.documents import plan_of
from support.query import checked_lines
from support.query.awkward import NAMES, SCHEMA
from support.stores.dev import ROOT

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("typing")]

Found = dict[tuple[str, int], str]
Checker = Callable[..., Found]
_USES = {"uses.py": "typed.txt", "searches.py": "searched.txt"}
"""Of models and conditions; of searches, aggregations and clients."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typing")
    shutil.copy(ROOT / "dev" / "searchlib" / "documents.py", folder)
    for name, text in _USES.items():
        shutil.copy(ROOT / "tests" / "support" / "query" / text, folder / name)
    plans = [plan_to_json(plan_of(folder, SCHEMA, name)) for name in NAMES]
    text = module_text([index_shape(plan) for plan in plans], auto_subfields=True)
    (folder / "awkward_models.py").write_text(text)
    return folder


@pytest.mark.parametrize("checker", [checked_lines.mypy, checked_lines.pyright])
def test_what_is_right_is_accepted_and_what_is_wrong_refused_on_its_line(
    checker: Checker, folder: Path
) -> None:
    found = checker(folder, "documents.py", "awkward_models.py", *_USES)
    refused = {(name, line) for name in _USES for line in checked_lines.marked(folder / name)}
    assert len(refused) > 50
    missed = sorted(refused - found.keys())
    wrong = {place: text for place, text in found.items() if place not in refused}
    assert (missed, wrong) == ([], {})
