"""Jobs, whose own conditions say more or less than their pods, and pods that vanish."""

from typing import Any

from tests.e2e.support.conditions import ended, every, gone, owner_is, waits
from tests.e2e.support.manifests import make_job, make_set, resources, shell, template
from tests.e2e.support.scenario import Condition, Manifest, Scenario, Seen

FAILED = owner_is("Failed")
ABSENT = "127.0.0.1:5/absent:1"
IGNORES = "trap '' TERM; while :; do sleep 1; done"


def fails(name: str, verdict: str | None, script: str, shows: Condition = FAILED, *, restart: str = "Never",
          container: Manifest | None = None, failures: int | None = 1, pod_verdict: str | None = "",
          grace: int = 2, **spec: Any) -> Scenario:  # fmt: skip
    main = shell(script) | (container or {})
    pod = template(name, main, restart=restart, terminationGracePeriodSeconds=grace)
    return Scenario(
        name,
        (make_job(name, pod, **spec),),
        verdict,
        shows,
        "Job",
        failures=failures,
        pod_verdict=pod_verdict,
        timeout=90,
    )


def policy(action: str, code: int) -> Manifest:
    return {"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": [code]}}]}


def exit_by_index(code: int) -> str:
    return f"[ $JOB_COMPLETION_INDEX = 0 ] && exit 0; exit {code}"


def vanished(seen: Seen) -> bool:
    return seen.gone and FAILED(seen)


# Two of three pods end badly, by the last letter of their names; the fourth and later ones bring it to an end.
ENDS_BY_CHANCE = "case $POD in *[bcdfghjk2456]) exit 1;; esac"
FAILURES_OF_INDEX = "metadata.annotations['batch.kubernetes.io/job-index-failure-count']"
INDEXED: dict[str, Any] = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}

SCENARIOS = (
    fails("m1-fail-job-policy", "user-code/error-exit", "exit 42", podFailurePolicy=policy("FailJob", 42), backoffLimit=6),
    fails("m2-backoff-limit", "user-code/error-exit", "exit 1", backoffLimit=1, failures=2),
    fails("m3-job-deadline", "resources/deadline-exceeded", IGNORES, vanished, activeDeadlineSeconds=5,
          pod_verdict="cancelled/deleted")._replace(container=""),
    fails("m5-fail-index", "user-code/error-exit", exit_by_index(42), failures=2, **INDEXED,
          backoffLimitPerIndex=1, podFailurePolicy=policy("FailIndex", 42)),
    fails("m11-max-failed-indexes", "user-code/error-exit", exit_by_index(1), failures=None, **INDEXED,
          backoffLimitPerIndex=0, maxFailedIndexes=0),
    fails("m12-retries-then-completes", None, ENDS_BY_CHANCE, every(owner_is("Complete"), ended), failures=None, backoffLimit=12,
          container={"env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
          podReplacementPolicy="Failed"),
    fails("m17-index-succeeds-at-second-try", None, "exit $((1 - FAILED))", every(owner_is("Complete"), ended),
          completionMode="Indexed", completions=1, backoffLimitPerIndex=2, backoffLimit=None,
          container={"env": [{"name": "FAILED", "valueFrom": {"fieldRef": {"fieldPath": FAILURES_OF_INDEX}}}]}),
    fails("m8-suspended", None, "exit 1", owner_is("Suspended"), suspend=True),
    fails("m7-completes", None, "true", owner_is("Complete")),
    fails("m6-image-missing", "platform/registry-unavailable", "", waits("ErrImagePull", "ImagePullBackOff"),
          container={"image": ABSENT}),
    # Whether the wait for its image lasts long enough to be reported, too, depends on the moment.
    fails("t15-deadline-image-missing", "resources/deadline-exceeded", "", vanished, container={"image": ABSENT},
          activeDeadlineSeconds=8, pod_verdict="cancelled/deleted")._replace(container="", failures=None),
    # The first restart ends the Job: whether the second end is ever shown depends on the moment.
    fails("t16-onfailure-backoff-limit", "user-code/error-exit", "exit 5", vanished, restart="OnFailure",
          backoffLimit=1, failures=None),
    fails("m13-time-to-live-0", "user-code/error-exit", "exit 8", gone, ttlSecondsAfterFinished=0),
    fails("m4-out-of-memory", "resources/oom-killed", "sleep 2; tail /dev/zero",
          container={"resources": resources(memory="25Mi")}),
    fails("m14-success-policy-kills-others", None,
          "[ $JOB_COMPLETION_INDEX = 0 ] && sleep 3 && exit 0; trap '' TERM; while :; do sleep 1; done",
          every(owner_is("Complete"), gone), failures=None, **INDEXED,
          successPolicy={"rules": [{"succeededIndexes": "0"}]}, pod_verdict="cancelled/deleted"),
    Scenario("n1-deployment-crashes", (make_set("Deployment", "n1-deployment-crashes",
             template("n1-deployment-crashes", shell("sleep 1; exit 1"), restart="Always")),),
             "user-code/error-exit", waits("CrashLoopBackOff"), "Deployment", failures=None),
    Scenario("n3-statefulset-bad-command", (make_set("StatefulSet", "n3-statefulset-bad-command",
             template("n3-statefulset-bad-command", shell("", command=["/srv/run"]), restart="Always"),
             serviceName="n3"),), "user-config/bad-command", waits("CrashLoopBackOff", "RunContainerError"),
             "StatefulSet", failures=None),
    Scenario("n4-daemonset-missing-config", (make_set("DaemonSet", "n4-daemonset-missing-config",
             template("n4-daemonset-missing-config", shell("true", envFrom=[{"configMapRef": {"name": "agent"}}]),
                      restart="Always")),), "user-config/missing-config", waits("CreateContainerConfigError"),
             "DaemonSet", failures=None),
    Scenario("n2-deployment-no-progress", (make_set("Deployment", "n2-deployment-no-progress",
             template("n2-deployment-no-progress", shell("true", image=ABSENT), restart="Always"),
             progressDeadlineSeconds=10),), "platform/registry-unavailable",
             every(owner_is("Progressing", "False"), waits("ErrImagePull", "ImagePullBackOff")), "Deployment",
             failures=None),
)  # fmt: skip
