"""Pods for which there is no node, or which their node refuses."""

from typing import Any

from tests.e2e.scenarios.container_start import claim
from tests.e2e.support.conditions import ended, every, is_ready, pod_is, running, says, unschedulable
from tests.e2e.support.manifests import make_pod, obj, shell, volume
from tests.e2e.support.scenario import Condition, Manifest, Scenario, Step
from tests.e2e.support.scenario_runner import ScenarioRunner

SLEEP = "exec sleep 3600"
TAINT = "coroner.dev/reserved=yes:NoSchedule"


def waits_for_node(name: str, verdict: str, *others: Manifest, message: str = "", **spec: Any) -> Scenario:
    pod = make_pod(name, spec.pop("main", None) or shell(SLEEP), **spec)
    return Scenario(name, (*others, pod), verdict, unschedulable, container="", message=message)


def asks_for(name: str, verdict: str, resource: str, amount: str) -> Scenario:
    wanted = {"requests": {resource: amount}}
    if "/" in resource:
        wanted["limits"] = wanted["requests"]
    return waits_for_node(name, verdict, message=amount, main=shell(SLEEP, resources=wanted))


def refused_by_node(name: str, verdict: str, resource: str = "", amount: str = "", **spec: Any) -> Scenario:
    wanted = {"requests": {resource: amount}} if resource else {}
    pod = make_pod(name, shell(SLEEP, resources=wanted), nodeName="node1", **spec)
    return Scenario(name, (pod,), verdict, ended, container="")


def two_on_one_port() -> Scenario:
    port = [{"containerPort": 80, "hostPort": 18080}]
    first, second = (shell(SLEEP, ports=port) for _ in range(2))
    other = make_pod("j3-host-port-holder", first)
    return waits_for_node("j3-host-port", "user-config/host-port", other, main=second)


def with_affinity(name: str, verdict: str, kind: str, app: str, *others: Manifest) -> Scenario:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": "kubernetes.io/hostname"}
    rule = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return waits_for_node(name, verdict, *others, affinity=rule)


def apart_from_itself() -> Scenario:
    name = "j7-pod-anti-affinity"
    other = make_pod("j7-neighbour", shell(SLEEP))
    return with_affinity(name, "user-config/pod-affinity", "podAntiAffinity", "j7-neighbour", other)


def spread_over_zones() -> Scenario:
    name = "j9-topology-spread"
    rule = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    selector = {"labelSelector": {"matchLabels": {"app": name}}}
    return waits_for_node(name, "user-config/topology-spread", topologySpreadConstraints=[rule | selector])


def with_claim(name: str, verdict: str, claim_name: str, *others: Manifest) -> Scenario:
    source, mount = volume("persistentVolumeClaim", claimName=claim_name)
    return waits_for_node(name, verdict, *others, main=shell(SLEEP, volumeMounts=[mount]), volumes=[source])


def on_other_node() -> Scenario:
    name = "j10-volume-on-other-node"
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node7"]}
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "claimRef": {"name": name, "namespace": "proof"},
        "local": {"path": "/mnt/disk"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
    }
    disk = obj("v1", "PersistentVolume", name, spec=spec)
    return with_claim(
        name, "user-config/volume-node-affinity", name, disk, claim(name, volumeName=name, storageClassName="")
    )


def late_binding() -> Scenario:
    name = "t9-claim-without-volume-late"
    fields = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    store = obj("storage.k8s.io/v1", "StorageClass", "by-hand", **fields)
    return with_claim(name, "user-config/pvc-unbound", name, store, claim(name, storageClassName="by-hand"))


