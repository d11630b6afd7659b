"""Runs a command in this process, which takes milliseconds."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from unittest.mock import patch

from flusso_cli.main import main


@contextmanager
def _as_before() -> Iterator[None]:
    """Puts logging back as it was: a command sets it up for its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def run(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit code and both outputs of a command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    kept = {name: value for name, value in os.environ.items() if "FLUSSO" not in name}
    with (
        _as_before(),
        patch.dict(os.environ, {**kept, **environment}, clear=True),
        patch.object(sys, "argv", ["flusso", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()
