"""`flusso build`: configuration and schemas, compiled into the lock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flusso_shared.lock import write_lock
from flusso_shared.project import load_project


def build(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", envvar="FLUSSO_CONFIG", help="The configuration."),
    ] = Path("flusso.toml"),
    out: Annotated[
        Path,
        typer.Option("--out", "-o", envvar="FLUSSO_OUT", help="Where the lock is written."),
    ] = Path("flusso.lock"),
) -> None:
    """Compile the configuration into one file without secrets, for `--locked`.  Asks no server."""
    project = load_project(config)
    write_lock(project, out)
    count = len(project.indexes)
    typer.echo(f"\u2713 compiled {count} index{'' if count == 1 else 'es'} \u2192 {out}")
