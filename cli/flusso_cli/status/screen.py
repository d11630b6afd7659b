"""An overview as text for a terminal of 80 columns or more, what is wrong first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flusso_cli.overview.model import Index, Overview, Problem, Process, Queue, Sink, Source
from flusso_cli.status import words

_STYLES = {
    "ok": "green",
    "seeded": "green",
    "alive": "green",
    "live": "green",
    "degraded": "yellow",
    "backfilling": "yellow",
    "pending": "yellow",
    "starting": "yellow",
    "paused": "yellow",
    "unknown": "yellow",
    "no answer": "yellow",
    "silent": "red",
    "failing": "bold red",
    "stopped": "bold red",
    "ended": "dim",
}


def screen(overview: Overview) -> RenderableType:
    """All of it."""
    parts: list[RenderableType] = [_title(overview)]
    if overview.problems:
        parts.append(_problems(overview.problems))
    parts += [Text(), _indexes(overview.indexes)]
    if notes := list(_notes(overview)):
        parts += [Text(), _listed(notes, "yellow")]
    parts += [Text(), _processes(overview), Text(), _servers(overview)]
    return Group(*parts)


def _title(overview: Overview) -> Text:
    state = overview.health.state
    return Text.assemble((state, _style(state)), f": {_summary(overview)}")


def _summary(overview: Overview) -> str:
    """How many processes run, and which index is furthest behind."""
    living = Counter(process.part for process in overview.processes if process.lives)
    parts = [_counted(living[part], part) for part in ("capture", "run", "worker") if living[part]]
    running = ", ".join(parts) if parts else "no process is known to run"
    behind = [index for index in overview.indexes if words.is_behind(index)]
    if not behind:
        if any(index.lag is None for index in overview.indexes):
            return f"{running}; the lag is not known"
        return f"{running}; no index is behind by more than {words.BEHIND_SECONDS:.0f} s"
    worst = max(behind, key=lambda index: (index.lag_seconds or 0.0, index.lag))
    since = "" if worst.lag_seconds is None else f", {words.duration(worst.lag_seconds)}"
    return f"{running}; {worst.index} is behind by {words.count(worst.lag)} changes{since}"


def _counted(number: int, part: str) -> str:
    name = {"run": "flusso run"}.get(part, part)
    return f"{number} {name}{'s' if number > 1 else ''}"


def _problems(problems: Sequence[Problem]) -> Table:
    """What is wrong, each with the next step below it."""
    table = Table.grid(padding=(0, 1))
    for problem in problems:
        table.add_row(Text("!", style=_style(problem.level)), _line(str(problem)))
        table.add_row("", Text(problem.todo, style="dim"))
    return table


def _listed(lines: Iterable[str], style: str) -> Table:
    """Lines with a mark before each, so that those that wrap are told apart."""
    table = Table.grid(padding=(0, 1))
    for line in lines:
        table.add_row(Text("!", style=style), _line(line))
    return table


def _line(text: str) -> Text:
    return Text(" ".join(text.split()))


def _table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def _indexes(indexes: Sequence[Index]) -> RenderableType:
    if not indexes:
        return Text("no index is known yet")
    numbers = ("lag", "behind", "changes/s", "caught up in", "quarantine")
    table = _table("index", "state", *numbers, numbers=numbers)
    for index in indexes:
        table.add_row(
            index.index,
            _state(index.state),
            words.count(index.lag),
            words.duration(index.lag_seconds),
            words.rate(index.rate),
            words.eta(index),
            words.count(index.quarantine),
        )
    return table


def _notes(overview: Overview) -> Iterator[str]:
    """What is worth a line and is no reason of the health: seedings, waits, and errors that may have passed."""
    said = "\n".join(overview.health.reasons)
    for index in overview.indexes:
        for generation in index.generations:
            yield from _seeding(index, generation)
        if index.last_error and index.last_error not in said:
            yield f"index {index.index}, last error: {index.last_error}"
    errors: dict[str, list[str]] = {}
    for process in overview.processes:
        if process.waiting_for and process.waiting_for not in said:
            errors.setdefault(f"waits for {process.waiting_for}", []).append(process.name)
        if process.last_error and not _is_known(process.last_error, overview):
            errors.setdefault(f"last error: {process.last_error}", []).append(process.name)
    for text, names in errors.items():
        yield f"{names[0] if len(names) == 1 else f'{len(names)} processes'}: {text}"


def _is_known(error: str, overview: Overview) -> bool:
    """Whether it is a reason of the health, or the error of an index, which a process reports with its name."""
    of_indexes = [index.last_error for index in overview.indexes if index.last_error]
    return any(error in reason for reason in overview.health.reasons) or any(
        text in error for text in of_indexes
    )


def _seeding(index: Index, generation: Mapping[str, object]) -> Iterator[str]:
    done, total = generation.get("done"), generation.get("total")
    if not isinstance(done, int) or not isinstance(total, int) or not total:
        return
    rebuilt = " beside the one that answers queries" if len(index.generations) > 1 else ""
    yield (
        f"index {index.index} is being built{rebuilt}: {done:,} of {total:,} changes"
        f" ({100 * done // total} %)"
    )


def _processes(overview: Overview) -> RenderableType:
    if not overview.processes:
        return Text("no process is known: which run is on record in OpenSearch")
    numbers = ("read/s", "done/s", "up")
    table = _table("process", "state", "phase", *numbers, "address", numbers=numbers)
    for process in overview.processes:
        table.add_row(
            f"{process.part} {process.host}:{process.pid}",
            _state(_process_state(process)),
            _state(process.phase or words.NOTHING),
            words.rate(process.captured_per_second),
            words.rate(process.committed_per_second),
            _up(process),
            process.public.removeprefix("http://"),
        )
    return table


def _process_state(process: Process) -> str:
    """Its health if it answers, else whether it lives."""
    if process.answers:
        return str((process.health or {}).get("state", process.state))
    return "no answer" if process.lives else process.state


def _up(process: Process) -> str:
    if process.answers:
        return words.duration(process.uptime_seconds)
    if process.heartbeat_seconds_ago is None:
        return words.NOTHING
    return f"seen {words.duration(process.heartbeat_seconds_ago)} ago"


def _servers(overview: Overview) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_row("slot", _source(overview.source))
    table.add_row("queue", _queue(overview.queue))
    for sink in overview.sinks:
        table.add_row("sink", _sink(sink))
    at = datetime.fromtimestamp(overview.at, UTC)
    table.add_row("as of", at.strftime("%Y-%m-%d %H:%M:%SZ"))
    return table


def _source(source: Source) -> Text:
    if source.active is None:
        return Text(f"{source.slot}: not known")
    reader = "read by capture" if source.active else "read by no process"
    parts = [
        f"{source.slot}: {reader}",
        f"WAL {source.wal_status or words.UNKNOWN}",
        f"lag {words.size(source.lag_bytes)}",
        f"retained {words.size(source.retained_bytes)}",
    ]
    if source.safe_bytes is not None:
        parts.append(f"{words.size(source.safe_bytes)} until it is lost")
    return Text(", ".join(parts))


def _queue(queue: Queue) -> Text:
    if queue.kind == "memory":
        return Text("in the memory of flusso run")
    if not queue.topics:
        return Text("Kafka: not known")
    published = sum(topic.records or 0 for topic in queue.topics)
    return Text(f"Kafka: {len(queue.topics)} topics, {published:,} changes published so far")


def _sink(sink: Sink) -> Text:
    if sink.kind == "stdout":
        return Text(f"{sink.name}: stdout")
    version = f"OpenSearch {sink.version}" if sink.version else "OpenSearch"
    return Text(f"{sink.name}: {version} at {sink.address}")


def _state(state: str) -> Text:
    return Text(state, style=_style(state))


def _style(state: str) -> str:
    return _STYLES.get(state, "")
