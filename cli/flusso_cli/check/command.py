"""`flusso check`: validate a configuration against itself, the database and, where they answer, the other servers."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from flusso_cli.check.examine import Options, examine
from flusso_cli.check.output import json_report, text_report
from flusso_cli.check.output.report import Report
from flusso_cli.diagnostics.model import Format, load_errors
from flusso_cli.diagnostics.sarif import to_sarif
from flusso_shared.config import connections
from flusso_shared.config.choose import needed_project
from flusso_shared.errors import ConfigError
from flusso_shared.process import command_line, option_values
from flusso_shared.process.environment import environment
from flusso_shared.process.progress_bar import Waiting


def check(
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", envvar="FLUSSO_OFFLINE", help="Check the files only; connect to no server."
        ),
    ] = False,
    format: Annotated[
        Format, typer.Option("--format", envvar="FLUSSO_FORMAT", help="Output format.")
    ] = "human",
    slot: command_line.SlotOption = "flusso",
    publication: command_line.PublicationOption = "flusso",
    manage_publication: command_line.ManagePublicationOption = None,
    manage_replica_identity: command_line.ManageIdentityOption = None,
    index_prefix: command_line.IndexPrefixOption = None,
) -> None:
    """Check a configuration, and the servers that it names.  Changes nothing."""
    try:
        project, origin = needed_project(config, lock, locked=locked)
    except ConfigError as error:
        if format == "human":
            raise
        found = load_errors(error)
        _say(
            json_report.invalid(found)
            if format == "json"
            else to_sarif(found, str(config or "flusso.toml"))
        )
        raise typer.Exit(1) from None
    source = project.config.source
    options = Options(
        slot=slot,
        publication=publication,
        manage_publication=option_values.given(manage_publication, source.manage_publication),
        manage_replica_identity=option_values.given(
            manage_replica_identity, source.manage_replica_identity
        ),
        index_prefix=option_values.index_prefix(project, index_prefix),
    )
    # The report itself shows which variable sets what.
    logging.getLogger(connections.__name__).setLevel(logging.WARNING)
    report = Report(project, str(origin), offline)
    env = environment()
    if not offline:
        with Waiting("checking") as display:
            examine(report, replace(options, advance=display.advance), env)
    if format == "human":
        text_report.write(report, Console(highlight=False), env)
    elif format == "json":
        _say(json_report.to_json(report))
    else:
        _say(to_sarif(report.diagnostics, report.origin))
    if report.failed:
        raise typer.Exit(1)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
