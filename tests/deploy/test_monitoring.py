"""Rules and dashboard: alerts fire when they should, queries are valid and name metrics that the product exports."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from flusso_shared import metrics
from stacklib import programs
from support.deploy.dashboard import MONITORING, dashboard, expressions, generated
from support.exposition import SPECS, exported
from support.stores.dev import ROOT

PROMETHEUS = MONITORING / "prometheus"
RULES = PROMETHEUS / "flusso.rules.yml"
_OF_PROMETHEUS = {"up", "ALERTS"}
_SUFFIX = re.compile(r"_(?:bucket|count|sum)$")


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [programs.require_prometheus("promtool"), *arguments],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def rules(kind: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def named(expression: str) -> set[str]:
    """The metrics in an expression: names that are no function, no label and no keyword."""
    bare = re.sub(
        r'"[^"]*"|\{[^}]*\}|\[[^]]*\]', lambda found: found[0][:1] + found[0][-1:], expression
    )
    bare = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", "", bare)
    words = set(re.findall(r"(?<![\w:])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])", bare))
    return words - {"and", "or", "unless", "sum", "max", "min", "count", "by", "without"}


def product_metrics() -> set[str]:
    """What a process exports, the series of histograms included."""
    series = {
        f"{name}_{suffix}" for name in metrics.HISTOGRAMS for suffix in ("bucket", "count", "sum")
    }
    return exported(metrics.of_process()) | series


@pytest.mark.parametrize(
    "file", sorted(PROMETHEUS.glob("prometheus*.yml")), ids=lambda file: file.name
)
def test_the_configuration_of_prometheus_is_valid(file: Path) -> None:
    promtool("check", "config", file)


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", RULES)


def test_alerts_fire_when_they_should_and_are_silent_otherwise() -> None:
    promtool("test", "rules", "flusso.rules.test.yml")


def test_each_alert_and_each_recording_rule_has_a_case() -> None:
    cases = yaml.safe_load((PROMETHEUS / "flusso.rules.test.yml").read_text())["tests"]
    samples = [
        sample["labels"]
        for case in cases
        for query in case["promql_expr_test"]
        for sample in query.get("exp_samples", [])
    ]
    for rule in rules("alert"):
        labels = f'alertname="{rule["alert"]}", alertstate="firing", severity="{rule["labels"]["severity"]}"'
        assert any(labels in sample for sample in samples), rule["alert"]
    queries = {query["expr"] for case in cases for query in case["promql_expr_test"]}
    for rule in rules("record"):
        assert any(rule["record"] in query for query in queries), rule["record"]


def test_each_alert_says_what_it_means_and_what_to_do() -> None:
    for rule in rules("alert"):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_the_manual_lists_the_alerts() -> None:
    text = (MONITORING / "README.md").read_text()
    listed = re.findall(r"^\| `(Flusso\w+)` \| (\w+) \|", text, re.MULTILINE)
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for rule in rules("alert")]


def test_rules_and_dashboard_name_metrics_that_exist() -> None:
    recorded = {rule["record"] for rule in rules("record")}
    known = product_metrics() | _OF_PROMETHEUS | recorded
    texts = [rule["expr"] for rule in (*rules("alert"), *rules("record"))] + [
        *expressions().values()
    ]
    for text in texts:
        names = named(text)
        assert names, text
        assert names <= known, f"{names - known} in {text}"


def test_names_are_found_in_expressions() -> None:
    """The test above would pass for expressions in which it finds nothing."""
    text = 'max without (instance, pod) (min_over_time(flusso_a{job=~"x b"}[15m])) > 1 and on (c) d_total or vector(0)'
    assert named(text) == {"flusso_a", "d_total"}


def test_every_metric_of_the_product_is_on_the_dashboard() -> None:
    shown = {_SUFFIX.sub("", name) for text in expressions().values() for name in named(text)}
    assert set(SPECS) <= shown


def test_every_query_of_the_dashboard_is_valid(tmp_path: Path) -> None:
    """`promtool` parses expressions of rules only, so each query becomes one."""
    records = [
        {"record": f"query:{number}", "expr": text}
        for number, text in enumerate(expressions().values())
    ]
    assert len(records) > 30
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": records}]}))
    promtool("check", "rules", file)


def test_the_dashboard_is_what_its_generator_writes() -> None:
    """Otherwise: deploy/monitoring/grafana/dashboard.py"""
    assert generated() == dashboard()


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_grafana_finds_the_files() -> None:
    """The paths in the provisioning files are those that the manual mounts."""
    provisioning = MONITORING / "grafana" / "provisioning"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "flusso.yml").read_text())[
        "providers"
    ]
    text = (MONITORING / "README.md").read_text()
    assert f"/deploy/monitoring/grafana/dashboards:{provider['options']['path']}:ro" in text
    assert (ROOT / "deploy/monitoring/grafana/dashboards").is_dir()
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
