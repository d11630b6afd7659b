"""The diagnostics as SARIF 2.1.0, so that a pull request shows them on their lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared import release

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(found: Sequence[Diagnostic], origin: str) -> str:
    """One run; what has no place of its own stands on the first line of `origin`."""
    rules = sorted({item.rule for item in found})
    driver = {
        "name": "flusso",
        "version": release.version(),
        "rules": [{"id": rule} for rule in rules],
    }
    results = [_result(item, rules, origin) for item in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, sort_keys=True, ensure_ascii=False)


def _result(item: Diagnostic, rules: list[str], origin: str) -> dict[str, Any]:
    parts = [f"{item.where}: {item.message}" if item.where else item.message, item.cure, *item.sql]
    region = {"startLine": item.line or 1}
    if item.column:
        region["startColumn"] = item.column
    location = {"artifactLocation": {"uri": _uri(item.file or origin)}, "region": region}
    return {
        "ruleId": item.rule,
        "ruleIndex": rules.index(item.rule),
        "level": item.severity,
        "message": {"text": "\n".join(part for part in parts if part)},
        "locations": [{"physicalLocation": location}],
    }


def _uri(file: str) -> str:
    """Relative to where the command runs, which is the root of a checkout in CI."""
    path = Path(file)
    here = Path.cwd()
    if path.is_absolute() and path.is_relative_to(here):
        path = path.relative_to(here)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
