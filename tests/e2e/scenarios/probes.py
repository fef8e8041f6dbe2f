"""Containers that their probes end, and such that only look like it; sidecars."""

from tests.e2e.support.conditions import crash_looping, ended, every, is_ready, restarted, running, says, terminated
from tests.e2e.support.manifests import make_pod, shell
from tests.e2e.support.scenario import Condition, Manifest, Scenario

QUICK = {"periodSeconds": 1, "failureThreshold": 2}
SAYS_NO = {"exec": {"command": ["sh", "-c", "echo queue stuck for 90 s; exit 1"]}, **QUICK}
SILENT_NO = {"exec": {"command": ["false"]}, **QUICK}
HTTP = {"httpGet": {"path": "/healthz", "port": 8080}, **QUICK}
TCP = {"tcpSocket": {"port": 5432}, **QUICK}
SLOW = {"exec": {"command": ["sleep", "30"]}, "timeoutSeconds": 1, **QUICK}
ENDS_WELL = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
LIVENESS, STARTUP = "user-code/liveness-probe", "user-code/startup-probe"


def probed(
    name: str, verdict: str | None, script: str, shows: Condition = ended, restart: str = "Never", **probes: Manifest
) -> Scenario:
    pod = make_pod(name, shell(script, **probes), restart=restart)
    return Scenario(name, (pod,), verdict, shows, failures=None if restart == "Always" else 1)


def killed_in_a_loop(name: str, verdict: str, script: str, **probes: Manifest) -> Scenario:
    return probed(name, verdict, script, every(restarted(2), crash_looping), "Always", **probes)._replace(timeout=90)


def with_sidecar(name: str, verdict: str | None, sidecar: Manifest, main: str, shows: Condition = ended,
                 restart: str = "Never", container: str = "main") -> Scenario:  # fmt: skip
    side = {**sidecar, "name": "side", "restartPolicy": "Always"}
    pod = make_pod(name, shell(main), restart=restart, initContainers=[side])
    return Scenario(name, (pod,), verdict, shows, container=container, failures=None, timeout=90)


def init_fails(name: str, verdict: str, container: Manifest, shows: Condition = ended) -> Scenario:
    pod = make_pod(name, shell("true"), initContainers=[{**container, "name": "setup"}])
    return Scenario(name, (pod,), verdict, shows, container="setup")


def two(name: str, verdict: str, first: str, second: str, container: str) -> Scenario:
    """Containers "aux" and "main"."""
    pod = make_pod(name, shell(second), shell(first) | {"name": "aux"})
    return Scenario(name, (pod,), verdict, ended, container=container, failures=None)


IGNORES = "trap '' TERM; while :; do sleep 1; done"

SCENARIOS = (
    probed("q2-liveness-term-handled", LIVENESS, "trap 'exit 143' TERM; while :; do sleep 0.2; done",
           livenessProbe=SILENT_NO),
    probed("q6-liveness-own-code", LIVENESS, "trap 'exit 5' TERM; while :; do sleep 0.2; done", livenessProbe=SAYS_NO),
    killed_in_a_loop("q2b-liveness-exits-0-always", LIVENESS, ENDS_WELL, livenessProbe=SAYS_NO),
    probed("q7-liveness-exec-text", LIVENESS, IGNORES, livenessProbe=SAYS_NO),
    probed("q8-liveness-http", LIVENESS, IGNORES, livenessProbe=HTTP),
    probed("q9-liveness-tcp", LIVENESS, IGNORES, livenessProbe=TCP),
    probed("q10-liveness-timeout", LIVENESS, IGNORES, livenessProbe=SLOW),
    probed("q5-startup-probe", STARTUP, IGNORES, startupProbe=HTTP),
    killed_in_a_loop("q11-startup-probe-always", STARTUP, ENDS_WELL, startupProbe=SAYS_NO),
    probed("q12-ends-by-itself-under-failing-probe", "user-code/error-exit", "sleep 2; exit 3",
           livenessProbe=SAYS_NO | {"failureThreshold": 30}),
    probed("q13-liveness-fails-below-threshold", None, "sleep 3600", every(running, says("Unhealthy")),
           livenessProbe=SAYS_NO | {"failureThreshold": 300}),
    probed("q14-not-ready-then-ends", "user-code/error-exit", "sleep 3; exit 3", readinessProbe=SAYS_NO),
    probed("q15-liveness-exits-0-never", None, ENDS_WELL, livenessProbe=SAYS_NO),
    with_sidecar("r2-sidecar-crashes-main-ends-well", None, shell("sleep 1; exit 6"), "sleep 4"),
    with_sidecar("r5-sidecar-out-of-memory", "resources/oom-killed",
                 shell("sleep 2; tail /dev/zero", resources={"limits": {"memory": "25Mi"}}), "sleep 3600",
                 every(restarted(2), crash_looping), container="side"),
    with_sidecar("r6-sidecar-startup-probe", STARTUP, shell(IGNORES, startupProbe=SAYS_NO), "sleep 3600",
                 every(restarted(1), crash_looping), container="side"),
    with_sidecar("r7-sidecar-crashes-main-fails", "user-code/error-exit", shell("sleep 1; exit 6"),
                 "sleep 3; exit 9"),
    with_sidecar("r8-sidecar-not-ready", None, shell("sleep 3600", readinessProbe=SAYS_NO), "sleep 3600",
                 every(running, says("Unhealthy"))),
    init_fails("g3-init-image-missing", "platform/registry-unavailable", shell("true", image="127.0.0.1:5/absent:1"),
               says("Failed")),
    init_fails("g4-init-command-missing", "user-config/bad-command", shell("", command=["/opt/migrate"])),
    init_fails("g5-init-missing-secret", "user-config/missing-config",
               shell("true", envFrom=[{"secretRef": {"name": "db-password"}}]), says("Failed", "not found")),
    two("m9-both-fail-first-speaks", "user-code/error-exit", "sleep 1; exit 4", "sleep 3; exit 5", "aux"),
    two("m10-code-before-kill", "user-code/error-exit", "sleep 30 & kill -9 $!; wait $!", "sleep 3; exit 5", "main"),
    Scenario("s4-one-of-two-ended", (make_pod("s4-one-of-two-ended", shell("exit 3"),
             shell("sleep 3600") | {"name": "aux"}),), "user-code/error-exit", terminated("main")),
    Scenario("s11-healthy-after-warnings", (make_pod("s11-healthy-after-warnings", shell(
             "sleep 3; touch /tmp/ok; exec sleep 3600", readinessProbe={"exec": {"command": ["cat", "/tmp/ok"]}, **QUICK})),),
             None, every(is_ready, says("Unhealthy"))),
)  # fmt: skip
