"""What commands print is what they were given, character by character."""

from __future__ import annotations

import pytest

from flusso_cli.admin.deployment import console


def test_ids_and_documents_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = '7:on:3 [bold]"x"[/bold] :warning: ' + "long " * 100
    console().print(text)
    assert capsys.readouterr().out == f"{text}\n"
