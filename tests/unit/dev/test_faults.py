"""The page of faults shows all that was recorded of them."""

from __future__ import annotations

import re

from doclib import faults
from support.stores.dev import ROOT

VIEWS = ["`/healthz`", "`/status`", "`/metrics`", "`flusso status`", "status page"]


def test_each_view_has_its_seconds() -> None:
    rows = faults.overview().splitlines()[2:]
    assert len(rows) == 10
    for row in rows:
        assert re.fullmatch(
            rf"\| \[[\w ]+\]\(#[a-z-]+\)( \| (\d+ s|under 1 s|-)){{{len(VIEWS)}}} \|", row
        ), row


def test_each_fault_has_a_section_with_the_words_and_the_cure() -> None:
    page = (ROOT / "docs" / "when-things-go-wrong.md").read_text(encoding="utf-8")
    sections = {part.splitlines()[0]: part for part in re.split(r"^## ", page, flags=re.MULTILINE)}
    found = {title.lower().replace(" ", "-"): part for title, part in sections.items()}
    for name, recorded in faults.recorded().items():
        assert f"<!-- made from the code: fault-{name} -->" in found[name]
        assert "| what flusso does |" in found[name]
        assert "| what to do |" in found[name]
        table = faults.table(name)
        assert set(recorded["views"]) <= set(VIEWS)
        for seen in recorded["views"].values():
            for line in seen["said"]:
                assert line in table
