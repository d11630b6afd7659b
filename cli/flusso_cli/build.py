"""`flusso build`: configuration and schemas, compiled into the lock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from flusso_cli.diagnostics.model import Diagnostic, Format, load_errors
from flusso_cli.diagnostics.sarif import to_sarif
from flusso_shared.config.lock import write_lock
from flusso_shared.config.project import Project, load_project
from flusso_shared.errors import ConfigError


def build(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", envvar="FLUSSO_CONFIG", help="Configuration file."),
    ] = Path("flusso.toml"),
    out: Annotated[
        Path,
        typer.Option("--out", "-o", envvar="FLUSSO_OUT", help="Lock file to write."),
    ] = Path("flusso.lock"),
    format: Annotated[
        Format,
        typer.Option("--format", envvar="FLUSSO_FORMAT", help="Output format."),
    ] = "human",
) -> None:
    """Compile the configuration into one lock file without secrets, for `--locked`.  Connects to no server."""
    try:
        project = load_project(config)
    except ConfigError as error:
        if format == "human":
            raise
        typer.echo(_report(load_errors(error), format, {"lock": None, "indexes": None}, config))
        raise typer.Exit(1) from None
    write_lock(project, out)
    if format == "human":
        count = len(project.indexes)
        typer.echo(f"\u2713 compiled {count} index{'' if count == 1 else 'es'} \u2192 {out}")
    else:
        typer.echo(_report([], format, {"lock": str(out), "indexes": _hashes(project)}, config))


def _hashes(project: Project) -> dict[str, str]:
    return {index.name: index.hash for index in project.indexes}


def _report(found: list[Diagnostic], format: Format, made: dict[str, Any], config: Path) -> str:
    if format == "sarif":
        return to_sarif(found, str(config))
    value = {"passed": not found, "diagnostics": [item.to_json() for item in found], **made}
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
