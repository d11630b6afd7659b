"""`flusso models`: what is written, and what fails in continuous integration."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.commands import inherited_environment, run_command
from support.stores.dev import ROOT

CONFIG = str(ROOT / "dev" / "flusso.toml")
CARD = """
from decimal import Decimal

from flusso_query import Document, Fragment


class Account(Fragment):
    tier: str


class UserCard(Document, index="users"):
    email: str
    account: Account
    lifetimeValue: Decimal | None
"""


def flusso(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = inherited_environment() | {"FLUSSO_LOG": "warning"}
    return run_command(folder, environment, "flusso", *arguments)


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A folder with the lock of the example store, and no configuration."""
    assert flusso(tmp_path, "build", "-c", CONFIG).returncode == 0
    return tmp_path


def test_the_lock_gives_what_the_configuration_gives(compiled: Path) -> None:
    done = flusso(compiled, "models", "generate", "-o", "documents.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "\u2713 models of 3 indexes \u2192 documents.py\n"
    written = (compiled / "documents.py").read_text()
    assert written == flusso(compiled, "models", "generate", "-c", CONFIG).stdout
    checked = flusso(compiled, "models", "check", "documents.py")
    assert checked.stdout == "\u2713 3 models fit the schemas of flusso.lock\n"


def test_some_indexes_alone(compiled: Path) -> None:
    text = flusso(compiled, "models", "generate", "orders").stdout
    assert 'class Orders(Document, index="orders", hash="' in text
    assert "class Users" not in text
    done = flusso(compiled, "models", "generate", "order")
    assert done.returncode == 1
    assert "there is no index `order` (did you mean `orders`?)" in done.stderr


def test_models_that_no_longer_fit_fail_by_field_and_type(compiled: Path) -> None:
    assert flusso(compiled, "models", "generate", "users", "-o", "made.py").returncode == 0
    made = compiled / "made.py"
    made.write_text(made.read_text().replace("    email: str\n", "    mail: str\n"))
    (compiled / "cards.py").write_text(CARD.replace("Decimal |", "str |").replace("tier", "tear"))
    done = flusso(compiled, "models", "check", "made.py", "cards.py")
    assert (done.returncode, done.stdout) == (1, "")
    first, second, third, fourth = done.stderr.splitlines()
    assert first.startswith("made.py: Users.mail: there is no key `mail` (did you mean `email`?)")
    assert second.startswith("made.py: Users.email: the schema has it (`str`)")
    assert third.startswith("cards.py: Account.tear: there is no key `tear` (did you mean `tier`?)")
    assert fourth == (
        "cards.py: UserCard.lifetimeValue: the schema has `Decimal | None`, not `str` (index `users`)"
    )


def test_a_generated_file_that_was_edited_or_is_old_fails(compiled: Path) -> None:
    made = compiled / "made.py"
    assert flusso(compiled, "models", "generate", "users", "-o", "made.py").returncode == 0
    text = made.read_text()
    made.write_text(text + "# mine\n")
    done = flusso(compiled, "models", "check", "made.py")
    assert done.returncode == 1
    assert "not what `flusso models generate` writes now: generate it again" in done.stderr
    made.write_text(text.replace(' hash="', ' hash="0'))
    done = flusso(compiled, "models", "check", "made.py")
    assert done.returncode == 1
    assert "made for schema 0" in done.stderr


def test_a_module_of_a_package_imports_its_neighbours(compiled: Path) -> None:
    package = compiled / "shop" / "pages"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package.parent / "parts.py").write_text(CARD)
    (package / "cards.py").write_text(
        "from ..parts import Account, UserCard\n\n\nclass Longer(UserCard):\n    fullName: str | None\n"
    )
    done = flusso(compiled, "models", "check", "shop/pages/cards.py")
    assert done.stdout == "\u2713 1 model fit the schemas of flusso.lock\n", done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = 1\n", "has no models"), ("import nothing_like_it\n", "ModuleNotFoundError")],
)
def test_a_file_that_cannot_be_checked_is_named(compiled: Path, text: str, message: str) -> None:
    (compiled / "odd.py").write_text(text)
    done = flusso(compiled, "models", "check", "odd.py")
    assert done.returncode == 1
    assert message in done.stderr
    assert "odd.py" in done.stderr


def test_the_pytest_plugin_fails_with_all_problems(compiled: Path) -> None:
    (compiled / "good_cards.py").write_text(CARD)
    (compiled / "bad_cards.py").write_text(CARD.replace("email", "emial").replace("tier", "tear"))
    (compiled / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\naddopts = -p flusso_query.pytest_plugin\nflusso_models = good_cards bad_cards\n"
    )
    environment = inherited_environment()
    done = run_command(compiled, environment, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "UserCard.emial: there is no key `emial` (did you mean `email`?)" in done.stdout
    assert "Account.tear: there is no key `tear` (did you mean `tier`?)" in done.stdout
    (compiled / "flusso.lock").unlink()
    done = run_command(compiled, environment, "pytest", "-q", "-p", "no:cacheprovider")
    assert "there is no flusso.lock: make it with `flusso build`" in done.stdout
