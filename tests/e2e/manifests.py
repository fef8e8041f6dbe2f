"""Small manifests of workloads that fail on purpose."""

from typing import Any

Manifest = dict[str, Any]
IMAGE = "busybox:1.36"
# An address where no registry listens: the pull fails for real, and nothing leaves the machine.
ABSENT_IMAGE = "127.0.0.1:5/absent:1"
# An OOM in a container's first moments can go unrecorded on cgroup v1: see docs/real-failures.md.
RUN_OUT_OF_MEMORY = "sleep 2; tail /dev/zero"


def make_container(script: str | None, image: str = IMAGE, memory: str | None = None) -> Manifest:
    """A container "main" that runs SCRIPT in a shell; None = what the image runs."""
    container: Manifest = {"name": "main", "image": image}
    if script is not None:
        container["command"] = ["sh", "-c", script]
    if memory is not None:
        container["resources"] = {"limits": {"memory": memory}}
    return container


def make_job(name: str, script: str, *, memory: str | None = None, pods: int = 1) -> Manifest:
    """A Job of PODS pods that each run SCRIPT once: a pod that fails is not made again."""
    spec: Manifest = {
        "completions": pods,
        "parallelism": pods,
        "template": {"spec": {"restartPolicy": "Never", "containers": [make_container(script, memory=memory)]}},
    }
    # Without an index the first failure would end the other pods, too.
    spec |= {"backoffLimit": 0} if pods == 1 else {"completionMode": "Indexed", "backoffLimitPerIndex": 0}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def make_deployment(name: str, script: str | None, *, image: str = IMAGE, scheduler: str | None = None) -> Manifest:
    """One replica. SCHEDULER "nobody": its pod stays as it is until a test writes its status."""
    labels = {"app": name}
    pod: Manifest = {"containers": [make_container(script, image)]}
    if scheduler is not None:
        pod["schedulerName"] = scheduler
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def make_pod(name: str) -> Manifest:
    """A pod without an owner that nobody schedules: it stays as it is until a test writes its status."""
    spec = {"schedulerName": "nobody", "restartPolicy": "Never", "containers": [make_container("exit 1")]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def failed_status(exit_code: int, at: str) -> Manifest:
    """The status of a pod whose container "main" ended with EXIT_CODE. AT: RFC 3339."""
    ended = {
        "exitCode": exit_code,
        "reason": "Error",
        "startedAt": at,
        "finishedAt": at,
        "containerID": "containerd://1",
    }
    container = {
        "name": "main",
        "image": IMAGE,
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": ended},
    }
    return {"phase": "Failed", "containerStatuses": [container]}
