"""``coroner why`` and ``coroner top``: from reports, and where there is none from the objects."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml
from rich.console import Console

from coroner_operator.cli.connection import ConnectionOptions, missing_right
from coroner_operator.cli.reports.plain_reports import reports_as_json, reports_as_yaml
from coroner_operator.cli.reports.report_reader import is_called, resource_name
from coroner_operator.cli.reports.report_text import print_report
from coroner_operator.cli.reports.selection import FAILING_STATES, Selection
from coroner_operator.cli.reports.table import print_reports
from coroner_operator.cli.reports.top import count
from coroner_operator.kube.errors import Forbidden
from coroner_operator.model import sample_reports
from coroner_operator.model.report import Report, State
from coroner_operator.model.report_codec import to_object, to_status
from coroner_operator.model.workload_ref import WorkloadRef
from tests.cli.builders import pod
from tests.cli.conftest import Coroner, Ran
from tests.cli.few_pages import FewPages, kubeconfig

REPORTS = "/apis/coroner.dev/v1alpha1/namespaces/ml/failurereports"
EVENTS = "/api/v1/namespaces/ml/events"
PODS = "/api/v1/namespaces/ml/pods"
NOW = datetime(2026, 1, 1, 6, tzinfo=UTC)
CANNOT = (
    'failurereports.coroner.dev is forbidden: User "jane" cannot list resource "failurereports" in API group '
    '"coroner.dev" in the namespace "ml"'
)

CANNOT_EVENTS = 'events is forbidden: User "jane" cannot list resource "events" in API group "" in the namespace "ml"'

ANY = Selection(None, False, "", "", None, FAILING_STATES, ConnectionOptions(None, None))

Why = Callable[..., Ran]


def about(report: Report, name: str, kind: str = "Job", **changes: Any) -> Report:
    """The same about another workload of the namespace ``ml``."""
    api_version = {"Job": "batch/v1", "Pod": "v1", "Deployment": "apps/v1"}.get(kind, "jobset.x-k8s.io/v1alpha2")
    ref = WorkloadRef(api_version, kind, "ml", name, f"uid-{name}")
    return msgspec.structs.replace(report, workload=ref, **changes)


def stored(*reports: Report) -> list[dict[str, Any]]:
    return [{**to_object(report), "status": to_status(report)} for report in reports]


@pytest.fixture
def why(coroner: Coroner, api: FewPages, tmp_path: Path) -> Why:
    config = kubeconfig(tmp_path / "kubeconfig", api.address)
    return lambda command, *arguments: coroner(command, "--kubeconfig", config, *arguments)


def test_the_report_is_read_where_pods_and_workload_are_gone(why: Why, api: FewPages) -> None:
    api.lists[REPORTS] = stored(about(sample_reports.deleted(), "gone"))
    ran = why("why", "job/gone")
    assert ran.exit_code == 1
    assert ran.stdout.startswith("Job ml/gone  resources/oom-killed\n")
    assert "Deleted: the Job does not exist any more, as found at 2026-01-01T05:00:00Z" in ran.stdout
    assert ran.stderr == ""
    assert api.asked == [f"{REPORTS}?limit=50&labelSelector=coroner.dev%2Fworkload-name%3Dgone"]


@pytest.mark.parametrize("body", ["null", "[]", "3", '"text"', "{", '{"metadata": null}', '{"metadata": {"name": 3}}'])
def test_a_report_that_is_none_is_one_line(why: Why, api: FewPages, body: str) -> None:
    api.answers[f"{REPORTS}/x"] = body.encode()
    ran = why("why", "fr/x")
    assert ran.exit_code == 2
    first, *_ = ran.stderr.splitlines()
    assert first.startswith("failurereport x: left out: ")


def test_a_pod_that_is_gone_is_found_in_the_report_that_names_it(why: Why, api: FewPages) -> None:
    api.lists[REPORTS] = stored(about(sample_reports.failed(), "train"))
    ran = why("why", "train-llm-x7k2p")
    assert ran.stdout.startswith("Job ml/train  resources/oom-killed\n")
    named = api.lists[REPORTS][0]["metadata"]["name"]
    api.answers[f"{REPORTS}/{named}"] = api.lists[REPORTS][0]
    assert why("why", f"fr/{named}").stdout.startswith("Job ml/train  resources/oom-killed\n")
    assert why("why", "fr/other").stderr.startswith('fr/other: no FailureReport called "other" in namespace ml')


def test_without_a_report_the_pod_is_classified_on_the_spot(why: Why, api: FewPages) -> None:
    api.lists |= {REPORTS: [], EVENTS: []}
    api.answers[f"{PODS}/broken"] = pod("broken", exit_code=3)
    ran = why("why", "broken")
    assert (ran.exit_code, ran.stderr) == (1, "broken: no FailureReport; classified now\n")
    assert ran.stdout.startswith("Pod ml/broken  user-code/error-exit\n")
    (report,) = why("why", "-o", "json", "broken").answers["items"]
    assert (report["kind"], report["status"]["failure"]) == ("FailureReport", "user-code/error-exit")


def test_the_missing_right_is_named(why: Why, api: FewPages) -> None:
    api.answers |= {REPORTS: 403, EVENTS: 403}
    api.refusals |= {REPORTS: CANNOT, EVENTS: CANNOT_EVENTS}
    api.answers[f"{PODS}/broken"] = pod("broken", exit_code=3)
    ran = why("why", "broken")
    lacking = "you lack the right to list failurereports.coroner.dev in namespace ml"
    assert ran.stderr.splitlines() == [
        "pod/broken: explained without events: you lack the right to list events in namespace ml",
        f"broken: {lacking}; classified now",
    ]
    assert why("top").stderr == f"coroner top: {lacking}\n"
    assert missing_right(Forbidden("no", 403, detail="no")) == ""
    pods = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope'
    assert missing_right(Forbidden(pods, 403, detail=pods)) == "list pods in all namespaces"


def test_without_the_operator_the_whole_namespace_is_classified(why: Why, api: FewPages) -> None:
    api.lists |= {PODS: [pod("broken", exit_code=3), pod("fine")], EVENTS: []}
    for path in ("apps/v1/namespaces/ml/deployments", "apps/v1/namespaces/ml/replicasets"):
        api.lists[f"/apis/{path}"] = []
    for path in ("apps/v1/namespaces/ml/statefulsets", "apps/v1/namespaces/ml/daemonsets"):
        api.lists[f"/apis/{path}"] = []
    for path in ("batch/v1/namespaces/ml/jobs", "batch/v1/namespaces/ml/cronjobs"):
        api.lists[f"/apis/{path}"] = []
    ran = why("why")
    assert (ran.exit_code, len(ran.stdout.splitlines())) == (1, 2)
    assert "Pod/broken" in ran.stdout
    assert "Coroner is not installed: the API server has no FailureReports; classified now" in ran.stderr


def test_what_fails_is_one_line_a_workload_the_newest_first(why: Why, api: FewPages) -> None:
    older = about(sample_reports.failing(), "older", last_seen=NOW - timedelta(hours=5))
    api.lists[REPORTS] = stored(
        older, about(sample_reports.failing(), "newer"), about(sample_reports.recovered(), "ok")
    )
    ran = why("why")
    head, *rows = ran.stdout.splitlines()
    assert head.split() == ["WORKLOAD", "STATE", "COUNT", "LAST", "FAILURE", "MESSAGE"]
    assert [row.split()[:3] for row in rows] == [["Job/newer", "Failing", "6+"], ["Job/older", "Failing", "6+"]]
    assert "resources/oom-killed" in rows[0]
    assert ran.exit_code == 1
    assert why("why", "--category", "platform", "--since", "1h").stderr == "Nothing matches in namespace ml.\n"


def test_reports_for_a_program_have_no_ledger() -> None:
    reports = [about(sample_reports.failing(), "a")]
    (item,) = json.loads(reports_as_json(reports))["items"]
    assert (item["kind"], item["spec"]["workload"]["display"]) == ("FailureReport", "Job/a")
    assert item["status"]["counts"]
    assert "ledger" not in item["status"]
    assert yaml.safe_load(reports_as_yaml(reports))["items"] == [item]
    assert resource_name(reports[0]) == f"failurereport.coroner.dev/{item['metadata']['name']}"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["new", "old"]),
        ({"category": "resources"}, ["new", "old"]),
        ({"category": "resources/oom-killed"}, ["new", "old"]),
        ({"category": "oom-killed"}, []),
        ({"newer_than": NOW - timedelta(hours=4)}, ["new"]),
        ({"states": ("Recovered",)}, ["well"]),
        ({"states": ("Recovered",), "category": "resources"}, []),
        ({"states": get_args(State)}, ["new", "well", "old"]),
    ],
)
def test_a_selection_is_decided_by_the_status(options: dict[str, Any], names: list[str]) -> None:
    old = about(sample_reports.failing(), "old", last_seen=NOW - timedelta(hours=5))
    reports = [old, about(sample_reports.recovered(), "well", last_seen=NOW - timedelta(hours=4, minutes=1))]
    reports.append(about(sample_reports.failing(), "new", last_seen=NOW))
    assert [report.workload.name for report in ANY._replace(**options).select(reports)] == names


def test_labels_narrow_what_the_server_sends() -> None:
    states = "coroner.dev/state in (Failing,Failed)"
    assert ANY.label_selector == states
    assert ANY._replace(states=get_args(State)).label_selector == ""
    narrowed = ANY._replace(labels="a=b", category="resources/oom-killed").label_selector
    assert narrowed == f"a=b,coroner.dev/category=resources,coroner.dev/subcategory=oom-killed,{states}"


def test_history_is_the_timeline() -> None:
    text = printed(lambda console: print_report(sample_reports.deleted(), console, NOW, history=True))
    history = text.partition("History\n")[2]
    words = [line.split()[1] for line in history.splitlines() if line.startswith("  2026")]
    assert words == ["failed", "recovered", "failed", "failed", "followed", "ended", "deleted"]
    assert history.count("failed first") == 1
    assert "02:00:00Z  failed first  " in history
    assert 'pod train-llm-x7k2p on gpu-17: container "main" used more than' in " ".join(history.split())


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_line_of_the_table_is_never_longer_than_the_terminal(width: int) -> None:
    reports = [about(sample_reports.failing(), "a"), about(sample_reports.failing(), "b" * 40)]
    show = lambda console: print_reports(reports, console, NOW, namespaces=True, wide=False)  # noqa: E731
    lines = printed(show, width=width, force_terminal=True, color_system=None).splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= width


def test_edited_reports_cannot_command_a_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jbad\u202eexe"
    report = about(sample_reports.failing(), "a")
    assert report.current is not None
    verdict = msgspec.structs.replace(report.current.verdict, message=evil, hint=evil, rule=evil, reason=evil)
    current = msgspec.structs.replace(report.current, verdict=verdict)
    report = msgspec.structs.replace(report, current=current, history=(current,))
    full = printed(lambda console: print_report(report, console, NOW, history=True))
    table = printed(lambda console: print_reports([report], console, NOW, namespaces=True, wide=True))
    assert "bad" in full and "bad" in table
    assert [c for c in full + table if not c.isprintable() and c != "\n"] == []


def test_top_counts_each_workload_once() -> None:
    reports = [about(sample_reports.failing(), "a"), about(sample_reports.recovered(), "b", "Deployment")]
    by_kind = {line.name: (line.workloads, line.failing, line.failures) for line in count(reports, "kind")}
    assert by_kind == {"Job": (1, 1, 6), "Deployment": (1, 0, 6)}
    by_cause = {line.name: (line.workloads, line.failing, line.failures) for line in count(reports, "subcategory")}
    assert by_cause["resources/oom-killed"][:2] == (2, 1)
    assert sum(failures for _, _, failures in by_cause.values()) == 12
    assert {line.name for line in count(reports, "node")} == {"gpu-17", "gpu-18"}


def test_top_prints_a_table(why: Why, api: FewPages) -> None:
    api.lists[REPORTS] = stored(about(sample_reports.failing(), "a"))
    header, row = why("top", "namespace").stdout.splitlines()
    assert header.split()[:4] == ["NAMESPACE", "WORKLOADS", "FAILING", "FAILURES"]
    assert row.split()[:4] == ["ml", "1", "1", "6"]
    answer = why("top", "category", "-o", "json").answers[0]
    assert {key: answer[key] for key in ("name", "workloads", "failing")} == {
        "name": "resources",
        "workloads": 1,
        "failing": 1,
    }


@pytest.mark.parametrize(
    ("word", "kind", "called"),
    [
        ("job", "Job", True),
        ("jobs.batch", "Job", True),
        ("deploy", "Deployment", True),
        ("job", "Deployment", False),
        ("jobset", "JobSet", True),
        ("jobsets.jobset.x-k8s.io", "JobSet", True),
        ("jobsets.example.com", "JobSet", False),
        ("job", "JobSet", False),
    ],
)
def test_a_kind_is_known_by_its_names(word: str, kind: str, called: bool) -> None:
    assert is_called(word, about(sample_reports.failing(), "x", kind).workload) is called


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["job/a/b"], "not of the form KIND/NAME"),
        (["--history"], "--history needs a name"),
        (["job/a", "-A"], "a name is in one namespace"),
        (["job/a", "-w"], "--watch shows a whole namespace"),
        (["-w", "-o", "json"], "--watch cannot print json"),
        (["-A", "-n", "ml"], "-A and -n exclude each other"),
        (["--since", "soon"], "'soon' is not a duration"),
    ],
)
def test_bad_usage_is_one_line(why: Why, arguments: list[str], fault: str) -> None:
    ran = why("why", *arguments)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert fault in ran.stderr


UNREADABLE: list[dict[str, Any]] = [{"state": "X"}, {"history": [3]}]


def unreadable(report: Report, **status: Any) -> dict[str, Any]:
    """A report that somebody has edited."""
    (found,) = stored(report)
    return {**found, "status": {**found["status"], **status}}


@pytest.mark.parametrize("status", UNREADABLE)
@pytest.mark.parametrize(
    "arguments", [["why"], ["why", "-o", "json"], ["why", "-o", "name"], ["top"], ["top", "-o", "json"]]
)
def test_a_report_that_cannot_be_read_is_no_success(
    why: Why, api: FewPages, arguments: list[str], status: dict[str, Any]
) -> None:
    api.lists[REPORTS] = [unreadable(about(sample_reports.failing(), "a"), **status)]
    ran = why(*arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    left_out, summary = ran.stderr.splitlines()
    assert ": left out: " in left_out
    assert summary == f"coroner {arguments[0]}: 1 report could not be read"


def test_what_can_be_read_is_shown_beside_a_report_that_cannot(why: Why, api: FewPages) -> None:
    broken = unreadable(about(sample_reports.failing(), "a"), state="X")
    api.lists[REPORTS] = [broken, *stored(about(sample_reports.failing(), "b"))]
    listed, counted = why("why"), why("top", "kind", "-o", "json")
    assert listed.exit_code == 1  # that something has failed is certain
    assert "Job/b" in listed.stdout
    assert (counted.exit_code, len(counted.answers)) == (2, 1)  # the count is not
    assert all("1 report could not be read" in ran.stderr for ran in (listed, counted))
    api.lists[REPORTS] = [broken, *stored(about(sample_reports.recovered(), "b"))]
    assert why("why", "--state", "recovered").exit_code == 2
    api.lists[REPORTS] = stored(about(sample_reports.recovered(), "b"))
    assert why("why", "--state", "recovered").exit_code == 0


def test_a_pod_that_runs_well_has_failed_before_if_its_report_cannot_be_read(why: Why, api: FewPages) -> None:
    named = about(sample_reports.failing(), "broken", "Pod")
    api.lists |= {REPORTS: [unreadable(named, state="X")], EVENTS: []}
    api.answers[f"{PODS}/broken"] = pod("broken")
    ran = why("why", "broken")
    assert (ran.exit_code, "broken: 1 report could not be read; classified now\n" in ran.stderr) == (2, True)
    api.lists[REPORTS] = [unreadable(about(sample_reports.failing(), "other", "Pod"), state="X")]
    api.answers[f"{PODS}/fine"] = pod("fine")
    assert why("why", "fine").exit_code == 0  # a report that does not name it


@pytest.mark.parametrize(
    ("answer", "obstacle"),
    [
        (403, "you lack the right to list failurereports.coroner.dev in namespace ml"),
        (404, "Coroner is not installed: the API server has no FailureReports"),
    ],
)
def test_what_is_deleted_may_have_a_report_that_cannot_be_read(
    why: Why, api: FewPages, answer: int, obstacle: str
) -> None:
    api.answers[REPORTS] = answer
    api.refusals[REPORTS] = CANNOT
    ran = why("why", "x")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert 'no Pod called "x" in namespace ml' in ran.stderr
    assert obstacle in ran.stderr
    del api.answers[REPORTS]
    api.lists[REPORTS] = []
    assert "report" not in why("why", "x").stderr.lower()


@pytest.mark.parametrize("category", ["x/y/z", "/", "resources/", "/oom-killed", "a b,c=d", "a=b", "-a", "a" * 64])
def test_a_category_that_cannot_be_is_bad_usage(why: Why, api: FewPages, category: str) -> None:
    for command in ("why", "top"):
        ran = why(command, f"--category={category}")
        assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
        assert "cannot be a category; write CATEGORY or CATEGORY/SUBCATEGORY" in ran.stderr
    assert api.asked == []


@pytest.mark.parametrize("category", ["resources", "user-code/error-exit", "My_team.a", "a" * 63])
def test_a_category_is_one_or_two_label_values(why: Why, api: FewPages, category: str) -> None:
    api.lists[REPORTS] = []
    assert why("why", "--category", category).stderr == "Nothing matches in namespace ml.\n"


def test_a_custom_kind_is_found_by_its_short_name(why: Why, api: FewPages) -> None:
    api.lists[REPORTS] = stored(about(sample_reports.failing(), "x", "JobSet"))
    api.answers["/apis"] = discovered("JobSet", "jobsets", "js")
    assert why("why", "js/x").stdout.startswith("JobSet ml/x  resources/oom-killed\n")
    ran = why("why", "other/x")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert 'no kind called "other" in the cluster' in ran.stderr
    api.answers["/apis"] = discovered("Jumble", "jumbles", "js")  # of another kind
    assert why("why", "js/x").stdout == ""


def discovered(kind: str, plural: str, short_name: str) -> dict[str, Any]:
    """An aggregated discovery answer with one custom kind."""
    resource = {"resource": plural, "scope": "Namespaced", "responseKind": {"kind": kind}, "shortNames": [short_name]}
    versions = [{"version": "v1alpha2", "resources": [resource]}]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "items": [{"metadata": {"name": "jobset.x-k8s.io"}, "versions": versions}],
    }


OF_JOB = [{"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "uid-train", "controller": True}]


@pytest.mark.parametrize(
    ("references", "workload", "note"),
    [
        (OF_JOB, "Job/train", ", as a pod of Job/train"),
        ([], "Pod/broken", ""),
        ([{**OF_JOB[0], "controller": False}], "Pod/broken", ""),  # garbage collection only
        ([{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n1", "controller": True}], "Pod/broken", ""),
    ],
)
def test_a_single_pod_is_shown_as_its_workload(
    why: Why, api: FewPages, references: list[dict[str, Any]], workload: str, note: str
) -> None:
    api.lists |= {REPORTS: [], EVENTS: []}
    api.answers[f"{PODS}/broken"] = pod("broken", exit_code=3, ownerReferences=references)
    ran = why("why", "-o", "json", "broken")
    assert ran.stderr == f"broken: no FailureReport; classified now{note}\n"
    assert [item["spec"]["workload"]["display"] for item in ran.answers["items"]] == [workload]


def printed(show: Callable[[Console], None], *, width: int = 80, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, **options)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