def volume_is_gone() -> Scenario:
    name = "v5-volume-is-gone"
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "claimRef": {"name": name, "namespace": "proof"},
        "hostPath": {"path": "/var/tmp"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    bare = claim(name, volumeName="v5-never-there", storageClassName="")
    del spec["hostPath"]
    return with_claim(name, "user-config/pvc-unbound", name, bare)


def device(name: str, verdict: str | None, shows: Condition, *others: Manifest, **source: str) -> Scenario:
    """A pod with a resource claim (dynamic resource allocation)."""
    container = shell(SLEEP, resources={"claims": [{"name": "card"}]})
    pod = make_pod(name, container, resourceClaims=[{"name": "card", **source}])
    return Scenario(name, (*others, pod), verdict, shows, container="")


def device_request(kind: str, name: str, device_class: str) -> Manifest:
    request = {"devices": {"requests": [{"name": "card", "exactly": {"deviceClassName": device_class}}]}}
    spec = request if kind == "ResourceClaim" else {"spec": request}
    return obj("resource.k8s.io/v1", kind, name, spec=spec)


GATE = [{"name": "coroner.dev/test"}]
GATED = pod_is("PodScheduled", "False")


def open_gate(runner: ScenarioRunner, name: str) -> None:
    patch = '[{"op": "remove", "path": "/spec/schedulingGates"}]'
    runner.kubectl("patch", "pod", name, "-n", runner.prefix + "proof", "--type=json", "-p", patch)


def while_node(name: str, verdict: str, before: tuple[str, ...], after: tuple[str, ...]) -> Scenario:
    """The pod is made once the node is as BEFORE leaves it, through its scheduling gate."""

    def prepare(runner: ScenarioRunner) -> None:
        runner.kubectl(*before)
        open_gate(runner, name)

    def put_back(runner: ScenarioRunner) -> None:
        runner.try_kubectl(*after)

    pod = make_pod(name, shell(SLEEP), schedulingGates=GATE)
    gated = Step(GATED, prepare)
    return Scenario(
        name,
        (pod,),
        verdict,
        unschedulable,
        container="",
        steps=(gated,),
        repair=put_back,
        repaired=running,
        after=put_back,
        alone=True,
    )


def claim_that_goes() -> Scenario:
    """Somebody has deleted the claim, and a finalizer holds it."""
    name = "t17-claim-being-deleted"
    wanted = claim(name)
    wanted["metadata"]["finalizers"] = ["coroner.dev/test"]
    source, mount = volume("persistentVolumeClaim", claimName=name)
    pod = make_pod(name, shell(SLEEP, volumeMounts=[mount]), volumes=[source], schedulingGates=GATE)

    def delete(runner: ScenarioRunner) -> None:
        runner.kubectl("delete", "pvc", name, "-n", runner.prefix + "proof", "--wait=false")
        open_gate(runner, name)

    def let_go(runner: ScenarioRunner) -> None:
        patch = '{"metadata": {"finalizers": null}}'
        runner.try_kubectl("patch", "pvc", name, "-n", runner.prefix + "proof", "--type=merge", "-p", patch)

    return Scenario(
        name, (wanted, pod), "user-config/missing-volume", unschedulable, container="", message="is being deleted",
        steps=(Step(GATED, delete),), after=let_go,
    )  # fmt: skip


def service_account_that_went() -> Scenario:
    """It was there when the pod was made, and is gone when the kubelet asks for its token."""
    name = "p26-service-account-went"
    account = obj("v1", "ServiceAccount", name)
    pod = make_pod(name, shell(SLEEP), serviceAccountName=name, schedulingGates=GATE)

    def delete(runner: ScenarioRunner) -> None:
        runner.kubectl("delete", "serviceaccount", name, "-n", runner.prefix + "proof")
        open_gate(runner, name)

    return Scenario(
        name, (account, pod), "user-config/missing-service-account", says("FailedMount", "fetch token"), container="",
        message=name, steps=(Step(GATED, delete),),
    )  # fmt: skip


CLASS = obj("resource.k8s.io/v1", "DeviceClass", "cards.example.com", spec={})

SCENARIOS = (
    asks_for("j11-insufficient-memory", "capacity/insufficient-memory", "memory", "900Gi"),
    asks_for("j12-insufficient-ephemeral", "capacity/insufficient-ephemeral-storage", "ephemeral-storage", "90Ti"),
    asks_for("j13-insufficient-license", "capacity/insufficient-resource", "example.com/license", "2"),
    asks_for("j14-insufficient-gpu", "capacity/insufficient-gpu", "nvidia.com/gpu", "4"),
    two_on_one_port(),
    apart_from_itself(),
    with_affinity("j8-pod-affinity", "user-config/pod-affinity", "podAffinity", "nobody-has-this-label"),
    spread_over_zones(),
    waits_for_node("j2-node-selector", "user-config/node-selector", message="disk=ssd", nodeSelector={"disk": "ssd"}),
    with_claim("t8-missing-claim", "user-config/missing-volume", "data-of-train"),
    with_claim("t9-unbound-claim", "user-config/pvc-unbound", "t9-unbound-claim", claim("t9-unbound-claim")),
    with_claim(
        "t9-claim-unknown-class",
        "user-config/pvc-unbound",
        "t9-claim-unknown-class",
        claim("t9-claim-unknown-class", storageClassName="premium"),
    ),
    late_binding(),
    volume_is_gone(),
    on_other_node(),
    # The scheduler does not even look at it: no condition, no event.
    device("dra1-claim-missing", None, lambda seen: bool(seen.pod), resourceClaimName="card-7"),
    device(
        "dra2-template-missing",
        "user-config/missing-resource-claim",
        says("FailedResourceClaimCreation"),
        resourceClaimTemplateName="cards",
    ),
    device(
        "dra3-claim-not-allocated",
        "capacity/insufficient-device",
        every(unschedulable, says("FailedScheduling", "claim")),
        CLASS,
        device_request("ResourceClaim", "dra3", "cards.example.com"),
        resourceClaimName="dra3",
    ),
    device(
        "dra4-template-not-allocated",
        "capacity/insufficient-device",
        every(unschedulable, says("FailedScheduling", "allocate")),
        CLASS,
        device_request("ResourceClaimTemplate", "dra4", "cards.example.com"),
        resourceClaimTemplateName="dra4",
    ),
    device(
        "dra5-device-class-missing",
        "user-config/missing-resource-claim",
        unschedulable,
        device_request("ResourceClaim", "dra5", "no-such-class.example.com"),
        resourceClaimName="dra5",
    ),
    Scenario(
        "j16-no-such-scheduler",
        (make_pod("j16-no-such-scheduler", shell(SLEEP), schedulerName="nobody"),),
        None,
        lambda seen: bool(seen.pod),
    ),
    Scenario("j17-any-node-will-do", (make_pod("j17-any-node-will-do", shell(SLEEP)),), None, is_ready),
    refused_by_node("j6-node-affinity", "platform/node-affinity", nodeSelector={"disk": "ssd"}),
    refused_by_node("j18-out-of-memory", "capacity/node-out-of-resource", "memory", "900Gi"),
    refused_by_node("j19-out-of-ephemeral", "capacity/node-out-of-resource", "ephemeral-storage", "90Ti"),
    refused_by_node("j20-other-os", "user-config/os-mismatch", os={"name": "windows"}),
    refused_by_node(
        "j21-forbidden-sysctl",
        "unknown/uncategorized",
        securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]},
    ),
    while_node(
        "j22-untolerated-taint",
        "user-config/toleration",
        ("taint", "node", "node1", TAINT, "--overwrite"),
        ("taint", "node", "node1", TAINT + "-"),
    ),
    claim_that_goes(),
    service_account_that_went(),
    while_node("j23-cordoned", "capacity/nodes-unschedulable", ("cordon", "node1"), ("uncordon", "node1")),
)
