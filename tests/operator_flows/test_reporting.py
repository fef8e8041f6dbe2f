"""From a failed pod to its report, on the workload that a person owns."""

import asyncio
from typing import Any

import pytest

from coroner_categorizer import Pod
from coroner_operator.controller import classification, pod_controller
from coroner_operator.kube import event_cache
from coroner_operator.reports.store import ApiReportStore, Stored, WriteConflict
from coroner_operator.runtime.engine import Engine
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import (
    ago,
    changed,
    ended,
    event,
    failed_pod,
    live_pod,
    probe_kill,
    reference,
    waiting,
    workload,
)
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until


async def test_the_first_failure_makes_a_report_with_labels_and_status(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train"))
    server.put(failed_pod("train-x", 137, "OOMKilled", owner=job))
    report = await until(lambda: reports.of("train"))
    assert report["metadata"]["name"] == f"job-train-{job['metadata']['uid'][:8]}"
    assert report["metadata"]["labels"] == {
        "coroner.dev/category": "resources",
        "coroner.dev/subcategory": "oom-killed",
        "coroner.dev/retry": "NeedsChange",
        "coroner.dev/confidence": "Confirmed",
        "coroner.dev/state": "Failing",
        "coroner.dev/workload-kind": "Job",
        "coroner.dev/workload-name": "train",
        "coroner.dev/workload-uid": job["metadata"]["uid"],
    }
    status = report["status"]
    assert (status["state"], status["reason"], status["exitCode"], status["failures"]) == (
        "Failing",
        "OOMKilled",
        137,
        1,
    )
    assert status["pod"]["name"] == "train-x"
    assert {entry["manager"] for entry in report["metadata"]["managedFields"]} == {"coroner"}


async def test_what_failed_before_the_operator_started_is_reported(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    server.put(failed_pod("old", 3))
    await operators.start()
    assert (await until(lambda: reports.of("old")))["status"]["exitCode"] == 3


async def test_the_topmost_controller_owns_the_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    deployment = server.put(workload("Deployment", "web", replicas=1))
    replica_set = server.put(workload("ReplicaSet", "web-1", owner=deployment))
    server.put(failed_pod("web-1-x", owner=replica_set))
    assert (await until(lambda: reports.of("web")))["spec"]["workload"]["kind"] == "Deployment"
    assert len(server.objects("FailureReport")) == 1


async def test_an_unknown_kind_ends_the_walk_at_the_reference(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job_set = reference("jobset.x-k8s.io/v1alpha2", "JobSet", "gang")
    job = server.put(workload("Job", "gang-0", owner=job_set))
    server.put(failed_pod("gang-0-x", owner=job))
    report = await until(lambda: reports.of("gang"))
    assert report["spec"]["workload"] | {"display": ""} == {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "name": "gang",
        "uid": job_set["metadata"]["uid"],
        "display": "",
    }
    assert not any("jobsets" in call.path for call in server.calls)


async def test_where_workloads_may_not_be_read_the_report_is_on_the_owner_that_the_pod_names(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    server.faults.add(Fault(method="GET", path="^/apis/(batch|apps)/", status=403))
    await operators.start()
    deployment = server.put(workload("Deployment", "web"))
    replica_set = server.put(workload("ReplicaSet", "web-1", owner=deployment))
    server.put(failed_pod("web-1-x", owner=replica_set))
    assert (await until(lambda: reports.of("web-1")))["spec"]["workload"]["kind"] == "ReplicaSet"


async def test_an_owner_that_cannot_be_read_for_a_moment_is_waited_for(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    trouble = server.faults.add(Fault(method="GET", path="^/apis/apps/", status=503, times=3))
    await operators.start()
    deployment = server.put(workload("Deployment", "web"))
    replica_set = server.put(workload("ReplicaSet", "web-1", owner=deployment))
    server.put(failed_pod("web-1-x", owner=replica_set))
    assert await until(lambda: reports.of("web"))
    assert server.faults.hits(trouble) == 3
    assert reports.of("web-1") is None


async def test_a_controller_is_asked_for_once_however_many_of_its_pods_fail(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    deployment = server.put(workload("Deployment", "web"))
    replica_set = server.put(workload("ReplicaSet", "web-1", owner=deployment))
    for number in range(20):
        server.put(failed_pod(f"web-1-{number}", owner=replica_set))
    await until(lambda: reports.failures("web") == 20)
    asked = [call.path for call in server.calls if call.path.endswith("/replicasets/web-1")]
    assert len(asked) == 1


async def test_only_reports_and_events_are_ever_written(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    server.put(failed_pod("one"))
    server.put(live_pod("two"))
    await until(lambda: reports.of("one"))
    written = {call.path.split("/")[6] for call in server.calls if call.is_write}
    assert "failurereports" in written
    assert written <= {"failurereports", "events"}


async def test_a_healthy_pod_makes_no_report_and_no_call(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    job = server.put(workload("Job", "fine"))
    for number in range(50):
        server.put(live_pod(f"fine-{number}", owner=job))
    await operators.start()
    server.put(failed_pod("broken"))
    await until(lambda: reports.of("broken"))
    assert reports.of("fine") is None
    assert not any("/jobs/" in call.path for call in server.calls)


async def test_a_pod_that_breaks_the_judge_does_not_stop_the_others(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.default_pack import CATEGORIZER

    judge = CATEGORIZER.classify_pod

    def touchy(pod: Pod, *rest: Any, **more: Any) -> Any:
        if pod.metadata.name == "poison":
            raise ZeroDivisionError("on purpose")
        return judge(pod, *rest, **more)

    monkeypatch.setattr(CATEGORIZER, "classify_pod", touchy)
    engine = await operators.start()
    server.put(failed_pod("poison"))
    server.put(failed_pod("other"))
    assert await until(lambda: reports.of("other"))
    await until(lambda: b"coroner_errors_total 1.0" in engine.metrics.exposition())


async def test_only_the_given_namespaces_are_watched(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    for name in ("red", "green", "blue"):
        server.create_namespace(name)
    await operators.start(namespaces=("red", "green"))
    for name in ("blue", "red", "green"):
        server.put(failed_pod(f"in-{name}", namespace=name))
    await until(lambda: reports.of("in-red") and reports.of("in-green"))
    assert reports.of("in-blue") is None
    assert not any(call.path in ("/api/v1/pods", "/api/v1/events") for call in server.calls)


async def test_pods_that_were_never_created_are_reported_on_the_workload_above(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    deployment = server.put(workload("Deployment", "web", replicas=1))
    replica_set = server.put(workload("ReplicaSet", "web-1", owner=deployment, replicas=1))
    text = 'Error creating: pods "web-1-x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0'
    server.put(event(replica_set, "FailedCreate", text))
    assert (await until(lambda: reports.of("web")))["status"]["subcategory"] == "quota-exceeded"
    assert reports.failures("web") == 1


async def test_a_wait_is_reported_only_after_its_grace_period(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(grace_periods={"image_pull": 0.6})
    message = 'Back-off pulling image "x": ErrImagePull: rpc error: code = NotFound desc = failed to pull: x: not found'
    short = live_pod("short", phase="Pending", state=waiting("ImagePullBackOff", message))
    server.put(short)
    server.put(live_pod("long", phase="Pending", state=waiting("ImagePullBackOff", message)))
    server.put(failed_pod("witness"))
    await until(lambda: reports.of("witness"))
    assert reports.of("long") is None
    short["status"] = live_pod("short")["status"]
    server.put(short)
    assert (await until(lambda: reports.of("long")))["status"]["subcategory"] == "image-not-found"
    assert reports.of("short") is None


async def test_a_wait_that_can_never_end_is_reported_at_once(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(grace_periods={"image_pull": 3600})
    server.put(live_pod("never", phase="Pending", state=waiting("InvalidImageName", "couldn't parse image name")))
    assert await until(lambda: reports.of("never"))


async def test_a_container_that_stays_in_creating_is_explained_by_its_events(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start(grace_periods={"container_creating": 0.5})
    stuck = server.put(live_pod("stuck", phase="Pending", state=waiting("ContainerCreating")))
    server.put(event(stuck, "FailedMount", 'MountVolume.SetUp failed for volume "v" : configmap "nope" not found'))
    assert (await until(lambda: reports.of("stuck")))["status"]["subcategory"] == "missing-config"


async def test_a_kill_by_a_probe_is_distinguished_from_other_kills_by_events_that_are_no_warnings(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    probed = live_pod("probed", phase="Failed", state=ended(137))
    for said in probe_kill(probed):
        server.put(said)
    server.put(probed)
    assert (await until(lambda: reports.of("probed")))["status"]["subcategory"] == "liveness-probe"


async def test_a_pod_that_a_roll_out_deletes_is_no_failure(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    replica_set = server.put(workload("ReplicaSet", "web-1"))
    old = live_pod("web-1-x", owner=replica_set, phase="Failed", state=ended(137))
    bare = live_pod("bare", phase="Failed", state=ended(137))
    for one in (old, bare):
        one["metadata"]["deletionTimestamp"] = one["metadata"]["creationTimestamp"]
        one["metadata"]["deletionGracePeriodSeconds"] = 0
        server.put(one)
    assert (await until(lambda: reports.of("bare")))["status"]["subcategory"] == "deleted"
    server.put(failed_pod("web-1-y", 3, owner=replica_set))
    assert (await until(lambda: reports.of("web-1")))["status"]["failures"] == 1


async def test_what_a_pod_waits_for_now_is_shown_although_its_mount_failed_later_than_it_was_scheduled(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """A waiting container has no time of its own: it is dated by what the pod had reached before."""
    await operators.start()
    starting = live_pod("starting", phase="Pending", state=waiting("ContainerCreating"), created=ago(minutes=9))
    server.put(starting)
    server.put(event(starting, "FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "certs" not found'))
    await until(lambda: reports.status("starting").get("reason") == "MissingConfig")
    unset = "couldn't find key port in ConfigMap default/app"
    server.put(changed(starting, state=waiting("CreateContainerConfigError", unset)))
    status = await until(lambda: (s := reports.status("starting")).get("container") and s)
    assert "port" in status["message"]
    assert status["failures"] == 2


async def test_a_report_that_is_deleted_while_its_workload_fails_is_made_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    job = server.put(workload("Job", "train"))
    for number in range(3):
        server.put(failed_pod(f"train-{number}", 3, owner=job))
    report = await until(lambda: reports.failures("train") == 3 and reports.of("train"))
    server.delete("FailureReport", report["metadata"]["name"], api_version="coroner.dev/v1alpha1")
    engine.report_deleted("default", report["metadata"]["name"])  # as the watch does
    remade = await until(lambda: reports.failures("train") == 3 and reports.of("train"))
    assert remade["metadata"]["uid"] != report["metadata"]["uid"]


async def test_a_report_that_is_deleted_before_the_answer_to_its_first_write_arrives_is_made_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, on_deleted = ApiReportStore.apply, Engine.report_deleted
    deleted: list[str] = []
    observed = asyncio.Event()

    async def delete_and_answer(store: ApiReportStore, *args: Any) -> Stored | WriteConflict:
        stored = await write(store, *args)
        if not deleted:
            report = reports.existing("train")
            deleted.append(report["metadata"]["uid"])
            server.delete("FailureReport", report["metadata"]["name"], api_version="coroner.dev/v1alpha1")
            await observed.wait()
        return stored

    def observe(engine: Engine, namespace: str, name: str) -> None:
        on_deleted(engine, namespace, name)
        observed.set()

    monkeypatch.setattr(Engine, "report_deleted", observe)
    monkeypatch.setattr(ApiReportStore, "apply", delete_and_answer)
    await operators.start()
    server.put(failed_pod("train-0", 3, owner=server.put(workload("Job", "train"))))
    await until(lambda: deleted)
    remade = await until(lambda: reports.failures("train") == 1 and reports.of("train"))
    assert remade["metadata"]["uid"] != deleted[0]


async def test_a_deleted_report_is_made_again_of_a_job_that_has_failed_for_good_and_of_pods_never_created(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    failed = server.put(workload("Job", "failed", status={"conditions": [{"type": "Failed", "status": "True"}]}))
    server.put(failed_pod("failed-0", 3, owner=failed))
    refused = server.put(workload("Job", "refused"))
    quota = "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1"
    server.put(event(refused, "FailedCreate", f'Error creating: pods "refused-x" is forbidden: {quota}'))
    for name in ("failed", "refused"):
        report = await until(lambda: reports.failures(name) == 1 and reports.of(name))  # noqa: B023
        server.delete("FailureReport", report["metadata"]["name"], api_version="coroner.dev/v1alpha1")
        engine.report_deleted("default", report["metadata"]["name"])
        remade = await until(lambda: reports.failures(name) == 1 and reports.of(name))  # noqa: B023
        assert remade["metadata"]["uid"] != report["metadata"]["uid"]


async def test_more_pods_than_questions_that_are_remembered_are_classified(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_controller, "WORKERS", 8)
    monkeypatch.setattr(classification, "EVENT_LOOKUPS_REMEMBERED", 8)
    job = server.put(workload("Job", "train"))
    for number in range(20):
        server.put(failed_pod(f"train-{number}", 137, owner=job))
    await operators.start()
    await until(lambda: reports.failures("train") == 20)


async def test_events_that_were_read_are_used_however_many_pods_fail_at_once(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_controller, "WORKERS", 8)
    monkeypatch.setattr(event_cache, "BYTES_LIMIT", 10 * event_cache.EVENT_BYTES)
    job = server.put(workload("Job", "train"))
    for number in range(40):
        killed = failed_pod(f"train-{number}", 137, owner=job)
        probe = event(killed, "Killing", "Container main failed liveness probe, will be restarted", "Normal")
        probe["involvedObject"]["fieldPath"] = "spec.containers{main}"
        server.put(killed)
        server.put(probe)
    await operators.start()
    await until(lambda: reports.failures("train") == 40)
    assert [(entry["subcategory"], entry["count"]) for entry in reports.status("train")["counts"]] == [
        ("liveness-probe", 40)
    ]
