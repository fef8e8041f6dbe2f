"""Jobs whose pods vanish: their own condition tells, and only where no pod did."""

import pytest

from coroner_operator.controller import workload_failures
from coroner_operator.controller.job_failures import GRACE
from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import ago, event, failed_pod, workload
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until


def failed_job(name: str, reason: str) -> dict[str, object]:
    condition = {
        "type": "Failed",
        "status": "True",
        "reason": reason,
        "message": "reported by the Job",
        "lastTransitionTime": ago(),
    }
    return workload("Job", name, status={"conditions": [condition]}, activeDeadlineSeconds=60)


async def test_a_job_whose_pods_nobody_saw_is_reported_from_its_own_condition(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    late = server.put(failed_job("late", "DeadlineExceeded"))
    server.put(event(late, "DeadlineExceeded", "Job was active longer than specified deadline"))
    gone = server.put(failed_job("gone", "BackoffLimitExceeded"))
    server.put(event(gone, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    status = (await until(lambda: reports.of("late")))["status"]
    assert (status["category"], status["subcategory"], status["failures"]) == ("resources", "deadline-exceeded", 1)
    status = (await until(lambda: reports.of("gone")))["status"]
    assert (status["category"], status["confidence"], status["failures"]) == ("unknown", "Unknown", 1)


async def test_a_job_whose_pod_showed_the_cause_is_not_counted_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    job = server.put(failed_job("train", "BackoffLimitExceeded"))
    server.put(failed_pod("train-x", 3, owner=job))
    await operators.start()
    await until(lambda: reports.of("train"))
    server.put(event(job, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    witness = server.put(failed_job("witness", "BackoffLimitExceeded"))
    server.put(event(witness, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    await until(lambda: reports.of("witness"))  # its event came later, so the other one has been looked at
    status = reports.existing("train")["status"]
    assert (status["subcategory"], status["failures"]) == ("error-exit", 1)


async def test_a_job_waits_until_its_pods_are_classified(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """The events of the killed pod, which its classification asks for, come later than the Job's own failure."""
    await operators.start()
    server.faults.add(Fault(method="GET", path=r"/events\?fieldSelector", delay=2 * GRACE, times=1))
    job = server.put(failed_job("train", "BackoffLimitExceeded"))
    server.put(failed_pod("train-x", 137, owner=job))
    server.put(event(job, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    await until(lambda: reports.of("train"))
    witness = server.put(failed_job("witness", "BackoffLimitExceeded"))
    server.put(event(witness, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    await until(lambda: reports.of("witness"))
    status = reports.existing("train")["status"]
    assert (status["pod"]["name"], status["failures"]) == ("train-x", 1)


async def test_what_was_reported_before_a_restart_of_the_operator_is_not_counted_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    job = server.put(failed_job("train", "BackoffLimitExceeded"))
    operator = await operators.start()
    pod = server.put(failed_pod("train-x", 3, owner=job))
    await until(lambda: reports.of("train"))
    await operator.stop()
    server.delete("Pod", pod["metadata"]["name"])
    server.put(event(job, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    await operators.start()
    witness = server.put(failed_job("witness", "BackoffLimitExceeded"))
    server.put(event(witness, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    await until(lambda: reports.of("witness"))
    assert reports.existing("train")["status"]["failures"] == 1


async def test_many_events_about_one_workload_that_are_read_again_cost_few_reads_of_it(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_failures, "WAITING_LIMIT", 0)
    monkeypatch.setattr(workload_failures, "REREAD_DELAY", 0.1)
    stuck, last = (server.put(workload("Job", name)) for name in ("stuck", "zzz"))
    for number in range(100):
        server.put(event(stuck, "FailedCreate", f'Error creating: pods "x" is forbidden: no quota, try {number}'))
    server.put(event(last, "FailedCreate", 'Error creating: pods "x" is forbidden: no quota'))
    await operators.start()
    await until(lambda: reports.of("stuck") and reports.of("zzz"))
    assert sum(call.path.endswith("/jobs/stuck") for call in server.calls) < 20


async def test_a_pod_of_a_job_that_kueue_suspends_is_preempted_also_if_kueue_says_so_late(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    suspended = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "lastTransitionTime": ago()}
    job = workload("Job", "train", status={"conditions": [suspended]}, suspend=True)
    job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "q"}
    job = server.put(job)
    killed = failed_pod("train-x", 137, owner=job)
    killed["metadata"] |= {"deletionTimestamp": ago(seconds=0), "deletionGracePeriodSeconds": 30}
    server.put(killed)
    assert (await until(lambda: reports.of("train")))["status"]["subcategory"] == "queue-evicted"
    stopped = event(job, "Stopped", "Preempted to accommodate a workload (UID: w)", "Normal")
    server.put(stopped | {"reportingComponent": "batch/job-kueue-controller"})
    killed["metadata"]["deletionGracePeriodSeconds"] = 0
    server.put(killed)
    server.delete("Pod", "train-x")
    await until(lambda: reports.existing("train")["status"].get("subcategory") == "preempted")
    status = reports.existing("train")["status"]
    assert (status["failures"], status["confidence"]) == (1, "Confirmed")
    assert "(UID: w)" in status["message"]


async def test_a_job_waits_until_its_pods_are_listed(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the operator starts the events may be there before the pods are."""
    monkeypatch.setattr(workload_failures, "GRACE", 0.05)
    job = server.put(failed_job("train", "BackoffLimitExceeded"))
    server.put(failed_pod("train-x", 3, owner=job))
    server.put(event(job, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    server.faults.add(Fault(method="GET", path=r"/api/v1/pods", delay=1, times=1))
    await operators.start()
    status = (await until(lambda: reports.of("train")))["status"]
    assert (status["pod"]["name"], status["failures"]) == ("train-x", 1)
    await until(lambda: reports.state("train") == "Failed")
    assert reports.failures("train") == 1
