"""The report for programs: one JSON object, and no secret in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from flusso_cli.check.output.report import Report
from flusso_cli.check.output.tree import Node, tree
from flusso_cli.check.rules.publication import PublicationCoverage
from flusso_cli.check.rules.replica_identity import Shortfall
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.config.lock import config_to_json


def to_json(report: Report) -> str:
    """The whole report, keys sorted."""
    return json.dumps(document(report), indent=2, sort_keys=True, ensure_ascii=False)


def invalid(found: Sequence[Diagnostic]) -> str:
    """The report on files that could not be loaded: the same keys, most of them null."""
    value: dict[str, Any] = dict.fromkeys(("config", "mappings", "coverage", "replica_identity"))
    value |= {"passed": False, "diagnostics": [item.to_json() for item in found]}
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def document(report: Report) -> dict[str, Any]:
    """The report as plain values; null is what was not asked, or did not answer."""
    return {
        "passed": not report.failed,
        "config": config_to_json(report.project.config),
        "mappings": [
            {
                "index": index.name,
                "hash": index.hash,
                "fields": [_node(node) for node in tree(index.fields)],
            }
            for index in report.project.plan.indexes
        ],
        "diagnostics": None if report.offline else [item.to_json() for item in report.diagnostics],
        "coverage": None if report.coverage is None else _coverage(report.coverage),
        "replica_identity": None if report.identity is None else _identity(report.identity),
    }


def _node(node: Node) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": node.name,
        "mapping": {"type": node.type, **node.options},
        "nullable": node.nullable,
    }
    if node.array:
        value["array"] = True
    if node.children:
        value["children"] = [_node(child) for child in node.children]
    return value


def _coverage(found: PublicationCoverage) -> dict[str, Any]:
    value = dataclasses.asdict(found)
    for name in ("present", "missing"):
        value[name] = [f"{schema}.{table}" for schema, table in value[name]]
    return value


def _identity(found: Sequence[Shortfall]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(item) | {"table": str(item.table)} for item in found]
