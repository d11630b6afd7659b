"""`flusso schema`: JSON Schemas of the two file formats, for editors."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from flusso_cli.json_schema.config import config_schema
from flusso_cli.json_schema.index import index_schema


class Which(StrEnum):
    """The formats."""

    CONFIG = "config"
    INDEX = "index"


def schema(
    which: Annotated[
        Which,
        typer.Argument(
            envvar="FLUSSO_SCHEMA",
            help="`config` for flusso.toml, `index` for *.schema.yml.",
        ),
    ],
) -> None:
    """Print the JSON Schema of flusso.toml or of the schema files, for editors."""
    typer.echo(text(which))


def text(which: Which) -> str:
    """The schema as it is kept in `schemas/`, without the last line break."""
    made = config_schema() if which is Which.CONFIG else index_schema()
    return json.dumps(made, indent=2, ensure_ascii=False)
