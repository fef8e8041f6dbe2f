"""What `kubectl get failurereports` prints: the same from our embedded API server as from a real one."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from coroner_operator.model import sample_reports
from coroner_operator.model.report import Report
from coroner_operator.model.report_codec import to_object, to_status
from tests.apiserver_conformance.client import Api
from tests.apiserver_conformance.conftest import CRDS
from tests.report_model.schemas import CRD

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
AGE = re.compile(r"\d+[smhdy](\d+[smhd])?")
COLUMNS: dict[str, Any] = {column["name"]: column for column in CRD["spec"]["versions"][0]["additionalPrinterColumns"]}


@pytest.fixture
async def reports(api: Api, namespace: str) -> str:
    """The path of the FailureReports of the test's namespace, which has a failing and a recovered one."""
    await api.apply(f"{CRDS}/{CRD['metadata']['name']}", CRD, force="true")
    path = f"/apis/coroner.dev/v1alpha1/namespaces/{namespace}/failurereports"
    await api.until(path, lambda answer: answer.status == 200)
    for report in (
        _report(sample_reports.failing(), namespace, "a"),
        _report(sample_reports.recovered(), namespace, "b"),
    ):
        obj = to_object(report)
        at = f"{path}/{obj['metadata']['name']}"
        assert (await api.apply(at, obj)).status == 201
        metadata = {"name": obj["metadata"]["name"]}
        body = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "status": to_status(report)}
        assert (await api.apply(f"{at}/status", body)).status == 200
    return path


def _report(report: Report, namespace: str, name: str) -> Report:
    workload = msgspec.structs.replace(report.workload, namespace=namespace, name=name)
    return msgspec.structs.replace(report, workload=workload)


async def test_a_line_says_what_fails_and_by_what(api: Api, reports: str) -> None:
    table = (await api.get(reports, accept=TABLE)).body
    columns = {column["name"]: column for column in table["columnDefinitions"]}
    assert [name for name, column in columns.items() if not column["priority"]] == [
        "Name", "State", "Failure", "Failures", "Last Seen", "Age",
    ]  # fmt: skip
    wide = [name for name, column in columns.items() if column["priority"]]
    assert wide == ["Workload", "Retry", "Node", "Message", "Hint"]
    for name, column in COLUMNS.items():
        assert {key: columns[name][key] for key in ("type", "description")} == {
            key: column[key] for key in ("type", "description")
        }
    failing, recovered = (dict(zip(columns, row["cells"], strict=True)) for row in table["rows"])
    verdict = sample_reports.failing().current
    assert verdict is not None
    for row in (failing, recovered):
        assert AGE.fullmatch(row.pop("Age"))
        assert AGE.fullmatch(row.pop("Last Seen"))
    assert failing == {
        "Name": "job-a-3f2a9c1b",
        "State": "Failing",
        "Failure": "resources/oom-killed",
        "Failures": 6,
        "Workload": "Job/a",
        "Retry": "NeedsChange",
        "Node": "gpu-17",
        "Message": f"pod train-llm-x7k2p failed first ({verdict.verdict.message}); 1 other pod ended because of it",
        "Hint": verdict.verdict.hint,
    }
    empty = dict.fromkeys(("Failure", "Retry", "Node", "Message", "Hint"))
    assert recovered == {"Name": "job-b-3f2a9c1b", "State": "Recovered", "Failures": 6, "Workload": "Job/b", **empty}


@pytest.mark.parametrize(
    "selector",
    [
        "spec.workload.name=a",
        "spec.workload.kind=Job,status.state=Failing",
        "spec.workload.uid=3f2a9c1b-7d0e-4a52-9b1c-0f6f3d2e8a47,status.category=resources",
        "status.subcategory=oom-killed",
        "status.retry=NeedsChange",
    ],
)
async def test_reports_are_selected_by_field(api: Api, reports: str, selector: str) -> None:
    found = (await api.get(reports, fieldSelector=selector)).body["items"]
    assert [report["spec"]["workload"]["name"] for report in found] == ["a"]
