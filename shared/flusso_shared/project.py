"""A configuration with everything it refers to: the file, every schema, the compiled plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flusso_shared.compile import compile_index
from flusso_shared.config import Config
from flusso_shared.config_file import load_config
from flusso_shared.errors import ConfigError
from flusso_shared.plan import IndexPlan, Plan
from flusso_shared.schema_file import load_schema


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
    """Read configuration and schemas.  Raises `ConfigError` with the problems of all schema files."""
    config = load_config(path)
    indexes: list[IndexPlan] = []
    problems: list[str] = []
    for index in config.indexes:
        schema_path = path.parent / index.schema_path
        try:
            schema = load_schema(schema_path, index.name)
        except ConfigError as error:
            problems.append(str(error))
            continue
        indexes.append(compile_index(index.name, schema, str(schema_path)))
    if problems:
        raise ConfigError("\n".join(problems))
    return Project(config, tuple(indexes))
