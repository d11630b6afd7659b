"""`flusso plan`: what the files here would change at what runs."""

from __future__ import annotations

import json

import typer

from flusso_capture.options import capture_options
from flusso_cli.admin.deployment import JsonOption, chosen_deployment, console, one_attempt
from flusso_cli.plan.decide import announce
from flusso_cli.plan.gather import gather
from flusso_cli.plan.text import lines
from flusso_shared.process import command_line
from flusso_shared.process.progress_bar import Waiting

_SOMETHING_TO_DO = 2


def plan(
    slot: command_line.SlotOption = "flusso",
    publication: command_line.PublicationOption = "flusso",
    manage_publication: command_line.ManagePublicationOption = None,
    manage_replica_identity: command_line.ManageIdentityOption = None,
    on_lost_position: command_line.LostPositionOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a deployment of the files here leads to.  Changes nothing.

    Exit code 2 when there is something to do, 0 when there is nothing, 1 for an error.
    """
    with chosen_deployment(config, lock, index_prefix, locked=locked) as servers, one_attempt():
        servers.check_addresses()
        options = capture_options(
            servers.project,
            slot=slot,
            publication=publication,
            manage_publication=manage_publication,
            manage_replica_identity=manage_replica_identity,
            on_lost_position=on_lost_position,
            skip_backfill=False,
            lag_poll_seconds=0.0,
            startup_timeout=0.0,
        )
        with Waiting("comparing with what runs"):
            announced = announce(gather(servers, options))
    if as_json:
        console().print(json.dumps(announced.to_json(), indent=2))
    else:
        for line in lines(announced):
            console().print(line)
    if announced.problems:
        raise typer.Exit(1)
    if announced.something_to_do:
        raise typer.Exit(_SOMETHING_TO_DO)
