"""Secrets as the configuration gives them: literally, in the environment, or in a file that an orchestrator mounts.

Variables are read when a process starts.  Files are read for every connection, so that a secret can be replaced
while processes run.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from flusso_shared.config.model import FileRef
from flusso_shared.errors import RetryableError

AtConnect = SecretStr | FileRef
"""A secret that is known when a process starts, or one that is read for every connection."""

_LARGEST_BYTES = 1_000_000


def read(secret: AtConnect) -> str:
    """The secret as it is now; of a file the text without the line end that editors add.

    Raises `RetryableError` naming the file: while it is replaced it may be missing for a moment.
    """
    if isinstance(secret, SecretStr):
        return secret.get_secret_value()
    try:
        with Path(secret.file).open("rb") as file:
            text = file.read(_LARGEST_BYTES).decode()
    except OSError as error:
        raise RetryableError(f"cannot read {secret.file}: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not as the cause: it quotes the bytes.
        raise RetryableError(f"cannot read {secret.file}: it is not text in UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")
