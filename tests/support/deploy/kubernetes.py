"""Kubernetes' own JSON schemas, which come with `kubernetes-validate`; strict: a key that is not there is an error.

Its own function reads megabytes for each object; here each file is read once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"


def validate(item: Mapping[str, Any], version: str) -> None:
    """Raises `ValidationError` if `item` is no object of that version of Kubernetes."""
    _validator(item["apiVersion"], item["kind"], version).validate(item)


@cache
def _validator(api_version: str, kind: str, version: str) -> Draft202012Validator:
    # rbac.authorization.k8s.io/v1 is rbac-v1 in the names of the files.
    group, slash, number = api_version.rpartition("/")
    name = "-".join([kind.lower(), *([group.partition(".")[0]] if slash else []), number])
    schema = _read(version, name)
    registry = _definitions(version).with_resource("", Resource.from_contents(schema))
    return Draft202012Validator(schema, registry=registry)


@cache
def _definitions(version: str) -> Registry[Any]:
    resource: Resource[Any] = Resource.from_contents(_read(version, "_definitions"))
    return resource @ Registry()


def _read(version: str, name: str) -> Any:
    return json.loads((_SCHEMAS / f"v{version}-local-strict" / f"{name}.json").read_text())
