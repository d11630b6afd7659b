"""`dev/test`: every check of this repository, in its own virtual environment, on real servers."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacklib import engine, venv
from stacklib.layout import ROOT
from stacklib.problem import Problem

SUITES = ("unit", "deploy", "contract", "integration", "e2e", "failure")
_WITHOUT_SERVERS = ("unit", "deploy")
_DOCKER = "tests/containers"
"""Its tests use one engine and one compose project, so they run in one process."""
_LONGEST_FIRST = ("failure", "e2e", "integration", "contract")
"""The suites on servers in the order of their runs: a long test that began last would run on one core."""
_PROCESSES_PER_CORE = 2
"""A test on servers waits for half of its time or more."""
_CODE = ("capture", "worker", "shared", "cli", "query", "tests", "dev", "bench", "deploy")


@dataclass(frozen=True)
class Check:
    """One command to run."""

    title: str
    command: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the options ask for, everything without them; gives the exit code."""
    # Started as a background job it would ignore SIGINT, and pytest with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options, rest = _parser().parse_known_args(arguments)
    try:
        programs = venv.ensure(with_tools=True)
        if options.reports is not None:
            options.reports.mkdir(parents=True, exist_ok=True)
        return _run(_checks(options, rest, programs), programs)
    except Problem as problem:
        print(f"dev/test: {problem}", file=sys.stderr)
        return 1


def _checks(options: argparse.Namespace, rest: Sequence[str], programs: Path) -> list[Check]:
    chosen = [suite for suite in SUITES if getattr(options, suite)]
    everything = not chosen and not options.lint and not options.docker and not rest
    checks = _lint(programs) if options.lint or everything else []
    if rest:
        # One process, so that `--pdb`, `-s` and `-x` are what they are.
        folders = [f"tests/{suite}" for suite in chosen] + [_DOCKER] * options.docker
        checks.append(Check("pytest", ("pytest", *folders, *rest)))
        return checks
    if chosen or everything:
        checks += _tests(chosen or SUITES, options.reports)
    if options.docker or everything:
        checks += _docker(options.docker, options.reports)
    return checks


def _docker(required: bool, reports: Path | None) -> list[Check]:
    """The tests in containers, where there is an engine that has the images."""
    obstacle = engine.obstacle()
    if obstacle is None:
        return [_pytest("docker", (), [_DOCKER], reports)]
    if required:
        raise Problem(f"The tests in containers cannot run: {obstacle}.")
    print(f"--- pytest: docker is left out: {obstacle}", flush=True)
    return []


def _tests(suites: Collection[str], reports: Path | None) -> list[Check]:
    """The suites in two runs: on all cores what computes, then what waits for servers."""
    cores = os.cpu_count() or 1
    on_servers = [suite for suite in _LONGEST_FIRST if suite in suites]
    return [
        *_run_of("unit", [suite for suite in _WITHOUT_SERVERS if suite in suites], cores, reports),
        *_run_of("servers", on_servers, cores * _PROCESSES_PER_CORE, reports),
    ]


def _run_of(name: str, suites: Sequence[str], processes: int, reports: Path | None) -> list[Check]:
    if not suites:
        return []
    spread = ("-n", str(processes), "--dist", "loadgroup")
    return [_pytest(name, spread, [f"tests/{suite}" for suite in suites], reports)]


def _pytest(
    name: str, options: Sequence[str], folders: Sequence[str], reports: Path | None
) -> Check:
    report = [] if reports is None else [f"--junitxml={reports / name}.xml"]
    return Check(f"pytest: {name}", ("pytest", *options, "--durations=50", *report, *folders))


def _lint(programs: Path) -> list[Check]:
    code = [name for name in _CODE if (ROOT / name).is_dir()]
    return [
        Check("ruff check", ("ruff", "check", *code)),
        Check("ruff format", ("ruff", "format", "--check", *code)),
        Check("mypy", ("mypy",)),
        Check("pyright", ("pyright", "--pythonpath", str(programs / "python"))),
        Check("import-linter", ("lint-imports",)),
        Check("import-linter: query", ("lint-imports", "--config", "query/pyproject.toml")),
        Check("documentation", ("mkdocs", "build", "--strict")),
    ]


def _run(checks: Sequence[Check], programs: Path) -> int:
    """Run them in order up to the first that fails."""
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(programs.parent),
        "NO_MKDOCS_2_WARNING": "1",  # an advertisement of another program
    }
    for check in checks:
        began = time.monotonic()
        print(f"--- {check.title}", flush=True)
        code = _wait(
            subprocess.Popen(
                [programs / check.command[0], *check.command[1:]], cwd=ROOT, env=environment
            )
        )
        if code != 0:
            print(f"--- {check.title} failed", flush=True)
            return 1 if code < 0 else code
        print(f"--- {check.title} passed in {time.monotonic() - began:.0f} s", flush=True)
    return 0


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for it; Ctrl-C and SIGTERM end it in its own good time, so that it can stop its servers."""
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal has told the process as well


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev/test",
        description="Every check: lint, types, imports, then all tests on real servers.",
        epilog="Other arguments go to pytest: ./dev/test tests/unit/test_names.py -k folds",
    )
    parser.add_argument(
        "--lint", action="store_true", help="ruff, mypy, pyright, import-linter, mkdocs"
    )
    parser.add_argument(
        "--reports", type=Path, metavar="FOLDER", help="write what each test took there (JUnit XML)"
    )
    for suite in SUITES:
        parser.add_argument(f"--{suite}", action="store_true", help=f"tests/{suite}")
    parser.add_argument(
        "--docker", action="store_true", help=f"{_DOCKER}: the image and docker-compose.yml"
    )
    return parser
