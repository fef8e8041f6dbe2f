"""Workloads whose pods are never created."""

from typing import Any

from tests.e2e.support.conditions import every, is_ready, owner_is, owner_says
from tests.e2e.support.manifests import make_cron_job, make_job, make_set, obj, resources, shell, template
from tests.e2e.support.scenario import Manifest, Scenario, Step
from tests.e2e.support.scenario_runner import ScenarioRunner

DENIED = owner_says("FailedCreate")


def is_denied(
    name: str, verdict: str, *others: Manifest, namespace: str = "proof", message: str = "", **spec: Any
) -> Scenario:
    """A Job."""
    job = make_job(name, template(name, spec.pop("main", None) or shell("true"), **spec))
    return Scenario(
        name, (*others, job), verdict, DENIED, "Job", container="", message=message, namespace=namespace, failures=None
    )


def without_quota(kind: str, name: str) -> Scenario:
    """A workload in a namespace whose quota allows no pod."""
    pod = template(name, shell("exec sleep 3600"), restart="Always")
    if kind == "CronJob":
        workload, denied = make_cron_job(name, template(name, shell("true"))), DENIED
        quota = obj("v1", "ResourceQuota", "no-jobs", spec={"hard": {"count/jobs.batch": "0"}})
    else:
        workload = make_set(kind, name, pod, **({"serviceName": name} if kind == "StatefulSet" else {}))
        denied = every(DENIED, owner_is("ReplicaFailure")) if kind == "Deployment" else DENIED
        quota = obj("v1", "ResourceQuota", "none", spec={"hard": {"pods": "0"}})
    return Scenario(
        name, (quota, workload), "capacity/quota-exceeded", denied, kind, container="", timeout=90,
        namespace=f"proof-{kind.lower()}", failures=None,
    )  # fmt: skip


def limit_range(**limits: Any) -> Manifest:
    return obj("v1", "LimitRange", "sizes", spec={"limits": [{"type": "Container", **limits}]})


def policy(name: str) -> tuple[Manifest, Manifest]:
    rules = {
        "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
    }
    expression = "has(object.metadata.labels) && 'team' in object.metadata.labels"
    check = {"expression": expression, "message": "every pod must carry the label team"}
    group = "admissionregistration.k8s.io/v1"
    selector = {"matchLabels": {"kubernetes.io/metadata.name": "proof-policy"}}
    spec = {"failurePolicy": "Fail", "matchConstraints": rules, "validations": [check]}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": selector}}
    return (
        obj(group, "ValidatingAdmissionPolicy", name, spec=spec),
        obj(group, "ValidatingAdmissionPolicyBinding", name, spec=binding),
    )


def webhook(name: str, namespace: str, client: Manifest, **settings: Any) -> Manifest:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    hook = {
        "name": name,
        "clientConfig": client,
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        **settings,
    }
    return obj("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", name, webhooks=[hook])


def denied_by_webhook(certificate: str, url: str) -> tuple[Scenario, ...]:
    """Where a server of our own answers at URL: see webhook.py."""
    denies = webhook("images.policy.example.com", "proof-denies", {"url": f"{url}/deny", "caBundle": certificate})
    slow = webhook(
        "slow.policy.example.com", "proof-slow", {"url": f"{url}/slow", "caBundle": certificate}, timeoutSeconds=1
    )
    broken = webhook("broken.policy.example.com", "proof-broken", {"url": f"{url}/broken", "caBundle": certificate})
    return (
        is_denied("p13-webhook-denies", "user-config/admission-denied", denies, namespace="proof-denies",
                  message="images.policy.example.com"),
        is_denied("p14-webhook-slow", "platform/webhook-unreachable", slow, namespace="proof-slow"),
        is_denied("p15-webhook-broken", "platform/webhook-unreachable", broken, namespace="proof-broken"),
    )  # fmt: skip


NOWHERE: Manifest = {"service": {"name": "policy", "namespace": "kube-system", "path": "/validate"}}
CLOSED: Manifest = {"url": "https://127.0.0.1:5/validate"}
QUOTA = obj("v1", "ResourceQuota", "small", spec={"hard": {"limits.memory": "1Gi", "limits.cpu": "1"}})


def enforced(name: str, level: str) -> Manifest:
    label = {"pod-security.kubernetes.io/enforce": level}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": label}}


