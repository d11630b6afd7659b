"""Choices that the configuration and the command line share; without pydantic, for a quick `--help`."""

from __future__ import annotations

from typing import Literal

OnLostPosition = Literal["rebuild", "stop"]
