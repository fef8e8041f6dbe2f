"""What happens to the node, and to its pods: pressure, taints, a deletion, a network that is not there.

One at a time. Those that change the kubelet's settings need a cluster of tests/cluster/up, whose folder they find.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.support.conditions import ended, gone, running, says, unschedulable
from tests.e2e.support.manifests import make_job, make_pod, shell, template, volume
from tests.e2e.support.own_images import add_images, cluster_script
from tests.e2e.support.scenario import Condition, Manifest, Scenario, Step
from tests.e2e.support.scenario_runner import ScenarioRunner

IGNORES = "trap '' TERM; while :; do sleep 1; done"
EVICTED = "The node was low on resource"


def restart_kubelet(runner: ScenarioRunner) -> None:
    cluster_script(runner, "proc", "restart", "kubelet")


def with_kubelet(setting: str, value: str) -> Callable[[ScenarioRunner], None]:
    """Restarts the kubelet with another value of this setting, e.g. "maxPods" or "evictionHard.memory.available"."""

    def change(runner: ScenarioRunner) -> None:
        file = runner.state / "conf" / "kubelet.yaml"
        before = file.read_text()
        saved = file.with_suffix(".before")
        if not saved.exists():
            saved.write_text(before)
        lines = [line for line in before.splitlines() if not line.startswith(f"{setting.partition('.')[0]}:")]
        top, _, inner = setting.partition(".")
        written = f"{top}: {json.dumps({inner: value})}" if inner else f"{top}: {value}"
        file.write_text("\n".join([*lines, written]) + "\n")
        restart_kubelet(runner)

    return change


def put_back(runner: ScenarioRunner) -> None:
    file = runner.state / "conf" / "kubelet.yaml"
    saved = file.with_suffix(".before")
    if saved.exists():
        saved.rename(file)
    restart_kubelet(runner)
    # Under disk pressure the kubelet removed the images that nothing used.
    add_images(runner)
    pressures = ("MemoryPressure", "DiskPressure", "PIDPressure")
    wanted = [f"--for=condition={p}=False" for p in pressures]
    for each in (*wanted, "--for=condition=Ready"):
        runner.kubectl("wait", each, "node/node1", "--timeout=55s")


def refused_at_restart(name: str, verdict: str, setting: str, value: str) -> Scenario:
    """The kubelet finds the pressure when it starts, before it looks at the pods that run."""
    pod = make_pod(name, shell(IGNORES))
    return Scenario(
        name, (pod,), verdict, ended, container="", steps=(Step(running, with_kubelet(setting, value)),),
        after=put_back, timeout=120, alone=True,
    )  # fmt: skip


def refused_under_pressure(name: str, verdict: str, setting: str, value: str, condition: str) -> Scenario:
    """A pod placed on the node by hand while the node has this condition."""
    first = make_pod("k-witness", shell(IGNORES))
    late = make_pod(name, shell("true"), nodeName="node1")

    def place(runner: ScenarioRunner) -> None:
        with_kubelet(setting, value)(runner)
        runner.kubectl("wait", f"--for=condition={condition}=True", "node/node1", "--timeout=55s")
        runner.kubectl("apply", "-n", runner.prefix + "proof", "-f", "-", input=json.dumps(late))

    # There is no pod of that name before.
    always: Condition = lambda seen: True  # noqa: E731
    return Scenario(
        name, (first,), verdict, ended, container="", steps=(Step(always, place),), after=put_back, timeout=120,
        alone=True,
    )  # fmt: skip


def pressing(name: str, verdict: str, signal: str, stat: tuple[str, str], margin: int, script_: str) -> Scenario:
    """A pod that takes more of the node's room than MARGIN leaves above the threshold."""
    disk, disk_mount = volume("emptyDir")
    memory, memory_mount = volume("emptyDir", "/m", medium="Memory")
    memory["name"] = memory_mount["name"] = "m"
    container = shell(f"sleep 12; {script_}; exec sleep 3600", volumeMounts=[disk_mount, memory_mount])
    gates = [{"name": "coroner.dev/test"}]
    pod = make_pod(name, container, schedulingGates=gates, volumes=[disk, memory])

    def tighten(runner: ScenarioRunner) -> None:
        stats = json.loads(runner.kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/stats/summary"))["node"]
        have = stats[stat[0]][stat[1]] - (stats["rlimit"]["curproc"] if stat[0] == "rlimit" else 0)
        with_kubelet(f"evictionHard.{signal}", str(have - margin))(runner)
        ungate(runner, name)

    return Scenario(
        name, (pod,), verdict, ended, container="", steps=(Step(lambda seen: bool(seen.pod), tighten),),
        after=put_back, timeout=150, alone=True,
    )  # fmt: skip


def on_node(*args: str) -> Callable[[ScenarioRunner], None]:
    def act(runner: ScenarioRunner) -> None:
        runner.kubectl(*args)

    return act


def tainted(name: str, verdict: str | None, command: str, shows: Condition, first: Condition) -> Scenario:
    taint = "coroner.dev/maintenance=yes:NoExecute"
    pod = make_pod(name, shell(command))
    return Scenario(
        name, (pod,), verdict, shows, container="", alone=True,
        steps=(Step(first, on_node("taint", "node", "node1", taint, "--overwrite")),),
        after=on_node("taint", "node", "node1", taint + "-"),
    )  # fmt: skip


def node_is_deleted() -> Scenario:
    name = "s9-node-deleted"
    pod = make_pod(name, shell(IGNORES))
    return Scenario(
        name, (pod,), "disruption/node-gone", gone, container="", alone=True, timeout=180,
        steps=(Step(running, on_node("delete", "node", "node1")),), after=put_back,
    )  # fmt: skip


def on_node_that_never_was() -> Scenario:
    name = "s9-node-never-was"
    pod = make_pod(name, shell("true"), nodeName="node99")
    return Scenario(name, (pod,), "disruption/node-gone", gone, container="", timeout=180)


def room_for_critical() -> Scenario:
    name = "l4-critical-preemption"
    wanted = {"requests": {"cpu": "1500m"}}
    victim = make_pod(name, shell(IGNORES, resources=wanted))
    critical = make_pod(
        "l4-critical", shell("sleep 60", resources=wanted), nodeName="node1", priorityClassName="system-node-critical"
    )

    def come(runner: ScenarioRunner) -> None:
        runner.kubectl("apply", "-n", "kube-system", "-f", "-", input=json.dumps(critical))

    return Scenario(
        name, (victim,), "disruption/critical-pod-preemption", ended, container="", alone=True,
        steps=(Step(running, come),),
        after=on_node("delete", "pod", "-n", "kube-system", "l4-critical", "--grace-period=1", "--ignore-not-found"),
    )  # fmt: skip


def with_broken_network() -> Scenario:
    name = "w1-network-plugin-missing"
    pod = make_pod(name, shell("sleep 3600"), schedulingGates=[{"name": "coroner.dev/test"}])

    def config(runner: ScenarioRunner) -> Path:
        return runner.state / "conf" / "cni" / "10-bridge.conflist"

    def break_it(runner: ScenarioRunner) -> None:
        text = config(runner).read_text()
        config(runner).write_text(text.replace('"type": "bridge"', '"type": "calico"'))
        ungate(runner, name)

    def restore(runner: ScenarioRunner) -> None:
        text = config(runner).read_text()
        config(runner).write_text(text.replace('"type": "calico"', '"type": "bridge"'))

    return Scenario(
        name, (pod,), "platform/sandbox-network", says("FailedCreatePodSandBox"), container="", alone=True,
        steps=(Step(lambda seen: bool(seen.pod), break_it),), repair=restore,
        repaired=running, after=restore,
    )  # fmt: skip


def ungate(runner: ScenarioRunner, name: str) -> None:
    change = '[{"op": "remove", "path": "/spec/schedulingGates"}]'
    runner.kubectl("patch", "pod", name, "-n", runner.prefix + "proof", "--type=json", "-p", change)


def bad_sandbox() -> Scenario:
    name = "w2-sandbox-refused"
    sysctls = {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "perhaps"}]}
    pod = make_pod(name, shell("sleep 3600"), securityContext=sysctls)
    return Scenario(name, (pod,), "platform/sandbox", says("FailedCreatePodSandBox"), container="")


