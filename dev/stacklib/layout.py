"""Where the servers keep their data and which ports they have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stacklib.ports import free_ports
from stacklib.problem import Problem

ROOT = Path(__file__).resolve().parents[2]

PORT_VARIABLES = {
    "postgres": ("FLUSSO_POSTGRES_PORT", 5432),
    "kafka": ("FLUSSO_KAFKA_PORT", 9092),
    "opensearch": ("FLUSSO_OPENSEARCH_PORT", 9200),
}
STORE = "flusso"
"""The example store's database."""


@dataclass(frozen=True)
class Layout:
    """One set of servers."""

    folder: Path
    cache: Path
    ports: Mapping[str, int]
    with_store: bool
    brief: bool
    """Whether the servers live for one run of tests, or for one test: quick to start, and not safe from a crash of the machine."""

    @classmethod
    def of_repository(cls, environment: Mapping[str, str] = os.environ) -> Layout:
        """The servers of this working copy, with the example store.

        Their data is in `.dev`, or in `$FLUSSO_DEV_FOLDER`.  `$FLUSSO_DEV_BRIEF` makes them brief.
        """
        ports = {
            service: _port(environment, variable, default)
            for service, (variable, default) in PORT_VARIABLES.items()
        }
        folder = Path(environment.get("FLUSSO_DEV_FOLDER") or ROOT / ".dev").resolve()
        brief = bool(environment.get("FLUSSO_DEV_BRIEF"))
        return cls(folder, cache_folder(environment), ports, with_store=True, brief=brief)

    @classmethod
    def temporary(cls, folder: Path, environment: Mapping[str, str] = os.environ) -> Layout:
        """Empty servers on free ports."""
        ports = dict(zip(PORT_VARIABLES, free_ports(len(PORT_VARIABLES)), strict=True))
        return cls(folder, cache_folder(environment), ports, with_store=False, brief=True)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where downloads are kept: the user's cache folder, shared by all working copies."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "flusso-kafka"


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise Problem(f"{variable} is {text!r}; it has to be a port, 1 to 65535.")
    return int(text)
