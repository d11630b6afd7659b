"""A command imports what it needs: `--version` none of the libraries that take long to import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "confluent_kafka",
    "fastavro",
    "httpx",
    "opensearchpy",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "rich",
    "starlette",
    "urllib3",
    "uvicorn",
    "yaml",
}
DAEMONS = ("flusso_cli.daemons.capture", "flusso_cli.daemons.worker")
_PROGRAM = """
import json, sys
from {module} import main
sys.argv[1:] = {arguments}
try:
    main()
except SystemExit as ended:
    assert ended.code in (None, 0), ended.code
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def imported(module: str, *arguments: str) -> set[str]:
    """The top-level packages that a process has imported once the command has ended."""
    program = _PROGRAM.format(module=module, arguments=list(arguments))
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["flusso_cli.main", *DAEMONS])
def test_the_version_imports_no_heavy_library(module: str) -> None:
    assert not HEAVY & imported(module, "--version")


@pytest.mark.parametrize("module", DAEMONS)
def test_the_help_of_a_daemon_imports_rich_only(module: str) -> None:
    assert HEAVY & imported(module, "--help") <= {"rich"}


def test_a_command_imports_no_other_command() -> None:
    assert not {"confluent_kafka", "opensearchpy", "psycopg"} & imported(
        "flusso_cli.main", "schema", "config"
    )
