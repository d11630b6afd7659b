"""What holds for every command of the three programs: help, completion, and the variables of options."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from flusso_cli.daemons.capture import app as capture
from flusso_cli.daemons.worker import app as worker
from flusso_cli.main import app as umbrella
from flusso_shared.process.commands import App
from support.commands import inherited_environment, program, run_command

PROGRAMS: dict[str, App] = {
    "flusso": umbrella,
    "flusso-capture": capture,
    "flusso-worker": worker,
}
DESTRUCTIVE = {"--force", "--repair", "--all", "--yes", "--cancel", "--take-over"}


def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command and those below it, by their names on the command line."""
    yield name, command
    context = command.make_context(name, [], resilient_parsing=True)
    for sub in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from below(f"{name} {sub}", command.get_command(context, sub))


COMMANDS = [pair for name, app in PROGRAMS.items() for pair in below(name, get_command(app))]
OPTIONS = [
    pytest.param(name, option, id=f"{name} {option.opts[0]}")
    for name, command in COMMANDS
    for option in command.params
    if option.param_type_name == "option"
]


def invoke(name: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code of a command in this process, and what it printed."""
    first, *rest = name.split()
    result = CliRunner().invoke(
        PROGRAMS[first], [*rest, *arguments], env=environment, prog_name=first
    )
    return result.exit_code, result.output


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_shows_its_help(name: str, option: str) -> None:
    code, said = invoke(name, option)
    assert code == 0
    assert f"Usage: {name} " in " ".join(said.split())
    assert "<bool>" not in said


def test_a_bare_command_lists_the_commands_and_is_wrong_usage() -> None:
    code, said = invoke("flusso")
    assert code == 2
    for name, _ in COMMANDS:
        if name.startswith("flusso ") and name.count(" ") == 1:
            assert re.search(rf"^│ {name.split()[1]} ", said, re.MULTILINE), name


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_what_destroys_has_no_variable(name: str, option: Any) -> None:
    if DESTRUCTIVE.intersection(option.opts) or (
        name.endswith("quarantine drop") and {"--index", "--id"}.intersection(option.opts)
    ):
        assert option.envvar is None


def test_each_variable_means_one_thing() -> None:
    """One option, of one type: a value that one command takes no other refuses."""
    meanings: dict[str, set[tuple[str, str]]] = {}
    for name, command in COMMANDS:
        context = command.make_context(name, [], resilient_parsing=True)
        for option in command.params:
            if option.envvar:
                kind = str(option.display_type(context))
                meanings.setdefault(option.envvar, set()).add((option.opts[0], kind))
    double = {variable: found for variable, found in meanings.items() if len(found) > 1}
    assert double == {}
    assert {"FLUSSO_OUT", "FLUSSO_FORMAT", "FLUSSO_SCHEMA"} <= set(meanings)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_empty_variable_is_refused_unless_it_may_be_empty(name: str, option: Any) -> None:
    if not option.envvar or {"--admin-user", "--admin-password", "--index-prefix"} & {*option.opts}:
        return
    code, said = invoke(name, *arguments_of(name), **{option.envvar: ""})
    assert code == 2
    flat = " ".join(said.replace("│", " ").split())
    assert option.opts[0] in flat
    assert f"the variable {option.envvar} is empty" in flat


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_empty_value_is_refused_unless_it_may_be_empty(name: str, option: Any) -> None:
    if option.is_flag or {"--admin-user", "--admin-password", "--index-prefix"} & {*option.opts}:
        return
    for given in ([option.opts[0], ""], [f"{option.opts[0]}="]):
        code, said = invoke(name, *arguments_of(name), *given)
        assert code == 2
        assert option.opts[0] in said


def arguments_of(name: str) -> list[str]:
    """A value for each argument that a command needs."""
    [command] = [command for found, command in COMMANDS if found == name]
    needed = [item for item in command.params if item.param_type_name == "argument"]
    return ["index" for item in needed if item.required]


def test_a_command_line_wins_over_an_empty_variable(tmp_path: Path) -> None:
    environment = inherited_environment() | {"FLUSSO_LOCK": "", "FLUSSO_LOCKED": "true"}
    for given in (["--lock", "here.lock"], ["--lock=here.lock"]):
        done = run_command(tmp_path, environment, "flusso", "run", *given)
        assert done.returncode == 1
        assert "here.lock" in done.stderr


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_switch_takes_true_and_false_from_its_variable(value: str) -> None:
    code, said = invoke("flusso run", FLUSSO_LOCKED=value)
    assert code == 2
    assert "--locked" in said


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_valued_switch_is_understood_in_both_ways(tmp_path: Path, value: str) -> None:
    """`--manage-publication true` and `--manage-publication=true`; nothing else is a value."""
    for given in (["--manage-publication", value], [f"--manage-publication={value}"]):
        done = run_command(tmp_path, inherited_environment(), "flusso", "run", *given)
        assert (done.returncode, "there is neither a configuration" in done.stderr) == (1, True)
    done = run_command(
        tmp_path, inherited_environment(), "flusso", "run", "--manage-publication=maybe"
    )
    assert (done.returncode, "--manage-publication" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("flusso re", {"reindex", "resume", "resolve"}),
        ("flusso slot ", {"status", "drop"}),
        ("flusso run --pu", {"--publication", "--public-address"}),
        ("flusso schema ", {"config", "index"}),
        ("flusso-worker --ind", {"--index-prefix"}),
        ("flusso-capture --sl", {"--slot"}),
    ],
)
def test_bash_completes_commands_options_and_choices(words: str, found: set[str]) -> None:
    name = words.split()[0]
    asked = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        f"_{name.replace('-', '_').upper()}_COMPLETE": "complete_bash",
    }
    done = run_command(Path(), inherited_environment() | asked, name)
    assert done.returncode == 0
    assert found <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "near"),
    [(("rnu",), "run"), (("run", "--solt"), "--slot"), (("slot", "remove"), "remove")],
)
def test_what_is_unknown_is_wrong_usage_with_the_usage_on_stderr(
    arguments: tuple[str, ...], near: str
) -> None:
    done = run_command(Path(), inherited_environment(), "flusso", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: flusso" in done.stderr
    assert near in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_reads_asks_each_program(shell: str) -> None:
    done = run_command(Path(), inherited_environment(), "flusso", "completion", shell)
    assert done.returncode == 0
    for name in PROGRAMS:
        assert f"_{name.replace('-', '_').upper()}_COMPLETE=complete_{shell}" in done.stdout


def test_a_real_bash_completes() -> None:
    script = (
        "source <(flusso completion bash)\n"
        "COMP_WORDS=(flusso quar) COMP_CWORD=1\n"
        '_flusso_completion flusso; echo "${COMPREPLY[@]}"'
    )
    path = f"{Path(program('flusso')).parent}:/usr/bin:/bin"
    environment = inherited_environment() | {"PATH": path}
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "quarantine\n"
