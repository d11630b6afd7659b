"""`flusso`: the umbrella command."""

from __future__ import annotations

import typer

from flusso_cli.admin.indexes import indexes
from flusso_cli.admin.quarantine import app as quarantine
from flusso_cli.admin.reindex import reindex
from flusso_cli.admin.verify import verify
from flusso_cli.build import build
from flusso_cli.check.command import check
from flusso_cli.init.command import init
from flusso_cli.json_schema.command import schema
from flusso_cli.run import run
from flusso_shared.process import command_line as shared

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False)
app.command()(init)
app.command()(run)
app.command()(build)
app.command()(check)
app.command()(schema)
app.command()(indexes)
app.command()(reindex)
app.command()(verify)
app.add_typer(quarantine, name="quarantine")


@app.callback()
def flusso(
    _version: shared.VersionOption = False,
) -> None:
    """Keep OpenSearch documents in step with Postgres."""


def main() -> None:
    """The command's entry point."""
    shared.execute(app)
