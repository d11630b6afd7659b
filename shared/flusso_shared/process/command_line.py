"""What the commands have in common: their options, and how an error ends them.

Every long option has a `FLUSSO_*` twin in the environment; the flag wins.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console

from flusso_shared import failpoints
from flusso_shared.config.model import OnLostPosition
from flusso_shared.config.project import Project
from flusso_shared.config.toml_file import check_address, check_prefix
from flusso_shared.errors import FlussoError
from flusso_shared.names import DISTRIBUTION
from flusso_shared.process import logs, service
from flusso_shared.process.environment import environment
from flusso_shared.process.http import Credentials


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flusso {version(DISTRIBUTION)}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option(
        "--version", "-V", callback=_show_version, is_eager=True, help="Print the version."
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="FLUSSO_CONFIG",
        help="The configuration; without it ./flusso.toml, else the lock.",
    ),
]
LockOption = Annotated[
    Path,
    typer.Option("--lock", envvar="FLUSSO_LOCK", help="Where the compiled configuration is kept."),
]
LockedOption = Annotated[
    bool,
    typer.Option(
        "--locked", envvar="FLUSSO_LOCKED", help="Run the lock as it is; read no configuration."
    ),
]
PublicOption = Annotated[
    str | None,
    typer.Option(
        "--public-address",
        envvar="FLUSSO_PUBLIC_ADDRESS",
        help="host:port of /healthz, /readyz, /status and /metrics; port 0 picks a free one.",
    ),
]
PrivateOption = Annotated[
    str | None,
    typer.Option(
        "--private-address",
        envvar="FLUSSO_PRIVATE_ADDRESS",
        help="host:port of the administration.",
    ),
]
UserOption = Annotated[
    str,
    typer.Option("--admin-user", envvar="FLUSSO_ADMIN_USER", help="User of the administration."),
]
PasswordOption = Annotated[
    str,
    typer.Option(
        "--admin-password",
        envvar="FLUSSO_ADMIN_PASSWORD",
        show_default=False,
        help="Password of the administration.",
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--startup-timeout",
        min=0,
        envvar="FLUSSO_STARTUP_TIMEOUT",
        help="Seconds to wait for a server that has never answered; 0 waits for ever.",
    ),
]
LostPositionOption = Annotated[
    OnLostPosition | None,
    typer.Option(
        "--on-lost-position",
        envvar="FLUSSO_ON_LOST_POSITION",
        help="When reading cannot go on where it ended: build all indexes anew, or stop.",
    ),
]
SlotOption = Annotated[
    str, typer.Option("--slot", envvar="FLUSSO_SLOT", help="The replication slot.")
]
PublicationOption = Annotated[
    str, typer.Option("--publication", envvar="FLUSSO_PUBLICATION", help="The publication.")
]
ManagePublicationOption = Annotated[
    bool | None,
    typer.Option(
        "--manage-publication/--no-manage-publication",
        envvar="FLUSSO_MANAGE_PUBLICATION",
        help="Create and extend the publication; default: what the configuration says.",
    ),
]
ManageIdentityOption = Annotated[
    bool | None,
    typer.Option(
        "--manage-replica-identity/--no-manage-replica-identity",
        envvar="FLUSSO_MANAGE_REPLICA_IDENTITY",
        help="Set the replica identity that relations need; default: what the configuration says.",
    ),
]
SkipBackfillOption = Annotated[
    bool,
    typer.Option(
        "--skip-backfill",
        envvar="FLUSSO_SKIP_BACKFILL",
        help="Do not read existing rows; follow changes only.",
    ),
]
LagPollOption = Annotated[
    int,
    typer.Option(
        "--lag-poll-secs",
        min=1,
        envvar="FLUSSO_LAG_POLL_SECS",
        help="How often the slot's lag is read.",
    ),
]
IndexPrefixOption = Annotated[
    str | None,
    typer.Option(
        "--index-prefix",
        envvar="FLUSSO_INDEX_PREFIX",
        help="Put before every index and alias name.",
    ),
]

DEFAULT_LOCK = Path("flusso.lock")
DEFAULT_TIMEOUT = 300.0
DEFAULT_USER = "admin"
DEFAULT_PASSWORD = service.DEFAULT_PASSWORD
_VALUED_BOOLEANS = ("--manage-publication", "--manage-replica-identity")


def execute(app: typer.Typer) -> None:
    """Run a command line; a known error becomes one message and exit code 1, wrong usage is 2."""
    logs.configure(environment())
    try:
        failpoints.arm(environment().get(failpoints.VARIABLE, ""))
        app(args=_valued_booleans(sys.argv[1:]))
    except (FlussoError, OSError) as error:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        console.print(message(error))
        sys.exit(1)


def message(error: BaseException) -> str:
    """The error and the chain of what caused it, as far as the error does not say it already."""
    said = [_one_line(error)]
    causes: list[str] = []
    cause = error.__cause__
    while cause is not None:
        text = _one_line(cause)
        # What psycopg says is in the error already, without the pieces of a password that libpq may show.
        if text and not isinstance(cause, psycopg.Error) and not any(text in line for line in said):
            said.append(text)
            causes.append(str(cause).strip())
        cause = cause.__cause__
    lines = [f"Error: {error}"]
    if causes:
        lines += ["", "Caused by:", *(f"  {number}: {text}" for number, text in enumerate(causes))]
    return "\n".join(lines)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _valued_booleans(arguments: list[str]) -> list[str]:
    """`--manage-publication false` and `--manage-publication=false` as the flags they mean."""
    found: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        if name in _VALUED_BOOLEANS:
            if not equals and rest and rest[0].lower() in ("true", "false"):
                value = rest.pop(0)
            if value.lower() not in ("", "true", "false"):
                raise SystemExit(_usage(name, value))
            argument = name if value.lower() != "false" else name.replace("--", "--no-", 1)
        found.append(argument)
    return found


def _usage(name: str, value: str) -> int:
    sys.stderr.write(f"Error: invalid value for {name}: {value!r}; it is true or false\n")
    return 2


def addresses(
    project: Project, public: str | None, private: str | None, credentials: Credentials
) -> service.Addresses:
    """Flag or environment, else the configuration, else the default."""
    server = project.config.server
    found = service.Addresses(
        public or server.public_address, private or server.private_address, credentials
    )
    for option, address in (("public", found.public), ("private", found.private)):
        if wrong := check_address(address):
            raise typer.BadParameter(wrong, param_hint=f"--{option}-address")
    return found


def index_prefix(project: Project, given: str | None) -> str:
    """Flag or environment (an empty one too), else the configuration."""
    prefix = project.config.prefix if given is None else given
    if wrong := check_prefix(prefix):
        raise typer.BadParameter(wrong, param_hint="--index-prefix")
    return prefix


def timeout(seconds: float) -> float | None:
    """`--startup-timeout` as the daemons take it."""
    return seconds or None


def given(flag: bool | None, otherwise: bool) -> bool:
    """A flag that was given, else what the configuration says."""
    return otherwise if flag is None else flag
