"""The workload of a pod is the object that its user made, through the owners that real controllers put in between."""

from __future__ import annotations

import pytest

from coroner_operator.config.presets import preset_kind
from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import ago, changed, uid
from tests.support.operators import Operators
from tests.support.owner_chains import (
    ALL_PRESETS,
    CHAINS,
    KINDS,
    definition,
    kind_of,
    obj,
    owned_by,
    pod_of,
    put_chain,
)
from tests.support.pods import Json
from tests.support.waiting import until

NAMESPACES = """
kafka postgres lookalike live deleted made-again older younger none copy same-name victim attacker ring own two unlisted
by-hand never forged long old-version no-such between downwards deep between one two
"""


@pytest.fixture
def installed(server: EmbeddedApiServer) -> EmbeddedApiServer:
    """With the kinds of all presets."""
    for name in NAMESPACES.split():
        server.create_namespace(name)
    for kind in KINDS:
        server.put(definition(kind))
    return server


def workloads(server: EmbeddedApiServer) -> dict[str, str]:
    """Namespace → kind of the workload of its report."""
    return {
        report["metadata"]["namespace"]: report["spec"]["workload"]["kind"]
        for report in server.objects("FailureReport")
        if "status" in report
    }


def uids(server: EmbeddedApiServer, namespace: str) -> list[tuple[str, str]]:
    """Kind and UID of the workloads that have a report."""
    return [
        (report["spec"]["workload"]["kind"], report["spec"]["workload"]["uid"])
        for report in server.objects("FailureReport", namespace)
        if "status" in report
    ]


async def fence(server: EmbeddedApiServer) -> None:
    """Everything before it has been processed: a pod that fails last has its report."""
    server.put(pod_of("fence", "default"))
    await until(lambda: "default" in workloads(server))


