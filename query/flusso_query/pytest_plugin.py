"""pytest plugin: one test for each module of models, which fails with everything that does not fit the schema.

In the configuration of pytest:

    [tool.pytest.ini_options]
    addopts = ["-p", "flusso_query.pytest_plugin"]
    flusso_models = ["shop.documents", "shop.cards"]
    flusso_lock = "flusso.lock"

`flusso_lock` is relative to the root folder of pytest; without it, the file is found as at import (`schema.lock`).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from flusso_query.document import models_of
from flusso_query.errors import SchemaMismatchError
from flusso_query.schema import check, development, lock


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings."""
    parser.addini("flusso_models", "Modules whose flusso models are checked.", "args", [])
    parser.addini("flusso_lock", "Compiled configuration that they are checked with.", default="")


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the tests."""
    for name in config.getini("flusso_models"):
        items.append(ModelsItem.from_parent(session, name=f"flusso models of {name}", module=name))


class ModelsItem(pytest.Item):
    """The check of one module."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(**options)
        self._module = module

    def runtest(self) -> None:
        """Raise `SchemaMismatchError` with all problems."""
        given = str(self.config.getini("flusso_lock"))
        path = self.config.rootpath / given if given else lock.find(self.config.rootpath)
        if path is None:
            text = (
                "there is no flusso.lock: make it with `flusso build`, or name it in `flusso_lock`"
            )
            raise SchemaMismatchError([text])
        with development.left_out():
            module = importlib.import_module(self._module)
        found = list(models_of(module))
        if not found:
            raise SchemaMismatchError([f"{self._module} has no models that are bound to an index"])
        indexes = lock.read(path)
        problems = [
            problem
            for model in found
            for problem in check.problems(model, model.__binding__, indexes)
        ]
        if problems:
            raise SchemaMismatchError(problems)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """The problems alone, one a line."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What is reported."""
        return self.path, None, self.name
