"""Which flusso this is: the version that is installed, and the revision that it was built from."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path

from flusso_shared.names import DISTRIBUTION

UNKNOWN = "unknown"
_REVISION = Path(__file__).with_name("_revision.txt")
"""The build of a wheel writes it (`hatch_build.py`); an editable install has none."""


def version() -> str:
    """The version of the distribution."""
    return installed_version(DISTRIBUTION)


def revision() -> str:
    """The commit, with `-dirty` where files differed from it; `unknown` where the build did not know it."""
    try:
        return _REVISION.read_text(encoding="utf-8").strip() or UNKNOWN
    except FileNotFoundError:
        return UNKNOWN
