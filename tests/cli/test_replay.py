"""``coroner replay``: what an edit of the rules changes over recorded failures."""

import json
from pathlib import Path
from typing import Any

import pytest

import coroner_categorizer as cc
from coroner_operator.cli.workbench.recordings import RecordedReport, agrees, rebuilt
from coroner_operator.model.failure_record import truncated
from tests.cli.builders import list_of, pod
from tests.cli.conftest import Coroner
from tests.cli.few_pages import FewPages, kubeconfig
from tests.support.default_pack import CATEGORIZER

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pods"
HEAD = "kind: Categorizer\nextends: default\ncategories:\n- name: site\n  rules:\n"
EDIT = HEAD + "  - {onExitCodes: {operator: In, values: [3]}, subcategory: licence, retry: MayRecover}\n"
SAME = "kind: Categorizer\nextends: default\n"

RECORDED = {
    "a2-exit3-fallback-logs": 37,  # the only one that ends with exit code 3
    "a1-exit1-termination-log": 120,
    "a4-python-traceback": 93,
    "b1-oom-main": 150,
    "e3-invalid-image-name": 60,
    "j1-unschedulable-cpu": 40,
}
"""How often each recorded failure occurs: 500 failures."""


@pytest.fixture
def edit(tmp_path: Path) -> Path:
    path = tmp_path / "edit.yaml"
    path.write_text(EDIT)
    return path


def recorded(name: str, number: int) -> list[dict[str, Any]]:
    """The objects of a fixture as those of another pod."""
    items: list[dict[str, Any]] = json.loads((FIXTURES / f"{name}.json").read_text())["items"]
    uid = items[0]["metadata"]["uid"] = f"{name}-{number}"
    items[0]["metadata"]["name"] += f"-{number}"
    for event in items[1:]:
        event["involvedObject"] |= {"uid": uid, "name": items[0]["metadata"]["name"]}
        event["metadata"] |= {"uid": "", "name": f"{event['metadata'].get('name')}-{number}"}
    return items


@pytest.fixture(scope="module")
def failures() -> list[dict[str, Any]]:
    return [item for name, count in RECORDED.items() for number in range(count) for item in recorded(name, number)]


def ends_with(item: dict[str, Any], code: int) -> bool:
    """By the plain JSON of a pod."""
    statuses = item.get("status", {}).get("containerStatuses", []) if item["kind"] == "Pod" else []
    return any(each["state"].get("terminated", {}).get("exitCode") == code for each in statuses)


FIVE_HUNDRED = """\
relabels 37 of 500 recorded failures
0 keep category and subcategory but change otherwise, 463 do not change

CATEGORY OR SUBCATEGORY
  37  user-code/error-exit → site/licence
        proof/a2-exit3-fallback-logs-0, proof/a2-exit3-fallback-logs-1, proof/a2-exit3-fallback-logs-2 and 34 more
"""