def created_in_the_end() -> Scenario:
    """Refused at first for its ServiceAccount, which comes; its pod runs."""
    name = "p17-created-in-the-end"
    pod = template(name, shell("exec sleep 3600"), restart="Always", serviceAccountName=name)

    def create(runner: ScenarioRunner) -> None:
        runner.kubectl("create", "serviceaccount", name, "-n", runner.prefix + "proof")

    return Scenario(
        name, (make_set("Deployment", name, pod),), None, is_ready, "Deployment", steps=(Step(DENIED, create),),
        failures=None, timeout=120,
    )  # fmt: skip


def claims_over_limit() -> Scenario:
    """A StatefulSet whose claim templates ask for more than a LimitRange allows."""
    name, namespace = "p27-statefulset-claim-over-limit", "proof-limits-claim"
    limits = [{"type": "PersistentVolumeClaim", "max": {"storage": "5Gi"}}]
    limit = obj("v1", "LimitRange", "limits", spec={"limits": limits})
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    pod = template(name, shell("sleep 3600"), restart="Always")
    templates = [{"metadata": {"name": "data"}, "spec": wanted}]
    workload = make_set("StatefulSet", name, pod, serviceName=name, volumeClaimTemplates=templates)
    return Scenario(
        name, (limit, workload), "user-config/limit-range", DENIED, "StatefulSet", container="", message="5Gi",
        namespace=namespace,
    )  # fmt: skip


SCENARIOS = (
    is_denied(
        "p3-missing-service-account",
        "user-config/missing-service-account",
        message="trainer",
        serviceAccountName="trainer",
    ),
    is_denied(
        "p4-missing-priority-class", "user-config/missing-priority-class", message="urgent", priorityClassName="urgent"
    ),
    is_denied("p5-missing-runtime-class", "user-config/runtime-class", runtimeClassName="gvisor"),
    is_denied(
        "p6-limit-range-max",
        "user-config/limit-range",
        limit_range(max={"memory": "64Mi"}),
        namespace="proof-limits",
        main=shell("true", resources=resources(memory="1Gi")),
    ),
    is_denied(
        "p7-limit-range-min",
        "user-config/limit-range",
        limit_range(min={"cpu": "500m"}),
        namespace="proof-limits-min",
        main=shell("true", resources=resources(cpu="10m")),
    ),
    is_denied(
        "p8-limit-range-ratio",
        "user-config/limit-range",
        limit_range(maxLimitRequestRatio={"cpu": "2"}),
        namespace="proof-limits-ratio",
        main=shell("true", resources={"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}),
    ),
    is_denied(
        "p9-invalid-by-defaults",
        "user-config/invalid-pod-spec",
        limit_range(default={"memory": "32Mi"}),
        namespace="proof-defaults",
        main=shell("true", resources={"requests": {"memory": "1Gi"}}),
    ),
    is_denied("p10-quota-requires-limits", "user-config/quota-requires-limits", QUOTA, namespace="proof-quota"),
    is_denied(
        "p1-quota-memory",
        "capacity/quota-exceeded",
        QUOTA,
        namespace="proof-quota-used",
        message="small",
        main=shell("true", resources=resources(memory="2Gi", cpu="100m")),
    ),
    is_denied(
        "p11-policy-denies",
        "user-config/admission-denied",
        *policy("team-label"),
        namespace="proof-policy",
        message="every pod must carry the label team",
    ),
    is_denied(
        "p12-webhook-unreachable",
        "platform/webhook-unreachable",
        webhook("gone.policy.example.com", "proof-gone", CLOSED),
        namespace="proof-gone",
        message="gone.policy.example.com",
    ),
    is_denied(
        "p16-webhook-without-service",
        "platform/webhook-unreachable",
        webhook("none.policy.example.com", "proof-none", NOWHERE | {"caBundle": ""}),
        namespace="proof-none",
    ),
    is_denied(
        "p2-pod-security-baseline",
        "user-config/pod-security",
        enforced("proof-baseline", "baseline"),
        namespace="proof-baseline",
        hostNetwork=True,
    ),
    claims_over_limit(),
    without_quota("Deployment", "p18-deployment-over-quota"),
    without_quota("StatefulSet", "p19-statefulset-over-quota"),
    without_quota("DaemonSet", "p20-daemonset-over-quota"),
    without_quota("CronJob", "p21-cronjob-over-quota"),
    created_in_the_end(),
)
