"""All measures, interleaved with their yardsticks, and `bench/RESULTS.md`: `just bench`, or `python bench/run.py --help`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

from measure import Measure  # noqa: E402  (the folder is no package)
from measures import capture, growth, indexes, live, reading, seeding, workers  # noqa: E402
from results import Result, keep, load, notes, page, plot  # noqa: E402
from world import ROOT, World  # noqa: E402

from stacklib.layout import Layout  # noqa: E402
from stacklib.stack import Stack  # noqa: E402

MEASURES: Sequence[Measure] = [
    *seeding.MEASURES,
    *indexes.MEASURES[:1],
    *live.MEASURES[:2],
    *capture.MEASURES[:1],
    *live.MEASURES[2:],
    *capture.MEASURES[1:],
    *workers.MEASURES[:1],
    *indexes.MEASURES[1:],
    *growth.MEASURES,
    *workers.MEASURES[1:],
    *reading.MEASURES,
]


def main() -> None:
    options = _arguments()
    # What was started and made is removed then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = [
        measure for measure in MEASURES if not options.measures or measure.name in options.measures
    ]
    with _servers(options) as servers:
        world = World(
            *servers,
            rounds=options.rounds,
            scale=options.scale,
            forked=options.forked,
            sink=dict(options.sink),
            queue=dict(options.queue),
        )
        for measure in chosen:
            print(f"{measure.name}: {measure.title}", flush=True)
            result = Result(measure, measure.run(world), _origin(measure, options))
            print(result.line(), flush=True)
            if options.out is not None:
                _write(options.out, result)


def _write(place: Path, result: Result) -> None:
    """Put a result into the page, beside what earlier runs have measured."""
    kept = place.with_name("results.json")
    found = load(kept, MEASURES) | {result.measure.name: result}
    results = [found[measure.name] for measure in MEASURES if measure.name in found]
    keep(kept, results)
    plots = place.parent / "plots"
    plots.mkdir(exist_ok=True)
    plot(result, plots / f"{result.measure.name}.svg")
    place.write_text(page(results, notes(FOLDER / "notes.toml")), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    names = [measure.name for measure in MEASURES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the sizes, above 0")
    parser.add_argument(
        "--out",
        type=Path,
        help="the page to write, with `results.json` and a folder `plots` beside it; other measures in it stay",
    )
    parser.add_argument(
        "--forked",
        action="store_true",
        help="fork processes from one with all imports: starts are quick, memory is shared",
    )
    for section in ("sink", "queue"):
        parser.add_argument(
            f"--{section}",
            action="append",
            default=[],
            type=_setting,
            metavar="KEY=VALUE",
            help=f"a setting of the {section} that is not the default",
        )
    env = os.environ.get
    parser.add_argument("--postgres", default=env("FLUSSO_TEST_POSTGRES_URL"))
    parser.add_argument("--kafka", default=env("FLUSSO_TEST_KAFKA"))
    parser.add_argument("--opensearch", default=env("FLUSSO_TEST_OPENSEARCH_URL"))
    return parser.parse_args()


def _setting(text: str) -> tuple[str, str | int | bool]:
    """`batch_size=250` -> its key and its value: JSON, or else a text."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@contextmanager
def _servers(options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """The servers that are named, or all three, started for this run."""
    named = (options.postgres, options.kafka, options.opensearch)
    if all(named):
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="flusso-bench-") as folder:
        # Postgres' own user has to get in here.
        Path(folder).chmod(0o755)
        # Not as for tests, whose servers save time where they start and not where they work.
        stack = Stack(replace(Layout.temporary(Path(folder)), with_store=True, brief=False))
        stack.up()
        try:
            found = stack.addresses()
            yield found["postgres"], found["kafka"], found["opensearch"]
        finally:
            stack.down()


def _origin(measure: Measure, options: argparse.Namespace) -> str:
    settings = "".join(
        f" --{section} '{key}={value}'"
        for section in ("sink", "queue")
        for key, value in getattr(options, section)
    )
    command = f"python bench/run.py {measure.name} --rounds={options.rounds} --scale={options.scale:g}{settings}"
    return f"`{command}` at revision {_revision()}, on {_machine()}."


def _machine() -> str:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} processors ({model or platform.machine()}), {memory:.0f} GiB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}"
    )


def _revision() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
