"""Pods that look as if something else had failed, or anything at all; and rarer ends."""

import json
from collections.abc import Callable

from tests.e2e.scenarios.pod_termination import IGNORES, kubectl
from tests.e2e.support.conditions import (
    ended,
    every,
    gone,
    has_condition,
    is_ready,
    restarted,
    running,
    says,
    terminated,
    unschedulable,
    waits,
)
from tests.e2e.support.manifests import (
    FROM_LOG,
    make_job,
    make_pod,
    make_set,
    obj,
    python,
    resources,
    shell,
    template,
    volume,
)
from tests.e2e.support.scenario import Condition, Manifest, Scenario, Seen, Step
from tests.e2e.support.scenario_runner import ScenarioRunner


def make(kind: str, *arguments: str) -> Callable[[ScenarioRunner], None]:
    return kubectl("create", kind, *arguments)


def mount_that_heals() -> Scenario:
    name = "f11-secret-volume-came-late"
    source, mount = volume("secret", secretName=name)
    pod = make_pod(name, shell("sleep 3600", volumeMounts=[mount]), volumes=[source])
    # The kubelet tries again after 0.5, 1, 2, 4, … s.
    step = Step(says("FailedMount"), make("secret", "generic", name, "--from-literal=a=b"))
    return Scenario(name, (pod,), None, running, steps=(step,), timeout=90)


def node_that_came_late() -> Scenario:
    name = "j26-node-label-came-late"
    pod = make_pod(name, shell("sleep 3600"), nodeSelector={"coroner.dev/late": "yes"})

    def label(runner: ScenarioRunner) -> None:
        runner.kubectl("label", "node", "node1", "coroner.dev/late=yes")

    def unlabel(runner: ScenarioRunner) -> None:
        runner.try_kubectl("label", "node", "node1", "coroner.dev/late-")

    return Scenario(name, (pod,), None, running, steps=(Step(unschedulable, label),), after=unlabel)


def failed_debug_container() -> Scenario:
    name = "s18-debug-container-failed"

    def debug(runner: ScenarioRunner) -> None:
        options = ("-n", runner.prefix + "proof", "--image=busybox:1.36", "--container=look", "--attach=false")
        runner.kubectl("debug", name, *options, "--", "sh", "-c", "exit 7")

    def looked(seen: Seen) -> bool:
        found = seen.pod.get("status", {}).get("ephemeralContainerStatuses", ())
        return any("terminated" in s["state"] for s in found)

    pod = make_pod(name, shell("sleep 3600"))
    return Scenario(name, (pod,), None, looked, steps=(Step(running, debug),))


def resize_that_must_wait() -> Scenario:
    name = "s19-resize-deferred"
    change = {"spec": {"containers": [{"name": "main", "resources": resources(cpu="1900m")}]}}
    resize = kubectl("patch", "pod", name, "--subresource=resize", "-p", json.dumps(change))
    pod = make_pod(name, shell("sleep 3600", resources=resources(cpu="10m")))
    shows: Condition = lambda seen: has_condition(seen.pod, "PodResizePending", "True")  # noqa: E731
    other = make_pod("s19-neighbour", shell("sleep 3600", resources=resources(cpu="500m")))
    return Scenario(name, (other, pod), None, shows, steps=(Step(running, resize),))


def oom_mark_on_a_deletion() -> Scenario:
    name = "b12-oom-of-child-then-deleted"
    script = "trap 'exit 143' TERM; sleep 2; tail /dev/zero; touch /tmp/after; while :; do sleep 0.2; done"
    ready = {"exec": {"command": ["cat", "/tmp/after"]}, "periodSeconds": 1}
    pod = make_pod(name, shell(script, readinessProbe=ready, resources=resources(memory="25Mi")))
    step = Step(is_ready, kubectl("delete", "pod", name, "--wait=false"))
    return Scenario(name, (pod,), "cancelled/deleted", gone, container="", steps=(step,))


def pod_level_memory() -> Scenario:
    name = "b11-pod-level-memory-limit"
    pod = make_pod(name, shell("sleep 2; tail /dev/zero"), resources=resources(memory="40Mi"))
    return Scenario(name, (pod,), "resources/oom-killed", ended)


