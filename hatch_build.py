"""What hatchling adds to a distribution: the revision, the documentation, and a README whose links work anywhere.

Two variables of the build's environment:

    FLUSSO_REVISION     the commit; without it, what git says of this folder
    FLUSSO_SOURCE_URL   where the repository is published, on GitHub or GitLab: the base of links, and of the project's URLs
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

REVISION_FILE = "shared/flusso_shared/_revision.txt"
DOCUMENTATION = "share/doc/flusso-kafka"
"""Where an installed wheel has the pages, below the folder of the environment."""
_SHIPPED = ("README.md", "CHANGELOG.md", "docs", "deploy")
_MADE_FOR_THE_SITE = "<!-- made from the code:"
"""A page with it is complete only on the site."""
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\((?![a-z]+:|#)([^)\s]+)\)")
"""Text and target; there may be brackets in the text."""


class Metadata(MetadataHookInterface):
    """The description is the README; URLs are known to a build that is to be published."""

    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        text = with_portable_links(
            (root / "README.md").read_text("utf-8"), "README.md", root, set()
        )
        source = source_url()
        if source:
            metadata["urls"] = {
                "Source": source,
                "Documentation": f"{source}/blob/HEAD/docs/index.md"
                if (root / "docs/index.md").exists()
                else f"{source}/tree/HEAD/docs",
                "Changelog": f"{source}/blob/HEAD/CHANGELOG.md",
            }
        else:
            text += f"\nThe pages that are named above are installed with the package, in `{DOCUMENTATION}`.\n"
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class Contents(BuildHookInterface):
    """The revision in sdist and wheel, and the documentation in the wheel."""

    _scratch: Path

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="flusso-build-"))
        if version == "editable":
            # What an editable install runs is no one revision.
            return
        root = Path(self.root)
        # A wheel that is made of an sdist has the file already.
        if not (root / REVISION_FILE).exists():
            path = self._scratch / "revision"
            path.write_text(f"{revision(root)}\n")
            place = REVISION_FILE if self.target_name == "sdist" else "flusso_shared/_revision.txt"
            build_data["force_include"][str(path)] = place
        if self.target_name == "wheel":
            for name, path in documentation(root, self._scratch / "pages"):
                build_data["shared_data"][str(path)] = f"{DOCUMENTATION}/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)


def source_url() -> str:
    return os.environ.get("FLUSSO_SOURCE_URL", "").rstrip("/")


def revision(root: Path) -> str:
    """The commit of this build, or `unknown`."""
    given = os.environ.get("FLUSSO_REVISION", "").strip()
    if given:
        return given
    if not (root / ".git").exists():
        # A clone around an unpacked archive is not its own.
        return "unknown"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def documentation(root: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Each file of the documentation with its name; pages are copies whose links stay among them."""
    files = dict(_files(root))
    for name, path in files.items():
        if path.suffix != ".md":
            yield name, path
            continue
        copy = scratch / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = with_portable_links(path.read_text("utf-8"), name, root, set(files))
        copy.write_text(text, encoding="utf-8")
        yield name, copy


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for item in _SHIPPED:
        top = root / item
        # A build of the image has the README only.
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            name = path.relative_to(root).as_posix()
            if not path.is_file() or "__pycache__" in name:
                continue
            if path.suffix == ".md" and _MADE_FOR_THE_SITE in path.read_text("utf-8"):
                continue
            yield name, path


def with_portable_links(text: str, page: str, root: Path, kept: set[str]) -> str:
    """The page with links to `kept` files as they are, and others to the published repository, or as plain text."""
    source = source_url()

    def link(found: re.Match[str]) -> str:
        label, target = found[1], found[2]
        path, hash_, anchor = target.partition("#")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
        if name in kept:
            return found[0]
        if source:
            kind = "tree" if (root / name).is_dir() else "blob"
            return f"[{label}]({source}/{kind}/HEAD/{name}{hash_}{anchor})"
        return label if name in label else f"{label} (`{name}`)"

    return _LINK.sub(link, text)
