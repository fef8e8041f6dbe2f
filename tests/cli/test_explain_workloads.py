"""Several pods of one workload: which of them failed first, in what real controllers left behind."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.builders import list_of, pod, refused_to_create
from tests.cli.conftest import Coroner
from tests.support.pods import Json

FOLDER = Path(__file__).parents[1] / "fixtures" / "workloads"

CASES: list[tuple[str, str, str, str | None, str | None, int]] = [
    # file, workload, state, failure, the pod that failed first, how many ended because of it
    ("gang-jobset-cuda", "JobSet/sim", "Failing", "accelerator/device-error", "sim-workers-0-0-k8d2s", 1),
    ("gang-pytorchjob-oom", "PyTorchJob/llm", "Failing", "resources/oom-killed", "llm-worker-0", 2),
    ("pytorchjob-succeeded-cleanup", "PyTorchJob/tune", "", None, None, 0),
    ("recorded-jobset", "JobSet/oom", "Failed", "resources/oom-killed", "oom-workers-0-1-lqqlh", 2),
    ("recorded-jobset", "JobSet/exit3", "Failed", "user-code/error-exit", "exit3-driver-0-0-4924f", 2),
    ("recorded-jobset", "JobSet/flaky", "Recovered", None, None, 0),
    ("recorded-argo", "Workflow/oom", "Failed", "resources/oom-killed", "oom-hog-4118078874", 0),
    ("recorded-argo", "Workflow/exit3", "Failed", "user-code/error-exit", "exit3-main-2932831292", 0),
    ("recorded-argo", "Workflow/flaky", "Recovered", None, None, 0),
    # preempted, and resumed since
    ("recorded-kueue", "Job/low", "Recovered", None, None, 0),
    # its leader's pods and their workers; the groups that its controller deleted have been made again
    ("recorded-lws", "LeaderWorkerSet/oom", "Recovered", None, None, 0),
    ("recorded-lws", "LeaderWorkerSet/exit3", "Failing", "user-code/error-exit", "exit3-0-1", 0),
    ("recorded-lws", "LeaderWorkerSet/image", "Failing", "platform/registry-unavailable", "image-0-1", 0),
    ("recorded-lws", "LeaderWorkerSet/ok", "", None, None, 0),
    # a pod of the old revision was removed, and ended with 137
    ("recorded-rollouts", "Rollout/oom", "Failing", "resources/oom-killed", "oom-595b9b8959-tjzrs", 0),
    ("recorded-tekton", "PipelineRun/pipe", "Failed", "user-code/error-exit", "pipe-bad-pod", 0),
    ("recorded-tekton", "TaskRun/flaky", "Recovered", None, None, 0),
]

SINGLE = {
    "recorded-jobset": {"image-workers-0-0-zgmbt": "platform/registry-unavailable", "ok-workers-0-0-6r9mz": None},
    "recorded-argo": {"image": "resources/deadline-exceeded", "deadline": "resources/deadline-exceeded", "ok": None},
    "recorded-kueue": {"lowpod": "disruption/preempted", "high-t9q9k": "user-code/error-exit"},
    "recorded-rollouts": {
        "exit3-f9886774-g2gwh": "user-code/error-exit",
        "image-5699f69f88-8m6fx": "platform/registry-unavailable",
    },
    "recorded-tekton": {
        "oom-pod": "resources/oom-killed",
        "exit3-pod": "user-code/error-exit",
        "image-pod": "cancelled/deleted",
        "ok-pod": None,
        "timeout-pod": "cancelled/deleted",
    },
}
"""Pods that are alone in their workload."""


def recorded(name: str) -> Path:
    return FOLDER / f"{name}.json"


def items(name: str) -> list[Json]:
    found: list[Json] = json.loads(recorded(name).read_text("utf-8"))["items"]
    return found


def workloads(answers: list[Json]) -> dict[str, Json]:
    """By kind and name."""
    return {f"{w['kind']}/{w['name']}": w for answer in answers if (w := answer.get("workload"))}


@pytest.mark.parametrize(("name", "workload", "state", "failure", "initiator", "followers"), CASES)
def test_the_pod_that_failed_first_is_named(
    coroner: Coroner, name: str, workload: str, state: str, failure: str | None, initiator: str | None, followers: int
) -> None:
    about = workloads(coroner("explain", "-o", "json", recorded(name)).answers)[workload]
    assert about.get("state", "") == state
    assert (f"{about['category']}/{about['subcategory']}" if "category" in about else None) == failure
    assert about.get("initiator", {}).get("pod") == initiator
    assert about.get("followers", {}).get("pods", 0) == followers
    if followers:
        others = "1 other pod" if followers == 1 else f"{followers} other pods"
        assert about["message"].startswith(f"pod {initiator} failed first (")
        assert about["message"].endswith(f"); {others} ended because of it")


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_every_workload_with_several_pods_is_in_the_table(coroner: Coroner, name: str) -> None:
    answers = coroner("explain", "-o", "json", recorded(name)).answers
    assert set(workloads(answers)) == {workload for file, workload, *_ in CASES if file == name}
    single = {
        answer["object"]["name"]: (v := answer["verdict"]) and f"{v['category']}/{v['subcategory']}"
        for answer in answers
        if "workload" not in answer
    }
    assert single == SINGLE.get(name, {})


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_the_order_of_the_input_does_not_matter(coroner: Coroner, tmp_path: Path, name: str) -> None:
    expected = workloads(coroner("explain", "-o", "json", recorded(name)).answers)
    shuffled = items(name)
    for seed in range(3):
        random.Random(seed).shuffle(shuffled)
        (tmp_path / "shuffled.json").write_text(json.dumps(list_of(*shuffled)))
        assert workloads(coroner("explain", "-o", "json", tmp_path / "shuffled.json").answers) == expected


def test_the_retry_outlook_is_that_of_the_pod_that_failed_first(coroner: Coroner) -> None:
    answers = coroner("explain", "-o", "json", recorded("gang-pytorchjob-oom")).answers
    assert [answer["verdict"]["retry"] for answer in answers] == ["MayRecover", "NeedsChange", "MayRecover"]
    assert {answer["workload"]["retry"] for answer in answers} == {"NeedsChange"}
    assert answers[0]["workload"]["initiator"] == {
        **{"pod": "llm-worker-0", "index": 0, "node": "gpu-node-3"},
        "at": "2026-05-01T08:30:00Z",
    }


def test_the_form_for_programs_is_the_same_as_before_and_one_field_more(coroner: Coroner) -> None:
    """Each pod in the order of the input, with its own verdict; the exit status is that of the pods."""
    ran = coroner("explain", "-o", "json", recorded("gang-pytorchjob-oom"))
    assert ran.names == [item["metadata"]["name"] for item in items("gang-pytorchjob-oom")]
    assert {tuple(answer) for answer in ran.answers} == {("object", "verdict", "workload")}
    assert ran.exit_code == 1
    fine = coroner("explain", "-o", "json", recorded("pytorchjob-succeeded-cleanup"))
    assert [answer["workload"] for answer in fine.answers] == 2 * [
        {"kind": "PyTorchJob", "namespace": "ml", "name": "tune", "pods": 2, "failing": 0}
    ]
    assert fine.exit_code == 0
    assert yaml.safe_load(coroner("explain", "-o", "yaml", recorded("gang-pytorchjob-oom")).stdout) == ran.answers


def test_a_person_reads_the_workload_first_and_then_its_pods_in_the_order_of_time(coroner: Coroner) -> None:
    page = coroner("explain", recorded("gang-pytorchjob-oom")).stdout
    assert page.startswith(
        """\
