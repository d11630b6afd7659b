"""Compiling is quick enough to be done on every start and in every editor."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from flusso_shared.config.project import load_project
from support.waiting import patient

ROOT = Path(__file__).parents[4]
COUNT = 500
LIMIT = 2.0
"""Seconds of processor time."""


def test_five_hundred_schemas_take_less_than_two_seconds(tmp_path: Path) -> None:
    schemas = sorted((ROOT / "dev" / "schemas").glob("*.schema.yml"))
    config = '[source]\ntype = "postgres"\n'
    for number in range(COUNT):
        shutil.copy(schemas[number % len(schemas)], tmp_path / f"i{number}.schema.yml")
        config += f'[[index]]\nname = "i{number}"\nschema = "i{number}.schema.yml"\n'
    (tmp_path / "flusso.toml").write_text(config)
    started = time.process_time()
    project = load_project(tmp_path / "flusso.toml")
    assert time.process_time() - started < patient(LIMIT)
    assert len(project.indexes) == COUNT
