"""`flusso quarantine`: list, show, retry and drop the documents that could not be written."""

from __future__ import annotations

import json
import threading
from typing import Annotated

import typer
from rich.table import Table

from flusso_cli.admin.deployment import Deployment, FormatOption, chosen_deployment, console
from flusso_shared.clock import SystemClock
from flusso_shared.process import command_line
from flusso_shared.process.commands import App
from flusso_shared.process.progress_bar import Waiting
from flusso_worker.generations.record import Generation
from flusso_worker.maintenance.document_writer import DocumentWriter, WriterDependencies
from flusso_worker.maintenance.quarantine_retry import Retried, retry_all
from flusso_worker.quarantine.record import Entry

quarantine = App(
    no_args_is_help=True,
    help="List, show, retry or drop documents that could not be written.",
)

IndexOption = Annotated[
    list[str] | None,
    typer.Option("--index", "-i", help="Only entries of this index; may be repeated."),
]
IdOption = Annotated[
    list[str] | None,
    typer.Option("--id", help="Only the entry of this document id; may be repeated."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Every entry.")]
_MAX_REASON_CHARACTERS = 100


@quarantine.command("list")
def list_entries(
    index: IndexOption = None,
    id: IdOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    format: FormatOption = "human",
) -> None:
    """List the entries, with their reasons."""
    with chosen_deployment(config, lock, index_prefix, locked=locked) as servers:
        found = _chosen(servers, index, id, brief=True)
    if format == "json":
        listed = [{k: v for k, v in entry.to_json().items() if k != "document"} for entry in found]
        console().print(json.dumps(listed, indent=2))
    elif not found:
        console().print("nothing is in quarantine")
    else:
        table = Table("index", "id", "generation", "when", "reason", box=None)
        for entry in found:
            reason = entry.reason.replace("\n", " ")
            short = (
                reason
                if len(reason) <= _MAX_REASON_CHARACTERS
                else reason[: _MAX_REASON_CHARACTERS - 1] + "…"
            )
            name = entry.generation
            table.add_row(name.index, entry.id, name.physical, entry.at[:19] + "Z", short)
        console().print(table)


@quarantine.command()
def show(
    index: IndexOption = None,
    id: IdOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    format: FormatOption = "human",
) -> None:
    """Show entries in full: the document, the reason, and the change that it was built for."""
    with chosen_deployment(config, lock, index_prefix, locked=locked) as servers:
        found = _chosen(servers, index, id, brief=False)
    if format == "json":
        console().print(json.dumps([entry.to_json() for entry in found], indent=2))
        return
    if not found:
        console().print("there is no such entry in quarantine")
        raise typer.Exit(1)
    for entry in found:
        console().print(_described(entry))


@quarantine.command()
def retry(
    index: IndexOption = None,
    id: IdOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    format: FormatOption = "human",
) -> None:
    """Build the documents again and write them.  Those that fail again are kept; the exit code is 1 then."""
    with chosen_deployment(config, lock, index_prefix, locked=locked) as servers:
        entries = _chosen(servers, index, id, brief=True)
        benches = _Benches(servers)
        done: list[Retried] = []
        with Waiting("building documents again") as display:
            for item in retry_all(entries, servers.quarantine, servers.store.active, benches.make):
                done.append(item)
                display.advance("documents", len(done), len(entries))
                if format == "human":
                    detail = f": {item.reason}" if item.reason else ""
                    console().print(
                        f"{item.entry.generation.index}/{item.entry.id} {item.outcome}{detail}"
                    )
    if format == "json":
        shown = [
            {
                "index": item.entry.generation.index,
                "generation": item.entry.generation.physical,
                "id": item.entry.id,
                "outcome": item.outcome,
                "reason": item.reason,
            }
            for item in done
        ]
        console().print(json.dumps(shown, indent=2))
    elif not done:
        console().print("there is no such entry in quarantine")
    if any(item.outcome == "kept" for item in done):
        raise typer.Exit(1)


@quarantine.command()
def drop(
    index: IndexOption = None,
    id: IdOption = None,
    all_entries: AllOption = False,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
) -> None:
    """Remove entries.  The index keeps its versions of these documents until their rows change."""
    if not (index or id or all_entries):
        raise typer.BadParameter("give --index, --id or --all")
    with chosen_deployment(config, lock, index_prefix, locked=locked) as servers:
        found = _chosen(servers, index, id, brief=True)
        with Waiting("dropping entries") as display:
            for number, entry in enumerate(found, 1):
                servers.quarantine.drop(entry)
                display.advance("entries", number, len(found))
    console().print(f"dropped {len(found)}")


class _Benches:
    """Makes the dependencies for one generation after the other."""

    def __init__(self, servers: Deployment) -> None:
        self._servers = servers
        self._clock = SystemClock(threading.Event())

    def make(self, generation: Generation) -> DocumentWriter:
        servers = self._servers
        dependencies = WriterDependencies(
            servers.conninfo, servers.clusters, servers.quarantine, self._clock
        )
        return DocumentWriter(generation, dependencies)


def _chosen(
    servers: Deployment, indexes: list[str] | None, ids: list[str] | None, *, brief: bool
) -> list[Entry]:
    names = [name.strip().lower() for name in indexes or ()]
    with Waiting("reading the quarantine"):
        found = servers.quarantine.entries(names, ids or (), brief=brief)
    return sorted(found, key=lambda entry: (entry.generation.physical, entry.at, entry.id))


def _described(entry: Entry) -> str:
    change = "unknown" if entry.change is None else json.dumps(dict(entry.change))
    refused = f"refused by sink {entry.sink}" if entry.sink else "could not be built"
    lines = [
        f"{entry.generation.index}/{entry.id}  {refused} at {entry.at}",
        f"  generation  {entry.generation.physical}",
        f"  root key    {', '.join(entry.key)}",
        f"  reason      {entry.reason}",
        f"  change      {change}",
    ]
    if entry.document is not None:
        cut = f" (the first part of {entry.document_bytes:,} bytes)" if entry.truncated else ""
        lines.append(f"  document{cut}    {entry.document}")
    return "\n".join(lines)
