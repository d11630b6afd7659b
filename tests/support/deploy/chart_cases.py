"""Sets of values that reach every branch of the chart, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.deploy.chart import values

_EVERYTHING: dict[str, Any] = {
    "nameOverride": "flusso",
    "commonLabels": {"team": "search"},
    "commonAnnotations": {"example.org/owner": "search"},
    "image": {
        "registry": "registry.internal:5000",
        "repository": "search/flusso-kafka",
        "digest": "sha256:" + "0" * 64,
        "pullSecrets": ["registry"],
    },
    "publication": "Flusso of the shop",
    "indexPrefix": "shop_",
    "log": {"level": "info,flusso_worker.pipeline=debug", "format": "text"},
    "env": [{"name": "KAFKA_BOOTSTRAP_SERVERS", "value": "kafka:9092"}],
    "envFrom": [{"configMapRef": {"name": "addresses"}}],
    "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "http": {"host": "[::]", "port": 8080, "private": {"port": 8081, "exposed": True}},
    "serviceAccount": {"annotations": {"example.org/role": "flusso"}},
    "networkPolicy": {
        "enabled": True,
        "ingress": {
            "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "privateFrom": [{"podSelector": {"matchLabels": {"app": "console"}}}],
        },
        "egress": {
            "dns": {"to": [{"namespaceSelector": {}}]},
            "postgres": {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [5432, 6432]},
            "kafka": {"to": [{"podSelector": {"matchLabels": {"app": "kafka"}}}]},
            "opensearch": {"to": [{"ipBlock": {"cidr": "10.2.0.0/16"}}]},
            "extra": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
        },
    },
    "metrics": {
        "serviceMonitor": {
            "enabled": True,
            "namespace": "monitoring",
            "labels": {"release": "prometheus"},
            "relabelings": [{"targetLabel": "cluster", "replacement": "a"}],
            "metricRelabelings": [
                {"sourceLabels": ["__name__"], "regex": "go_.*", "action": "drop"}
            ],
        },
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Search"}},
    },
    "extraObjects": [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "{{ .Release.Name }}-more"},
            "data": {"key": "value"},
        }
    ],
}
_POD: dict[str, Any] = {
    "extraArgs": ["--startup-timeout=60"],
    "env": [{"name": "FLUSSO_LAG_POLL_SECS", "value": "5"}],
    "podLabels": {"tier": "data"},
    "podAnnotations": {"example.org/note": "x"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "data", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "worker"}},
        }
    ],
    "priorityClassName": "high",
    "initContainers": [{"name": "first", "image": "busybox"}],
    "sidecars": [{"name": "beside", "image": "busybox"}],
}
_SERVED = _POD | {
    "readinessProbe": {"periodSeconds": 20},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
}
_CHECK = _POD | {"extraArgs": ["--no-manage-publication"]}

KEDA = {
    "kind": "keda",
    "minReplicas": 1,
    "keda": {
        "prometheus": {"serverAddress": "http://prometheus:9090"},
        "kafka": {
            "bootstrapServers": "kafka:9092",
            "consumerGroups": ["flusso.users_1a2b3c4d_1", "flusso.orders_1a2b3c4d_1"],
            "metadata": {"sasl": "scram_sha512", "tls": "enable"},
            "authenticationRef": {"name": "kafka"},
        },
        "triggers": [{"type": "cron", "metadata": {"timezone": "Etc/UTC"}}],
    },
}
_LOCK = {"kind": "lock", "toml": "", "schemas": {}, "lock": '{"format_version": 1}'}

CASES: Mapping[str, dict[str, Any]] = {
    "kafka": values(),
    "run": values({"mode": "run"}),
    "kafka, everything": values(
        _EVERYTHING,
        {
            "capture": _SERVED,
            "worker": _SERVED,
            "check": _CHECK | {"offline": True, "hooks": ["pre-install", "pre-upgrade"]},
        },
    ),
    "run, everything": values(
        _EVERYTHING, {"mode": "run", "run": _SERVED | {"queueCapacity": 1000}, "check": _CHECK}
    ),
    "hpa": values({"worker": {"autoscaling": {"kind": "hpa"}}}),
    "hpa on memory": values(
        {
            "worker": {
                "autoscaling": {
                    "kind": "hpa",
                    "hpa": {
                        "targetCPUUtilizationPercentage": None,
                        "targetMemoryUtilizationPercentage": 80,
                        "behavior": {"scaleUp": None, "scaleDown": None},
                    },
                }
            }
        }
    ),
    "keda": values({"worker": {"autoscaling": KEDA}}),
    "lock": values({"configuration": _LOCK}),
    "lock, run": values({"configuration": _LOCK, "mode": "run"}),
    "lock in the image": values(
        {"configuration": {"kind": "image", "imagePath": "/app/shop.lock"}}
    ),
    "files of a ConfigMap": values(
        {"configuration": {"toml": "", "schemas": {}, "existingConfigMap": "files"}}
    ),
    "lock of a ConfigMap": values(
        {"configuration": _LOCK | {"lock": "", "existingConfigMap": "compiled"}}
    ),
    "network policies": values({"networkPolicy": {"enabled": True}}),
    "network policies, run": values({"networkPolicy": {"enabled": True}, "mode": "run"}),
    "metrics": values(
        {
            "metrics": {
                name: {"enabled": True}
                for name in ("serviceMonitor", "prometheusRule", "dashboard")
            }
        }
    ),
    "service account of one's own": values(
        {"serviceAccount": {"create": False, "name": "database-client"}}
    ),
    "least": values(
        {
            "existingSecret": "",
            "check": {"enabled": False},
            "serviceAccount": {"create": False},
            "capture": {"podDisruptionBudget": {"enabled": False}},
            "worker": {"podDisruptionBudget": {"enabled": False}, "spreadOverNodes": False},
        }
    ),
}
