"""``coroner explain POD|KIND/NAME``, against an API server that answers from a table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.builders import pod, refused_to_create
from tests.cli.conftest import Coroner, Ran
from tests.cli.few_pages import FewPages, kubeconfig

BATCH = "/apis/batch/v1/namespaces/ml/jobs"
APPS = "/apis/apps/v1/namespaces/ml"
PODS = "/api/v1/namespaces/ml/pods"
EVENTS = "/api/v1/namespaces/ml/events"


Explain = Callable[..., Ran]


@pytest.fixture
def explain(coroner: Coroner, api: FewPages, rules: Path, tmp_path: Path) -> Explain:
    """``explain("job/train")``: as JSON, by the rules of the tests."""
    config = kubeconfig(tmp_path / "kubeconfig", api.address)
    return lambda *arguments: coroner("explain", "--rules", rules, "-o", "json", "--kubeconfig", config, *arguments)


def owned_by(kind: str, name: str, api_version: str = "apps/v1") -> list[dict[str, Any]]:
    return [{"apiVersion": api_version, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}]


def workload(name: str, *owners: dict[str, Any], **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ml", "uid": f"uid-{name}", "ownerReferences": list(owners)}
    return {"metadata": metadata, **fields}


def without_kind(item: dict[str, Any]) -> dict[str, Any]:
    """As the API server leaves it out of the items of a list."""
    return {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}


def test_a_pod_is_explained_with_its_events_and_owner(explain: Explain, api: FewPages) -> None:
    api.answers[f"{PODS}/broken"] = pod("broken", exit_code=3, ownerReferences=owned_by("Job", "train", "batch/v1"))
    api.answers[f"{BATCH}/train"] = workload("train")
    api.lists[EVENTS] = []
    ran = explain("broken")
    assert (ran.exit_code, ran.names, ran.stderr) == (1, ["broken"], "")
    assert api.asked == [
        f"{PODS}/broken",
        f"{BATCH}/train",
        f"{EVENTS}?limit=500&fieldSelector=involvedObject.uid%3Duid-broken",
    ]


def test_a_job_is_its_pods(explain: Explain, api: FewPages) -> None:
    mine, other = owned_by("Job", "train", "batch/v1"), owned_by("Job", "other", "batch/v1")
    api.answers[f"{BATCH}/train"] = workload("train")
    pods = [pod("a", exit_code=3, ownerReferences=mine), pod("b", exit_code=3, ownerReferences=other)]
    pods += [pod("c"), pod("d", ownerReferences=mine), pod("e", exit_code=4, ownerReferences=mine)]
    api.lists[PODS] = [without_kind(p) for p in pods]
    api.lists[EVENTS] = []
    ran = explain("job/train")
    assert (ran.exit_code, ran.names) == (1, ["a", "d", "e"])
    assert {answer["object"]["kind"] for answer in ran.answers} == {"Pod"}


def test_a_deployment_is_the_pods_of_its_replica_sets_and_says_what_could_not_be_created(
    explain: Explain, api: FewPages
) -> None:
    api.answers[f"{APPS}/deployments/web"] = workload("web")
    api.lists[f"{APPS}/replicasets"] = [workload("other"), workload("web-1", *owned_by("Deployment", "web"))]
    api.lists[PODS] = [without_kind(pod("web-1-x", exit_code=1, ownerReferences=owned_by("ReplicaSet", "web-1")))]
    event = refused_to_create("ReplicaSet", "web-1", "uid-web-1", apiVersion="apps/v1")
    api.lists[EVENTS] = [without_kind(event), without_kind(refused_to_create("ReplicaSet", "other", "uid-other"))]
    for name in ("deploy/web", "Deployment/web", "deployments.apps/web"):
        ran = explain(name)
        assert [(a["object"]["kind"], a["object"]["name"]) for a in ran.answers] == [
            ("ReplicaSet", "web-1"),
            ("Pod", "web-1-x"),
        ]
        assert ran.answers[0]["verdict"]["category"] == "policy"


def test_a_custom_workload_owns_pods_through_kinds_that_only_the_cluster_knows(explain: Explain, api: FewPages) -> None:
    def kind(name: str, plural: str, *short: str) -> dict[str, Any]:
        response_kind = {"group": "ray.io", "version": "v1", "kind": name}
        return {"resource": plural, "scope": "Namespaced", "responseKind": response_kind, "shortNames": list(short)}

    version = {"version": "v1", "resources": [kind("RayJob", "rayjobs", "rj"), kind("RayCluster", "rayclusters")]}
    api.answers["/apis"] = {
        "kind": "APIGroupDiscoveryList",
        "items": [{"metadata": {"name": "ray.io"}, "versions": [version]}],
    }
    rays = "/apis/ray.io/v1/namespaces/ml"
    api.answers[f"{rays}/rayjobs/tune"] = workload("tune")
    api.answers[f"{rays}/rayclusters/tune-c"] = workload("tune-c", *owned_by("RayJob", "tune", "ray.io/v1"))
    for plural in ("replicasets", "statefulsets", "deployments", "daemonsets"):
        api.lists[f"{APPS}/{plural}"] = []
    api.lists[BATCH] = [workload("tune-submit", *owned_by("RayJob", "tune", "ray.io/v1"))]
    of_the_cluster = pod("head", exit_code=3, ownerReferences=owned_by("RayCluster", "tune-c", "ray.io/v1"))
    of_the_job = pod("submit", ownerReferences=owned_by("Job", "tune-submit", "batch/v1"))
    of_nobody_known = pod("stranger", ownerReferences=owned_by("Thing", "thing", "x.io/v1"))
    api.lists[PODS] = [without_kind(p) for p in (of_the_cluster, of_the_job, of_nobody_known)]
    api.lists[EVENTS] = []
    assert explain("rj/tune").names == ["head", "submit"]
    assert (
        explain("cat/tom").stderr == 'cat/tom: no such file, and no kind called "cat" in the cluster; e.g. job/train\n'
    )


def test_a_report_leads_to_its_workload_even_where_that_is_gone(explain: Explain, api: FewPages) -> None:
    about = {"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "uid-train"}
    reports = "/apis/coroner.dev/v1alpha1/namespaces/ml/failurereports"
    api.answers[f"{reports}/job-train-1"] = {"spec": {"workload": about}}
    api.lists[PODS] = [without_kind(pod("a", exit_code=3, ownerReferences=owned_by("Job", "train", "batch/v1")))]
    api.lists[EVENTS] = []
    assert explain("fr/job-train-1").names == ["a"]


def test_an_owner_of_the_same_name_that_was_created_later_is_not_used(explain: Explain, api: FewPages) -> None:
    reference = owned_by("Job", "train", "batch/v1")[0] | {"uid": "uid-of-the-job-before"}
    api.answers[f"{PODS}/broken"] = pod("broken", exit_code=3, ownerReferences=[reference])
    deadline = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    api.answers[f"{BATCH}/train"] = workload("train", status={"conditions": [deadline]})
    api.lists[EVENTS] = []
    assert explain("broken").answers[0]["verdict"]["category"] == "user-code"


def test_without_the_right_to_read_events_and_owners_there_is_a_verdict_and_a_note(
    explain: Explain, api: FewPages
) -> None:
    api.answers[f"{PODS}/broken"] = pod("broken", exit_code=3, ownerReferences=owned_by("Job", "train", "batch/v1"))
    api.answers[f"{BATCH}/train"] = 403
    api.answers[EVENTS] = 403
    ran = explain("broken")
    assert (ran.exit_code, ran.names) == (1, ["broken"])
    assert ran.stderr == "broken: explained without events (403): refused with 403\n"


def test_what_is_missing_or_rejected_is_one_line(explain: Explain, api: FewPages) -> None:
    absent = explain("train")
    line = 'train: no file and no Pod called "train" in namespace ml; check the name, -n and --context\n'
    assert absent == (2, "", line)
    line = 'job/train: no Job called "train" in namespace other; check the name, -n and --context\n'
    assert explain("job/train", "-n", "other") == (2, "", line)
    api.answers[f"{PODS}/train"] = 401
    assert explain("train") == (2, "", "train: the API server rejected the request (401): refused with 401\n")


@pytest.mark.parametrize("arguments", [["po/.."], ["po/a?b"], ["po/%2e%2e"], ["a\nb"], ["train", "-n", "../x"], [" "]])
def test_what_cannot_be_a_name_is_never_asked_for(explain: Explain, api: FewPages, arguments: list[str]) -> None:
    ran = explain(*arguments)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n"), api.asked) == (2, "", 1, [])


def test_without_a_cluster_it_says_how_to_name_one(coroner: Coroner, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    env = {"KUBECONFIG": str(absent), "KUBERNETES_SERVICE_HOST": ""}
    line = f"no such file, and no kubeconfig at {absent}; name a file, or set --kubeconfig\n"
    assert coroner("explain", "train", env=env) == (2, "", f"train: {line}")


@pytest.mark.parametrize("text", ["", "5", "[]", "a: [", "apiVersion: v1\nkind: Config\n", "\0"])
def test_a_broken_kubeconfig_is_one_line(coroner: Coroner, tmp_path: Path, text: str) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    ran = coroner("explain", "train", "--kubeconfig", tmp_path / "kubeconfig")
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith("train: the kubeconfig cannot be used: ")


def test_an_unknown_context_is_one_line(explain: Explain) -> None:
    ran = explain("train", "--context", "elsewhere")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert "elsewhere" in ran.stderr


def test_a_server_that_does_not_answer_is_one_line(coroner: Coroner, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    ran = coroner("explain", "train", "--kubeconfig", config)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith("train: the API server http://127.0.0.1:1 cannot be reached: ")


def test_a_file_and_a_pod_can_be_explained_together(explain: Explain, api: FewPages, tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(pod("of-the-file")))
    api.answers[f"{PODS}/of-the-cluster"] = pod("of-the-cluster", exit_code=3)
    api.lists[EVENTS] = []
    assert explain(tmp_path / "pod.json", "of-the-cluster").names == ["of-the-file", "of-the-cluster"]
