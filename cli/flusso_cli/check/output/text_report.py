"""The report for people: what is configured, what was found, and how it is cured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from flusso_cli.check.output import addresses
from flusso_cli.check.output.report import Report
from flusso_cli.check.output.tree import Node, tree
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.plan.model import IndexPlan

_MIN_LEADER = 4
_COLOURS = {"error": "bold red", "warning": "yellow"}


def write(report: Report, console: Console, env: Mapping[str, str]) -> None:
    """The whole report."""
    out = TextOutput(console)
    out.line(styled("✓", "green"), f" config valid: {report.origin}")
    _configured(out, report, env)
    for index in report.project.plan.indexes:
        _index(out, index)
    if report.offline:
        out.line()
        notice = "skipped database validation — types and nullability not checked"
        out.line(styled("[offline]", "yellow"), f" {notice}")
    else:
        _servers(out, report)
        _validation(out, report)
        _coverage(out, report)
        _identity(out, report)
    out.line()
    _verdict(out, report)


# --- what is configured -------------------------------------------------------------------------


def _configured(out: TextOutput, report: Report, env: Mapping[str, str]) -> None:
    config = report.project.config
    out.title("Source")
    out.rows([[styled(config.source.type, "magenta"), addresses.source(config.source, env)]])
    out.title("Sinks")
    if config.sinks:
        out.rows(
            [
                [sink.name, styled(sink.type, "magenta"), styled(addresses.sink(sink, env), "dim")]
                for sink in config.sinks
            ]
        )
    else:
        out.line("  ", styled("none — defaults to stdout", "dim"))
    out.title("Indexes")
    enabled = {index.name for index in config.indexes if index.enabled}
    rows = [_declared(index, enabled=index.name in enabled) for index in report.project.indexes]
    if rows:
        out.rows(rows)
    else:
        out.line("  ", styled("none", "dim"))


def _declared(index: IndexPlan, *, enabled: bool) -> list[Text | str]:
    details = [f"pk {', '.join(index.key)}"] if index.key else []
    if index.soft_delete is not None:
        details.append(f'soft-delete column "{index.soft_delete.column}"')
    state = styled("enabled", "green") if enabled else styled("disabled", "dim")
    return [index.name, state, str(index.root), styled("   ".join(details), "dim")]


def _index(out: TextOutput, index: IndexPlan) -> None:
    out.title(f"Index  {index.name}")
    lines = list(_flat(tree(index.fields), 1))
    if not lines:
        out.line("  ", styled("no fields", "dim"))
        return
    names = max(len(name) for name, _ in lines) + _MIN_LEADER + 1
    types = max(len(node.type) for _, node in lines)
    for name, node in lines:
        dots = "." * (names - len(name) - 1)
        need = styled("optional", "yellow") if node.nullable else Text("required")
        kind = styled(node.type.ljust(types), "cyan")
        out.line(name, " ", styled(dots, "dim"), " ", kind, "  ", need)


def _flat(nodes: Iterable[Node], depth: int) -> Iterator[tuple[str, Node]]:
    for node in nodes:
        yield "  " * depth + node.name, node
        yield from _flat(node.children, depth + 1)


# --- what was found -----------------------------------------------------------------------------


def _servers(out: TextOutput, report: Report) -> None:
    rows: list[list[Text | str]] = []
    if (server := report.server) is not None:
        version = f"{server.version // 10000}.{server.version % 10000}"
        rows.append(
            [
                styled("postgres", "magenta"),
                version,
                f"wal_level {server.wal_level}, role {server.role},"
                f" slots {server.slots_used} of {server.slots_most},"
                f" senders {server.senders_used} of {server.senders_most} in use",
            ]
        )
    if (kafka := report.brokers) is not None:
        there = len(kafka.wanted) - len(kafka.missing)
        rest = "" if not kafka.missing else "; capture creates the rest"
        number = f"{kafka.brokers} broker" + ("" if kafka.brokers == 1 else "s")
        topics = f"{there} of {len(kafka.wanted)} topics are there{rest}"
        rows.append([styled("kafka", "magenta"), number, topics])
    rows += [
        [styled("opensearch", "magenta"), cluster.version, f"sink {cluster.sink}"]
        for cluster in report.clusters
    ]
    if rows:
        out.title("Servers")
        out.rows(rows)


def _validation(out: TextOutput, report: Report) -> None:
    out.title("Database validation")
    ordered = sorted(report.diagnostics, key=lambda item: item.severity != "error")
    for item in ordered:
        _diagnostic(out, item)
    if not ordered:
        out.line("  ", styled("(schema matches the database)", "dim"))


def _diagnostic(out: TextOutput, item: Diagnostic) -> None:
    label = styled(f"[{item.severity}]", _COLOURS[item.severity])
    place = f"  {item.file}:{item.line}:{item.column}" if item.line else ""
    out.line("  ", label, " ", styled(item.where, "bold"), styled(place, "dim"))
    first, *more = item.message.splitlines() or [""]
    out.line("      ", first)
    for line in more:
        out.line("      ", line)
    if item.cure:
        out.line("      ", styled(f"→ {item.cure}", "cyan"))
    for statement in item.sql:
        out.line("        ", statement)


def _coverage(out: TextOutput, report: Report) -> None:
    found = report.coverage
    if found is None:
        return
    out.title("Publication coverage")
    if found.satisfied:
        number = len(found.present)
        what = "the table" if number == 1 else f"all {number} tables"
        out.line("  ", styled("✓", "green"), f" publication {found.publication} covers {what}")
        return
    _bullets(out, found.reasons)
    if found.will_manage:
        out.line("  ", styled("the next run does that", "yellow"))
    elif found.manageable:
        verdict = "this role could, but managing the publication is off (--manage-publication)"
        out.line("  ", styled(verdict, "yellow"))
    else:
        out.line("  ", styled("flusso cannot do that itself:", "bold red"))
        _bullets(out, found.blockers)
    if found.remediation:
        out.title("Run to stream every table")
        for statement in found.remediation:
            out.line("  ", statement)


def _identity(out: TextOutput, report: Report) -> None:
    """What capture cures by itself; the rest stands among the diagnostics."""
    managed = [item for item in report.identity or () if item.will_manage]
    if not managed:
        return
    out.title("Replica identity")
    _bullets(
        out,
        [f"table {item.table}: the log lacks {', '.join(item.missing)}" for item in managed],
    )
    out.line("  ", styled("the next run sets REPLICA IDENTITY FULL", "yellow"))
    indexed = [item.cures[-1] for item in managed if len(item.cures) > 1]
    if indexed:
        out.line(
            "  ",
            styled("or run this yourself, which writes less log; keep the index then", "yellow"),
        )
    for statement in indexed:
        out.line("  ", statement)


def _bullets(out: TextOutput, lines: Sequence[str]) -> None:
    for line in lines:
        out.line("  • ", line)


def _verdict(out: TextOutput, report: Report) -> None:
    counts = {
        severity: sum(item.severity == severity for item in report.diagnostics)
        for severity in ("error", "warning")
    }
    said = ", ".join(
        f"{number} {severity}{'' if number == 1 else 's'}"
        for severity, number in counts.items()
        if number
    )
    if report.failed:
        text = f" schema disagrees with database or servers: {said}"
        out.line(styled("[failed]", "bold red"), text)
    else:
        out.line(styled("✓", "green"), " check passed", f", {said}" if said else "")


Cell = Text | str


class TextOutput:
    """Lines on stdout."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, *parts: Cell) -> None:
        """One line; a long one is the terminal's to break."""
        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def title(self, text: str) -> None:
        """A section's title, ruled under."""
        self.line()
        self.line(styled(text, "bold"))
        self.line(styled("─" * len(text), "dim"))

    def rows(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Rows in columns as wide as their widest cell."""
        texts = [[Text.assemble(cell) for cell in row] for row in rows]
        widths = [max(cell.cell_len for cell in column) for column in zip(*texts, strict=True)]
        for row in texts:
            line = Text("  ")
            for cell, width in zip(row, widths, strict=True):
                line.append_text(cell)
                line.append(" " * (width - cell.cell_len + 2 if width else 0))
            line.rstrip()
            self.line(line)


def styled(text: str, style: str) -> Text:
    """A piece of text."""
    return Text(text, style=style)
