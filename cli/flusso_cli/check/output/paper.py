"""What the human report is written on: sections, aligned rows, colours on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

Cell = Text | str


class Paper:
    """Lines on stdout."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, *parts: Cell) -> None:
        """One line; a long one is the terminal's to break."""
        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def title(self, text: str) -> None:
        """A section's title, ruled under."""
        self.line()
        self.line(styled(text, "bold"))
        self.line(styled("─" * len(text), "dim"))

    def rows(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Rows in columns as wide as their widest cell."""
        texts = [[Text.assemble(cell) for cell in row] for row in rows]
        widths = [max(cell.cell_len for cell in column) for column in zip(*texts, strict=True)]
        for row in texts:
            line = Text("  ")
            for cell, width in zip(row, widths, strict=True):
                line.append_text(cell)
                line.append(" " * (width - cell.cell_len + 2 if width else 0))
            line.rstrip()
            self.line(line)


def styled(text: str, style: str) -> Text:
    """A piece of text."""
    return Text(text, style=style)