def init_out_of_memory() -> Scenario:
    name = "g6-init-out-of-memory"
    setup = shell("sleep 2; tail /dev/zero", resources=resources(memory="25Mi")) | {"name": "setup"}
    return Scenario(
        name, (make_pod(name, shell("true"), initContainers=[setup]),), "resources/oom-killed", ended, container="setup"
    )


def init_still_runs() -> Scenario:
    name = "g7-init-still-runs"
    setup = shell("sleep 3600") | {"name": "setup"}
    return Scenario(name, (make_pod(name, shell("true"), initContainers=[setup]),), None,
                    every(waits("PodInitializing"), says("Started")))  # fmt: skip


def deadline(name: str, script: str, restart: str = "Never") -> Scenario:
    pod = make_pod(name, shell(script), restart=restart, activeDeadlineSeconds=6)
    return Scenario(name, (pod,), "resources/deadline-exceeded", ended, container="")


def job_deleted() -> Scenario:
    name = "s20-job-deleted"
    job = make_job(name, template(name, shell(IGNORES)))
    step = Step(running, kubectl("delete", "job", name, "--wait=false"))
    return Scenario(name, (job,), "cancelled/deleted", gone, "Job", container="", steps=(step,))


def job_suspended_meanwhile() -> Scenario:
    name = "m15-suspended-meanwhile"
    job = make_job(name, template(name, shell(IGNORES)))
    step = Step(running, kubectl("patch", "job", name, "-p", '{"spec": {"suspend": true}}'))
    return Scenario(name, (job,), "cancelled/deleted", gone, "Job", container="", steps=(step,))


def rolled_out() -> Scenario:
    """The old pod of a rollout, which ignores SIGTERM."""
    name = "n5-rolled-out"
    workload = make_set(
        "Deployment", name, template(name, shell(IGNORES), restart="Always"), strategy={"type": "Recreate"}
    )
    change = '{"spec": {"template": {"metadata": {"annotations": {"rolled": "out"}}}}}'
    step = Step(is_ready, kubectl("patch", "deployment", name, "-p", change))
    return Scenario(
        name, (workload,), None, lambda seen: len(seen.pods) > 1 and is_ready(seen), "Deployment", steps=(step,),
        failures=None,
    )  # fmt: skip


def image_and_crash() -> Scenario:
    name = "m16-one-crashes-one-image-missing"
    pod = make_pod(name, shell("exit 3"), shell("true", image="127.0.0.1:5/absent:1") | {"name": "aux"})
    shows = every(terminated("main"), waits("ErrImagePull", "ImagePullBackOff"))
    return Scenario(name, (pod,), "user-code/error-exit", shows, failures=None)


def slow_registry() -> Scenario:
    name = "e18-pull-takes-long"
    pod = make_pod(name, shell("true", image="localhost:5014/team/app:1.2"))
    return Scenario(name, (pod,), None, says("Pulling"))


def with_text(name: str, verdict: str, printf: str, message: str = "", exit_code: int = 1) -> Scenario:
    script = f"printf '{printf}'; exit {exit_code}"
    return Scenario(name, (make_pod(name, shell(script, **FROM_LOG)),), verdict, ended, message=message)


def device_without_driver() -> Scenario:
    name = "dra6-driver-not-registered"
    driver = "cards.example.com"
    slice_spec = {
        "driver": driver,
        "nodeName": "node1",
        "pool": {"name": "node1", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "card-0"}],
    }
    resource_slice = obj("resource.k8s.io/v1", "ResourceSlice", "node1-cards", spec=slice_spec)
    selector = {"selectors": [{"cel": {"expression": f"device.driver == '{driver}'"}}]}
    device_class = obj("resource.k8s.io/v1", "DeviceClass", "any-card", spec=selector)
    request = {"requests": [{"name": "card", "exactly": {"deviceClassName": "any-card"}}]}
    claim = obj("resource.k8s.io/v1", "ResourceClaim", "dra6", spec={"devices": request})
    container = shell("sleep 3600", resources={"claims": [{"name": "card"}]})
    pod = make_pod(name, container, resourceClaims=[{"name": "card", "resourceClaimName": "dra6"}])
    return Scenario(name, (resource_slice, device_class, claim, pod), "accelerator/dra-prepare",
                    says("FailedPrepareDynamicResources"), container="")  # fmt: skip


