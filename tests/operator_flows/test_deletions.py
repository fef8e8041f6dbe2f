"""Pods that end because somebody deletes them, or their workload."""

from embedded_apiserver import EmbeddedApiServer
from tests.support.live_objects import ago, failed_pod, live_pod, reference, workload
from tests.support.operators import Operators
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until


def killed_pod(name: str, owner: Json) -> Json:
    """It was Ready until it was deleted, and ended with its grace period."""
    pod = failed_pod(name, 137, owner=owner)
    pod["metadata"] |= {"deletionTimestamp": ago(seconds=0), "deletionGracePeriodSeconds": 30}
    return pod


def being_deleted(job: Json) -> Json:
    return {**job, "metadata": {**job["metadata"], "deletionTimestamp": ago(seconds=0)}}


async def until_processed(server: EmbeddedApiServer, reports: Reports) -> None:
    """What was put before this."""
    server.put(killed_pod("witness", server.put(workload("Job", "witness"))))
    await until(lambda: reports.of("witness"))


async def test_a_pod_that_somebody_deletes_is_reported(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    server.put(killed_pod("train-0", server.put(workload("Job", "train"))))
    assert (await until(lambda: reports.of("train")))["status"]["subcategory"] == "deleted"


async def test_the_deletion_of_a_healthy_job_makes_no_report(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    gone = workload("Job", "gone")  # kubectl delete: the garbage collector deletes the pods of what is gone
    server.put(killed_pod("gone-0", gone))
    namesake = workload("Job", "again")
    server.put(workload("Job", "again"))
    server.put(killed_pod("again-0", namesake))
    ending = server.put(being_deleted(workload("Job", "ending")))  # kubectl delete --cascade=foreground
    server.put(killed_pod("ending-0", ending))
    server.put(killed_pod("ending-1", ending))
    await until_processed(server, reports)
    assert {report["spec"]["workload"]["name"] for report in server.objects("FailureReport")} == {"witness"}


async def test_the_deletion_of_a_job_does_not_hide_that_it_had_failed(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    job = server.put(workload("Job", "train"))
    sibling = server.put(live_pod("train-1", owner=job))
    server.put(failed_pod("train-0", 3, owner=job))
    await until(lambda: reports.failures("train") == 1)
    server.delete("Job", "train")
    killed = killed_pod("train-1", job)
    killed["metadata"]["uid"] = sibling["metadata"]["uid"]
    server.put(killed)
    crashed = failed_pod("train-2", 4, owner=job)
    crashed["metadata"] |= {"deletionTimestamp": ago(seconds=0), "deletionGracePeriodSeconds": 30}
    server.put(crashed)
    await until(lambda: reports.failures("train") == 2)
    await until_processed(server, reports)
    status = reports.existing("train")["status"]
    assert {(count["subcategory"], count["count"]) for count in status["counts"]} == {("error-exit", 2)}


async def test_a_job_that_its_job_set_deletes_is_not_the_workload(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """A JobSet deletes its Jobs when one has failed: what ends then is the JobSet's failure too."""
    await operators.start()
    job_set = reference("jobset.x-k8s.io/v1alpha2", "JobSet", "gang")
    server.put(failed_pod("gang-leader-0-0", 3, owner=server.put(workload("Job", "gang-leader-0", owner=job_set))))
    await until(lambda: reports.failures("gang") == 1)
    job = server.put(being_deleted(workload("Job", "gang-workers-0", owner=job_set)))
    server.put(killed_pod("gang-workers-0-0", job))
    await until(lambda: reports.failures("gang") == 2)