async def test_the_workload_of_every_known_chain_is_the_object_that_its_user_made(
    installed: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start(presets=ALL_PRESETS)
    for number, (chain, _) in enumerate(CHAINS):
        put_chain(installed, chain, f"c-{number}")

    def all_reported() -> bool:
        found = workloads(installed)
        assert [chain for number, (chain, _) in enumerate(CHAINS) if f"c-{number}" not in found] == []
        return True

    await until(all_reported, 120, "a report on each chain", poll=0.2)
    found = workloads(installed)
    wrong = {
        chain: found[f"c-{number}"]
        for number, (chain, kind) in enumerate(CHAINS)
        if found[f"c-{number}"] != kind.partition(".")[0]
    }
    assert wrong == {}


async def test_labels_lead_on_from_kinds_that_have_no_owner(installed: EmbeddedApiServer, operators: Operators) -> None:
    await operators.start(presets="strimzi,zalando")
    kafka = installed.put(obj("Kafka", "events", "kafka"))
    labels = {"strimzi.io/cluster": "events", "strimzi.io/kind": "Kafka"}
    pool = obj("KafkaNodePool", "brokers", "kafka")
    pool["metadata"]["labels"] = {"strimzi.io/cluster": "events"}
    pods = obj("StrimziPodSet", "events-brokers", "kafka", owned_by(installed.put(pool), controller=False))
    pods["metadata"]["labels"] = labels
    installed.put(pod_of("events-brokers-0", "kafka", owned_by(installed.put(pods)), labels=labels))
    database = installed.put(obj("postgresql", "acid-main", "postgres"))
    spilo = obj("StatefulSet", "acid-main", "postgres")
    spilo["metadata"]["labels"] = {"application": "spilo", "cluster-name": "acid-main"}
    installed.put(pod_of("acid-main-0", "postgres", owned_by(installed.put(spilo))))
    lookalike = obj("StatefulSet", "acid-main", "lookalike")
    lookalike["metadata"]["labels"] = {"application": "web", "cluster-name": "acid-main"}
    installed.put(obj("postgresql", "acid-main", "lookalike"))
    installed.put(pod_of("acid-main-0", "lookalike", owned_by(installed.put(lookalike))))
    await until(lambda: {"kafka", "postgres", "lookalike"} <= workloads(installed).keys())
    assert uids(installed, "kafka") == [("Kafka", kafka["metadata"]["uid"])]
    assert uids(installed, "postgres") == [("postgresql", database["metadata"]["uid"])]
    assert uids(installed, "lookalike") == [("StatefulSet", lookalike["metadata"]["uid"])]


def job_set_labels(name: str, its_uid: str) -> dict[str, str]:
    return {"jobset.sigs.k8s.io/jobset-name": name, "jobset.sigs.k8s.io/jobset-uid": its_uid}


async def test_an_owner_that_is_deleted_before_the_look_is_found_by_the_labels_of_its_controller(
    installed: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start(presets="jobset,lws,ray")
    wanted = {}

    def gone(kind: str, namespace: str) -> Json:
        return owned_by(obj(kind, "gone", namespace))

    live = installed.put(obj("JobSet", "train", "live"))["metadata"]["uid"]
    installed.put(pod_of("p", "live", gone("Job", "live"), labels=job_set_labels("train", live)))
    wanted["live"] = ("JobSet", live)

    deleted = uid()
    installed.put(pod_of("p", "deleted", gone("Job", "deleted"), labels=job_set_labels("train", deleted)))
    wanted["deleted"] = ("JobSet", deleted)

    installed.put(obj("JobSet", "train", "made-again"))
    earlier = uid()
    installed.put(pod_of("p", "made-again", gone("Job", "made-again"), labels=job_set_labels("train", earlier)))
    wanted["made-again"] = ("JobSet", earlier)

    serving = installed.put(obj("LeaderWorkerSet", "serving", "older"))["metadata"]["uid"]
    by_name = {"leaderworkerset.sigs.k8s.io/name": "serving"}
    installed.put(pod_of("p", "older", gone("StatefulSet", "older"), labels=by_name))
    wanted["older"] = ("LeaderWorkerSet", serving)

    younger = obj("LeaderWorkerSet", "serving", "younger")
    younger["metadata"]["creationTimestamp"] = ago(seconds=0)
    installed.put(younger)
    reference = gone("StatefulSet", "younger")
    installed.put(pod_of("p", "younger", reference, labels=by_name))
    wanted["younger"] = ("StatefulSet", reference["uid"])

    reference = gone("StatefulSet", "none")
    installed.put(pod_of("p", "none", reference, labels=by_name))
    wanted["none"] = ("StatefulSet", reference["uid"])

    # A copy of a pod, with its labels and without its owner, is a pod of its own.
    copy = installed.put(pod_of("p", "copy", labels=job_set_labels("train", live)))
    installed.put(obj("JobSet", "train", "copy"))
    wanted["copy"] = ("Pod", copy["metadata"]["uid"])

    # The owner is gone, and another has its name: only the UID counts.
    reference = gone("RayCluster", "same-name")
    same = obj("RayCluster", "gone", "same-name")
    installed.put(same)
    labels = {"ray.io/originated-from-crd": "RayCluster", "ray.io/originated-from-cr-name": "gone"}
    installed.put(pod_of("p", "same-name", reference, labels=labels))
    wanted["same-name"] = ("RayCluster", reference["uid"])

    await until(lambda: workloads(installed).keys() >= wanted.keys())
    assert {namespace: uids(installed, namespace) for namespace in wanted} == {n: [w] for n, w in wanted.items()}


async def test_forged_labels_do_not_reach_another_namespaces_object(
    installed: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start(presets="jobset,trainer")
    theirs = installed.put(obj("JobSet", "train", "victim"))["metadata"]
    installed.put(
        pod_of("p", "attacker", owned_by(obj("Job", "x", "attacker")), labels=job_set_labels("train", theirs["uid"]))
    )
    await until(lambda: "attacker" in workloads(installed))
    await fence(installed)
    assert uids(installed, "attacker") == [("JobSet", theirs["uid"])]  # a claim, in the attacker's namespace
    assert uids(installed, "victim") == []
    assert "conditions" not in (installed.get("JobSet", "train", "victim") or {}).get("status", {})
    events = installed.objects("Event", api_version="events.k8s.io/v1")
    assert {event["metadata"]["namespace"] for event in events} <= {"attacker", "default"}


async def test_odd_references_end_the_walk_where_nothing_is_known_any_more(
    installed: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start(presets="jobset,trainer,crossplane,argo")
    wanted: dict[str, tuple[str, str]] = {}

    ring = [obj("JobSet", name, "ring") for name in ("a", "b", "c")]
    for each, above in zip(ring, (ring[1], ring[2], ring[0]), strict=True):
        each["metadata"]["ownerReferences"] = [owned_by(above)]
        installed.put(each)
    installed.put(pod_of("p", "ring", owned_by(ring[0])))
    wanted["ring"] = ("JobSet", ring[2]["metadata"]["uid"])

    own = obj("JobSet", "own", "own")
    own["metadata"]["ownerReferences"] = [owned_by(own)]
    installed.put(own)
    installed.put(pod_of("p", "own", owned_by(own)))
    wanted["own"] = ("JobSet", own["metadata"]["uid"])

    two = [owned_by(installed.put(obj("JobSet", name, "two")), controller=False) for name in ("a", "b")]
    pod = installed.put(pod_of("p", "two", *two))
    wanted["two"] = ("Pod", pod["metadata"]["uid"])

    pod = installed.put(pod_of("p", "unlisted", owned_by(obj("Thing", "x", "unlisted"), controller=False)))
    wanted["unlisted"] = ("Pod", pod["metadata"]["uid"])

    # kubectl create job --from=cronjob/nightly
    nightly = installed.put(obj("CronJob", "nightly", "by-hand"))
    job = installed.put(obj("Job", "by-hand", "by-hand", owned_by(nightly, controller=False)))
    installed.put(pod_of("p", "by-hand", owned_by(job)))
    wanted["by-hand"] = ("Job", job["metadata"]["uid"])

    never = owned_by(obj("JobSet", "never", "never"))
    installed.put(pod_of("p", "never", never))
    wanted["never"] = ("JobSet", never["uid"])

    real = installed.put(obj("JobSet", "train", "forged", owned_by(installed.put(obj("TrainJob", "train", "forged")))))
    forged = owned_by(real, uid=uid())
    installed.put(pod_of("p", "forged", forged))
    wanted["forged"] = ("JobSet", forged["uid"])

    name = ".".join(["a" * 62] * 4)  # 251 characters
    long = installed.put(obj("TrainJob", f"{name}.b", "long"))
    between = installed.put(obj("JobSet", f"{name}.c", "long", owned_by(long)))
    installed.put(pod_of("p", "long", owned_by(between)))
    wanted["long"] = ("TrainJob", long["metadata"]["uid"])

    top = installed.put(obj("TrainJob", "train", "old-version"))
    old = owned_by(top, apiVersion="trainer.kubeflow.org/v1alpha1")
    between = installed.put(obj("JobSet", "train", "old-version", old))
    installed.put(pod_of("p", "old-version", owned_by(between, apiVersion="jobset.x-k8s.io/v1alpha1")))
    wanted["old-version"] = ("TrainJob", top["metadata"]["uid"])

    # A cluster-scoped owner counts only as it was read: anyone may write its name.
    provider = installed.put(obj("Provider", "aws"))
    deployment = installed.put(obj("Deployment", "aws", "no-such", owned_by(provider, uid=uid())))
    installed.put(pod_of("p", "no-such", owned_by(deployment)))
    wanted["no-such"] = ("Deployment", deployment["metadata"]["uid"])

    # What has no namespace is not owned by what has one.
    inside = installed.put(obj("JobSet", "inside", "downwards"))
    cluster = installed.put(obj("ProviderRevision", "aws-1", "", owned_by(inside)))
    installed.put(pod_of("p", "downwards", owned_by(cluster)))
    wanted["downwards"] = ("ProviderRevision", cluster["metadata"]["uid"])

    deep = obj("JobSet", "deep-0", "deep")
    for number in range(1, 30):
        deep = obj("JobSet", f"deep-{number}", "deep", owned_by(installed.put(deep)))
    installed.put(pod_of("p", "deep", owned_by(installed.put(deep))))
    wanted["deep"] = ("JobSet", installed.get("JobSet", "deep-22", "deep")["metadata"]["uid"])  # type: ignore[index]

    await until(lambda: workloads(installed).keys() >= wanted.keys())
    assert {namespace: uids(installed, namespace) for namespace in wanted} == {n: [w] for n, w in wanted.items()}
    assert (
        len(
            {call.path for call in installed.calls if "/namespaces/deep/jobsets/" in call.path and call.method == "GET"}
        )
        == 8
    )


async def test_a_kind_that_is_removed_and_installed_again_leads_on_again(
    installed: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start(presets="jobset,trainer")
    kind = preset_kind("jobset.x-k8s.io", "JobSet")
    assert kind is not None
    put_chain(installed, "TrainJob > JobSet > Job > Pod", "before")
    await until(lambda: workloads(installed).get("before") == "TrainJob")
    installed.delete("CustomResourceDefinition", "jobsets.jobset.x-k8s.io", "")
    job = installed.put(obj("Job", "x", "between", owned_by(obj("JobSet", "gone", "between"))))
    installed.put(pod_of("p", "between", owned_by(job)))
    await until(lambda: workloads(installed).get("between") == "JobSet")  # its reference is all that is known
    installed.put(definition(kind))

    async def leads_on() -> bool:
        namespace = f"after-{uid()}"
        put_chain(installed, "TrainJob > JobSet > Job > Pod", namespace)
        await until(lambda: namespace in workloads(installed))
        return workloads(installed)[namespace] == "TrainJob"

    await until(leads_on)


def conditions(server: EmbeddedApiServer, word: str, name: str, namespace: str = "default") -> dict[str, str]:
    kind = kind_of(word)
    found = server.get(kind.kind, name, namespace, api_version=kind.api_version) or {}
    return {each["type"]: each["status"] for each in (found.get("status") or {}).get("conditions", [])}


def events(server: EmbeddedApiServer) -> set[tuple[str, str, str, str]]:
    """Namespace of each Event of ours; kind, namespace and name of what it is about."""
    return {
        (
            event["metadata"]["namespace"],
            event["regarding"]["kind"],
            event["regarding"].get("namespace", ""),
            event["regarding"]["name"],
        )
        for event in server.objects("Event", api_version="events.k8s.io/v1")
        if event.get("reportingController") == "coroner.dev/coroner"
    }


def replace(server: EmbeddedApiServer, pod: Json) -> None:
    """The controller of the pod deletes it, and makes one that is healthy."""
    metadata = pod["metadata"]
    server.delete("Pod", metadata["name"], metadata["namespace"])
    healthy = changed(pod)
    later = ago(seconds=-2)
    healthy["metadata"] = {**metadata, "name": f"{metadata['name']}-2", "uid": uid(), "creationTimestamp": later}
    server.put(healthy)


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_verdict_is_shown_on_every_listed_owner_until_the_workload_has_recovered(
    installed: EmbeddedApiServer, operators: Operators, restarted: bool
) -> None:
    operator = await operators.start(presets="jobset,trainer,ray")
    failing = {"coroner.dev/Failing": "True"}
    top, job_set, job, pod = put_chain(installed, "TrainJob > JobSet > Job > Pod", "default")
    names = {each["kind"]: each["metadata"]["name"] for each in (top, job_set, job)}
    await until(lambda: conditions(installed, "TrainJob", names["TrainJob"]) == failing)
    await until(lambda: conditions(installed, "JobSet", names["JobSet"]) == failing)
    await until(
        lambda: events(installed) == {("default", kind, "default", names[kind]) for kind in ("TrainJob", "JobSet")}
    )
    (report,) = installed.objects("FailureReport")
    shown = {key: job_set["metadata"][key] for key in ("name", "uid")}
    assert report["status"]["owners"] == [
        {"apiVersion": "jobset.x-k8s.io/v1", "kind": "JobSet", **shown, "failing": True}
    ]
    if restarted:
        await operator.stop()
        await operators.start(presets="jobset,trainer,ray")
    replace(installed, pod)
    recovered = {"coroner.dev/Failing": "False"}
    await until(lambda: conditions(installed, "TrainJob", names["TrainJob"]) == recovered)
    await until(lambda: conditions(installed, "JobSet", names["JobSet"]) == recovered)
    (report,) = installed.objects("FailureReport")
    assert report["status"]["owners"] == [{"apiVersion": "jobset.x-k8s.io/v1", "kind": "JobSet", **shown}]


async def test_an_owner_whose_pods_do_not_fail_shows_nothing(
    installed: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start(presets="ray")
    service = installed.put(obj("RayService", "chat"))
    failing, well = (installed.put(obj("RayCluster", name, "default", owned_by(service))) for name in ("one", "two"))
    installed.put(pod_of("one-0", "default", owned_by(failing)))
    healthy = changed(pod_of("two-0", "default"))
    healthy["metadata"]["ownerReferences"] = [owned_by(well)]
    installed.put(healthy)
    await until(lambda: conditions(installed, "RayCluster", "one"))
    assert conditions(installed, "RayService", "chat") == {"coroner.dev/Failing": "True"}
    assert conditions(installed, "RayCluster", "two") == {}
    owners = {("RayService", "chat"), ("RayCluster", "one")}
    await until(lambda: {(kind, name) for _, kind, _, name in events(installed)} == owners)


def reports_by_namespace(server: EmbeddedApiServer) -> dict[str, Json]:
    return {r["metadata"]["namespace"]: r for r in server.objects("FailureReport") if "status" in r}


async def test_a_cluster_scoped_workload_has_a_report_in_each_namespace_and_fails_while_one_of_them_does(
    installed: EmbeddedApiServer, operators: Operators
) -> None:
    await operators.start(presets="crossplane")
    provider = installed.put(obj("Provider", "aws"))
    revision = installed.put(obj("ProviderRevision", "aws-1", "", owned_by(provider)))
    for namespace in ("one", "two"):
        deployment = installed.put(obj("Deployment", "aws", namespace, owned_by(revision)))
        installed.put(pod_of(f"p-{namespace}", namespace, owned_by(deployment), message=f"in {namespace}"))
    await until(lambda: len(reports_by_namespace(installed)) == 2)
    for namespace, report in reports_by_namespace(installed).items():
        assert report["spec"]["workload"]["uid"] == provider["metadata"]["uid"]
        assert report["status"]["pod"]["name"] == f"p-{namespace}"
        assert report["status"]["failures"] == 1
    await until(lambda: conditions(installed, "Provider", "aws") == {"coroner.dev/Failing": "True"})
    # An Event about what has no namespace is in "default", and says so.
    wanted = {("default", "Provider", "", "aws"), ("default", "ProviderRevision", "", "aws-1")}
    await until(lambda: events(installed) == wanted)
    for namespace, shown in (("one", "True"), ("two", "False")):
        failed = installed.get("Pod", f"p-{namespace}", namespace)
        assert failed is not None
        replace(installed, failed)
        await until(lambda: reports_by_namespace(installed)[namespace]["status"]["state"] == "Recovered")  # noqa: B023
        await until(lambda: conditions(installed, "Provider", "aws") == {"coroner.dev/Failing": shown})  # noqa: B023
