"""Which configuration a command works with: a file, or what was compiled from one."""

from __future__ import annotations

from pathlib import Path

from flusso_shared.config.lock import read_lock, write_lock
from flusso_shared.config.project import Project, load_project
from flusso_shared.errors import ConfigError


def choose(config: Path | None, lock: Path, *, locked: bool) -> Project:
    """Which configuration runs: the lock as it is, or a configuration, which is compiled into the lock."""
    if locked:
        return read_lock(lock)
    if config is None:
        config = Path("flusso.toml")
        if not config.exists():
            if not lock.exists():
                raise ConfigError(
                    f"there is neither a configuration at {config} nor a compiled one at {lock};"
                    " name one with --config or --lock"
                )
            return read_lock(lock)
    project = load_project(config)
    write_lock(project, lock)
    return project


def find_project(config: Path | None, lock: Path, *, locked: bool) -> Project | None:
    """What a daemon would run here; nothing is written.  None where there is no configuration at all."""
    if locked:
        return read_lock(lock)
    if config is None and not Path("flusso.toml").exists():
        return read_lock(lock) if lock.exists() else None
    return load_project(config or Path("flusso.toml"))


def needed_project(config: Path | None, lock: Path, *, locked: bool) -> Project:
    """Like `find_project`; raises `ConfigError` where there is none."""
    project = find_project(config, lock, locked=locked)
    if project is None:
        raise ConfigError(
            f"there is neither a flusso.toml nor {lock} here; name one with --config or --lock"
        )
    return project


def project_and_file(config: Path | None, lock: Path, *, locked: bool) -> tuple[Project, Path]:
    """As the other commands choose, but nothing is written."""
    if locked:
        return read_lock(lock), lock
    if config is None:
        config = Path("flusso.toml")
        if not config.exists():
            if not lock.exists():
                raise ConfigError(
                    f"there is neither a configuration at {config} nor a compiled one at {lock};"
                    " name one with --config or --lock"
                )
            return read_lock(lock), lock
    return load_project(config), config
