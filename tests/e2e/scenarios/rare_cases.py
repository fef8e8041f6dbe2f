"""What is met now and then: two things at once, texts around a traceback, settings that few pods have."""

from typing import Any

from tests.e2e.scenarios.container_start import mounts
from tests.e2e.scenarios.pod_termination import kubectl
from tests.e2e.scenarios.probes import SAYS_NO
from tests.e2e.scenarios.program_output import EXCEPTION, prints
from tests.e2e.support.conditions import (
    crash_looping,
    ended,
    every,
    gone,
    is_ready,
    owner_says,
    restarted,
    statuses,
    terminated,
    unschedulable,
)
from tests.e2e.support.manifests import FROM_LOG, make_pod, make_set, obj, resources, shell, template, volume
from tests.e2e.support.scenario import Condition, Manifest, Scenario, Seen, Step

HANDLES = "trap 'exit 143' TERM; while :; do sleep 0.2; done"
TRACE = 'Traceback (most recent call last):\n  File "/app/train.py", line 9, in <module>\nRuntimeError: bad shard'


def own_restart_policy(name: str, verdict: str | None, script: str, policy: str, shows: Condition) -> Scenario:
    """A container with a restart policy of its own, in a pod that restarts the others."""
    pod = make_pod(name, shell(script, restartPolicy=policy), shell("sleep 3600") | {"name": "aux"}, restart="Always")
    return Scenario(name, (pod,), verdict, shows, failures=None)


def completes_once() -> Scenario:
    name = "h9-completed-once-then-runs"
    source, mount = volume("emptyDir", "/d")
    script = "[ -e /d/once ] && exec sleep 3600; touch /d/once; exit 0"
    pod = make_pod(name, shell(script, volumeMounts=[mount]), restart="Always", volumes=[source])
    return Scenario(name, (pod,), None, every(restarted(1), is_ready))


def init_recovers() -> Scenario:
    name = "g8-init-second-try"
    source, mount = volume("emptyDir", "/d")
    script = "[ -e /d/once ] && exit 0; touch /d/once; exit 1"
    setup = shell(script, volumeMounts=[mount]) | {"name": "setup"}
    pod = make_pod(name, shell("sleep 3600"), restart="Always", initContainers=[setup], volumes=[source])
    return Scenario(name, (pod,), None, is_ready)


def sidecar_fails_liveness() -> Scenario:
    name = "r9-sidecar-liveness"
    side = shell(HANDLES, livenessProbe=SAYS_NO) | {"name": "side", "restartPolicy": "Always"}
    pod = make_pod(name, shell("sleep 3600"), initContainers=[side])
    shows = every(restarted(2), crash_looping)
    return Scenario(name, (pod,), "user-code/liveness-probe", shows, container="side", failures=None, timeout=120)


def hook_fails_and_term_is_handled() -> Scenario:
    name = "s22-post-start-hook-term-handled"
    command = {"exec": {"command": ["false"]}}
    pod = make_pod(name, shell(HANDLES, lifecycle={"postStart": command}))
    return Scenario(name, (pod,), "user-config/post-start-hook", ended)


def over_limit_but_ends_well() -> Scenario:
    name = "k18-emptydir-over-limit-ends-well"
    source, mount = volume("emptyDir", sizeLimit="10Mi")
    script = "trap 'exit 0' TERM; dd if=/dev/zero of=/v/f bs=1M count=40; while :; do sleep 0.2; done"
    pod = make_pod(name, shell(script, volumeMounts=[mount]), volumes=[source])
    return Scenario(name, (pod,), "resources/emptydir-limit", ended, container="", timeout=120)


def too_much_log() -> Scenario:
    name = "k19-log-over-ephemeral-limit"
    pod = make_pod(name, shell("yes | head -c 40000000; sleep 3600", resources=resources(ephemeral_storage="10Mi")))
    return Scenario(name, (pod,), "resources/ephemeral-storage-limit", ended, container="", timeout=120)


def deleted_while_unschedulable() -> Scenario:
    name = "j28-deleted-while-unschedulable"
    pod = make_pod(name, shell("true"), nodeSelector={"disk": "nvme"})
    step = Step(unschedulable, kubectl("delete", "pod", name, "--wait=false"))
    return Scenario(name, (pod,), None, gone, container="", steps=(step,), failures=None)


def refused(name: str, verdict: str, **security: Any) -> Scenario:
    return Scenario(
        name, (make_pod(name, shell("sleep 3600"), securityContext=security),), verdict, ended, container=""
    )


def partly_over_quota(kind: str, name: str, **spec: Any) -> Scenario:
    quota = obj("v1", "ResourceQuota", "one", spec={"hard": {"pods": "1"}})
    pod = template(name, shell("sleep 3600"), restart="Always")
    workload = make_set(kind, name, pod, replicas=3, **spec)
    return Scenario(name, (quota, workload), "capacity/quota-exceeded", every(owner_says("FailedCreate"), is_ready), kind,
                    container="", namespace=f"proof-part-{kind.lower()}", failures=None, pod_verdict=None,
                    owner_verdict="capacity/quota-exceeded")  # fmt: skip


def claims_over_quota() -> Scenario:
    name = "p24-statefulset-claims-over-quota"
    quota = obj("v1", "ResourceQuota", "no-claims", spec={"hard": {"persistentvolumeclaims": "0"}})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    claims = [{"metadata": {"name": "data"}, "spec": spec}]
    pod = template(name, shell("sleep 3600"), restart="Always")
    workload = make_set("StatefulSet", name, pod, serviceName=name, volumeClaimTemplates=claims)
    return Scenario(name, (quota, workload), "capacity/quota-exceeded", owner_says("FailedCreate"), "StatefulSet",
                    container="", namespace="proof-claims", failures=None)  # fmt: skip


