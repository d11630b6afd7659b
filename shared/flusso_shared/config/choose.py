"""Which configuration a command works with: a file, or what was compiled from one."""

from __future__ import annotations

from pathlib import Path

from flusso_shared.config.lock import read_lock, write_lock
from flusso_shared.config.project import Project, load_project
from flusso_shared.errors import ConfigError

_DEFAULT_CONFIG = Path("flusso.toml")


def choose(config: Path | None, lock: Path, *, locked: bool) -> tuple[Project, Path]:
    """What a daemon runs, and the file it comes from.

    A configuration is compiled into `lock` first; raises `ConfigError` where there is none.
    """
    project, file = needed_project(config, lock, locked=locked)
    if file != lock:
        write_lock(project, lock)
    return project, file


def needed_project(config: Path | None, lock: Path, *, locked: bool) -> tuple[Project, Path]:
    """What a daemon would run here, and the file it comes from.  Writes nothing.

    Raises `ConfigError` where there is no configuration, or an invalid one.
    """
    found = find_project(config, lock, locked=locked)
    if found is None:
        raise ConfigError(
            f"there is neither a configuration at {_DEFAULT_CONFIG} nor a compiled one at {lock};"
            " name one with --config or --lock"
        )
    return found


def find_project(config: Path | None, lock: Path, *, locked: bool) -> tuple[Project, Path] | None:
    """Like `needed_project`; None where there is no configuration at all.

    `locked` reads `lock` alone.  Else `config` is read, by default ./flusso.toml, or `lock` where that is absent.
    """
    if not locked and (config is not None or _DEFAULT_CONFIG.exists()):
        file = config or _DEFAULT_CONFIG
        return load_project(file), file
    if locked or lock.exists():
        return read_lock(lock), lock
    return None
