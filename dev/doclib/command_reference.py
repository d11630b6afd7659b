"""Every command and option, and the environment variables that stand for options, from the command lines themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from doclib import since
from flusso_cli.daemons.capture import app as capture
from flusso_cli.daemons.worker import app as worker
from flusso_cli.main import app as umbrella

_TYPES = {
    "str": "text",
    "list[str]": "text, repeatable",
    "int": "integer",
    "int range": "integer",
    "float": "number",
    "float range": "number",
}
"""Types as Python calls them -> as a reader does."""
_PROGRAMS = {"flusso": umbrella, "flusso-capture": capture, "flusso-worker": worker}


def commands() -> str:
    """Each command with its usage, arguments and options."""
    return "\n".join(part for found in _commands() for part in _command(*found))


def variables() -> str:
    """Each environment variable that an option has."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, command, _ in _commands():
        for option in command.params:
            if option.envvar:
                options = found.setdefault(option.envvar, {})
                options.setdefault(option.opts[0], []).append(f"`{name}`")
    rows = [
        f"| `{variable}` | {', '.join(f'`{option}`' for option in options)} | "
        f"{', '.join(name for names in options.values() for name in names)} |"
        for variable, options in sorted(found.items())
    ]
    return "\n".join(["| variable | option | commands |", "|---|---|---|", *rows])


def _commands() -> Iterator[tuple[str, Any, Any]]:
    for name, app in _PROGRAMS.items():
        yield from _below(name, get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any, Any]]:
    """A command with its context, and its subcommands."""
    context = command.make_context(name, [], resilient_parsing=True)
    yield name, command, context
    for sub in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _below(f"{name} {sub}", command.get_command(context, sub))


def _command(name: str, command: Any, context: Any) -> Iterator[str]:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option"]
    usage = [name, *(_argument(item) for item in arguments)]
    usage += ["[OPTIONS]"] if options else []
    usage += ["COMMAND"] if hasattr(command, "list_commands") else []
    yield f"## `{name}`\n"
    yield f"{' '.join((command.help or '').split())}\n"
    yield f"```text\n{' '.join(usage)}\n```\n"
    if not arguments and not options:
        return
    yield "| | environment | type | default | meaning | since |"
    yield "|---|---|---|---|---|---|"
    for item in (*arguments, *options):
        yield _row(name, item, context)
    yield ""


def _argument(item: Any) -> str:
    shown = item.name.upper()
    return shown if item.required else f"[{shown}]"


def _row(command: str, item: Any, context: Any) -> str:
    is_argument = item.param_type_name == "argument"
    names = [_argument(item)] if is_argument else [*item.opts, *item.secondary_opts]
    cells = [
        ", ".join(f"`{name}`" for name in names),
        f"`{item.envvar}`" if item.envvar else "",
        _type(item, context),
        _default(item),
        " ".join((item.help or "").split()),
        since.of(f"command: {command} {names[0]}"),
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(item: Any, context: Any) -> str:
    if getattr(item, "is_bool_flag", False):
        return "switch"
    name = str(item.display_type(context)).strip("<>")
    return _TYPES.get(name, name.replace("|", " or "))


def _default(item: Any) -> str:
    value = item.default
    if value is None or value is False or not item.show_default:
        return "required" if item.required else ""
    return f"`{getattr(value, 'value', value)}`"