def full_of_pods(name: str, verdict: str, shows: Condition, **spec: Any) -> Scenario:
    """The node may run one pod, and does."""
    holder = make_pod("j24-holder", shell(IGNORES))
    late = make_pod(name, shell("sleep 3600"), **spec)

    def fill(runner: ScenarioRunner) -> None:
        with_kubelet("maxPods", "1")(runner)
        runner.kubectl("wait", "--for=jsonpath={.status.allocatable.pods}=1", "node/node1", "--timeout=55s")
        runner.kubectl("apply", "-n", runner.prefix + "proof", "-f", "-", input=json.dumps(late))

    always: Condition = lambda seen: True  # noqa: E731
    return Scenario(
        name, (holder,), verdict, shows, container="", steps=(Step(always, fill),), after=put_back, timeout=90,
        alone=True,
    )  # fmt: skip


def container_killed_unseen() -> Scenario:
    """The kubelet stands still while the container is killed."""
    name = "s7-container-killed"
    pod = make_pod(name, shell(IGNORES))

    def kill(runner: ScenarioRunner) -> None:
        cluster_script(runner, "proc", "stop", "kubelet")
        ctr = [str(Path(runner.server.kubectl_program).parent / "ctr"), "-n", "k8s.io", "-a"]
        ctr.append(str(runner.state / "run" / "containerd" / "containerd.sock"))
        command = [*ctr, "tasks", "kill", "-s", "KILL", stage_container(runner, name)]
        subprocess.run(command, check=True, capture_output=True)
        cluster_script(runner, "proc", "start", "kubelet")

    return Scenario(name, (pod,), "unknown/sigkill", ended, steps=(Step(running, kill),), timeout=90, alone=True)


