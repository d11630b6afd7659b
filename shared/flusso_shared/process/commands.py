"""What each command does with its line before it runs: `-h`, and what may not be empty.

A `typer.Typer` is made as an `App` everywhere, so that all commands behave alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from flusso_shared.process.environment import environment

_MAY_BE_EMPTY = frozenset({"--admin-user", "--admin-password", "--index-prefix"})
"""Plain text, where an empty value means something.  Of others it is a mistake: an unset variable in a script."""


class Group(TyperGroup):
    """Commands under one name."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options, with that for the help."""
        return _without_types_of_switches(super().get_params(ctx))


class Command(TyperCommand):
    """A command whose options refuse empty values, also from the environment."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options and arguments, with the option for the help."""
        return _without_types_of_switches(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments that are left, as the library has it.  Raises `BadParameter` for an empty value."""
        if ctx.resilient_parsing:  # shell completion, or the reference
            return super().parse_args(ctx, args)
        given = list(args)
        env = environment()
        options: list[Any] = list(self.params)
        empty = [
            option
            for option in options
            if option.envvar and env.get(str(option.envvar)) == "" and not _named(option, given)
        ]
        for option in options:
            if _refuses_empty(option) and any(value == "" for value in _values(option, given)):
                raise typer.BadParameter("the value is empty", ctx=ctx, param=option)
        for option in filter(_refuses_empty, empty):
            raise typer.BadParameter(
                f"the variable {option.envvar} is empty; unset it, or give it a value",
                ctx=ctx,
                param=option,
            )
        rest = super().parse_args(ctx, args)
        # The library takes an empty variable for one that is not set.
        ctx.params.update({str(option.name): "" for option in empty})
        return rest


class App(typer.Typer):
    """A `Typer` whose commands are `Command`s, and show their help for `-h` too."""

    def __init__(self, *, cls: type[Group] = Group, **keywords: Any) -> None:
        super().__init__(
            cls=cls,
            add_completion=False,
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
            **keywords,
        )

    def command(self, name: str | None = None, **keywords: Any) -> Callable[[Any], Any]:
        """Like that of `Typer`, with `Command` as the class."""
        return super().command(name, **{"cls": Command, **keywords})


def _without_types_of_switches(options: list[Any]) -> list[Any]:
    """Where a switch takes no value, the help would show `<bool>` as if it did."""
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""
    return options


def _refuses_empty(option: Any) -> bool:
    return not _MAY_BE_EMPTY.intersection(option.opts)


def _named(option: Any, arguments: Sequence[str]) -> bool:
    """Whether the command line has the option, in any of its forms."""
    names = (*option.opts, *option.secondary_opts)
    return any(
        argument.partition("=")[0] in names or _is_short(argument, names)
        for argument in _options(arguments)
    )


def _is_short(argument: str, names: Sequence[str]) -> bool:
    """Whether `-cPATH` begins with one of the names, which are `-c` and others."""
    return argument[:1] == "-" and argument[:2] in names


def _values(option: Any, arguments: Sequence[str]) -> Iterator[str]:
    """The values that the command line gives to an option that takes one."""
    if getattr(option, "is_flag", False):
        return
    before = list(_options(arguments))
    for number, argument in enumerate(before):
        name, equals, value = argument.partition("=")
        if name in option.opts:
            # None follows where the value is missing, which the library reports.
            yield from [value] if equals else arguments[number + 1 : number + 2]


def _options(arguments: Sequence[str]) -> Iterator[str]:
    """What stands before `--`."""
    for argument in arguments:
        if argument == "--":
            return
        yield argument