def oom_under_a_failing_probe() -> Scenario:
    name = "b13-oom-under-failing-probe"
    probe = SAYS_NO | {"failureThreshold": 60}
    pod = make_pod(name, shell("sleep 4; tail /dev/zero", livenessProbe=probe, resources=resources(memory="30Mi")))
    return Scenario(name, (pod,), "resources/oom-killed", ended)


def asks_for_huge_pages() -> Scenario:
    name = "j15-insufficient-hugepages"
    pod = make_pod(name, shell("true", resources=resources(**{"hugepages-2Mi": "64Mi", "memory": "64Mi"})))
    return Scenario(name, (pod,), "capacity/insufficient-resource", unschedulable, container="")


def both_ended_one_well(seen: Seen) -> bool:
    return terminated("main")(seen) and any("running" in s["state"] for s in statuses(seen))


FILE_OVER_FOLDER: Manifest = {"subPath": "ca.crt", "mountPath": "/etc"}

SCENARIOS = (
    own_restart_policy("t10-container-never-fails", "user-code/error-exit", "exit 3", "Never", both_ended_one_well),
    own_restart_policy("t11-container-never-ends-well", None, "exit 0", "Never", both_ended_one_well),
    own_restart_policy("t12-container-onfailure-ends-well", None, "exit 0", "OnFailure", both_ended_one_well),
    completes_once(),
    init_recovers(),
    sidecar_fails_liveness(),
    hook_fails_and_term_is_handled(),
    Scenario("q16-startup-probe-term-handled", (make_pod("q16-startup-probe-term-handled",
             shell(HANDLES, startupProbe=SAYS_NO)),), "user-code/startup-probe", ended),
    over_limit_but_ends_well(),
    too_much_log(),
    deleted_while_unschedulable(),
    refused("j27-apparmor-not-there", "unknown/uncategorized",
            appArmorProfile={"type": "Localhost", "localhostProfile": "strict"}),
    partly_over_quota("Deployment", "p22-deployment-partly-over-quota"),
    partly_over_quota("StatefulSet", "p23-statefulset-partly-over-quota", serviceName="p23",
                      podManagementPolicy="Parallel"),
    claims_over_quota(),
    oom_under_a_failing_probe(),
    asks_for_huge_pages(),
    mounts("o12-file-over-directory", "user-config/start-failed", ended, "configMap", FILE_OVER_FOLDER,
           name="kube-root-ca.crt")._replace(container="main"),
    Scenario("o13-shell-exec-format", (make_pod("o13-shell-exec-format", shell(
             "printf '\\177ELF\\002\\001garbage' >/tmp/tool; chmod +x /tmp/tool; /tmp/tool", **FROM_LOG)),),
             "user-config/bad-command", ended),
    Scenario("o14-missing-script", (make_pod("o14-missing-script", shell("", command=["sh", "/app/run.sh"], **FROM_LOG)),),
             "user-code/error-exit", ended),
    prints("y22-make-after-traceback", f"python3 train.py\n{TRACE}\nmake: *** [Makefile:3: train] Error 1", 2, EXCEPTION,
           "RuntimeError: bad shard"),
    prints("y23-wrapper-after-traceback", f"{TRACE}\nERROR: train.py ended with 1, giving up after 3 tries", 1, EXCEPTION,
           "RuntimeError: bad shard"),
    prints("y24-traceback-in-json-log", '{"level": "error", "msg": "retry", "exc": "Traceback (most recent call last):\\n '
           'ValueError: x"}\n{"level": "info", "msg": "retried"}\n{"level": "fatal", "msg": "licence expired"}', 1,
           "user-code/error-exit", "licence expired"),
    prints("z8-java-native-thread", "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or "
           "process/resource limits reached\n\tat java.base/java.lang.Thread.start0(Native Method)", 1, "resources/java-heap"),
    prints("z9-java-heap-survived", "WARN cache dropped: java.lang.OutOfMemoryError: Java heap space\n" + "INFO working\n" * 12
           + 'Exception in thread "main" java.lang.IllegalArgumentException: unknown column age\n'
           "\tat com.example.Indexer.main(Indexer.java:21)", 1, EXCEPTION, "unknown column age"),
    prints("z10-node-heap", "<--- Last few GCs --->\n[1:0x5] 900 ms: Mark-Compact 2047.9 (2083.1) -> 2046.5 (2083.9) MB\n"
           "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", 134, "user-code/abort",
           "JavaScript heap out of memory"),
    prints("z11-go-deadlock", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n"
           "\t/src/main.go:5 +0x25", 2, EXCEPTION, "all goroutines are asleep"),
    prints("z12-cpp-bad-alloc", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
           134, "user-code/abort", "std::bad_alloc"),
    prints("z13-dotnet", "Unhandled exception. System.InvalidOperationException: Sequence contains no elements\n"
           "   at System.Linq.ThrowHelper.ThrowNoElementsException()\n   at Program.Main() in /src/Program.cs:line 4", 134,
           "user-code/abort", "Sequence contains no elements"),
    prints("z14-no-space-long-ago", "WARN cache: No space left on device, going on without\n" + "INFO epoch done\n" * 12
           + "ERROR metric below threshold", 1, "user-code/error-exit", "metric below threshold"),
    prints("z15-ruby", "/app/run.rb:3:in `fetch': key not found: :port (KeyError)\n\tfrom /app/run.rb:3:in `<main>'", 1, EXCEPTION,
           "key not found"),
)  # fmt: skip
