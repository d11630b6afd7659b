"""`docs/guarantees.md` names a test for each fault case and each invariant; these, and those of `docs/limits.md`, exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.stores.dev import ROOT

TEXT = (ROOT / "docs" / "guarantees.md").read_text()
TESTS = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")]
CASES = range(1, 51)


def named(name: str) -> Path:
    """The file of a test that a page names by the end of its path, such as `failure/test_ddl`."""
    found = [path for path in TESTS if f"/{path.with_suffix('')}".endswith(f"/{name}")]
    assert len(found) == 1, f"{name}: {found}"
    return ROOT / found[0]


def numbers(text: str) -> set[int]:
    """`1-4, 8` -> 1, 2, 3, 4, 8."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def test_each_fault_case_has_a_test() -> None:
    rows = re.findall(r"^\| ([\d, -]+): .*\| `[\w/]*test_", TEXT, re.MULTILINE)
    found = set[int]().union(*map(numbers, rows))
    assert found == set(CASES)


def test_each_invariant_has_a_test_that_fails_without_it() -> None:
    rows = re.findall(r"^\| I(\d) \|.*`([\w/]*test_\w+)`[^|]*\|$", TEXT, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 9))
    for number, name in rows:
        assert f"I{number}" in named(name).read_text(), f"{name} does not speak of I{number}"


@pytest.mark.parametrize("page", ["guarantees", "limits"])
def test_the_tests_that_are_named_exist(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    names = re.findall(r"`([\w/]*test_\w+)`", text)
    assert names
    for name in names:
        named(name)


def test_the_words_after_a_test_of_the_limits_are_its_name() -> None:
    """`file`: words of the test's name; "the same" is the file of the row above."""
    page = (ROOT / "docs" / "limits.md").read_text()
    file, count = "", 0
    for cell in re.findall(r"^\| .* \| ((?:`[^|]*test_|the same)[^|]*) \|$", page, re.MULTILINE):
        for quoted, words in re.findall(r"(`[\w/]*test_\w+`|the same)(?:: ([^`]+))?", cell):
            file = file if quoted == "the same" else quoted.strip("`")
            if words:
                count += 1
                name = re.sub(r"[^a-z0-9]+", "_", words.strip().lower().replace("'", ""))
                assert f"def test_{name}(" in named(file).read_text(), f"{file}: {words}"
    assert count > 15
