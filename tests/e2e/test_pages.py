"""The quickstart, the tutorial and the page about the query client, run as they are written in a fresh copy of the repository.

Only the ports differ, so that servers that run already are left alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from stacklib.layout import PORT_VARIABLES, ROOT
from stacklib.ports import free_ports
from support.commands import inherited_environment
from support.page_run import follow

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("pages"),  # one stack for both
]

_OURS = (9464, 9465, 9474, 9475)
"""The default ports: of capture and `flusso run`, and of a worker."""


@dataclass(frozen=True)
class Place:
    """A copy of the repository, and its ports."""

    root: Path
    ports: Mapping[int, int]
    environment: Mapping[str, str]

    def with_ports(self, text: str) -> str:
        """A text with the ports of this place."""
        names = "|".join(map(str, self.ports))
        moved = re.sub(rf"\b(?:{names})\b", lambda found: str(self.ports[int(found[0])]), text)
        # The variables have the ports of the other process.
        worker = [f"127.0.0.1:{self.ports[port]}" for port in (9474, 9475)]
        options = f"--public-address {worker[0]} --private-address {worker[1]}"
        return re.sub(r"^flusso-worker$", f"flusso-worker {options}", moved, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    servers = dict(PORT_VARIABLES.values())
    usual = [*servers.values(), *_OURS]
    ports = dict(zip(usual, free_ports(len(usual)), strict=True))
    variables = {name: str(ports[port]) for name, port in servers.items()}
    variables["FLUSSO_DEV_BRIEF"] = "1"
    variables["FLUSSO_LOG"] = "warning"  # so that no line says that the next one has an effect
    variables["PRIMARY_OPENSEARCH_URL"] = f"http://127.0.0.1:{ports[9200]}"
    variables["FLUSSO_PUBLIC_ADDRESS"] = f"127.0.0.1:{ports[9464]}"
    variables["FLUSSO_PRIVATE_ADDRESS"] = f"127.0.0.1:{ports[9465]}"
    with tempfile.TemporaryDirectory(prefix="flusso-pages-") as folder:
        # Postgres' own user has to get in here.
        Path(folder).chmod(0o755)
        root = Path(folder) / "flusso"
        _copy(root)
        found = Place(root, ports, inherited_environment() | variables)
        config = root / "dev" / "flusso.toml"
        config.write_text(found.with_ports(config.read_text(encoding="utf-8")), encoding="utf-8")
        try:
            yield found
        finally:
            subprocess.run(
                [sys.executable, "dev/stack", "down"], cwd=root, env=found.environment, check=True
            )


def _copy(root: Path) -> None:
    """What a clone has."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.rstrip("\0").split("\0"):
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)


@pytest.mark.parametrize("page", ["quickstart", "tutorial", "client"])
def test_the_page_can_be_followed_to_the_letter(page: str, place: Place, tmp_path: Path) -> None:
    text = place.with_ports((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    different = follow(text, place.root, place.environment, tmp_path)
    assert not different, "\n".join(different)
