"""What docs/security.md tells an administrator to run, by the heading that it stands under."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from support.stores.dev import ROOT

_PAGE = ROOT / "docs" / "security.md"
_OPERATION = re.compile(r"(?<!^)(?=[A-Z])")


def block(heading: str, kind: str) -> str:
    """The one code block of that kind in a section."""
    section = re.search(
        rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", _PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert section is not None, f"no section {heading!r}"
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    return str(found)


def sql(heading: str) -> str:
    """The statements of a section."""
    return block(heading, "sql")


def role() -> dict[str, Any]:
    """The role of OpenSearch."""
    return dict(json.loads(block("Role", "json")))


def grant_acls(servers: str) -> None:
    """Do what the commands of the section on ACLs do."""
    bindings: list[AclBinding] = []
    for line in block("ACLs", "sh").splitlines():
        words = shlex.split(line)
        assert words[0] == "kafka-acls.sh"
        flags = [word for word in words[1:] if word == "--add"]
        assert len(flags) == 1
        rest = [word for word in words[1:] if word != "--add"]
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        options = dict(pairs)
        kind = "topic" if "--topic" in options else "group"
        prefixed = options.get("--resource-pattern-type") == "prefixed"
        bindings += [
            AclBinding(
                ResourceType[kind.upper()],
                options[f"--{kind}"],
                ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
                options["--allow-principal"],
                "*",
                AclOperation[_OPERATION.sub("_", value).upper()],
                AclPermissionType.ALLOW,
            )
            for name, value in pairs
            if name == "--operation"
        ]
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_acls(bindings).values():
        future.result(30)
