"""Chains of owners as real controllers make them, from their kinds: ``"JobSet > Job > Pod"``.

``>`` is an owner reference of the controller, ``~>`` one without. A kind that several groups have is written with its
group: ``Job.batch.volcano.sh``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from coroner_operator.config.presets import PresetKind, merged, presets
from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import ago, failed_pod, uid
from tests.support.pods import Json
from tests.workload_status.kinds import CONDITIONS_ATOMIC, CONDITIONS_MAP

KINDS = merged(presets())
BUILT_IN = {
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
}
ALL_PRESETS = ",".join(presets())
CHAINS = [
    ("JobSet > Job > Pod", "JobSet"),
    ("TrainJob > JobSet > Job > Pod", "TrainJob"),
    ("PyTorchJob > Pod", "PyTorchJob"),
    ("TFJob > Pod", "TFJob"),
    ("XGBoostJob > Pod", "XGBoostJob"),
    ("PaddleJob > Pod", "PaddleJob"),
    ("JAXJob > Pod", "JAXJob"),
    ("MPIJob > Pod", "MPIJob"),
    ("MPIJob > Job > Pod", "MPIJob"),
    ("Job > Pod", "Job"),  # admitted by Kueue, whose Workload the Job owns
    ("RayCluster > Pod", "RayCluster"),
    ("RayJob > RayCluster > Pod", "RayJob"),
    ("RayJob > Job > Pod", "RayJob"),
    ("RayService > RayCluster > Pod", "RayService"),
    ("RayCronJob > RayJob > RayCluster > Pod", "RayJob"),
    ("Workflow > Pod", "Workflow"),
    ("Workflow > Job > Pod", "Workflow"),
    ("CronWorkflow > Workflow > Pod", "Workflow"),
    ("Rollout > ReplicaSet > Pod", "Rollout"),
    ("Rollout > AnalysisRun > Job > Pod", "Rollout"),
    ("PipelineRun > TaskRun > Pod", "PipelineRun"),
    ("TaskRun > Pod", "TaskRun"),
    ("Job.batch.volcano.sh > Pod", "Job.batch.volcano.sh"),
    ("CronJob.batch.volcano.sh > Job.batch.volcano.sh > Pod", "Job.batch.volcano.sh"),
    ("SparkApplication.sparkoperator.k8s.io > Pod", "SparkApplication"),
    ("SparkApplication.sparkoperator.k8s.io > Pod > Pod", "SparkApplication"),
    ("ScheduledSparkApplication ~> SparkApplication.sparkoperator.k8s.io > Pod", "SparkApplication"),
    ("SparkApplication.spark.apache.org ~> Pod", "SparkApplication"),
    ("SparkApplication.spark.apache.org ~> Pod > Pod", "SparkApplication"),
    ("FlinkDeployment ~> Deployment > ReplicaSet > Pod", "FlinkDeployment"),
    ("FlinkDeployment ~> Deployment > Pod", "FlinkDeployment"),
    ("LeaderWorkerSet > StatefulSet > Pod", "LeaderWorkerSet"),
    ("LeaderWorkerSet > StatefulSet > Pod > StatefulSet > Pod", "LeaderWorkerSet"),
    ("DisaggregatedSet > LeaderWorkerSet > StatefulSet > Pod", "DisaggregatedSet"),
    ("Service > Configuration > Revision > Deployment > ReplicaSet > Pod", "Service"),
    ("InferenceService > Deployment > ReplicaSet > Pod", "InferenceService"),
    (
        "InferenceService > Service > Configuration > Revision > Deployment > ReplicaSet > Pod",
        "InferenceService",
    ),
    ("AppWrapper > Job > Pod", "AppWrapper"),
    ("AppWrapper > PyTorchJob > Pod", "AppWrapper"),
    ("DaskCluster > DaskWorkerGroup > Deployment > ReplicaSet > Pod", "DaskCluster"),
    ("DaskJob > Pod", "DaskJob"),
    ("Kafka ~> Deployment > ReplicaSet > Pod", "Kafka"),
    ("Cluster > Pod", "Cluster"),
    ("Cluster > Job > Pod", "Cluster"),
    ("Provider > ProviderRevision > Deployment > ReplicaSet > Pod", "Provider"),
    ("CloneSet > Pod", "CloneSet"),
    ("StatefulSet.apps.kruise.io > Pod", "StatefulSet"),
    ("AdvancedCronJob > Job > Pod", "AdvancedCronJob"),
    ("UnitedDeployment > CloneSet > Pod", "UnitedDeployment"),
    ("AutoscalingRunnerSet > EphemeralRunnerSet > EphemeralRunner > Pod", "AutoscalingRunnerSet"),
    ("ScaledJob > Job > Pod", "ScaledJob"),
    ("Elasticsearch > StatefulSet > Pod", "Elasticsearch"),
    ("RabbitmqCluster > StatefulSet > Pod", "RabbitmqCluster"),
    ("MongoDBCommunity > StatefulSet > Pod", "MongoDBCommunity"),
    ("Prometheus > StatefulSet > Pod", "Prometheus"),
    # Cluster-scoped and in no list: that it has no namespace is not known (docs/adr/0017-owner-chains.md).
    ("ClusterPolicy > DaemonSet > Pod", "ClusterPolicy"),
    ("Experiment.kubeflow.org > Trial > Job > Pod", "Experiment"),
    ("PodCliqueSet > PodClique > Pod", "PodCliqueSet"),
    ("SandboxClaim > Sandbox > Pod", "SandboxClaim"),
    ("TaskAction > Pod", "TaskAction"),
    ("Pod", "Pod"),
]
"""Of real controllers, from the topmost owner down, and the kind of the workload that is to be named."""


class Kind(NamedTuple):
    api_version: str
    kind: str
    namespaced: bool = True
    served: bool = True


def kind_of(word: str) -> Kind:
    """A kind that is built in or in a preset; any other is one that nobody has listed."""
    kind, _, group = word.partition(".")
    if not group and kind in BUILT_IN:
        return Kind(BUILT_IN[kind], kind)
    found = [each for each in KINDS if each.kind == kind and group in ("", each.group)]
    assert len(found) <= 1, f"{kind} of which group?"
    if not found:
        return Kind("elsewhere.example.com/v1", kind, served=False)
    return Kind(f"{found[0].group}/v1", kind, found[0].scope == "Namespaced")


def definition(kind: PresetKind) -> Json:
    """Its CustomResourceDefinition, as small as can be."""
    status = CONDITIONS_MAP if kind.write else CONDITIONS_ATOMIC
    schema = {
        "openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}, "status": status}},
    }
    names = {"plural": kind.resource, "singular": kind.kind.lower(), "kind": kind.kind, "listKind": f"{kind.kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.resource}.{kind.group}",
            # The API server wants it of groups that end in k8s.io.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": kind.group,
            "scope": kind.scope,
            "names": names,
            "versions": [
                {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": schema},
            ],
        },
    }


def obj(word: str, name: str, namespace: str = "default", *owners: Json) -> Json:
    """An object of a kind, made a minute ago."""
    kind = kind_of(word)
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            **({"namespace": namespace} if kind.namespaced else {}),
            "uid": uid(),
            "creationTimestamp": ago(seconds=60),
            "ownerReferences": list(owners),
        },
        "spec": {},
    }


def owned_by(owner: Json, *, controller: bool = True, **changes: str) -> Json:
    """A reference to this object."""
    metadata = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        **({"controller": True} if controller else {}),
        **changes,
    }
    return reference


def pod_of(name: str, namespace: str, *owners: Json, labels: dict[str, str] | None = None, **more: Any) -> Json:
    """A pod that has failed."""
    pod = failed_pod(name, namespace=namespace, **more)
    pod["metadata"]["ownerReferences"] = list(owners)
    pod["metadata"]["labels"] = labels or {}
    return pod


def steps_of(chain: str) -> list[tuple[str, bool]]:
    """Each step from the topmost down: its kind, and whether its owner is its controller."""
    steps = [step.strip() for step in chain.replace("~>", ">~").split(">")]
    return [(step.lstrip("~ "), not step.startswith("~")) for step in steps]


def put_chain(server: EmbeddedApiServer, chain: str, namespace: str) -> list[Json]:
    """Make the namespace and the objects, from the topmost to the pod that has failed."""
    server.create_namespace(namespace)
    steps = steps_of(chain)
    made: list[Json] = []
    for number, (word, is_controlled) in enumerate(steps):
        references = [owned_by(made[-1], controller=is_controlled)] if made else []
        name = f"{word.partition('.')[0].lower()}-{namespace}-{number}"
        if word == "Pod":
            pod = pod_of(name, namespace, *references)
            if number < len(steps) - 1:
                pod["metadata"]["creationTimestamp"] = ago(seconds=50)
                pod["status"] = {"phase": "Running"}
            made.append(server.put(pod))
        else:
            each = obj(word, name, namespace, *references)
            made.append(server.put(each) if kind_of(word).served else each)
    return made
