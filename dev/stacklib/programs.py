"""Finds the programs that the servers and the tests need, and names the Debian package of one that is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stacklib.problem import Problem

JAVA_MINIMUM = 17
_GO_FOLDER = "/usr/local/go/bin"
"""Where Go's own archive is unpacked, often without a place on PATH."""
BRIEF_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""For servers that run for minutes: a better compiler costs them more processor time than it saves."""


@dataclass(frozen=True)
class Java:
    """One installed JDK."""

    major: int
    program: Path


def require_maven() -> str:
    """The path of `mvn`."""
    found = shutil.which("mvn")
    if found is None:
        raise Problem(_missing("Maven (mvn), which fetches Kafka and OpenSearch,", "maven"))
    return found


def require_go(minimum: tuple[int, int]) -> str:
    """The path of `go`, of that version or newer."""
    wanted = ".".join(map(str, minimum))
    place = shutil.which("go") or shutil.which("go", path=_GO_FOLDER)
    if place is None:
        raise Problem(_missing(f"Go {wanted} or newer, which builds Helm,", "golang-go"))
    told = subprocess.run([place, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < minimum:
        raise Problem(
            f"Go {wanted} or newer is needed to build Helm; {place} is {told.strip() or 'broken'}.\n"
            "  Put a newer one first on PATH. Debian 12 has one among its backports."
        )
    return place


def require_prometheus(program: str) -> str:
    """The path of `prometheus` or `promtool`."""
    found = shutil.which(program)
    if found is None:
        raise Problem(_missing(f"Prometheus ({program})", "prometheus"))
    return found


def require_systemd_analyze() -> str:
    """The path of `systemd-analyze`, which needs no running systemd."""
    found = shutil.which("systemd-analyze")
    if found is None:
        raise Problem(_missing("systemd-analyze", "systemd"))
    return found


def require_chromium() -> str:
    """The path of a Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise Problem(_missing("Chromium", "chromium"))


def require_jdk(wanted: int = JAVA_MINIMUM) -> Java:
    """A JDK of version `wanted` or newer if there is one, else the newest from Java 17 on."""
    found = sorted({java.program: java for java in _jdks()}.values(), key=lambda java: java.major)
    enough = [java for java in found if java.major >= wanted]
    if enough:
        return enough[0]
    if found and found[-1].major >= JAVA_MINIMUM:
        return found[-1]
    raise Problem(
        _missing(
            f"A JDK, version {JAVA_MINIMUM} or newer (with javac: a JRE is not enough),",
            "default-jdk-headless",
        )
    )


def require_postgres(version: str | None) -> Path:
    """The folder of Postgres' server programs: of that major version, else the newest."""
    found = {_postgres_major(folder): folder for folder in _postgres_folders()}
    if not found:
        raise Problem(_missing("The Postgres server (initdb, postgres, psql)", "postgresql"))
    if version is None:
        return found[max(found)]
    if int(version) not in found:
        raise Problem(
            f"The data in .dev was made by Postgres {version}, which is not installed any more.\n"
            f"  Install it (apt-get install postgresql-{version}), or start afresh: ./dev/stack wipe"
        )
    return found[int(version)]


def _missing(what: str, package: str) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return (
        f"{what} is not installed.\n"
        f"  On Debian or Ubuntu: {sudo}apt-get update && {sudo}apt-get install -y {package}"
    )


# --- java -------------------------------------------------------------------------------------------


def _jdks() -> Iterator[Java]:
    for home in _java_homes():
        program = home / "bin" / "java"
        if program.exists() and (home / "bin" / "javac").exists():
            major = _java_major(home, program)
            if major is not None:
                yield Java(major, program)


def _java_homes() -> Iterator[Path]:
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"]).resolve()
    on_path = shutil.which("java")
    if on_path is not None:
        yield Path(on_path).resolve().parents[1]
    for pattern in (
        "usr/lib/jvm/*",
        "opt/java/*",
        "Library/Java/JavaVirtualMachines/*/Contents/Home",
        "opt/homebrew/opt/openjdk*",
    ):
        yield from (path.resolve() for path in Path("/").glob(pattern))
    yield from (path.resolve() for path in Path.home().glob(".sdkman/candidates/java/*"))


def _java_major(home: Path, program: Path) -> int | None:
    release = home / "release"
    if release.exists():
        text = release.read_text(errors="replace")
    else:
        text = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=False
        ).stderr
    found = re.search(r'(?:JAVA_VERSION=|version )"(\d+)', text)
    return int(found[1]) if found else None


# --- postgres ---------------------------------------------------------------------------------------


def _postgres_folders() -> Iterator[Path]:
    for pattern in (
        "usr/lib/postgresql/*/bin",
        "usr/pgsql-*/bin",
        "usr/local/pgsql/bin",
        "opt/homebrew/opt/postgresql*/bin",
    ):
        yield from filter(_is_server, Path("/").glob(pattern))
    on_path = shutil.which("initdb")
    if on_path is not None and _is_server(Path(on_path).resolve().parent):
        yield Path(on_path).resolve().parent


def _is_server(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("initdb", "postgres", "psql"))


def _postgres_major(folder: Path) -> int:
    told = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\b(\d+)", told)
    return int(found[1]) if found else 0