PyTorchJob ml/llm  resources/oom-killed
  pod llm-worker-0 failed first (container "pytorch" used more than its memory limit of 64Gi and was
  killed (exit code 137)); 2 other pods ended because of it
  Failed first  llm-worker-0 (index 0, node gpu-node-3) at 2026-05-01T08:30:00Z
  What to do    Raise resources.limits.memory of "pytorch" above 64Gi, or make the program use less
                (smaller batches, fewer workers).
  Retry         NeedsChange: a retry fails again until something changes
  Pods          3 of 3 with a failure, in the order of time:

Pod ml/llm-worker-0  resources/oom-killed
"""
    )
    pods = [line.split()[1] for line in page.splitlines() if line.startswith("Pod ")]
    assert pods == ["ml/llm-worker-0", "ml/llm-master-0", "ml/llm-worker-1"]
    assert page.endswith("3 of 3 failing\n")
    followers = page[page.index("Pod ml/llm-master-0") :]
    assert "What to do" not in followers, "what to do about it stands at the workload"
    assert "MayRecover" not in followers


def test_what_has_succeeded_or_recovered_says_so(coroner: Coroner) -> None:
    page = coroner("explain", recorded("recorded-jobset")).stdout
    assert (
        """
JobSet ctl-jobset/flaky  succeeded, after 1 failure
  Last failure  user-code/error-exit, pod flaky-workers-0-1-9tzqc, at 2026-11-28T10:09:21Z
  Pods          1 of 4 with a failure, in the order of time:
"""
        in page
    )
    page = coroner("explain", recorded("recorded-lws")).stdout
    assert page.startswith(
        """\
