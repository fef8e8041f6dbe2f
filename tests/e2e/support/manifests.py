"""Manifests for scenarios: small, quick to end, each pod labelled app=NAME."""

from typing import Any

from tests.e2e.support.scenario import Manifest

BUSYBOX = "busybox:1.36"
PYTHON = "localhost/python:3.11"
FROM_LOG: dict[str, Any] = {"terminationMessagePolicy": "FallbackToLogsOnError"}


def shell(script: str, **container: Any) -> Manifest:
    """A container "main" that runs SCRIPT; ``$$`` in it is Kubernetes' escape for ``$``."""
    return {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", script], **container}


def python(program: str, **container: Any) -> Manifest:
    command = ["python3", "-c", program]
    return {"name": "main", "image": PYTHON, "imagePullPolicy": "Never", "command": command, **FROM_LOG, **container}


def make_pod(name: str, /, *containers: Manifest, restart: str = "Never", **spec: Any) -> Manifest:
    spec = {"restartPolicy": restart, "terminationGracePeriodSeconds": 2, "containers": list(containers), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def template(name: str, *containers: Manifest, restart: str = "Never", **spec: Any) -> Manifest:
    pod = make_pod(name, *containers, restart=restart, **spec)
    return {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]}


def make_job(name: str, pod: Manifest, **spec: Any) -> Manifest:
    return obj("batch/v1", "Job", name, spec={"backoffLimit": 0, "template": pod, **spec})


def make_cron_job(name: str, pod: Manifest) -> Manifest:
    job = {"metadata": {"labels": {"app": name}}, "spec": {"backoffLimit": 0, "template": pod}}
    return obj("batch/v1", "CronJob", name, spec={"schedule": "* * * * *", "jobTemplate": job})


def make_set(kind: str, name: str, pod: Manifest, **spec: Any) -> Manifest:
    """A Deployment, StatefulSet or DaemonSet."""
    selector = {"matchLabels": {"app": name}}
    return obj("apps/v1", kind, name, spec={"selector": selector, "template": pod, **spec})


def obj(api_version: str, kind: str, name: str, /, **fields: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def config_map(name: str, /, **data: str) -> Manifest:
    return obj("v1", "ConfigMap", name, data=data)


def volume(source: str, mount: str = "/v", /, **settings: Any) -> tuple[Manifest, Manifest]:
    """(what a pod has in "volumes", what its container has in "volumeMounts")."""
    return {"name": "v", source: settings}, {"name": "v", "mountPath": mount}


def resources(**amounts: str) -> Manifest:
    """Requests and limits alike."""
    named = {key.replace("_", "-"): value for key, value in amounts.items()}
    return {"requests": named, "limits": named}
