"""What all commands share: options, and how an error ends a command.

Every long option has a `FLUSSO_*` twin in the environment; the flag wins.  Imports little, because every command
pays for it, `--version` too; `option_values` combines options with the configuration.
"""

from __future__ import annotations

import gc
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from flusso_shared import failpoints
from flusso_shared.config.choices import OnLostPosition
from flusso_shared.errors import ConfigError, FlussoError
from flusso_shared.health import decide
from flusso_shared.process import logs
from flusso_shared.process.environment import environment


def _show_version(wanted: bool) -> None:
    if wanted:
        # Reading packages' metadata takes longer to import than all else that a version needs.
        from flusso_shared import release

        typer.echo(f"flusso {release.version()} (revision {release.revision()})")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option(
        "--version",
        "-V",
        callback=_show_version,
        is_eager=True,
        help="Print the version and the revision.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="FLUSSO_CONFIG",
        help="Configuration file; by default ./flusso.toml, or the lock file if that does not exist.",
    ),
]
LockOption = Annotated[
    Path,
    typer.Option("--lock", envvar="FLUSSO_LOCK", help="Lock file: the compiled configuration."),
]
LockedOption = Annotated[
    bool,
    typer.Option(
        "--locked",
        envvar="FLUSSO_LOCKED",
        help="Use the lock file as it is; do not read the configuration.",
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
        help="host:port of /indexes, /generations and /reindex, which need a password.",
    ),
]
UserOption = Annotated[
    str,
    typer.Option(
        "--admin-user", envvar="FLUSSO_ADMIN_USER", help="User name for the private address."
    ),
]
PasswordOption = Annotated[
    str,
    typer.Option(
        "--admin-password",
        envvar="FLUSSO_ADMIN_PASSWORD",
        show_default=False,
        help="Password for the private address.",
    ),
]
CertOption = Annotated[
    Path | None,
    typer.Option(
        "--private-cert",
        envvar="FLUSSO_PRIVATE_CERT",
        help="File with the certificate (PEM) of the private address, which then speaks TLS.",
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--private-key",
        envvar="FLUSSO_PRIVATE_KEY",
        help="File with the key (PEM) of that certificate, unless it is in the same file.",
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--startup-timeout",
        min=0,
        envvar="FLUSSO_STARTUP_TIMEOUT",
        help="Seconds to wait at the start for each server's first answer; 0 means no limit.",
    ),
]
StallOption = Annotated[
    float,
    typer.Option(
        "--stall-timeout",
        min=0,
        envvar="FLUSSO_STALL_TIMEOUT",
        help="Seconds after which /healthz is 503 if changes wait and none is acknowledged although every server answers;"
        " 0 means never.",
    ),
]
LostPositionOption = Annotated[
    OnLostPosition | None,
    typer.Option(
        "--on-lost-position",
        envvar="FLUSSO_ON_LOST_POSITION",
        help="When reading cannot continue where it ended: rebuild all indexes, or stop.",
    ),
]
SlotOption = Annotated[
    str, typer.Option("--slot", envvar="FLUSSO_SLOT", help="Name of the replication slot.")
]
PublicationOption = Annotated[
    str, typer.Option("--publication", envvar="FLUSSO_PUBLICATION", help="Name of the publication.")
]
ManagePublicationOption = Annotated[
    bool | None,
    typer.Option(
        "--manage-publication/--no-manage-publication",
        envvar="FLUSSO_MANAGE_PUBLICATION",
        help="Create and extend the publication; by default as in the configuration.",
    ),
]
ManageIdentityOption = Annotated[
    bool | None,
    typer.Option(
        "--manage-replica-identity/--no-manage-replica-identity",
        envvar="FLUSSO_MANAGE_REPLICA_IDENTITY",
        help="Set the replica identity that relations need; by default as in the configuration.",
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
        help="Seconds between two readings of the slot's lag.",
    ),
]
IndexPrefixOption = Annotated[
    str | None,
    typer.Option(
        "--index-prefix",
        envvar="FLUSSO_INDEX_PREFIX",
        help="Prefix of the names of all indexes and aliases.",
    ),
]

DEFAULT_LOCK = Path("flusso.lock")
DEFAULT_TIMEOUT = 300.0
DEFAULT_STALL_TIMEOUT = decide.DEFAULT_STALL_TIMEOUT
DEFAULT_USER = "admin"
DEFAULT_PASSWORD = "flusso"
"""A process with it warns at its start, and refuses to listen for other machines."""
_COMPLETES = re.compile(r"_FLUSSO\w*_COMPLETE")
"""The variable by which a shell asks for completions (`flusso completion`)."""
_VALUED_BOOLEANS = ("--manage-publication", "--manage-replica-identity")


def execute(app: typer.Typer) -> None:
    """Run a command line; a known error becomes one message and exit code 1, wrong usage is 2."""
    _look_for_garbage_seldom()
    try:
        logs.configure(environment())
    except ConfigError as error:
        typer.echo(message(error), err=True)
        sys.exit(2)
    if any(_COMPLETES.fullmatch(name) for name in environment()):
        # The library knows the shells only after this.
        from typer._completion_classes import completion_init

        completion_init()
    try:
        failpoints.arm(environment().get(failpoints.VARIABLE, ""))
        app(args=_valued_booleans(sys.argv[1:]))
    except (FlussoError, OSError) as error:
        typer.echo(message(error), err=True)
        sys.exit(1)


def _look_for_garbage_seldom() -> None:
    """Raise the thresholds of the cyclic garbage collector.

    A batch is tens of thousands of small objects that form no cycles and are freed by their reference counts;
    at Python's thresholds a third of a worker's time would go into looking through them.  So would a tenth of the
    time that imports take, whose objects stay.
    """
    gc.set_threshold(200_000, 20, 100)


def message(error: BaseException) -> str:
    """The error, and those of its causes whose text it does not contain."""
    said = [_one_line(error)]
    causes: list[str] = []
    cause = error.__cause__
    while cause is not None:
        text = _one_line(cause)
        # The error contains psycopg's text already, without the pieces of a password that libpq may show.
        if text and not _of_psycopg(cause) and not any(text in line for line in said):
            said.append(text)
            causes.append(str(cause).strip())
        cause = cause.__cause__
    lines = [f"Error: {error}"]
    if causes:
        lines += ["", "Caused by:", *(f"  {number}: {text}" for number, text in enumerate(causes))]
    return "\n".join(lines)


def _of_psycopg(error: BaseException) -> bool:
    # By name: a command that never asks Postgres does not import psycopg for this.
    return any(kind.__module__.partition(".")[0] == "psycopg" for kind in type(error).__mro__)


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
