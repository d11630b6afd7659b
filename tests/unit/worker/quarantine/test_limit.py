"""`quarantine_limit`: global, per index, kept by the lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_shared.config.toml_file import load_config
from flusso_shared.errors import ConfigError

_SOURCE = """
[source]
type = "postgres"

[[index]]
name = "users"
schema = "users.schema.yml"
{own}

[[index]]
name = "orders"
schema = "orders.schema.yml"
"""


def config(folder: Path, first: str = "", own: str = "") -> Path:
    path = folder / "flusso.toml"
    path.write_text(first + _SOURCE.format(own=own))
    return path


def test_an_index_has_its_own_limit_or_the_global_one(tmp_path: Path) -> None:
    found = load_config(config(tmp_path, "quarantine_limit = 5\n", "quarantine_limit = 0"))
    assert (found.limit("users"), found.limit("orders")) == (0, 5)
    assert load_config(config(tmp_path)).limit("users") == 1000


@pytest.mark.parametrize("value", ["-1", '"many"', "1.5", "true"])
def test_a_limit_is_a_number(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="quarantine_limit"):
        load_config(config(tmp_path, f"quarantine_limit = {value}\n"))
