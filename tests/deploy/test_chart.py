"""The Helm chart: every mode is valid for Kubernetes, and names only what the processes have."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from typer.main import get_command

import flusso_cli.daemons.capture
import flusso_cli.daemons.worker
import flusso_cli.main
from flusso_shared.config.project import load_project
from flusso_shared.metrics import Metrics
from flusso_shared.process.http import public_app
from flusso_shared.status import Status
from support.deploy import chart, kubernetes
from support.deploy.chart import CHART, Object, Rendered, values
from support.deploy.chart_cases import CASES, KEDA
from support.stores.dev import ROOT

pytestmark = pytest.mark.usefixtures("built_helm")

VERSIONS = ("1.27.0", "1.37.0")
"""The oldest Kubernetes that the chart takes, and the newest that there are schemas of."""
COMMANDS = {
    "flusso-capture": flusso_cli.daemons.capture.app,
    "flusso-worker": flusso_cli.daemons.worker.app,
    "flusso": flusso_cli.main.app,
}
EXTENSIONS = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}
"""Kinds that Kubernetes has no schema of."""

each_case = pytest.mark.parametrize("case", CASES)


@cache
def rendered(case: str, version: str = chart.KUBERNETES) -> Rendered:
    return chart.render(CASES[case], version)


@each_case
def test_lint_finds_nothing(case: str) -> None:
    chart.lint(CASES[case])


@pytest.mark.parametrize("version", VERSIONS)
@each_case
def test_every_object_is_valid_for_kubernetes(case: str, version: str) -> None:
    for item in rendered(case, version).objects:
        if item["kind"] not in EXTENSIONS:
            kubernetes.validate(item, version)


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(AssertionError, match="kubeVersion"):
        chart.render(values(), "1.26.0")


_TEXT = {"type": "string", "minLength": 1}
_AUTHENTICATION = {"type": "object", "properties": {"name": _TEXT}, "required": ["name"]}
_STRUCTURES: dict[str, dict[str, Any]] = {
    "ScaledObject": {
        "additionalProperties": False,
        "required": ["scaleTargetRef", "triggers"],
        "properties": {
            "scaleTargetRef": {"properties": {"name": _TEXT}, "required": ["name"]},
            "minReplicaCount": {"type": "integer"},
            "maxReplicaCount": {"type": "integer"},
            "pollingInterval": {"type": "integer"},
            "cooldownPeriod": {"type": "integer"},
            "fallback": {
                "additionalProperties": False,
                "required": ["failureThreshold", "replicas"],
                "properties": {
                    "failureThreshold": {"type": "integer"},
                    "replicas": {"type": "integer"},
                },
            },
            "advanced": {
                "additionalProperties": False,
                "properties": {
                    "horizontalPodAutoscalerConfig": {
                        "additionalProperties": False,
                        "properties": {"behavior": {"type": "object"}},
                    }
                },
            },
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "additionalProperties": False,
                    "required": ["type", "metadata"],
                    "properties": {
                        "type": _TEXT,
                        "metricType": {"enum": ["AverageValue", "Value", "Utilization"]},
                        # KEDA takes texts only.
                        "metadata": {"type": "object", "additionalProperties": _TEXT},
                        "authenticationRef": _AUTHENTICATION,
                    },
                },
            },
        },
    },
    "ServiceMonitor": {
        "additionalProperties": False,
        "required": ["selector", "endpoints"],
        "properties": {
            "jobLabel": _TEXT,
            "targetLabels": {"type": "array", "items": _TEXT},
            "namespaceSelector": {"properties": {"matchNames": {"type": "array"}}},
            "selector": {"properties": {"matchLabels": {"type": "object"}}},
            "endpoints": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "additionalProperties": False,
                    "required": ["port"],
                    "properties": {
                        "port": _TEXT,
                        "path": {"type": "string", "pattern": "^/"},
                        "interval": {"type": "string", "pattern": "^[0-9]+s$"},
                        "scrapeTimeout": {"type": "string", "pattern": "^[0-9]+s$"},
                        "relabelings": {"type": "array"},
                        "metricRelabelings": {"type": "array"},
                    },
                },
            },
        },
    },
    "PrometheusRule": {
        "additionalProperties": False,
        "required": ["groups"],
        "properties": {
            "groups": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "additionalProperties": False,
                    "required": ["name", "rules"],
                    "properties": {"name": _TEXT, "rules": {"type": "array", "minItems": 1}},
                },
            }
        },
    },
}
_VERSIONS = {
    "ScaledObject": "keda.sh/v1alpha1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
}


@pytest.mark.parametrize("case", ["keda", "metrics", "kafka, everything", "run, everything"])
def test_objects_of_extensions_have_their_structure(case: str) -> None:
    found = [item for item in rendered(case).objects if item["kind"] in EXTENSIONS]
    assert found
    for item in found:
        assert item["apiVersion"] == _VERSIONS[item["kind"]]
        jsonschema.validate(item["spec"], _STRUCTURES[item["kind"]])


# --- the processes ------------------------------------------------------------------------------


def process(template: Object) -> Object:
    """The container that runs a command of ours."""
    found: Object
    [found] = [item for item in template["spec"]["containers"] if item["image"] != "busybox"]
    return found


@each_case
def test_the_commands_take_their_options(case: str) -> None:
    for _, template in rendered(case).pods():
        container = process(template)
        name, *subcommand = container["command"]
        assert container["args"]
        command: Any = get_command(COMMANDS[name])
        for part in subcommand:
            command = command.get_command(typer.Context(command), part)
        # Raises for an option that is not there, and for a value of another type.
        command.make_context(name, list(container["args"]))


@each_case
def test_probes_ask_routes_that_the_processes_have(case: str) -> None:
    routes = {getattr(route, "path", "") for route in public_app(Status(), Metrics()).routes}
    for maker, template in rendered(case).pods():
        if maker["kind"] == "Job":
            continue
        container = process(template)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        [address] = [arg for arg in container["args"] if arg.startswith("--public-address=")]
        assert int(address.rpartition(":")[2]) == ports["public"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            http = container[probe]["httpGet"]
            assert http["path"] in routes
            assert http["port"] == "public"


@each_case
def test_no_process_may_more_than_it_needs(case: str) -> None:
    for _, template in rendered(case).pods():
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        container = process(template)
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@each_case
def test_mounts_have_volumes_and_files_are_where_the_options_say(case: str) -> None:
    for _, template in rendered(case).pods():
        volumes = {item["name"]: item for item in template["spec"]["volumes"]}
        container = process(template)
        mounts = {item["mountPath"]: item for item in container["volumeMounts"]}
        assert {item["name"] for item in mounts.values()} == set(volumes)
        options = dict(arg.split("=", 1) for arg in container["args"] if "=" in arg)
        for option in ("--config", "--lock"):
            if option in options and CASES[case]["configuration"].get("kind") != "image":
                assert str(Path(options[option]).parent) in mounts
        if "--config" in options:
            assert not mounts[str(Path(options["--lock"]).parent)].get("readOnly")


@each_case
def test_selectors_select_exactly_the_pods_of_their_process(case: str) -> None:
    found = rendered(case)
    pods = {item["metadata"]["name"]: pod["metadata"]["labels"] for item, pod in found.pods()}
    for item in found.objects:
        spec = item.get("spec", {})
        if item["kind"] in ("StatefulSet", "Deployment", "PodDisruptionBudget"):
            labels = spec["selector"]["matchLabels"]
        elif item["kind"] == "Service":
            labels = spec["selector"]
        elif item["kind"] == "NetworkPolicy":
            labels = spec["podSelector"]["matchLabels"]
        else:
            continue
        selected = [name for name, has in pods.items() if labels.items() <= has.items()]
        assert selected == [item["metadata"]["name"]]


@each_case
def test_no_object_contains_a_secret(case: str) -> None:
    assert not rendered(case).of_kind("Secret")


# --- modes --------------------------------------------------------------------------------------


def names(case: str, kind: str) -> set[str]:
    return {item["metadata"]["name"] for item in rendered(case).of_kind(kind)}


def test_the_modes_have_their_processes() -> None:
    assert names("kafka", "StatefulSet") == {"shop-flusso-capture"}
    assert names("kafka", "Deployment") == {"shop-flusso-worker"}
    assert names("run", "StatefulSet") == {"shop-flusso-run"}
    assert names("run", "Deployment") == set()
    for case, name in (("kafka", "capture"), ("run", "run")):
        assert rendered(case).one("StatefulSet", name)["spec"]["replicas"] == 1


def test_an_autoscaler_owns_the_number_of_workers() -> None:
    assert rendered("kafka").one("Deployment", "worker")["spec"]["replicas"] == 2
    for case, kind in (("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject")):
        assert "replicas" not in rendered(case).one("Deployment", "worker")["spec"]
        target = rendered(case).one(kind, "worker")["spec"]["scaleTargetRef"]
        assert target["name"] == "shop-flusso-worker"
    [metric] = rendered("hpa on memory").one("HorizontalPodAutoscaler", "worker")["spec"]["metrics"]
    assert metric["resource"]["name"] == "memory"


def test_large_numbers_are_written_in_full() -> None:
    """Helm reads numbers as floating point, and would write 1e+06."""
    run = chart.render(values({"mode": "run", "run": {"queueCapacity": 1000000}}))
    assert (
        "--queue-capacity=1000000"
        in process(run.one("StatefulSet", "run")["spec"]["template"])["args"]
    )
    keda = {"prometheus": {"serverAddress": "http://prometheus", "threshold": 1000000}}
    scaled = chart.render(values({"worker": {"autoscaling": {"kind": "keda", "keda": keda}}}))
    [trigger] = scaled.one("ScaledObject", "worker")["spec"]["triggers"]
    assert trigger["metadata"]["threshold"] == "1000000"


def test_keda_has_a_trigger_for_each_source_of_the_lag() -> None:
    triggers = rendered("keda").one("ScaledObject", "worker")["spec"]["triggers"]
    assert [item["type"] for item in triggers] == ["prometheus", "kafka", "kafka", "cron"]
    groups = [item["metadata"]["consumerGroup"] for item in triggers if item["type"] == "kafka"]
    assert groups == KEDA["keda"]["kafka"]["consumerGroups"]  # type: ignore[index]


def test_each_process_reaches_the_servers_that_it_uses() -> None:
    def ports(case: str, name: str) -> set[int | str]:
        rules = rendered(case).one("NetworkPolicy", name)["spec"]["egress"]
        return {port["port"] for rule in rules for port in rule["ports"]} - {53}

    def servers(case: str, name: str) -> set[int | str]:
        found = ports(case, name)
        # The processes, but not the check, ask each other.
        assert ("public" in found) == (name != "check")
        return found - {"public"}

    postgres, kafka, opensearch = {5432}, {9092, 9093}, {9200, 443}
    # Capture writes its entry in the registry of processes to OpenSearch.
    assert servers("network policies", "capture") == postgres | kafka | opensearch
    assert servers("network policies", "worker") == postgres | kafka | opensearch
    assert servers("network policies", "check") == postgres | kafka | opensearch
    assert servers("network policies, run", "run") == postgres | opensearch
    assert servers("network policies, run", "check") == postgres | opensearch


def test_the_private_surface_is_reached_only_where_it_is_exposed() -> None:
    def addresses(case: str) -> set[str]:
        containers = [process(pod) for item, pod in rendered(case).pods() if item["kind"] != "Job"]
        return {
            arg
            for item in containers
            for arg in item["args"]
            if arg.startswith("--private-address")
        }

    assert addresses("kafka") == {"--private-address=127.0.0.1:9465"}
    assert addresses("kafka, everything") == {"--private-address=[::]:8081"}


# --- configuration ------------------------------------------------------------------------------


def test_the_mounted_files_are_the_configuration(tmp_path: Path) -> None:
    """The files as a pod sees them load, with the schemas under the paths that flusso.toml names."""
    found = rendered("kafka")
    data = found.one("ConfigMap", "")["data"]
    [volume] = [
        item
        for item in found.one("Deployment", "worker")["spec"]["template"]["spec"]["volumes"]
        if item["name"] == "configuration"
    ]
    assert volume["configMap"]["name"] == "shop-flusso"
    for item in volume["configMap"]["items"]:
        file = tmp_path / item["path"]
        file.parent.mkdir(exist_ok=True)
        file.write_text(data[item["key"]])
    project = load_project(tmp_path / "flusso.toml")
    assert sorted(plan.name for plan in project.indexes) == ["orders", "products", "users"]
    assert (tmp_path / "flusso.toml").read_text() == (ROOT / "dev" / "flusso.toml").read_text()


def test_a_changed_configuration_replaces_the_pods() -> None:
    changed = chart.render(values({"configuration": {"toml": "[source]\ntype = 'postgres'\n"}}))
    for kind, name in (("StatefulSet", "capture"), ("Deployment", "worker")):
        before, after = (
            found.one(kind, name)["spec"]["template"]["metadata"]["annotations"]
            for found in (rendered("kafka"), changed)
        )
        assert before["checksum/configuration"] != after["checksum/configuration"]


def test_the_check_sees_the_new_configuration_before_anything_changes() -> None:
    found = rendered("kafka")
    job, files = found.one("Job", "check"), found.one("ConfigMap", "check")
    assert process(job["spec"]["template"])["command"] == ["flusso", "check"]
    assert files["data"] == found.one("ConfigMap", "")["data"]
    weights = []
    for item in (files, job):
        annotations = item["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-upgrade"
        weights.append(int(annotations["helm.sh/hook-weight"]))
    assert weights[0] < weights[1]
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert not rendered("least").of_kind("Job")


REFUSED = {
    "no configuration": (values({"configuration": {"toml": ""}}), "configuration.toml is empty"),
    "no lock": (
        values({"configuration": {"kind": "lock", "toml": ""}}),
        "configuration.lock is empty",
    ),
    "default password": (
        values({"existingSecret": "", "http": {"private": {"exposed": True}}}),
        "http.private.exposed needs existingSecret",
    ),
    "keda without a trigger": (
        values({"worker": {"autoscaling": {"kind": "keda"}}}),
        "has no trigger",
    ),
    "keda without brokers": (
        values(
            {
                "worker": {
                    "autoscaling": {"kind": "keda", "keda": {"kafka": {"consumerGroups": ["a"]}}}
                }
            }
        ),
        "bootstrapServers is empty",
    ),
    "fewer than the least": (
        values({"worker": {"autoscaling": {"kind": "hpa", "minReplicas": 9}}}),
        "minReplicas is above maxReplicas",
    ),
    "a misspelled key": (values({"worker": {"replica": 3}}), "additional properties 'replica'"),
    "a mode that is not there": (values({"mode": "standalone"}), "/mode"),
    "a path that leaves the folder": (
        values({"configuration": {"schemas": {"../x.yml": ""}}}),
        "invalid propertyName '../x.yml'",
    ),
    "a slot that Postgres refuses": (values({"slot": "My-Slot"}), "/slot"),
    "a grace period that cuts the drain": (
        values({"worker": {"terminationGracePeriodSeconds": 5}}),
        "terminationGracePeriodSeconds",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_cannot_work_are_refused(case: str) -> None:
    given, message = REFUSED[case]
    assert message in chart.refusal(given)


# --- the chart's own files ----------------------------------------------------------------------


def keys(value: object) -> set[str]:
    """The paths of all keys of nested mappings."""
    if not isinstance(value, dict):
        return set()
    return {str(key) for key in value} | {
        f"{key}.{rest}" for key, item in value.items() for rest in keys(item)
    }


def described(schema: dict[str, Any]) -> set[str]:
    properties = schema.get("properties", {})
    return set(properties) | {
        f"{key}.{rest}" for key, item in properties.items() for rest in described(item)
    }


def test_the_schema_has_every_value_and_no_other() -> None:
    defaults = keys(yaml.safe_load((CHART / "values.yaml").read_text()))
    schema = described(json.loads((CHART / "values.schema.json").read_text()))
    assert schema - defaults == {"global", "enabled"}
    free = (
        "resources", "behavior", "fallback", "updateStrategy", "odSecurityContext",
        "containerSecurityContext", "labels",
    )  # fmt: skip
    assert [
        key for key in sorted(defaults - schema) if not any(f"{name}." in key for name in free)
    ] == []


def test_the_readme_names_every_value() -> None:
    text = re.sub(r"```.*?```", "", (CHART / "README.md").read_text(), flags=re.DOTALL)
    quoted = " ".join(re.findall(r"`([^`]+)`", text))
    for key in yaml.safe_load((CHART / "values.yaml").read_text()):
        assert re.search(rf"\b{key}\b", quoted), key
    for name in re.findall(
        r"`((?:capture|worker|run|check|http|metrics|networkPolicy|configuration|image)[.][\w.]+)`",
        text,
    ):
        assert name in described(json.loads((CHART / "values.schema.json").read_text())), name


def test_the_versions_are_those_of_the_distribution() -> None:
    from importlib.metadata import version

    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == version("flusso-kafka")


def test_rules_and_dashboard_are_those_of_the_monitoring_folder() -> None:
    monitoring = ROOT / "deploy" / "monitoring"
    rules = yaml.safe_load((monitoring / "prometheus" / "flusso.rules.yml").read_text())
    assert rendered("metrics").one("PrometheusRule", "")["spec"] == rules
    dashboard = rendered("metrics").one("ConfigMap", "dashboard")["data"]["flusso.json"]
    assert json.loads(dashboard) == json.loads(
        (monitoring / "grafana" / "dashboards" / "flusso.json").read_text()
    )


def test_a_packaged_chart_is_complete(tmp_path: Path) -> None:
    """Rules and dashboard are links in the repository; a package must contain the files."""
    monitoring = ROOT / "deploy" / "monitoring"
    files = chart.package(tmp_path)
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md"} <= set(files)
    for name in ("prometheus/flusso.rules.yml", "grafana/dashboards/flusso.json"):
        assert files[f"files/{Path(name).name}"] == (monitoring / name).read_text()
