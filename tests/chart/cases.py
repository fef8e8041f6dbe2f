"""Sets of values that together change every value of the chart."""

from typing import Any

Values = dict[str, Any]

JOBSET = {"group": "jobset.x-k8s.io", "version": "*", "resource": "jobsets"}
RULES = {
    "apiVersion": "coroner.dev/v1alpha1",
    "kind": "Categorizer",
    "extends": "default",
    "categories": [
        {"name": "site", "rules": [{"onExitCodes": {"operator": "In", "values": [74]}, "subcategory": "lease"}]}
    ],
}

MONITOR = {
    "enabled": True,
    "labels": {"release": "prometheus"},
    "annotations": {"a": "b"},
    "interval": "15s",
    "scrapeTimeout": "10s",
    "relabelings": [{"action": "labeldrop", "regex": "pod"}],
    "metricRelabelings": [{"action": "labeldrop", "regex": "le"}],
}

SWITCHES: dict[str, Values] = {
    "no-crds": {"crds": {"enabled": False}},
    "crds-not-kept": {"crds": {"keep": False}},
    "crd-annotations": {"crds": {"annotations": {"example.com/a": "b"}}},
    "namespaced": {"watchNamespaces": ["team-a", "team-b"]},
    "namespaced-alone": {
        "watchNamespaces": ["team-a"],
        "crds": {"enabled": False},
        "rbac": {"readSchemas": False, "userRoles": {"create": False}},
    },
    "no-rbac": {"rbac": {"create": False}},
    "no-user-roles": {"rbac": {"userRoles": {"create": False}}},
    "user-roles-not-aggregated": {"rbac": {"userRoles": {"aggregateToView": False, "aggregateToEdit": False}}},
    "own-account": {"serviceAccount": {"create": False, "name": "somebody"}},
    "default-account": {"serviceAccount": {"create": False}},
    "account-annotations": {"serviceAccount": {"annotations": {"example.com/role": "x"}}},
    "names": {"nameOverride": "reports", "commonLabels": {"team": "platform"}},
    "fullname": {"fullnameOverride": "the-coroner"},
    "digest": {
        "image": {
            "registry": "registry.example.com:5000",
            "repository": "a/coroner",
            "tag": "1",
            "digest": f"sha256:{'a' * 64}",
        }
    },
    "pull-secrets": {"imagePullSecrets": [{"name": "pull"}], "image": {"pullPolicy": "Always"}},
    "rules": {"rules": RULES},
    "rules-as-text": {"rules": "errorCategories: []\n"},
    "own-rules": {"existingRulesConfigMap": "site-rules"},
    "redaction": {"redaction": [{"name": "badge", "pattern": "badge-[0-9]{6}\\b"}]},
    "workloads": {"workloads": [JOBSET, {"group": "ray.io", "version": "v1", "resource": "rayjobs"}]},
    "walk": {"walk": [{"group": "example.com", "version": "*", "resource": "steps"}]},
    "presets": {"presets": ["jobset", "ray", "crossplane"]},
    "presets-namespaced": {"presets": ["crossplane"], "watchNamespaces": ["team-a"]},
    "config": {"config": {"log_format": "json", "grace_periods": {"unschedulable": "5m"}, "writers": 8}},
    "election": {"leaderElection": {"enabled": True}},
    "no-election": {"leaderElection": {"enabled": False}},
    "two-replicas": {
        "replicaCount": 2,
        "podDisruptionBudget": {"enabled": True},
        "leaderElection": {"enabled": True, "leaseName": "one"},
    },
    "budget": {
        "replicaCount": 3,
        "leaderElection": {"enabled": True},
        "podDisruptionBudget": {"enabled": True, "minAvailable": 2, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    },
    "budget-share": {
        "replicaCount": 3,
        "leaderElection": {"enabled": True},
        "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    },
    "network-policy": {"networkPolicy": {"enabled": True}},
    "network-policy-narrow": {
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "healthFrom": [{"podSelector": {}}],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}],
        }
    },
    "ports": {"ports": {"health": 8081, "metrics": 9191}},
    "no-probes": {"startupProbe": None, "livenessProbe": None, "readinessProbe": None},
    "strategy": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}},
    "scheduling": {
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"},
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"a": "b"}},
            },
        ],
    },
    "dns": {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.10"]}},
    "host-users": {"hostUsers": False},
    "pod": {
        "podLabels": {"a": "b"},
        "podAnnotations": {"c": "d"},
        "deploymentAnnotations": {"e": "f"},
        "revisionHistoryLimit": 1,
        "minReadySeconds": 5,
        "terminationGracePeriodSeconds": 60,
    },
    "security": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None},
        "securityContext": {"runAsNonRoot": True},
        "resources": {"limits": {"cpu": "1"}},
    },
    "extras": {
        "extraArgs": ["--log-level=debug"],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
        "extraVolumes": [{"name": "kubeconfig", "secret": {"secretName": "elsewhere"}}],
        "extraVolumeMounts": [{"name": "kubeconfig", "mountPath": "/etc/kubeconfig"}],
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}},
            'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-most"}\n',
        ],
    },
    "service": {"service": {"labels": {"a": "b"}, "annotations": {"c": "d"}}},
    "service-monitor": {"serviceMonitor": MONITOR},
    "pod-monitor": {"podMonitor": MONITOR},
    "service-monitor-always": {"serviceMonitor": {"enabled": True, "renderMode": "alwaysRender"}},
    "pod-monitor-always": {"podMonitor": {"enabled": True, "renderMode": "alwaysRender"}},
    "alerts": {"prometheusRule": {"enabled": True}},
    "alerts-always": {"prometheusRule": {"enabled": True, "renderMode": "alwaysRender"}},
    "alerts-with-everything": {
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "annotations": {"a": "b"},
            "alertLabels": {"team": "platform"},
            "selector": 'job="coroner"',
            "failureSelector": 'job="coroner"',
            "runbookUrl": "https://example.com/runbooks",
            "extraRules": [{"record": "coroner:failures:rate5m", "expr": "sum(rate(coroner_failures_total[5m]))"}],
        }
    },
    "no-alerts": {
        "prometheusRule": {
            "enabled": True,
            "alerts": {
                name: {"enabled": False}
                for name in (
                    "absent",
                    "watchStale",
                    "reportWritesStalled",
                    "reportWriteLatencyHigh",
                    "errors",
                    "watchRestartsHigh",
                    "permissionDenied",
                    "rulesReloadFailed",
                    "noLeader",
                    "unexplainedFailures",
                    "mostWorkloadsFail",
                    "failureBurst",
                    "nodeFailsPods",
                    "workloadKeepsFailing",
                    "failingWorkloadsGrow",
                )
            },
        }
    },
    "dashboard": {"dashboard": {"enabled": True, "annotations": {"folder": "Ops"}, "namespace": "monitoring"}},
    "dashboard-labels": {"dashboard": {"enabled": True, "labels": {"grafana_dashboard": "yes"}}},
    "no-tests": {"tests": {"enabled": False}},
    "in-a-parent-chart": {"global": {"anything": {"at": "all"}}},
}

EVERYTHING: Values = {}
for _name in (
    "namespaced", "names", "digest", "pull-secrets", "rules", "redaction", "workloads", "config", "two-replicas", "network-policy-narrow",
    "scheduling", "dns", "host-users", "pod", "extras", "service", "service-monitor", "alerts-with-everything", "dashboard",
):  # fmt: skip
    for _key, _value in SWITCHES[_name].items():
        EVERYTHING[_key] = {**EVERYTHING[_key], **_value} if isinstance(EVERYTHING.get(_key), dict) else _value

CASES: dict[str, Values] = {"defaults": {}, **SWITCHES, "everything": EVERYTHING}
