"""What `pyproject.toml` declares is what the code imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PRODUCT = ("capture", "worker", "shared", "cli")
_QUERY = ("query",)
_THERE_ALREADY = {"pydantic-core", "pytest"}
"""pydantic brings the one, and the plugin for the other is loaded by it."""
_DEVELOPMENT = ("tests", "dev", "bench")
_TOOLS = {
    "aiohttp",
    "import-linter",
    "mkdocs-material",
    "mypy",
    "pyright",
    "pytest-timeout",
    "ruff",
    "rust-just",
    "types-jsonschema",
    "types-pyyaml",
    "types-requests",
}
"""Run, or read by a tool or another package, and imported by nothing."""
_DECLARED = tomllib.loads((_ROOT / "pyproject.toml").read_text())


def distribution(requirement: str) -> str:
    """The normalised name in `psycopg[binary]>=3.2`, or of a bare name."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def imported(folders: tuple[str, ...]) -> set[str]:
    """The distributions whose packages the code of the folders imports, anywhere in a module."""
    own = {
        path.stem
        for folder in (*_PRODUCT, *_QUERY, *_DEVELOPMENT)
        for path in (_ROOT / folder).iterdir()
        if path.is_dir() or path.suffix == ".py"
    }
    files = [path for folder in folders for path in (_ROOT / folder).rglob("*.py")]
    names = {name for path in files for name in _imports(path)} - own - sys.stdlib_module_names
    providers = packages_distributions()
    return {name for package in names for name in _owners(package, providers)}


def _owners(package: str, providers: Mapping[str, list[str]]) -> set[str]:
    """Of a namespace that several distributions share, those that are declared; the others come with them."""
    declared = product() | development()
    if package not in providers:  # an extra, in an environment without it
        return {name for name in declared if name.startswith(package)}
    found = {distribution(provider) for provider in providers[package]}
    return found & declared or found


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def product() -> set[str]:
    project = _DECLARED["project"]
    declared = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    return {distribution(item) for item in declared}


def development() -> set[str]:
    groups = _DECLARED["dependency-groups"]
    return {distribution(item) for item in (*groups["dev"], *groups["docs"])}


def test_the_product_imports_what_it_declares() -> None:
    assert imported(_PRODUCT) == product()


def test_the_query_client_imports_what_it_declares() -> None:
    declared = tomllib.loads((_ROOT / "query" / "pyproject.toml").read_text())["project"]
    assert imported(_QUERY) - _THERE_ALREADY == {
        distribution(item) for item in declared["dependencies"]
    }


def test_development_imports_what_its_group_adds() -> None:
    others = imported(_DEVELOPMENT) - product()
    assert others == development() - _TOOLS


def test_every_dependency_is_pinned() -> None:
    pins = (_ROOT / "constraints.txt").read_text().splitlines()
    assert product() | development() <= {distribution(pin) for pin in pins}
