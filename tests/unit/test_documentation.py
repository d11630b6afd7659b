"""The pages under `docs/` and `deploy/`, `README.md` and `CONTRIBUTING.md` name only what exists, in plain words."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flusso_shared.process.log_actions import ACTIONS
from support.stores.dev import ROOT

PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "deploy").rglob("README.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


_NOT_OURS = {"connecting to a PLAINTEXT broker listener?"}
"""Quoted from librdkafka."""
_COMPOSED = {"cleanup.policy=delete"}
"""Put together from a setting and its value."""


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name) if name else page
        assert path.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {target}"


def test_functions_that_are_named_beside_a_file_are_in_it() -> None:
    """`Class.function` in [file.py](path)."""
    page = ROOT / "docs" / "architecture.md"
    found = re.findall(r"`(\w+)\.(\w+)` in\s\[[\w./]+\]\(([^)]+)\)", page.read_text())
    assert len(found) > 1
    for cls, function, path in found:
        source = (page.parent / path).read_text()
        assert re.search(rf"^class {cls}\b", source, re.MULTILINE), f"{path}: {cls}"
        assert f"def {function}(" in source, f"{path}: {function}"


@each_page
def test_paths_in_code_quotes_exist(page: Path) -> None:
    """`tests/support/until.py`, `docs/`, `./dev/test` and the like, from the root of the repository."""
    tops = "bench|capture|cli|deploy|dev|docs|schemas|shared|tests|worker"
    for name in re.findall(rf"`(?:\./)?((?:{tops})/[\w./-]*)`", page.read_text()):
        found = (ROOT / name, ROOT / f"{name}.py")
        assert any(path.exists() for path in found), f"{page.name}: {name}"


@pytest.mark.parametrize("package", ["flusso_capture", "flusso_worker", "flusso_shared"])
def test_the_import_layers_are_those_that_are_checked(package: str) -> None:
    """The page has the layers of `pyproject.toml`, in the same order; modules beside the rooms are not named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    [checked] = [item["layers"] for item in contracts if item.get("containers") == [package]]
    expected = [set(layer.split(" | ")) for layer in checked if " : " not in layer]
    text = (ROOT / "docs" / "architecture.md").read_text()
    row = re.search(rf"^\| `{package}` \| (.*) \|$", text, re.MULTILINE)
    assert row is not None
    named = [set(re.findall(r"`(\w+)`", layer)) for layer in row[1].split(", ")]
    assert [layer for layer in named if layer] == expected


def test_each_word_is_defined_once() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    words = re.findall(r"^\| \*\*([\w ()-]+)\*\* \|", text, re.MULTILINE)
    assert len(words) > 20
    assert words == sorted(set(words))


@each_page
def test_plain_words(page: Path) -> None:
    """Words that this project does not use; quotations of other systems would be named here."""
    found = re.findall(
        r"\b(?:anew|somebody|nobody|anybody|whoever|let go of)\b",
        page.read_text(),
        re.IGNORECASE,
    )
    assert not found, f"{page.name}: {found}"


def literals() -> Iterator[str]:
    """Every string in the product, f-strings in pieces."""
    for folder in ("shared", "capture", "worker", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def logged() -> Iterator[tuple[str, str, str | None]]:
    """Every line of the log in the product's source: where, its level, its `action`; None where it has none.

    Fields that are made before the call are looked for in the same module.
    """
    for path in (path for top in PRODUCT for path in (ROOT / top).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name not in {f"logger.{level}" for level in LEVELS}:
                continue
            extra = next((item.value for item in call.keywords if item.arg == "extra"), None)
            if isinstance(extra, ast.Name):
                extra = next(
                    node.value
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == extra.id
                )
            action = None if extra is None else dict(ast.literal_eval(_constants(extra)))["action"]
            yield f"{path.relative_to(ROOT)}:{call.lineno}", name.partition(".")[2], action


PRODUCT = ("shared", "capture", "worker", "cli")
LEVELS = ("debug", "info", "warning", "error", "exception", "log")


def _constants(fields: ast.expr) -> ast.Dict:
    """The entries of a dictionary that are constants."""
    assert isinstance(fields, ast.Dict)
    pairs = [
        (key, value)
        for key, value in zip(fields.keys, fields.values, strict=True)
        if isinstance(value, ast.Constant)
    ]
    return ast.Dict([key for key, _ in pairs], [value for _, value in pairs])


def test_each_warning_has_an_action_and_each_action_is_explained() -> None:
    """A new action goes into `flusso_shared/process/log_actions.py`, of which the page of actions is made."""
    lines = list(logged())
    without = [
        where for where, level, action in lines if level not in ("debug", "info") and not action
    ]
    assert not without, "a line of this level needs extra={'action': ...}"
    used = {action for _, _, action in lines if action}
    # `retry.log_next_try` has them from its callers.
    used |= {"retry", "index_stopped"}
    assert used == set(ACTIONS)
    errors = {action for _, level, action in lines if level == "error"}
    assert all(ACTIONS[action].do for action in errors if action), "an error says what to do"


@pytest.mark.parametrize(
    ("page", "heading"),
    [("operations", "## What to do when"), ("kafka", "## When it goes wrong")],
)
def test_quoted_messages_are_printed(page: str, heading: str) -> None:
    """The first column of these tables quotes what a process prints; `...` stands for what varies."""
    product = "\n".join(literals())
    section = (ROOT / "docs" / f"{page}.md").read_text().split(heading)[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
    quoted = {a or b for row in rows for a, b in re.findall(r"``(.+?)``|`([^`]+)`", row)}
    assert len(quoted) > 5
    for message in quoted - _NOT_OURS - _COMPOSED:
        for part in re.split(r"\.\.\.|, ", message):
            assert part.strip(" :;,") in product, message
