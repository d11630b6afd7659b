"""What MkDocs calls while it builds the site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

# MkDocs loads this file by its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from doclib import reference, repository


def on_files(files: Files, *, config: Any) -> Files:
    """Add a page for each file of the repository that a page links to."""
    texts = {
        file.src_uri: Path(file.abs_src_path).read_text(encoding="utf-8")
        for file in files.documentation_pages()
        if file.abs_src_path is not None
    }
    for path in repository.linked(texts):
        content = repository.page(path)
        files.append(File.generated(config, repository.uri(path), content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Fill in what is made from the code, and lead links to the repository to their pages."""
    made = reference.filled_in(markdown)
    return repository.with_links(made, page.file.src_uri)
