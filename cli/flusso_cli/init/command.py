"""`flusso init`: a first configuration, written from the catalog of a database."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from rich.console import Console

from flusso_capture.source.connection import connect
from flusso_cli.admin.deployment import console as plain_console
from flusso_cli.init import choice
from flusso_cli.init.database import read_survey
from flusso_cli.init.files import Planned, editor_files, plan_files, write_files
from flusso_cli.init.survey import Survey
from flusso_shared.config.connections import source_conninfo
from flusso_shared.config.model import Source
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.postgres.connection import text
from flusso_shared.postgres.errors import translate
from flusso_shared.process.environment import environment
from flusso_shared.process.progress_bar import Waiting

_VARIABLE = "DATABASE_URL"


def init(
    tables: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            "-t",
            envvar="FLUSSO_TABLE",
            help="Table to build documents from, as schema.table; may be repeated.",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Build documents from every table.")] = False,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url", envvar=_VARIABLE, show_default=False, help="URL of the database."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write the files to.")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Write flusso.toml and one schema file per table.  Reads only the catalog of the database."""
    if tables and every:
        raise typer.BadParameter("give --table or --all, not both", param_hint="--all")
    console = plain_console()
    survey = _survey(database_url)
    chosen = _chosen(survey, tables or [], console, every=every)
    config, planned = plan_files(survey, chosen)
    # The configuration last, so that it never names a file that is not there.
    files = {item.path: item.schema.text for item in planned} | editor_files()
    files[Path("flusso.toml")] = config
    write_files({out / path: text for path, text in files.items()}, force=force)
    _report(console, out, planned)
    if every:
        for name, reason in choice.refused(survey):
            console.print(f"left out {name}: {reason}")
    _next(console, out)


def _survey(database_url: str | None) -> Survey:
    if database_url is None:
        raise FatalError(f"no database: give its URL with --database-url or in {_VARIABLE}")
    source = Source(type="postgres", connection_url=SecretStr(database_url))
    conninfo = source_conninfo(source, {})
    with (
        Waiting("reading the catalog"),
        connect(make_conninfo(text(conninfo), application_name="flusso-init")) as connection,
    ):
        try:
            return read_survey(connection)
        except psycopg.Error as error:
            raise translate(error, "read the database's catalog") from error


def _chosen(survey: Survey, tables: list[str], console: Console, *, every: bool) -> list[TableName]:
    if tables:
        return choice.named(survey, tables)
    found = choice.eligible(survey)
    if every and found:
        return found
    if every or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise FatalError(choice.what_to_give(survey))
    question = "Which of them get documents? (numbers or names, or `all`)"
    return choice.ask(survey, console, lambda: str(typer.prompt(question)))


# --- what is said -------------------------------------------------------------------------------


def _report(console: Console, out: Path, planned: list[Planned]) -> None:
    console.print(f"\u2713 {out / 'flusso.toml'}")
    shown = [str(out / item.path) for item in planned]
    width = max(map(len, shown))
    for path, item in zip(shown, planned, strict=True):
        made = item.schema
        text = f"{_counted(made.fields, 'column')}, {_counted(made.relations, 'relation')}"
        if made.left_out:
            text += f", {made.left_out} commented out: more than one index takes"
        console.print(f"\u2713 {path:<{width}}  {item.table}: {text}")
    names = " and ".join(str(out / path) for path in editor_files())
    console.print(f"\u2713 {names}, for editors")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _next(console: Console, out: Path) -> None:
    option = "" if out == Path() else f" --config {shlex.quote(str(out / 'flusso.toml'))}"
    condition = "" if _VARIABLE in environment() else f", with {_VARIABLE} set to that database"
    console.print(f"\nNext{condition}:")
    console.print(f"  flusso check{option}   # what is wrong with it, where, and how to cure it")
    console.print(f"  flusso run{option}     # fill OpenSearch, and keep it right")