def exits_under_deletion() -> Scenario:
    """Python answers SIGTERM with an exception of its own."""
    name = "s21-deleted-python-raises"
    program = (
        "import signal, time\n"
        "def stop(*_): raise RuntimeError('interrupted while saving')\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "time.sleep(3600)"
    )
    pod = make_pod(name, python(program), terminationGracePeriodSeconds=5)
    late = kubectl("delete", "pod", name, "--wait=false")
    return Scenario(name, (pod,), "user-code/uncaught-exception", gone, steps=(Step(is_ready, late),))


def drained_after_failure() -> Scenario:
    """Its container had ended before the eviction."""
    name = "k14-evicted-after-its-end"

    def evict(runner: ScenarioRunner) -> None:
        namespace = runner.prefix + "proof"
        metadata = {"name": name, "namespace": namespace}
        body: Manifest = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        runner.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(body))

    pod = make_pod(name, shell("exit 12"))
    return Scenario(name, (pod,), "user-code/error-exit", gone, steps=(Step(ended, evict),))


def killed_main_of_group() -> Scenario:
    name = "c17-shell-loses-python"
    program = "import os, signal, time; time.sleep(1); os.kill(os.getpid(), signal.SIGSEGV)"
    script = f'python3 -c "{program}"; code=$?; echo "worker ended with $code"; exit $code'
    container = shell(script, image="localhost/python:3.11", imagePullPolicy="Never", **FROM_LOG)
    return Scenario(name, (make_pod(name, container),), "user-code/segfault", ended)


def restart_all_of_it() -> Scenario:
    """Ready again after one crash: over."""
    name = "h7-recovered-with-probe"
    source, mount = volume("emptyDir", "/d")
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    script = "[ -e /d/once ] && exec sleep 3600; touch /d/once; sleep 1; exit 1"
    pod = make_pod(name, shell(script, volumeMounts=[mount], readinessProbe=probe), restart="Always", volumes=[source])
    return Scenario(name, (pod,), None, every(restarted(1), is_ready))


def runs_again_not_ready() -> Scenario:
    """Runs again after a crash, but its readiness never came back."""
    name = "h8-runs-again-not-ready"
    source, mount = volume("emptyDir", "/d")
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    script = "[ -e /d/once ] && exec sleep 3600; touch /d/once; sleep 1; exit 1"
    pod = make_pod(name, shell(script, volumeMounts=[mount], readinessProbe=probe), restart="Always", volumes=[source])
    return Scenario(name, (pod,), "user-code/error-exit", every(restarted(1), running, says("Unhealthy")))


SCENARIOS = (
    mount_that_heals(),
    node_that_came_late(),
    failed_debug_container(),
    resize_that_must_wait(),
    oom_mark_on_a_deletion(),
    pod_level_memory(),
    init_out_of_memory(),
    init_still_runs(),
    deadline("i4-deadline-ends-well", "trap 'exit 0' TERM; while :; do sleep 0.2; done"),
    deadline("i5-deadline-in-crash-loop", "exit 1", "OnFailure"),
    job_deleted(),
    job_suspended_meanwhile(),
    rolled_out(),
    image_and_crash(),
    slow_registry(),
    with_text("y19-secret-in-text", "user-code/error-exit",
              r"connecting to postgres://app:hunter2-and-more@db:5432/app\npassword authentication failed\n"),
    with_text("y20-control-characters", "user-code/error-exit", r"\033[31mred\033[0m \000 nul \377\376 end\n"),
    with_text("y21-no-letters", "user-code/error-exit", r"\360\237\224\245%0900d\n"),
    device_without_driver(),
    exits_under_deletion(),
    drained_after_failure(),
    killed_main_of_group(),
    restart_all_of_it(),
    runs_again_not_ready(),
)  # fmt: skip
