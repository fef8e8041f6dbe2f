"""Failures with an end: what makes them well again, and how that shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.support.conditions import is_ready, owner_is, owner_says, waits
from tests.e2e.support.manifests import make_set, shell, template
from tests.e2e.support.scenario import Condition, Scenario, Seen
from tests.e2e.support.scenario_runner import ScenarioRunner

Command = Callable[[ScenarioRunner], None]


def kubectl(namespace: str, *args: str) -> Command:
    def run(runner: ScenarioRunner) -> None:
        runner.kubectl(*args, "-n", runner.prefix + namespace)

    return run


def available(seen: Seen) -> bool:
    return owner_is("Available")(seen)


def healing(
    name: str, kind: str, verdict: str, script: str, shows: Condition, repair: Command, repaired: Condition,
    namespace: str = "proof", others: tuple[dict[str, Any], ...] = (), **container: Any,
) -> Scenario:  # fmt: skip
    """A workload of one pod that restarts."""
    spec: dict[str, Any] = {"serviceName": name} if kind == "StatefulSet" else {}
    pod = template(name, shell(script, **container), restart="Always")
    return Scenario(
        name, (*others, make_set(kind, name, pod, **spec)), verdict, shows, kind, failures=None, repair=repair,
        repaired=repaired, timeout=90, namespace=namespace, container="" if others else "main",
    )  # fmt: skip


def patched(kind: str, name: str, **container: Any) -> Command:
    """The container "main" of the workload is changed."""
    spec = {"template": {"spec": {"containers": [{"name": "main", **container}]}}}
    return kubectl("proof", "patch", kind, name, "-p", json.dumps({"spec": spec}))


def scenarios() -> tuple[Scenario, ...]:
    crashes, image, quota, bare = "heal1-crash-fixed", "heal2-image-fixed", "heal3-quota-raised", "heal4-secret-made"
    return (
        healing(crashes, "Deployment", "user-code/error-exit", "echo no config; exit 1", waits("CrashLoopBackOff"),
                patched("deployment", crashes, command=["sleep", "3600"]), available),
        healing(image, "StatefulSet", "platform/registry-unavailable", "true", waits("ErrImagePull", "ImagePullBackOff"),
                _and_delete_pod(image, patched("statefulset", image, image="busybox:1.36", command=["sleep", "3600"])),
                is_ready, image="127.0.0.1:5/absent:1"),
        healing(quota, "Deployment", "capacity/quota-exceeded", "sleep 3600", owner_says("FailedCreate"),
                kubectl("proof-heal", "delete", "resourcequota", "none"), available, "proof-heal",
                ({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
                  "spec": {"hard": {"pods": "0"}}},)),
        healing(bare, "DaemonSet", "user-config/missing-config", "sleep 3600", waits("CreateContainerConfigError"),
                kubectl("proof", "create", "secret", "generic", bare, "--from-literal=a=b"), is_ready,
                envFrom=[{"secretRef": {"name": bare}}]),
    )  # fmt: skip


def _and_delete_pod(name: str, change: Command) -> Command:
    """A StatefulSet does not replace a pod that never became ready (kubernetes#67250)."""

    def run(runner: ScenarioRunner) -> None:
        change(runner)
        runner.kubectl("delete", "pod", f"{name}-0", "--wait=false", "-n", runner.prefix + "proof")

    return run


SCENARIOS = scenarios()
