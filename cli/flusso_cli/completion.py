"""`flusso completion`: what a shell reads to complete commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

_PROGRAMS = ("flusso", "flusso-capture", "flusso-worker")


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], typer.Argument(help="The shell that is to complete.")
    ],
) -> None:
    """Print the shell's functions that complete commands and options: `source <(flusso completion bash)`."""
    from typer._completion_shared import get_completion_script

    for program in _PROGRAMS:
        script = get_completion_script(
            prog_name=program, complete_var=complete_variable(program), shell=shell
        )
        typer.echo(script)


def complete_variable(program: str) -> str:
    """The variable by which a shell asks `program` for completions."""
    return f"_{program}_COMPLETE".replace("-", "_").upper()
