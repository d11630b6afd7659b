"""A configuration with everything it refers to: the file, every schema, the compiled plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flusso_shared.config.model import Config
from flusso_shared.config.toml_file import parse, read_config
from flusso_shared.errors import ConfigError
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_shared.problems import Problem, Problems
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema


@dataclass(frozen=True, slots=True)
class Project:
    """What runs."""

    config: Config
    indexes: tuple[IndexPlan, ...]
    """Every index, disabled ones too, in the order of the file."""

    @property
    def plan(self) -> Plan:
        """The enabled indexes."""
        enabled = {index.name for index in self.config.indexes if index.enabled}
        return Plan(tuple(index for index in self.indexes if index.name in enabled))


def load_project(path: Path) -> Project:
    """Read configuration and schemas.  Raises `ConfigError`: `Problems` with all that is wrong in all of the files."""
    raw, positions = parse(path)
    problems: list[Problem] = []
    config: Config | None = None
    try:
        config = read_config(raw, str(path), positions)
    except Problems as error:
        problems.extend(error.problems)
    indexes: list[IndexPlan] = []
    for number, name, file in _mentioned(raw) if config is None else _listed(config):
        try:
            schema = load_schema(path.parent / file, name)
        except Problems as error:
            problems.extend(error.problems)
        except ConfigError as error:
            line, column = positions.of(("index", number, "schema"))
            problems.append(Problem(str(path), line, column, str(error), positions.source(line)))
        else:
            indexes.append(compile_index(name, schema, str(path.parent / file)))
    if config is None or problems:
        raise Problems(problems)
    return Project(config, tuple(indexes))


def _listed(config: Config) -> Iterator[tuple[int, str, str]]:
    """Number, name and schema of each index."""
    for number, index in enumerate(config.indexes):
        yield number, index.name, index.schema_path


def _mentioned(raw: Mapping[str, Any]) -> Iterator[tuple[int, str, str]]:
    """The same of a configuration that is wrong somewhere, as far as it says."""
    tables = raw.get("index")
    for number, table in enumerate(tables if isinstance(tables, list) else []):
        if isinstance(table, dict) and isinstance(table.get("schema"), str):
            yield number, str(table.get("name", "?")), table["schema"]
