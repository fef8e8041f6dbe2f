"""The CRD on a real API server: what it accepts, refuses and prints, as a person with kubectl meets it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.model import sample_reports
from coroner_operator.model.fold import fold
from coroner_operator.model.report import Report, recover
from coroner_operator.model.report_codec import from_object, to_object, to_status
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.reports.schema_check import missing_fields, written_fields
from coroner_operator.reports.store import WRITE_CONFLICT, ApiReportStore, Stored
from tests.cluster.server import KubectlError, Server
from tests.report_model.observations import at, ended
from tests.report_model.schemas import CRD_PATH

NAMESPACE = "coroner-crd-test"


class Reports:
    """Writes reports as the operator does: server-side apply, the status on its own."""

    def __init__(self, server: Server) -> None:
        self.kubectl = server.kubectl

    def write(self, report: Report) -> dict[str, Any]:
        """As the API server has it afterwards."""
        obj = to_object(report)
        self._apply(obj)
        return self.write_status(report, to_status(report))

    def write_status(self, report: Report, status: dict[str, Any]) -> dict[str, Any]:
        obj = to_object(report)
        metadata = {key: obj["metadata"][key] for key in ("name", "namespace")}
        return self._apply({**obj, "metadata": metadata, "status": status}, "--subresource=status")

    def _apply(self, obj: dict[str, Any], *more: str) -> dict[str, Any]:
        args = ("apply", "--server-side", "--force-conflicts", "--field-manager=coroner", "-o", "json", "-f", "-")
        stored: dict[str, Any] = json.loads(self.kubectl(*args, *more, input=json.dumps(obj)))
        return stored

    def table(self, *more: str) -> list[list[str]]:
        text = self.kubectl("get", "fr", "-n", NAMESPACE, *more)
        return [line.split() for line in text.splitlines()]


@pytest.fixture(scope="module")
def reports(api_server: Server) -> Iterator[Reports]:
    api_server.kubectl("apply", "--server-side", "-f", str(CRD_PATH))
    api_server.kubectl("wait", "--for=condition=Established", "crd/failurereports.coroner.dev", "--timeout=60s")
    api_server.kubectl("create", "namespace", NAMESPACE)
    yield Reports(api_server)
    # without a controller-manager the namespace stays; what is in it must not
    api_server.kubectl("delete", "fr", "--all", "-n", NAMESPACE)
    api_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def in_namespace(report: Report, **changes: str) -> Report:
    fields = {name: getattr(report.workload, name) for name in report.workload.__struct_fields__}
    workload = WorkloadRef(**{**fields, "namespace": NAMESPACE, **changes})
    owners = tuple(
        msgspec.structs.replace(owner, ref=msgspec.structs.replace(owner.ref, namespace=NAMESPACE))
        for owner in report.owners
    )
    return msgspec.structs.replace(report, workload=workload, owners=owners)


FAILING = in_namespace(sample_reports.failing())
WELL = in_namespace(
    recover(fold(Report(WorkloadRef("apps/v1", "Deployment", "", "web", "bbbbbbbb-1")), [ended()]), at(60))
)


def test_everything_that_is_written_is_kept(reports: Reports) -> None:
    stored = reports.write(FAILING)
    assert stored["status"] == to_status(FAILING)
    assert from_object(stored) == FAILING


def test_the_states_follow_each_other_and_kubectl_waits_for_each(reports: Reports) -> None:
    failed = in_namespace(sample_reports.failed(), name="ends")
    failing = msgspec.structs.replace(failed, ended_at=None, final=False)
    for report in (failing, failed, in_namespace(sample_reports.deleted(), name="ends")):
        stored = reports.write(report)
        assert from_object(stored) == report
        wait = ("wait", "fr", "-n", NAMESPACE, stored["metadata"]["name"], "--timeout=5s")
        reports.kubectl(*wait, f"--for=condition={report.state}")
        if report is not failing:
            reports.kubectl(*wait, "--for=condition=Failing=false")
        only = reports.table("--no-headers", "-l", f"coroner.dev/state={report.state}")
        assert stored["metadata"]["name"] in [row[0] for row in only]
    reports.kubectl("delete", "fr", "-n", NAMESPACE, stored["metadata"]["name"])


def test_writing_the_same_again_changes_nothing(reports: Reports) -> None:
    first = reports.write(FAILING)
    assert reports.write(FAILING)["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_on_recovery_the_current_fields_are_gone(reports: Reports) -> None:
    reports.write(FAILING)
    well = recover(FAILING, FAILING.last_seen or at(0))
    stored = reports.write(well)
    assert stored["status"] == to_status(well)
    assert "category" not in stored["status"]
    assert "coroner.dev/category" not in stored["metadata"]["labels"]


def test_the_table_says_what_a_person_asks(reports: Reports) -> None:
    reports.write(FAILING)
    reports.write(WELL)
    head, web, train = reports.table()
    assert " ".join(head) == "NAME STATE FAILURE FAILURES LAST SEEN AGE"
    assert web[:3] == ["deployment-web-bbbbbbbb", "Recovered", "1"]
    assert train[:4] == ["job-train-llm-3f2a9c1b", "Failing", "resources/oom-killed", "6"]
    wide_head, _, wide = reports.table("-o", "wide")
    assert wide_head[-6:] == ["AGE", "WORKLOAD", "RETRY", "NODE", "MESSAGE", "HINT"]
    assert wide[6:10] == ["Job/train-llm", "NeedsChange", "gpu-17", "pod"]  # the message begins: pod … failed first


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (("--field-selector", "status.category=resources"), ["job-train-llm-3f2a9c1b"]),
        (("--field-selector", "status.subcategory=oom-killed"), ["job-train-llm-3f2a9c1b"]),
        (("--field-selector", "status.state=Recovered"), ["deployment-web-bbbbbbbb"]),
        (("-l", "coroner.dev/category=resources,coroner.dev/workload-kind=Job"), ["job-train-llm-3f2a9c1b"]),
        (("-l", "coroner.dev/state=Recovered"), ["deployment-web-bbbbbbbb"]),
        (("-l", "coroner.dev/workload-name=train-llm"), ["job-train-llm-3f2a9c1b"]),
        (("-l", f"coroner.dev/workload-uid={FAILING.workload.uid}"), ["job-train-llm-3f2a9c1b"]),
        (("-l", "coroner.dev/retry=NeedsChange,coroner.dev/confidence=Confirmed"), ["job-train-llm-3f2a9c1b"]),
        (("--field-selector", "spec.workload.kind=Job,spec.workload.name=train-llm"), ["job-train-llm-3f2a9c1b"]),
        (("--field-selector", f"spec.workload.uid={FAILING.workload.uid}"), ["job-train-llm-3f2a9c1b"]),
        (("--field-selector", "status.retry=NeedsChange"), ["job-train-llm-3f2a9c1b"]),
    ],
)
def test_reports_are_found_by_what_they_say(reports: Reports, question: tuple[str, ...], answer: list[str]) -> None:
    reports.write(FAILING)
    reports.write(WELL)
    assert [row[0] for row in reports.table("--no-headers", *question)] == answer


def test_describe_and_explain_read_well(reports: Reports) -> None:
    reports.write(FAILING)
    described = reports.kubectl("describe", "fr", "-n", NAMESPACE, "job-train-llm-3f2a9c1b")
    assert 'container "main" used more than its memory limit of 4Gi' in described
    explained = reports.kubectl("explain", "fr.status.retry")
    assert "Whether a retry may succeed" in explained
    assert "NeedsChange" in explained


def test_a_report_stays_with_its_workload(reports: Reports) -> None:
    reports.write(FAILING)
    patch = json.dumps({"spec": {"workload": {"name": "other"}}})
    name = to_object(FAILING)["metadata"]["name"]
    with pytest.raises(KubectlError, match="kind, name and UID of the workload are immutable"):
        reports.kubectl("patch", "fr", "-n", NAMESPACE, name, "--type=merge", "-p", patch)


def test_a_workload_may_be_referred_to_by_another_api_version(reports: Reports) -> None:
    reports.write(FAILING)
    assert reports.write(in_namespace(FAILING, api_version="batch/v2"))["spec"]["workload"]["apiVersion"] == "batch/v2"


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"state": "Recovered"}, "a recovered workload has no current failure"),
        ({"failureID": None}, "a workload that is failing or has failed has a current failure"),
        ({"state": "Failed"}, "endedAt belongs to the states Failed and Deleted"),
        ({"endedAt": "2026-01-01T00:00:00Z"}, "endedAt belongs to the states Failed and Deleted"),
        ({"state": "Deleted"}, "deletedAt belongs to the state Deleted"),
        ({"deletedAt": "2026-01-01T00:00:00Z"}, "deletedAt belongs to the state Deleted"),
        ({"retry": "Perhaps"}, "Unsupported value"),
        ({"message": "x" * 1025}, "Too long"),
        ({"failures": -1}, "should be greater than or equal to 0"),
    ],
)
def test_a_status_that_makes_no_sense_is_refused(reports: Reports, change: dict[str, Any], answer: str) -> None:
    reports.write(FAILING)
    with pytest.raises(KubectlError, match=answer):
        status = {**to_status(FAILING), **change}
        reports.write_status(FAILING, {name: value for name, value in status.items() if value is not None})


def test_the_largest_report_is_accepted(reports: Reports) -> None:
    """20,000 failing containers, every text at its limit."""
    loud: dict[str, Any] = {"message": "💥" * 2000, "reason": "r" * 999, "hint": "h" * 5000}
    seen = [ended(f"pod-{i}", number=2**31 - 1, when=i % 900, **loud) for i in range(20_500)]
    report = in_namespace(fold(Report(FAILING.workload), seen), name="huge")
    stored = reports.write(report)
    assert stored["status"]["failures"] == 20_000 * (2**31 - 1)
    assert stored["status"]["lowerBound"] is True
    assert from_object(stored) == report
    reports.kubectl("delete", "fr", "-n", NAMESPACE, stored["metadata"]["name"])


def test_the_served_schema_has_every_field_that_is_written(reports: Reports) -> None:
    served = json.loads(reports.kubectl("get", "crd", "failurereports.coroner.dev", "-o", "json"))
    assert missing_fields(served, written_fields()) == {}


async def test_a_report_that_somebody_made_under_the_name_of_another_workloads_does_not_block(
    reports: Reports, api_server: Server
) -> None:
    """Kind, name and UID are immutable, so the API server refuses ours while that one exists."""
    report = in_namespace(FAILING, name="squatted")
    forged = in_namespace(FAILING, name="squatted", uid=report.workload.uid[:8] + "-forged")
    reports.write(forged)
    async with Client(await load_configuration(api_server.kubeconfig), "coroner-tests") as client:
        store = ApiReportStore(client, (NAMESPACE,))
        assert await store.apply(report, None) is WRITE_CONFLICT
        assert await store.get(report.workload) is None  # deletes it
        written = await store.apply(report, None)
        assert isinstance(written, Stored)
        assert written == await store.get(report.workload)
