"""`flusso verify`: compare indexes with the database, document by document, and repair them."""

from __future__ import annotations

import json
import threading
from typing import Annotated

import typer

from flusso_cli.admin.deployment import (
    Deployment,
    Format,
    FormatOption,
    chosen_deployment,
    console,
)
from flusso_shared.clock import SystemClock
from flusso_shared.process import command_line
from flusso_shared.process.progress_bar import Waiting
from flusso_worker.maintenance.document_writer import DocumentWriter, WriterDependencies
from flusso_worker.maintenance.periodic_verification import verification
from flusso_worker.maintenance.report import Difference, Report
from flusso_worker.maintenance.verification import Verification, VerificationOptions


def verify(
    index: Annotated[
        str | None, typer.Argument(help="Name of the index; by default every enabled one.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            min=1,
            envvar="FLUSSO_SAMPLE",
            help="Compare only this many documents, chosen at random.",
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Write missing and different documents, and delete extra ones.",
        ),
    ] = False,
    patience: Annotated[
        float,
        typer.Option(
            "--patience",
            min=0,
            envvar="FLUSSO_PATIENCE",
            help="Seconds to wait for changes in flight before a difference counts.",
        ),
    ] = 60.0,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            min=0,
            envvar="FLUSSO_LIMIT",
            help="Maximum number of differences listed per index; all are counted.",
        ),
    ] = 100,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    format: FormatOption = "human",
) -> None:
    """Compare every document with the database.  Exit code 1 when a difference remains."""
    with chosen_deployment(config, lock, index_prefix, locked=locked) as servers:
        servers.check_addresses()
        names = [servers.check_index(index)] if index is not None else servers.indexes
        reports = [
            _Run(servers, format, patience, limit).verify(name, sample, repair=repair)
            for name in names
        ]
    if format == "json":
        console().print(json.dumps({"indexes": [report.to_json() for report in reports]}, indent=2))
    if any(report.remaining for report in reports):
        raise typer.Exit(1)


class _Run:
    """Verifies one index after the other, with a progress display."""

    def __init__(self, servers: Deployment, format: Format, patience: float, limit: int) -> None:
        self._servers = servers
        self._format = format
        self._patience = patience
        self._limit = limit
        self._clock = SystemClock(threading.Event())

    def verify(self, index: str, sample: int | None, *, repair: bool) -> Report:
        servers = self._servers
        generation = servers.live(index)
        # Where documents may be skipped, what cannot be repaired is one of these.
        skips = servers.project.config.policy(index) == "skip"
        quarantine = servers.quarantine if skips else None
        dependencies = WriterDependencies(
            servers.conninfo, servers.clusters, quarantine, self._clock
        )
        writer = DocumentWriter(generation, dependencies)
        log = (servers.log, servers.topic_prefix) if generation.durable else None
        try:
            report = Report(index, generation.name.physical, self._limit, self._tell)
            compared = verification(writer, log, self._clock, self._patience, report)
            self._run(compared, index, sample, repair=repair)
        finally:
            writer.close()
        self._summarize(report)
        return report

    def _run(
        self, verification: Verification, index: str, sample: int | None, *, repair: bool
    ) -> None:
        with Waiting(f"verifying {index}") as display:

            def advance(what: str, done: int, total: int) -> None:
                display.advance(f"{index} {what}", done, total)

            verification.run(VerificationOptions(sample, repair, advance))

    def _tell(self, difference: Difference) -> None:
        if self._format == "human":
            console().print(str(difference))

    def _summarize(self, report: Report) -> None:
        if self._format == "json":
            return
        kinds = [f"{count:,} {kind}" for kind, count in report.found.items()]
        result = ", ".join(kinds) or "equal"
        if report.repaired:
            result += f"; {report.repaired:,} repaired, {report.remaining:,} left"
        if report.unsettled:
            result += f"; {report.unsettled:,} changed all the time and were not compared"
        if report.behind:
            result += "; the pipeline was behind, see the log"
        console().print(
            f"{report.index}: {report.rows:,} rows and {report.documents:,} documents compared: {result}"
        )