def test_an_edit_relabels_37_of_500(coroner: Coroner, edit: Path, failures: list[dict[str, Any]]) -> None:
    assert sum(item["kind"] == "Pod" for item in failures) == 500
    assert sum(ends_with(item, 3) for item in failures) == 37
    text = json.dumps(list_of(*failures))
    assert coroner("replay", edit, "--from", "-", stdin=text) == (0, FIVE_HUNDRED, "")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Failures with exit codes 3, 3 and 4, an OOM kill, and a healthy pod."""
    path = tmp_path / "pods.json"
    pods = [pod("a", exit_code=3), pod("b", exit_code=3), pod("c", exit_code=4), pod("well")]
    path.write_text(json.dumps(list_of(*pods, pod("d", exit_code=137, reason="OOMKilled"))))
    return path


def test_what_changes_fails_a_pull_request(coroner: Coroner, tmp_path: Path, edit: Path, few: Path) -> None:
    same = tmp_path / "same.yaml"
    same.write_text(SAME)
    changed = coroner("replay", edit, "--from", few, "--fail-on-change")
    assert (changed.exit_code, changed.stdout.splitlines()[0]) == (1, "relabels 2 of 4 recorded failures")
    for rules, base in ((same, None), (edit, edit)):
        unchanged = coroner("replay", rules, *(("--base", base) if base else ()), "--from", few, "--fail-on-change")
        assert unchanged.exit_code == 0
        assert unchanged.stdout.startswith(
            "relabels 0 of 4 recorded failures\n0 keep category and subcategory but change otherwise, 4"
        )


def test_other_differences_are_shown_apart(coroner: Coroner, tmp_path: Path, edit: Path, few: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(EDIT.replace("MayRecover", "NeedsChange"))
    ran = coroner("replay", other, "--base", edit, "--from", few)
    assert ran.stdout == (
        "relabels 0 of 4 recorded failures\n2 keep category and subcategory but change otherwise, 2 do not change\n\n"
        "OTHER CHANGES\n  2  site/licence: retry MayRecover → NeedsChange\n       ml/a, ml/b\n"
    )
    other.write_text(EDIT.replace("MayRecover", "MayRecover, hint: Wait for a licence"))
    assert "site/licence: another message or hint\n" in coroner("replay", other, "--base", edit, "--from", few).stdout


def test_what_loses_its_verdict_is_a_change(coroner: Coroner, tmp_path: Path, few: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("categories: [{name: memory, rules: [{onConditions: [OOMKilled]}]}]")
    answer = json.loads(coroner("replay", own, "--from", few, "-o", "json").stdout)
    assert (answer["failures"], answer["recategorized"]) == (4, 4)
    assert answer["changes"] == [
        {
            "field": "name",
            "old": "user-code/error-exit",
            "new": "(no rule matches)",
            "count": 3,
            "examples": ["ml/a", "ml/b", "ml/c"],
        },
        {"field": "name", "old": "resources/oom-killed", "new": "memory", "count": 1, "examples": ["ml/d"]},
    ]


def status_of(verdict: cc.Verdict, subject: dict[str, Any]) -> dict[str, Any]:
    """What a report keeps of a failure: the fields that report_codec writes."""
    kept = truncated(verdict)
    fields: dict[str, Any] = {
        "category": kept.category,
        "subcategory": kept.subcategory,
        "reason": kept.reason,
        "container": kept.container,
        "exitCode": kept.exit_code,
        "terminationMessage": kept.termination_message,
        "evidence": [{"source": each.source, "text": each.text} for each in kept.evidence],
        "pod": {"name": subject["metadata"]["name"], "uid": subject["metadata"]["uid"]},
    }
    if node := subject.get("spec", {}).get("nodeName"):
        fields["pod"]["node"] = node
    return {name: value for name, value in fields.items() if value not in (None, "")}


def report(name: str, status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ml"}
    return {"apiVersion": "coroner.dev/v1alpha1", "kind": "FailureReport", "metadata": metadata, "status": status}


def test_of_a_report_what_can_be_replayed_gets_the_answer_of_its_pod() -> None:
    """Over every third recorded pod: rebuilt from its report, it gets the name of the verdict that the pod itself gets."""
    edited = cc.load(EDIT)
    total = replayed = recategorized = 0
    for file in sorted(FIXTURES.glob("*.json"))[::3]:
        subject, *events = json.loads(file.read_text())["items"]
        verdict = CATEGORIZER.classify(subject, events) if subject["kind"] == "Pod" else None
        if verdict is None:
            continue
        total += 1
        kept = RecordedReport("ml", file.stem, status_of(verdict, subject))
        again, its_events = rebuilt(kept)
        if agrees(kept, CATEGORIZER.classify_pod(again, its_events).verdict):
            replayed += 1
            after = edited.classify_pod(again, its_events).verdict
            expected = edited.classify(subject, events)
            assert after is not None and expected is not None, file.stem
            assert after.name == expected.name, file.stem
            recategorized += after.name == "site/licence"
    assert replayed >= 0.9 * total
    assert recategorized > 0


def test_what_cannot_be_replayed_is_counted(coroner: Coroner, tmp_path: Path, edit: Path) -> None:
    ended = {"category": "user-code", "subcategory": "error-exit", "container": "main", "exitCode": 3}
    items = [
        report("replayed", {**ended, "failureID": "1", "history": [{"failureID": "1"}, {"failureID": "2"}]}),
        report("cut", {**ended, "terminationMessage": "disk [redacted:password] …"}),
        report("too-little", {"category": "resources", "subcategory": "oom-suspected"}),
        report("recovered", {"state": "Recovered", "history": [{"failureID": "3"}, {"failureID": "4"}]}),
    ]
    ran = coroner("replay", edit, "--from", "-", stdin=json.dumps(list_of(*items)))
    assert ran.stdout == (
        "relabels 2 of 2 recorded failures, 2 of them from reports\n"
        "0 keep category and subcategory but change otherwise, 0 do not change\n\n"
        "CATEGORY OR SUBCATEGORY\n  2  user-code/error-exit → site/licence\n       ml/replayed, ml/cut\n\n"
        "NOT REPLAYED\n"
        "  1  reports from which --base does not get their own verdict: what they keep is not enough\n"
        "  3  older failures in the history of reports, of which no evidence is kept\n"
        "  1  reports without a current failure\n\n"
        "1 of the failures from reports have texts that were redacted or cut: "
        "a new pattern may not find what it would have found in the pod.\n"
    )


def test_a_pod_and_its_report_are_one_failure(coroner: Coroner, edit: Path) -> None:
    failed = pod("train", exit_code=3)
    kept = report("train", {"category": "user-code", "subcategory": "error-exit", "pod": {"uid": "uid-train"}})
    ran = coroner("replay", edit, "--from", "-", stdin=json.dumps(list_of(failed, kept)))
    assert ran.stdout.startswith("relabels 1 of 1 recorded failure\n")


def test_the_failures_of_a_cluster(coroner: Coroner, edit: Path, tmp_path: Path, api: FewPages) -> None:
    config = kubeconfig(tmp_path / "kubeconfig", api.address)
    api.lists["/api/v1/pods"] = [pod("a", exit_code=3), pod("b", exit_code=4), pod("c", exit_code=3)]
    kept = {"category": "user-code", "subcategory": "error-exit", "container": "main", "exitCode": 3}
    api.lists["/apis/coroner.dev/v1alpha1/failurereports"] = [report("gone", kept)]
    api.lists["/api/v1/events"] = []
    ran = coroner("replay", edit, "--from", "cluster", "--kubeconfig", config)
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.startswith("relabels 3 of 4 recorded failures, 1 of them from reports\n")
    assert "cluster: replayed without jobs (404): " in ran.stderr
    assert "events" not in ran.stderr


def test_it_says_what_is_missing(coroner: Coroner, edit: Path) -> None:
    missing = "coroner replay: Missing option '--from'; see \"coroner replay --help\"\n"
    assert coroner("replay", edit) == (2, "", missing)
    absent = coroner("replay", edit, "--from", "absent.json")
    assert (absent.exit_code, absent.stderr.splitlines()) == (2, [absent.stderr.rstrip("\n")])
