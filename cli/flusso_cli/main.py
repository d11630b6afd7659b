"""`flusso`: the umbrella command."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.main import get_command

from flusso_shared.process import command_line
from flusso_shared.process.commands import App, Group

_COMMANDS = {
    "init": "flusso_cli.init.command",
    "run": "flusso_cli.daemons.run",
    "build": "flusso_cli.build",
    "check": "flusso_cli.check.command",
    "plan": "flusso_cli.plan.command",
    "schema": "flusso_cli.json_schema.command",
    "models": "flusso_cli.models.command",
    "status": "flusso_cli.status.command",
    "indexes": "flusso_cli.admin.indexes",
    "reindex": "flusso_cli.admin.reindex",
    "pause": "flusso_cli.admin.pause",
    "resume": "flusso_cli.admin.pause",
    "verify": "flusso_cli.admin.verify",
    "quarantine": "flusso_cli.admin.quarantine",
    "explain": "flusso_cli.admin.explain",
    "resolve": "flusso_cli.admin.resolve",
    "slot": "flusso_cli.admin.slot",
    "completion": "flusso_cli.completion",
}
"""Name, in the order of the help -> the module that has it, as a function or a `Typer` of the same name."""


class LazyGroup(Group):
    """Imports a command when it is named, and all of them for the help: some take a second of CPU to import."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command.  None for an unknown name; then all are loaded, so that a near one can be suggested."""
        for name in (cmd_name,) if cmd_name in _COMMANDS else _COMMANDS:
            if name not in self.commands:
                self.commands[name] = _load(name)
        return self.commands.get(cmd_name)


def _load(name: str) -> Any:
    found = getattr(import_module(_COMMANDS[name]), name)
    if not isinstance(found, typer.Typer):
        alone = App()
        alone.command(name)(found)
        found = alone
    command = get_command(found)
    command.name = name
    return command


app = App(cls=LazyGroup, no_args_is_help=True)


@app.callback()
def flusso(
    _version: command_line.VersionOption = False,
) -> None:
    """Keep OpenSearch documents in step with Postgres."""


def main() -> None:
    """The command's entry point."""
    command_line.execute(app)


if __name__ == "__main__":
    main()
