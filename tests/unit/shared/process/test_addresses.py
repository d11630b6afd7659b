"""Where the surfaces listen: what is chosen, and which defaults may be replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_shared.config.project import Project, load_project
from flusso_shared.process import option_values
from flusso_shared.process.service import Addresses

SOURCE = '[source]\ntype = "postgres"\n'
CHOSEN = SOURCE + '[server]\npublic_address = "127.0.0.1:1000"\n'


def project(folder: Path, text: str) -> Project:
    path = folder / "flusso.toml"
    path.write_text(text)
    return load_project(path)


def addresses(
    found: Project,
    public: str | None = None,
    defaults: tuple[str, str] = option_values.CAPTURE_ADDRESSES,
) -> Addresses:
    return option_values.addresses(found, (public, None), ("a", "b"), (None, None), defaults)


def test_without_a_choice_each_part_has_ports_of_its_own(tmp_path: Path) -> None:
    found = project(tmp_path, SOURCE)
    capture = addresses(found)
    worker = addresses(found, defaults=option_values.WORKER_ADDRESSES)
    assert (capture.public, capture.private) == ("127.0.0.1:9464", "127.0.0.1:9465")
    assert (worker.public, worker.private) == ("127.0.0.1:9474", "127.0.0.1:9475")
    assert capture.by_default == worker.by_default == {"public", "private"}


@pytest.mark.parametrize(
    ("text", "option", "expected"),
    [
        (SOURCE, "127.0.0.1:2000", "127.0.0.1:2000"),
        (CHOSEN, None, "127.0.0.1:1000"),
        (CHOSEN, "127.0.0.1:2000", "127.0.0.1:2000"),
    ],
)
def test_what_is_chosen_is_not_replaced(
    tmp_path: Path, text: str, option: str | None, expected: str
) -> None:
    found = addresses(project(tmp_path, text), option)
    assert found.public == expected
    assert found.by_default == {"private"}
