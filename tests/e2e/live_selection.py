"""Which scenarios the live test plays, by what is expected of the operator: names of tests/e2e/scenarios."""

# What takes longest stands first in each group, and the groups that take longest stand first.
FAILING = {
    "owners whose pods are never created": (
        "p21-cronjob-over-quota p18-deployment-over-quota p19-statefulset-over-quota p20-daemonset-over-quota "
        "p22-deployment-partly-over-quota p24-statefulset-claims-over-quota"
    ),
    "jobs, and pods that vanish": (
        "m5-fail-index t16-onfailure-backoff-limit m2-backoff-limit t15-deadline-image-missing m3-job-deadline "
        "m1-fail-job-policy m4-out-of-memory m13-time-to-live-0 m16-one-crashes-one-image-missing"
    ),
    "crash loops of other owners": (
        "h6-crash-loop-message n1-deployment-crashes n3-statefulset-bad-command n4-daemonset-missing-config "
        "n2-deployment-no-progress"
    ),
    "probes, hooks, sidecars, init containers": (
        "s1-post-start-hook-always q2-liveness-term-handled q7-liveness-exec-text q8-liveness-http q5-startup-probe "
        "q12-ends-by-itself-under-failing-probe g4-init-command-missing g5-init-missing-secret s4-one-of-two-ended "
        "m10-code-before-kill t10-container-never-fails"
    ),
    "ending": (
        "k2-emptydir-over-limit s2-deleted-term-ignored s15-deleted-own-code s12-deleted-after-its-end "
        "k1-evicted-by-api i3-deadline"
    ),
    "exits": (
        "t14-two-containers-one-oom c4-child-sigkill c5-child-sigterm c6-exit-255 c11-child-sigint c2-child-sigsegv "
        "c15-child-sigabrt o8-python-missing t2-exec-format-error x1-read-only-root x2-read-only-survived "
        "x3-shared-memory-full y1-python-chained y2-python-survived z1-java-heap z4-java-survived z5-go-panic "
        "y19-secret-in-text y20-control-characters y21-no-letters"
    ),
    "starting": (
        "o9-command-not-in-path t1-no-command f7-non-root-named-user f8-missing-secret-env f3-missing-secret-volume "
        "t6-missing-key-volume t4-hostpath-missing v1-csi-driver-missing s5-unknown-runtime-handler "
        "u1-subpath-through-file f12-non-root-by-number p26-service-account-went"
    ),
    "images": (
        "e4-registry-404 e5-registry-401 e8-registry-429 e15-registry-503 e10-platform-mismatch e11-registry-x509 "
        "e13-blob-missing e19-image-volume-404"
    ),
    "scheduling": (
        "j2-node-selector j11-insufficient-memory j14-insufficient-gpu j3-host-port j9-topology-spread "
        "t8-missing-claim t17-claim-being-deleted t9-unbound-claim j6-node-affinity j18-out-of-memory j20-other-os"
    ),
    "jobs whose pods are never created": (
        "p3-missing-service-account p4-missing-priority-class p5-missing-runtime-class p6-limit-range-max "
        "p10-quota-requires-limits p11-policy-denies p12-webhook-unreachable p13-webhook-denies "
        "p2-pod-security-baseline"
    ),
    "healing": "heal1-crash-fixed heal2-image-fixed heal3-quota-raised heal4-secret-made f5-configmap-comes-late",
    "the node": "j22-untolerated-taint j23-cordoned",
}
# Name → how many failures their report counts; they were over before the end, and nothing fails any more.
SELF_RECOVERED = {
    "h4-crash-loop-healed": 2,
    "m17-index-succeeds-at-second-try": 1,
    "h3-onfailure-second-run-ok": 1,
    "h7-recovered-with-probe": 1,
    "g8-init-second-try": 1,
}
# Whether they are reported meanwhile depends on the moment.
PERHAPS_REPORTED = [
    "f11-secret-volume-came-late",
    "j26-node-label-came-late",
    "r2-sidecar-crashes-main-ends-well",
    "p17-created-in-the-end",
]
NEVER_REPORTED = [
    "t7-restart-policy-rules",
    "n5-rolled-out",
    "s13-scaled-down",
    "s20-job-deleted",
    "f9-optional-configmap",
    "j16-no-such-scheduler",
    "j17-any-node-will-do",
    "q13-liveness-fails-below-threshold",
    "r8-sidecar-not-ready",
    "s11-healthy-after-warnings",
    "s3-deleted-ends-well",
    "s16-deleted-at-once",
    "k8-evicted-ends-well",
    "m7-completes",
    "m8-suspended",
    "m14-success-policy-kills-others",
    "g7-init-still-runs",
    "s18-debug-container-failed",
    "t11-container-never-ends-well",
    "h9-completed-once-then-runs",
]

REPORTED = [name for names in FAILING.values() for name in names.split()]
REPAIRED = [*FAILING["healing"].split(), "j22-untolerated-taint", "j23-cordoned"]
