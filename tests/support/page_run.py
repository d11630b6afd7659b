"""Runs the shell blocks of a page in their order, and compares what they print with what the page shows.

A block marked `python` with the title `name.py` is written to that file. A block marked `sh` is run. It belongs to the terminal that its title names (`title="Terminal 2"`), the first terminal without one. A block
of the first terminal is run to its end, which must be a success. One of another terminal runs on; the next one in that terminal interrupts
it, as Ctrl-C does; one that is only a comment does no more than that. A `text`, `json` or `yaml` block after one of the first terminal shows
its output: `...` stands for anything, and on a line of its own for any lines. A block that ends with `curl` is repeated until it prints what is
shown, because documents follow a moment later. A block marked `bash` installs programs; only a test that begins with nothing runs it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.waiting import patient, until

_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRESS = re.compile(r"^[\w ]+: (?:not done after \d|[\d,]+ of [\d,]+ \().*\n", re.MULTILINE)
"""Lines of `flusso_shared.process.progress_bar`."""
_BLOCK_SECONDS = 300.0
_SHOWN_SECONDS = 90.0
_PAUSE_SECONDS = 0.5
_FIRST = "Terminal 1"
_END = "END OF THE FILE"


@dataclass(frozen=True)
class Block:
    """One command block, and the output that the page shows for it."""

    terminal: str
    text: str
    shown: str | None


def blocks(page: str) -> list[Block]:
    """The blocks of a page that are to be run."""
    found: list[Block] = []
    for language, title, text in _BLOCK.findall(page):
        if language == "python" and title.endswith(".py"):
            found.append(Block(_FIRST, f"cat > {title} <<'{_END}'\n{text}{_END}\n", None))
        elif language == "sh":
            found.append(Block(title or _FIRST, text, None))
        elif language in ("text", "json", "yaml") and found and found[-1].shown is None:
            found[-1] = Block(found[-1].terminal, found[-1].text, text)
    return found


def installation(page: str) -> str:
    """What the `bash` blocks of a page run, as root."""
    return "".join(text for language, _, text in _BLOCK.findall(page) if language == "bash")


def matches(shown: str, printed: str) -> bool:
    """Whether the output is what a page shows; of JSON, whatever the order of its keys.

    A page does not show how far commands are that take longer than two seconds.
    """
    printed = _PROGRESS.sub("", printed)
    with suppress(ValueError):
        return bool(json.loads(shown) == json.loads(printed))
    lines = [
        re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + "\n" for line in shown.splitlines()
    ]
    pattern = "".join("(?:.*\n)*" if line == ".*\n" else line for line in lines)
    text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, text) is not None


class Terminal:
    """A shell that keeps its folder and variables from block to block."""

    def __init__(self, folder: Path, environment: Mapping[str, str], output: Path) -> None:
        self._output = output
        with output.open("wb") as file:
            self._shell = subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._busy: str | None = None
        self._send("set -e -o pipefail\n")

    def run(self, text: str) -> str:
        """Run the block to its end; gives what it printed."""
        before = len(self.printed())
        end = self._begin(text)
        until(
            f"the end of `{text}`", lambda: end in self.printed() or self._ended(), _BLOCK_SECONDS
        )
        assert end in self.printed(), f"{text}\nfailed:\n{self.printed()[before:]}"
        self._busy = None
        return self.printed()[before:].partition(end)[0]

    def begin(self, text: str) -> None:
        """Start the block, after the one that still runs has been interrupted."""
        if self._busy is not None:
            busy = self._busy
            os.killpg(self._shell.pid, signal.SIGINT)
            until("the end of what was interrupted", lambda: busy in self.printed())
        self._busy = self._begin(text)
        if text.startswith("#"):
            self._busy = None

    def end(self) -> None:
        """End the shell and what runs in it."""
        try:
            os.killpg(self._shell.pid, signal.SIGINT)
            assert self._shell.stdin is not None
            self._shell.stdin.close()
            self._shell.wait(60)
        except ProcessLookupError:
            self._shell.wait()
        except subprocess.TimeoutExpired:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait()

    def printed(self) -> str:
        """Everything so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def _begin(self, text: str) -> str:
        name = uuid.uuid4().hex
        script = self._output.with_suffix(".sh")
        script.write_text(text, encoding="utf-8")
        # No command reads what is for the shell.
        self._send(f". {script} < /dev/null\necho '{name}'\n")
        return f"{name}\n"

    def _send(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def _ended(self) -> bool:
        return self._shell.poll() is not None


@contextmanager
def terminals(
    folder: Path, environment: Mapping[str, str], outputs: Path
) -> Iterator[dict[str, Terminal]]:
    """Terminals by title, made when they are asked for and ended on leaving."""

    class Made(dict[str, Terminal]):
        def __missing__(self, title: str) -> Terminal:
            output = outputs / f"{title.replace(' ', '-')}.txt"
            self[title] = Terminal(folder, environment, output)
            return self[title]

    made = Made()
    try:
        yield made
    finally:
        for terminal in reversed(made.values()):
            terminal.end()


def run_block(block: Block, terminal: Terminal) -> str | None:
    """Run one block; gives what it printed if the page shows something else, and None if all is well."""
    if block.terminal != _FIRST:
        terminal.begin(block.text)
        return None
    printed = terminal.run(block.text)
    if block.shown is None:
        return None
    deadline = time.monotonic() + patient(_SHOWN_SECONDS)
    while not matches(block.shown, printed):
        last = block.text.strip().rpartition("\n")[2]
        if not last.startswith("curl") or time.monotonic() > deadline:
            return printed
        time.sleep(_PAUSE_SECONDS)
        printed = terminal.run(last)
    return None


def follow(page: str, folder: Path, environment: Mapping[str, str], outputs: Path) -> list[str]:
    """Run every block of a page in `folder`; gives what printed something else than the page shows."""
    different: list[str] = []
    with terminals(folder, environment, outputs) as made:
        for block in blocks(page):
            printed = run_block(block, made[block.terminal])
            if printed is not None:
                different.append(f"{block.text}prints\n{printed}and the page shows\n{block.shown}")
    return different