def stage_container(runner: ScenarioRunner, pod: str) -> str:
    path = "jsonpath={.status.containerStatuses[0].containerID}"
    text = runner.kubectl("get", "pod", pod, "-n", runner.prefix + "proof", "-o", path)
    return text.removeprefix("containerd://")


def job_on_pressed_node() -> Scenario:
    name = "k12-job-evicted"
    pod = template(name, shell(IGNORES))
    job: Manifest = make_job(name, pod)
    return Scenario(
        name, (job,), "disruption/node-pressure-memory", ended, "Job", container="", timeout=120, alone=True,
        steps=(Step(running, with_kubelet("evictionHard.memory.available", "98%")),), after=put_back,
    )  # fmt: skip


SCENARIOS = (
    bad_sandbox(),
    on_node_that_never_was(),
    room_for_critical(),
    with_broken_network(),
    tainted("s8-no-execute-taint", "disruption/taint-eviction", IGNORES, gone, running),
    tainted("s17-taint-after-its-end", "user-code/error-exit", "exit 4", gone, ended)._replace(container="main"),
    full_of_pods("j24-too-many-pods", "capacity/insufficient-pods", unschedulable),
    full_of_pods("j25-out-of-pods", "capacity/node-out-of-resource", ended, nodeName="node1"),
    refused_at_restart("k15-restart-memory-pressure", "disruption/node-pressure-memory",
                       "evictionHard.memory.available", "98%"),
    refused_at_restart("k16-restart-pid-pressure", "disruption/node-pressure-pids",
                       "evictionHard.pid.available", "99.9%"),
    refused_at_restart("k17-restart-disk-pressure", "disruption/node-pressure-disk",
                       "evictionHard.nodefs.available", "95%"),
    refused_under_pressure("k10-refused-memory-pressure", "disruption/node-pressure-memory",
                           "evictionHard.memory.available", "98%", "MemoryPressure"),
    refused_under_pressure("k11-refused-disk-pressure", "disruption/node-pressure-disk",
                           "evictionHard.nodefs.available", "95%", "DiskPressure"),
    job_on_pressed_node(),
    pressing("k5-disk-pressure", "disruption/node-pressure-disk", "nodefs.available", ("fs", "availableBytes"),
             1 << 30, "dd if=/dev/zero of=/v/f bs=1M count=2500"),
    pressing("k6-inode-pressure", "disruption/node-pressure-inodes", "nodefs.inodesFree", ("fs", "inodesFree"),
             3000, "i=0; while [ $i -lt 9000 ]; do : >/v/$i; i=$((i+1)); done"),
    pressing("k13-pid-pressure", "disruption/node-pressure-pids", "pid.available", ("rlimit", "maxpid"),
             150, "for i in $(seq 400); do sleep 3600 & done"),
    pressing("k4-memory-pressure", "disruption/node-pressure-memory", "memory.available",
             ("memory", "availableBytes"), 700 << 20, "dd if=/dev/zero of=/m/f bs=1M count=1500"),
    container_killed_unseen(),
    node_is_deleted(),
)  # fmt: skip
