"""Programs that end by themselves, and what an exit code alone does and does not tell."""

from tests.e2e.support.conditions import crash_looping, ended, every, is_ready, restarted
from tests.e2e.support.manifests import FROM_LOG, config_map, make_pod, resources, shell, volume
from tests.e2e.support.scenario import Scenario


def killed_child(name: str, signal: str, verdict: str) -> Scenario:
    # The exit keeps the shell from replacing itself: process 1 would ignore the signal.
    script = f"sh -c 'kill -{signal} $$$$'; exit $?"
    return Scenario(name, (make_pod(name, shell(script)),), verdict, ended)


def in_file(name: str, content: str, verdict: str) -> Scenario:
    source, mount = volume("configMap", "/f", name=name, defaultMode=0o755)
    pod = make_pod(name, shell("", command=["/f/program"], volumeMounts=[mount], **FROM_LOG), volumes=[source])
    return Scenario(name, (config_map(name, program=content), pod), verdict, ended)


def ends(name: str, script: str, verdict: str | None, message: str = "", **container: object) -> Scenario:
    return Scenario(name, (make_pod(name, shell(script, **container)),), verdict, ended, message=message)


def with_memory_volume() -> Scenario:
    name = "t13-enospc-emptydir-memory"
    source, mount = volume("emptyDir", "/m", medium="Memory", sizeLimit="5Mi")
    fill = shell("dd if=/dev/zero of=/m/f bs=1M count=20", volumeMounts=[mount], resources=resources(memory="64Mi"))
    return Scenario(name, (make_pod(name, fill | FROM_LOG, volumes=[source]),), "resources/no-space-left", ended)


def one_of_two_out_of_memory() -> Scenario:
    name = "t14-two-containers-one-oom"
    hog = shell("sleep 2; tail /dev/zero", resources=resources(memory="25Mi")) | {"name": "hog"}
    return Scenario(name, (make_pod(name, hog, shell("sleep 4")),), "resources/oom-killed", ended, container="hog")


def crash_loop_that_heals() -> Scenario:
    name = "h4-crash-loop-healed"
    source, mount = volume("emptyDir", "/d")
    script = "[ -e /d/twice ] && exec sleep 3600; [ -e /d/once ] && touch /d/twice; touch /d/once; exit 1"
    pod = make_pod(name, shell(script, volumeMounts=[mount]), restart="Always", volumes=[source])
    # Running again since its second restart; both ends are in the counts.
    return Scenario(name, (pod,), None, every(restarted(2), is_ready), failures=2)


def succeeds_at_second_try() -> Scenario:
    name = "h3-onfailure-second-run-ok"
    source, mount = volume("emptyDir", "/d")
    script = "[ -e /d/once ] && exit 0; touch /d/once; exit 9"
    pod = make_pod(name, shell(script, volumeMounts=[mount]), restart="OnFailure", volumes=[source])
    return Scenario(name, (pod,), None, ended)


def restarted_by_rule() -> Scenario:
    name = "t7-restart-policy-rules"
    source, mount = volume("emptyDir", "/d")
    script = "[ -e /d/once ] && exit 0; touch /d/once; exit 42"
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    container = shell(script, volumeMounts=[mount], restartPolicy="Never", restartPolicyRules=rules)
    return Scenario(name, (make_pod(name, container, volumes=[source]),), None, ended)


def crash_loop(name: str, script: str, verdict: str, times: int = 2) -> Scenario:
    pod = make_pod(name, shell(script), restart="Always")
    return Scenario(name, (pod,), verdict, every(restarted(times), crash_looping), failures=None, timeout=120)


SCENARIOS = (
    ends("c4-child-sigkill", "sleep 60 & kill -9 $!; wait $!", "unknown/sigkill"),
    ends("c5-sigterm-to-self", "kill -TERM $$$$; exit 15", "user-code/error-exit"),
    ends("c5-child-sigterm", "sleep 60 & kill -TERM $!; wait $!", "disruption/terminated"),
    ends("c6-exit-255", "exit 255", "unknown/exit-255"),
    ends("c7-exit-300", "exit 300", "user-code/error-exit"),
    ends("c10-exit-137-by-itself", "exit 137", "unknown/sigkill"),
    killed_child("c11-child-sigint", "INT", "cancelled/sigint"),
    killed_child("c12-child-sigill", "ILL", "user-code/illegal-instruction"),
    killed_child("c13-child-sigbus", "BUS", "user-code/bus-error"),
    killed_child("c14-child-sigfpe", "FPE", "user-code/floating-point"),
    killed_child("c15-child-sigabrt", "ABRT", "user-code/abort"),
    killed_child("c2-child-sigsegv", "SEGV", "user-code/segfault"),
    killed_child("c16-child-sigusr1", "USR1", "user-code/error-exit"),
    ends("o7-shell-not-executable", "echo x > /tmp/x; /tmp/x", "user-config/bad-command", **FROM_LOG),
    ends("o8-python-missing", "python3 train.py", "user-config/bad-command", "python3", **FROM_LOG),
    in_file("t2-exec-format-error", "garbage\x01\n", "user-config/bad-command"),
    in_file("t3-bad-interpreter", "#!/no/such/interpreter\n", "user-config/bad-command"),
    ends(
        "x1-read-only-root",
        "set -e; echo x > /etc/x; echo done",
        "user-config/read-only-filesystem",
        securityContext={"readOnlyRootFilesystem": True},
        **FROM_LOG,
    ),
    ends(
        "x2-read-only-survived",
        # One stream: the order of lines is kept within a stream only.
        "exec 2>&1; echo x > /etc/x; echo using /dev/shm instead; seq 5; echo bad input in line 7; exit 3",
        "user-code/error-exit",
        "bad input in line 7",
        securityContext={"readOnlyRootFilesystem": True},
        **FROM_LOG,
    ),
    ends(
        "x3-shared-memory-full",
        "dd if=/dev/zero of=/dev/shm/f bs=1M count=100",
        "resources/shared-memory",
        resources=resources(memory="200Mi"),
        **FROM_LOG,
    ),
    ends("x4-no-memory-limit-sigkill", "sleep 1; sleep 60 & kill -9 $!; wait $!", "unknown/sigkill"),
    with_memory_volume(),
    one_of_two_out_of_memory(),
    succeeds_at_second_try(),
    restarted_by_rule(),
    crash_loop("h5-restarts-unseen", "exit 7", "user-code/error-exit", times=3),
    crash_loop("h6-crash-loop-message", "echo no config > /dev/termination-log; exit 78", "user-code/error-exit"),
    crash_loop_that_heals(),
)
