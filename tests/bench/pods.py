"""Pods as the API server keeps them: what the controller posted, and what the kubelet wrote into the status.

Modelled on tests/fixtures/pods (recorded on a kubelet 1.36), with the environment, labels and annotations of a pod in
production. ``managedFields`` is the API server's own work: controller and kubelet write under their own names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

IMAGE = "registry.example.com/research/train:v4.2.1"
TRACEBACK = """Traceback (most recent call last):
  File "/app/train.py", line 212, in <module>
    main(parse_args())
  File "/app/train.py", line 187, in main
    trainer.fit(model, datamodule=data)
  File "/app/lib/loader.py", line 74, in __iter__
    batch = self.collate([self.dataset[i] for i in indices])
ValueError: shard 17 of 64 has 4096 rows, 4100 were promised by the index
"""


@dataclass(frozen=True)
class Owner:
    """What controls a pod."""

    namespace: str
    kind: str
    name: str
    uid: str

    @property
    def reference(self) -> dict[str, Any]:
        version = "batch/v1" if self.kind == "Job" else "apps/v1"
        return {
            "apiVersion": version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def job(name: str) -> dict[str, Any]:
    """A Job to be posted; nothing acts on it where no controllers run."""
    container = {"name": "main", "image": IMAGE}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completions": 40,
            "parallelism": 40,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def pod(owner: Owner, name: str) -> dict[str, Any]:
    """A pod as its controller posts it, bound to a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{owner.name}-",
            "labels": {
                "app.kubernetes.io/name": owner.name,
                "app.kubernetes.io/instance": f"{owner.namespace}-{owner.name}",
                "app.kubernetes.io/version": "4.2.1",
                "app.kubernetes.io/managed-by": "Helm",
                "pod-template-hash": _hex(owner.uid, 10),
                "team": "research",
            },
            "annotations": {
                "checksum/config": _hex(owner.name, 64),
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "9102",
                "kubectl.kubernetes.io/restartedAt": "2026-05-01T08:00:00Z",
            },
            "ownerReferences": [owner.reference],
        },
        "spec": {
            "nodeName": _node(name),
            "restartPolicy": "Never" if owner.kind == "Job" else "Always",
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "containers": [_main(owner)],
            "volumes": [
                {"name": "scratch", "emptyDir": {}},
                {"name": "config", "configMap": {"name": f"{owner.name}-config"}},
                _token(),
            ],
            "tolerations": [
                {
                    "key": f"node.kubernetes.io/{taint}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
                for taint in ("not-ready", "unreachable")
            ],
        },
    }


def running(name: str) -> dict[str, Any]:
    """Status of a healthy pod."""
    now = _now()
    state = {"running": {"startedAt": now}}
    return {
        "phase": "Running",
        "conditions": _conditions(now, ready=True),
        "containerStatuses": [_container(name, state, ready=True)],
        "startTime": now,
        "qosClass": "Burstable",
        "hostIP": "10.0.7.12",
        "hostIPs": [{"ip": "10.0.7.12"}],
        "podIP": _ip(name),
        "podIPs": [{"ip": _ip(name)}],
    }


def failed(name: str, number: int) -> dict[str, Any]:
    """Status of a pod that has failed. Of ten numbers five are exits, three OOM kills, one a bare 137, one an eviction.

    The bare 137 is the dear one: the operator asks for the pod's events.
    """
    now = _now()
    status = running(name) | {"phase": "Failed", "conditions": _conditions(now, ready=False)}
    kind = number % 10
    if kind == 9:
        return status | {
            "reason": "Evicted",
            "message": "The node was low on resource: ephemeral-storage. Threshold quantity: 2146223308, available: 1912Ki. ",
            "conditions": [*status["conditions"], _condition("DisruptionTarget", "True", now, "TerminationByKubelet")],
            "containerStatuses": [_ended(name, 137, "Error", "")],
        }
    main = {5: (137, "OOMKilled", ""), 6: (137, "OOMKilled", ""), 7: (137, "OOMKilled", ""), 8: (137, "Error", "")}
    return status | {"containerStatuses": [_ended(name, *main.get(kind, (1, "Error", TRACEBACK)))]}


def _main(owner: Owner) -> dict[str, Any]:
    names = ("LOG_LEVEL", "DATA_ROOT", "CHECKPOINT_URL", "BATCH_SIZE", "OTEL_EXPORTER_OTLP_ENDPOINT", "RUN_NAME")
    env: list[dict[str, Any]] = [{"name": each, "value": f"{each.lower()}-of-{owner.name}"} for each in names]
    env.append({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    return {
        "name": "main",
        "image": IMAGE,
        "command": ["python", "-m", "train"],
        "args": ["--config", "/etc/train/config.yaml", "--resume", "auto"],
        "env": env,
        "ports": [{"name": "metrics", "containerPort": 9102, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 9102}, "periodSeconds": 5},
        "volumeMounts": [
            {"name": "scratch", "mountPath": "/scratch"},
            {"name": "config", "mountPath": "/etc/train", "readOnly": True},
            _token_mount(),
        ],
        "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }


def _token() -> dict[str, Any]:
    """The volume that the service account's admission adds."""
    sources: list[dict[str, Any]] = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    return {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": sources}}


def _token_mount() -> dict[str, Any]:
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    return {"name": "kube-api-access-x7k2p", "mountPath": path, "readOnly": True}


def _container(pod_name: str, state: dict[str, Any], *, ready: bool) -> dict[str, Any]:
    return {
        "name": "main",
        "image": IMAGE,
        "imageID": f"{IMAGE.rpartition(':')[0]}@sha256:{_hex(IMAGE, 64)}",
        "containerID": _container_id(pod_name),
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }


def _ended(pod_name: str, code: int, reason: str, message: str) -> dict[str, Any]:
    now = _now()
    ended: dict[str, Any] = {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}
    ended["containerID"] = _container_id(pod_name)
    if message:
        ended["message"] = message
    return _container(pod_name, {"terminated": ended}, ready=False)


def _conditions(now: str, *, ready: bool) -> list[dict[str, Any]]:
    end = ("True", now, "") if ready else ("False", now, "PodFailed")
    return [
        _condition("PodReadyToStartContainers", "True", now),
        _condition("Initialized", "True", now),
        _condition("Ready", *end),
        _condition("ContainersReady", *end),
        _condition("PodScheduled", "True", now),
    ]


def _condition(type_: str, status: str, now: str, reason: str = "") -> dict[str, Any]:
    said = {"type": type_, "status": status, "lastProbeTime": None, "lastTransitionTime": now}
    return said | {"reason": reason} if reason else said


def _container_id(pod_name: str) -> str:
    return f"containerd://{_hex(pod_name, 64)}"


def _node(name: str) -> str:
    return f"node-{int(_hex(name, 4), 16) % 200:03}"


def _ip(name: str) -> str:
    number = int(_hex(name, 4), 16)
    return f"10.244.{number // 256}.{number % 256}"


def _hex(text: str, digits: int) -> str:
    return sha256(text.encode()).hexdigest()[:digits]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
