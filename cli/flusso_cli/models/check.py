"""A Python file with models, imported and compared with the schemas."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flusso_cli.models.module import module_text
from flusso_query.document import models_of
from flusso_query.schema import check, development
from flusso_query.schema.shape import IndexShape
from flusso_shared.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one file."""

    file: Path
    models: int
    problems: tuple[str, ...]


def checked(file: Path, indexes: Mapping[str, IndexShape], *, auto_subfields: bool) -> Checked:
    """Every model that the file defines.  Raises `ConfigError` when it cannot be imported, or has none."""
    with development.left_out():
        module = _imported(file)
    models = list(models_of(module))
    if not models:
        raise ConfigError(
            f"{file} has no models: none of its classes derives from `Document` with an index"
        )
    found = [
        problem for model in models for problem in check.problems(model, model.__binding__, indexes)
    ]
    generated = [model for model in models if model.__binding__.complete]
    if generated and not found:
        names = [model.__binding__.index for model in generated]
        text = module_text(
            [indexes[name] for name in indexes if name in names], auto_subfields=auto_subfields
        )
        if file.read_text(encoding="utf-8") != text:
            found.append(
                "the models fit, but the file is not what `flusso models generate` writes now: generate it again"
            )
    return Checked(file, len(models), tuple(found))


def _imported(file: Path) -> ModuleType:
    """The module, as a part of its package if it is in one."""
    path = file.resolve()
    name, folder = path.stem, path.parent
    while (folder / "__init__.py").exists():
        name, folder = f"{folder.name}.{name}", folder.parent
    sys.path.insert(0, str(folder))
    try:
        if "." in name:
            return importlib.import_module(name.removesuffix(".__init__"))
        # By its path: another module may have the same name.
        spec = importlib.util.spec_from_file_location(f"flusso_models_{name}", path)
        if spec is None or spec.loader is None:
            raise ImportError("this is no file of Python")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # where annotations are looked up
        spec.loader.exec_module(module)
        return module
    except Exception as error:  # whatever the file does
        raise ConfigError(f"cannot import {file}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(folder))
