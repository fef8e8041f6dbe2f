"""Pods that somebody ends: a person, a controller, the kubelet, the scheduler."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.e2e.support.conditions import ended, gone, is_ready, running, terminated
from tests.e2e.support.manifests import FROM_LOG, make_pod, make_set, obj, resources, shell, template, volume
from tests.e2e.support.scenario import Scenario, Step
from tests.e2e.support.scenario_runner import ScenarioRunner

IGNORES = "trap '' TERM; while :; do sleep 1; done"
FULL = "dd if=/dev/zero of=/v/f bs=1M count=40; sleep 3600"


def kubectl(*args: str) -> Callable[[ScenarioRunner], None]:
    """In the scenario's namespace."""
    return lambda runner: _discard(runner.kubectl(*args, "-n", runner.prefix + "proof"))


def later(command: Callable[[ScenarioRunner], None]) -> Callable[[ScenarioRunner], None]:
    """Some seconds on: the times of the API are whole ones."""

    def run(runner: ScenarioRunner) -> None:
        time.sleep(3)
        command(runner)

    return run


def _discard(_: object) -> None:
    return None


def deleted(name: str, verdict: str | None, script: str, *options: str) -> Scenario:
    step = Step(running, kubectl("delete", "pod", name, "--wait=false", *options))
    pod = make_pod(name, shell(script), terminationGracePeriodSeconds=3)
    return Scenario(name, (pod,), verdict, gone, container="", steps=(step,))


def deleted_after_its_end() -> Scenario:
    name = "s12-deleted-after-its-end"
    step = Step(ended, kubectl("delete", "pod", name, "--wait=false"))
    pod = make_pod(name, shell("exit 4"))
    return Scenario(name, (pod,), "user-code/error-exit", gone, steps=(step,))


def failed_beside_another(name: str, step: Step | None = None, **spec: Any) -> Scenario:
    """Its main container fails for good; the other one runs on, until the pod is stopped."""
    side = shell("exec sleep 3600") | {"name": "side"}
    pod = make_pod(name, shell("sleep 1; echo no licence >&2; exit 3", **FROM_LOG), side, **spec)
    shows = ended if step is None else gone
    return Scenario(name, (pod,), "user-code/error-exit", shows, message="no licence", steps=(step,) if step else ())


def evicted_by_api(name: str, verdict: str | None, script: str) -> Scenario:
    def evict(runner: ScenarioRunner) -> None:
        namespace = runner.prefix + "proof"
        metadata = {"name": name, "namespace": namespace}
        eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        runner.kubectl("create", "--raw", path, "-f", "-", input=eviction)

    pod = make_pod(name, shell(script))
    return Scenario(name, (pod,), verdict, gone, container="", steps=(Step(running, evict),))


def preempted() -> Scenario:
    name = "l1-preempted"
    low = obj("scheduling.k8s.io/v1", "PriorityClass", "l1-low", value=-10)
    high = obj("scheduling.k8s.io/v1", "PriorityClass", "l1-high", value=100000)
    wanted = {"requests": {"memory": "14Gi"}}
    victim = make_pod(name, shell(IGNORES, resources=wanted), priorityClassName="l1-low")
    above = make_pod("l1-preemptor", shell("sleep 3600", resources=wanted), priorityClassName="l1-high")

    def come(runner: ScenarioRunner) -> None:
        runner.kubectl("apply", "-n", runner.prefix + "proof", "-f", "-", input=json.dumps(above))

    after = kubectl("delete", "pod", "l1-preemptor", "--wait=false", "--grace-period=1")
    return Scenario(
        name, (low, high, victim), "disruption/preempted", gone, container="", steps=(Step(running, come),),
        after=after, timeout=90,
    )  # fmt: skip


def past_deadline(name: str, image: str, **spec: Any) -> Scenario:
    container = shell("sleep 3600", image=image)
    pod = make_pod(name, container, activeDeadlineSeconds=5, **spec)
    return Scenario(name, (pod,), "resources/deadline-exceeded", ended, container="")


def writes_too_much(name: str, verdict: str, medium: dict[str, str], **container: Any) -> Scenario:
    source, mount = volume("emptyDir", **medium)
    pod = make_pod(name, shell(FULL, volumeMounts=[mount], **container), volumes=[source])
    return Scenario(name, (pod,), verdict, ended, container="", timeout=120)


def scaled_down() -> Scenario:
    """Its owner wants it no more: no failure of the Deployment, whatever its pod ends with."""
    name = "s13-scaled-down"
    pod = template(name, shell(IGNORES), restart="Always")
    step = Step(is_ready, kubectl("scale", "deployment", name, "--replicas=0"))
    workload = make_set("Deployment", name, pod)
    return Scenario(
        name, (workload,), None, gone, "Deployment", container="", steps=(step,), failures=None,
        pod_verdict="cancelled/deleted",
    )  # fmt: skip


SCENARIOS = (
    deleted("s2-deleted-term-ignored", "cancelled/deleted", IGNORES),
    deleted("s3-deleted-ends-well", None, "trap 'exit 0' TERM; while :; do sleep 0.2; done"),
    deleted("s14-deleted-ends-143", "cancelled/deleted", "trap 'exit 143' TERM; while :; do sleep 0.2; done"),
    deleted("s15-deleted-own-code", "user-code/error-exit",
            "trap 'echo flush failed; exit 7' TERM; while :; do sleep 0.2; done")._replace(container="main"),
    deleted("s16-deleted-at-once", None, IGNORES, "--grace-period=0", "--force"),
    deleted_after_its_end(),
    evicted_by_api("k1-evicted-by-api", "disruption/api-eviction", IGNORES),
    evicted_by_api("k8-evicted-ends-well", None, "trap 'exit 0' TERM; while :; do sleep 0.2; done"),
    evicted_by_api("k9-evicted-own-code", "disruption/api-eviction", "trap 'exit 3' TERM; while :; do sleep 0.2; done"),
    preempted(),
    past_deadline("i2-deadline-image-missing", "127.0.0.1:5/absent:1"),
    past_deadline("i3-deadline", "busybox:1.36"),
    writes_too_much("k2-emptydir-over-limit", "resources/emptydir-limit", {"sizeLimit": "10Mi"}),
    writes_too_much("k3-ephemeral-over-limit", "resources/ephemeral-storage-limit", {},
                    resources=resources(ephemeral_storage="10Mi")),
    scaled_down(),
    failed_beside_another("s23-failed-before-deletion", Step(
        terminated("main"), later(kubectl("delete", "pod", "s23-failed-before-deletion", "--wait=false")))),
    failed_beside_another("i6-failed-before-deadline", activeDeadlineSeconds=8),
)  # fmt: skip
