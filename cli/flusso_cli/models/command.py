"""`flusso models`: generate the models of documents, and check models against the schema."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flusso_shared.config.choose import needed_project
from flusso_shared.config.model import OpenSearchSinkConfig
from flusso_shared.config.project import Project
from flusso_shared.errors import ConfigError
from flusso_shared.plan.codec import plan_to_json
from flusso_shared.problems import did_you_mean, listed
from flusso_shared.process import command_line
from flusso_shared.process.commands import App

if TYPE_CHECKING:
    from flusso_query.schema.shape import IndexShape

models = App(
    no_args_is_help=True,
    help="Python models of documents, for the query client `flusso_query`.",
)


@models.command()
def generate(
    index: Annotated[
        list[str] | None, typer.Argument(help="Indexes; all of the configuration when left out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            envvar="FLUSSO_MODELS_OUT",
            help="Python file to write; printed when left out.",
        ),
    ] = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
) -> None:
    """Write a module with the models and the field handles of indexes.  Connects to no server."""
    _require_query()
    from flusso_cli.models.module import module_text

    project, _ = needed_project(config, lock, locked=locked)
    chosen = _chosen(shapes(project), index or [])
    text = module_text(chosen, auto_subfields=auto_subfields(project))
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from error
    count = len(chosen)
    typer.echo(f"\u2713 models of {count} index{'' if count == 1 else 'es'} \u2192 {out}")


@models.command()
def check(
    file: Annotated[
        list[Path],
        typer.Argument(
            help="Python files with models, generated or written by hand.",
            exists=True,
            dir_okay=False,
        ),
    ],
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
) -> None:
    """Say where models do not fit the schema.  Imports the files, and connects to no server.

    Exit code 1 when something does not fit.
    """
    _require_query()
    from flusso_cli.models.check import checked

    project, source = needed_project(config, lock, locked=locked)
    indexes = {shape.name: shape for shape in shapes(project)}
    found = [checked(path, indexes, auto_subfields=auto_subfields(project)) for path in file]
    for item in found:
        for problem in item.problems:
            typer.echo(f"{item.file}: {problem}", err=True)
    wrong = sum(len(item.problems) for item in found)
    if wrong:
        raise typer.Exit(1)
    count = sum(item.models for item in found)
    typer.echo(f"\u2713 {count} model{'' if count == 1 else 's'} fit the schemas of {source}")


def shapes(project: Project) -> list[IndexShape]:
    """Every index, as clients see it."""
    from flusso_query.schema.shape import index_shape

    return [index_shape(plan_to_json(plan)) for plan in project.indexes]


def auto_subfields(project: Project) -> bool:
    """Whether every index has them, whichever sink it is read from."""
    sinks = [sink for sink in project.config.sinks if isinstance(sink, OpenSearchSinkConfig)]
    return all(sink.auto_subfields for sink in sinks)


def _chosen(known: list[IndexShape], names: list[str]) -> list[IndexShape]:
    by_name = {shape.name: shape for shape in known}
    for name in names:
        if name not in by_name:
            near = did_you_mean(name, by_name)
            raise ConfigError(f"there is no index `{name}`{near}; there are {listed(by_name)}")
    return [shape for shape in known if not names or shape.name in names]


def _require_query() -> None:
    if find_spec("flusso_query") is None:
        raise ConfigError(
            "`flusso models` needs the query client: install the package flusso-query of the same version"
        )