LeaderWorkerSet ctl-lws/oom  nothing is failing any more, after 3 failures
  Last failure  resources/oom-killed, pod oom-0-1, at 2026-11-28T10:02:42Z
  Pods          0 of 15 with a failure, 9 removed by their controller, in the order of time:
"""
    )
    assert page.count("  nothing is failing; its controller removed it\n") == 9


def test_where_no_pod_was_seen_to_fail_first_that_is_said(coroner: Coroner, tmp_path: Path) -> None:
    victims = [item for item in items("gang-pytorchjob-oom") if item["metadata"]["name"] != "llm-worker-0"]
    (tmp_path / "pods.json").write_text(json.dumps(list_of(*victims)))
    page = " ".join(coroner("explain", tmp_path / "pods.json").stdout.split())
    assert "1 other pod ended like this, and none was seen to fail first Seen first llm-master-0" in page
    [about] = workloads(coroner("explain", "-o", "json", tmp_path / "pods.json").answers).values()
    assert about["consequence"] is True
    assert "initiator" not in about


def test_pods_of_several_inputs_belong_together(coroner: Coroner, tmp_path: Path) -> None:
    """A file for each object, one of them YAML with a document for each."""
    first, *others = items("recorded-jobset")
    (tmp_path / "first.json").write_text(json.dumps(first))
    (tmp_path / "others.yaml").write_text(yaml.safe_dump_all(others))
    apart = coroner("explain", "-o", "json", tmp_path / "first.json", tmp_path / "others.yaml")
    assert apart == coroner("explain", "-o", "json", recorded("recorded-jobset"))


def test_without_its_owners_the_labels_of_a_pod_say_which_jobset_it_belongs_to(
    coroner: Coroner, tmp_path: Path
) -> None:
    pods = [item for item in items("recorded-jobset") if item["kind"] == "Pod"]
    (tmp_path / "pods.json").write_text(json.dumps(list_of(*pods)))
    found = workloads(coroner("explain", "-o", "json", tmp_path / "pods.json").answers)
    assert {name: about.get("initiator", {}).get("pod") for name, about in found.items()} == {
        "JobSet/oom": "oom-workers-0-1-lqqlh",
        "JobSet/exit3": "exit3-driver-0-0-4924f",
        "JobSet/flaky": None,  # all pods that replaced the failed one, which is deleted, have completed
    }


def owned(kind: str, name: str, uid: str, api_version: str = "batch/v1", **more: Any) -> list[Json]:
    return [{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True, **more}]


class TestLookalikes:
    """Pods that do not belong together."""

    def names(self, coroner: Coroner, *objects: Json) -> dict[str, Json]:
        return workloads(coroner("explain", "-o", "json", "-", stdin=json.dumps(list_of(*objects))).answers)

    def test_the_builder_makes_pods_that_do(self, coroner: Coroner) -> None:
        mine = owned("Job", "train", "uid-1")
        found = self.names(coroner, *(pod(name, exit_code=3, ownerReferences=mine) for name in "ab"))
        assert list(found) == ["Job/train"]

    def test_pods_without_an_owner(self, coroner: Coroner) -> None:
        assert self.names(coroner, pod("a", exit_code=3), pod("b", exit_code=3)) == {}

    def test_pods_of_two_jobs_that_had_the_same_name(self, coroner: Coroner) -> None:
        first, second = (owned("Job", "train", uid) for uid in ("uid-1", "uid-2"))
        assert self.names(coroner, pod("a", exit_code=3, ownerReferences=first), pod("b", ownerReferences=second)) == {}

    def test_one_pod_in_two_states(self, coroner: Coroner) -> None:
        mine = owned("Job", "train", "uid-1")
        states = (pod("a", ownerReferences=mine), pod("a", exit_code=3, ownerReferences=mine))
        assert self.names(coroner, *states) == {}

    def test_mirror_pods_of_one_node(self, coroner: Coroner) -> None:
        node = owned("Node", "node-1", "uid-node", "v1")
        assert self.names(coroner, *(pod(name, exit_code=3, ownerReferences=node) for name in "ab")) == {}

    def test_bare_pods_with_the_labels_of_a_jobset(self, coroner: Coroner) -> None:
        copied = {"jobset.sigs.k8s.io/jobset-name": "oom", "jobset.sigs.k8s.io/jobset-uid": "uid-set"}
        assert self.names(coroner, *(pod(name, exit_code=3, labels=copied) for name in "ab")) == {}

    def test_pods_that_have_no_uid(self, coroner: Coroner) -> None:
        mine = owned("Job", "train", "uid-1")
        pods = [pod(name, exit_code=3, ownerReferences=mine) for name in "ab"]
        for each in pods:
            del each["metadata"]["uid"]
        assert self.names(coroner, *pods) == {}

    def test_owners_that_own_each_other(self, coroner: Coroner) -> None:
        ring: list[Json] = [
            {
                "apiVersion": "example.dev/v1",
                "kind": "Ring",
                "metadata": {
                    "name": name,
                    "namespace": "ml",
                    "uid": f"uid-{name}",
                    "ownerReferences": owned("Ring", other, f"uid-{other}", "example.dev/v1"),
                },
            }
            for name, other in (("x", "y"), ("y", "x"))
        ]
        mine = owned("Ring", "x", "uid-x", "example.dev/v1")
        pods = [pod(name, exit_code=3, ownerReferences=mine) for name in "ab"]
        assert list(self.names(coroner, *ring, *pods)) == ["Ring/y"]


def test_a_job_whose_other_pods_could_not_be_created_is_one_workload(coroner: Coroner) -> None:
    mine = owned("Job", "train", "uid-train")
    pods = [pod(name, exit_code=code, ownerReferences=mine) for name, code in (("a", 0), ("b", 0))]
    stdin = json.dumps(list_of(*pods, refused_to_create("Job", "train", "uid-train")))
    ran = coroner("explain", "-", stdin=stdin)
    assert ran.stdout.startswith("Job ml/train  user-config/admission-denied\n")
    assert ran.exit_code == 1


def test_a_failure_that_no_rule_explains_is_one_of_its_workload(coroner: Coroner, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "errorCategories: {categories: [{name: memory, rules: [{onConditions: [OOMKilled]}]}]}\n"
    )
    mine = owned("Job", "train", "uid-1")
    stdin = json.dumps(list_of(*(pod(name, exit_code=3, ownerReferences=mine) for name in "ab")))
    page = coroner("explain", "--rules", tmp_path / "rules.yaml", "-", stdin=stdin).stdout
    assert page.startswith("Job ml/train  failing, and no rule matched\n  Pods          2 of 2 with a failure")


class TestSuccessOfAnOwner:
    """A program that was stopped after an owner had succeeded has not failed, whatever code it ends with."""

    def stopped(self, *owners: Json) -> Json:
        """It ends with code 1 three seconds after the stop signal."""
        victim = next(i for i in items("pytorchjob-succeeded-cleanup") if i["metadata"]["name"] == "tune-worker-0")
        return {**victim, "metadata": {**victim["metadata"], "ownerReferences": list(owners)}}

    def jobset(self, state: str) -> list[Json]:
        """One of its Jobs succeeded; it deletes the other one, which says nothing itself."""
        return [
            {
                "apiVersion": "jobset.x-k8s.io/v1alpha2",
                "kind": "JobSet",
                "metadata": {"name": "set", "namespace": "ml", "uid": "uid-set"},
                "status": {"terminalState": state},
            },
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    **{"name": "workers", "namespace": "ml", "uid": "uid-workers"},
                    "ownerReferences": owned("JobSet", "set", "uid-set", "jobset.x-k8s.io/v1alpha2"),
                },
                "status": {"active": 1},
            },
        ]

    @pytest.mark.parametrize(("state", "failing"), [("Completed", False), ("Failed", True), ("", True)])
    def test_of_the_one_above_its_own(self, coroner: Coroner, state: str, failing: bool) -> None:
        victim = self.stopped(*owned("Job", "workers", "uid-workers"))
        stdin = json.dumps(list_of(*self.jobset(state), victim))
        assert coroner("explain", "-o", "json", "-", stdin=stdin).exit_code == int(failing)

    def test_a_workflow_that_is_completed_in_failure_has_not_succeeded(self, coroner: Coroner) -> None:
        """Argo's condition Completed is True in both cases."""
        [image] = [
            a
            for a in coroner("explain", "-o", "json", recorded("recorded-argo")).answers
            if a["object"]["name"] == "image"
        ]
        assert image["verdict"]["subcategory"] == "deadline-exceeded"

    def test_pods_of_an_attempt_before_the_one_that_succeeded_have_failed(self, coroner: Coroner) -> None:
        """JobSet deletes them to restart, and completes later."""
        objects = items("recorded-jobset")
        for item in objects:
            if item["kind"] == "JobSet" and item["metadata"]["name"] == "oom":
                completed = {"type": "Completed", "status": "True", "lastTransitionTime": "2026-11-28T10:20:00Z"}
                item["status"] = {"terminalState": "Completed", "conditions": [completed]}
        answers = coroner("explain", "-o", "json", "-", stdin=json.dumps(list_of(*objects))).answers
        verdicts = {answer["object"]["name"]: answer["verdict"] for answer in answers}
        assert verdicts["oom-workers-0-0-986rf"]["subcategory"] == "deleted"
        assert workloads(answers)["JobSet/oom"]["state"] == "Recovered"
