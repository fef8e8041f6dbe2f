"""What ``coroner explain`` says of what has not lasted long enough to be a failure, and of what has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.builders import list_of
from tests.cli.conftest import Coroner, Ran
from tests.cli.few_pages import FewPages, kubeconfig
from tests.cli.test_explain_cluster import APPS, EVENTS, PODS, owned_by, workload
from tests.support import pods
from tests.support.pods import Json, completed, condition, event, running, waiting


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def starting(seconds: float) -> Json:
    """It was assigned to its node that long ago."""
    scheduled = condition("PodScheduled", "True", at=ago(seconds))
    return pods.pod(
        waiting("ContainerCreating"), name="web", namespace="ml", created=ago(seconds), conditions=(scheduled,)
    )


def unready(seconds: float, *owners: Json) -> Json:
    built = pods.pod(running(ready=False), name="web", namespace="ml", restart_policy="Always", created=ago(seconds))
    built["metadata"]["ownerReferences"] = list(owners)
    built["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": ago(seconds)}}
    built["status"]["conditions"] = [condition("Ready", "False", "ContainersNotReady", at=ago(seconds))]
    return built


def mount_failed() -> Json:
    failed = event("FailedMount", 'MountVolume.SetUp failed for volume "t" : secret "tls" not found', at=ago(1))
    failed["metadata"]["namespace"] = failed["involvedObject"]["namespace"] = "ml"
    failed["involvedObject"]["name"] = "web"
    return failed


Explain = Callable[..., Ran]


@pytest.fixture
def explain(coroner: Coroner, api: FewPages, tmp_path: Path) -> Explain:
    """From the cluster, by the default pack."""
    config = kubeconfig(tmp_path / "kubeconfig", api.address)
    api.lists[EVENTS] = []
    return lambda *arguments: coroner("explain", "--kubeconfig", config, *arguments)


def test_a_pod_in_its_grace_period_waits_for_what_its_event_names(explain: Explain, api: FewPages) -> None:
    api.answers[f"{PODS}/web"] = starting(5)
    api.lists[EVENTS] = [mount_failed()]
    ran = explain("web")
    assert ran.exit_code == 0
    assert re.match(r"Pod ml/web  waiting for [0-9]+s: ", ran.stdout)
    assert 'secret "tls"' in " ".join(ran.stdout.split())
    [answer] = explain("web", "-o", "json").answers
    assert answer["verdict"] is None
    assert list(answer["waiting"]) == ["text", "seconds"]
    assert 5 <= answer["waiting"]["seconds"] < 30


def test_after_its_grace_period_it_fails(explain: Explain, api: FewPages) -> None:
    api.answers[f"{PODS}/web"] = starting(60)
    api.lists[EVENTS] = [mount_failed()]
    ran = explain("web", "-o", "json")
    assert [answer["verdict"]["subcategory"] for answer in ran.answers] == ["missing-config"]
    assert "waiting" not in ran.answers[0]


def test_a_pod_of_a_file_is_not_taken_for_one_that_is_in_its_grace_period(coroner: Coroner) -> None:
    ran = coroner("explain", "-o", "json", "-", stdin=json.dumps(list_of(starting(5), mount_failed())))
    assert [answer["verdict"]["subcategory"] for answer in ran.answers] == ["missing-config"]


def test_a_pod_without_any_event_waits_for_its_container(explain: Explain, api: FewPages) -> None:
    api.answers[f"{PODS}/web"] = starting(3)
    ran = explain("web")
    assert ran.exit_code == 0
    assert ran.stdout.endswith('s: container "main" to start (ContainerCreating)\n')


@pytest.mark.parametrize(("deadline", "fails"), [(20, True), (3600, False)])
def test_the_deployment_says_how_long_its_pods_may_take(
    explain: Explain, api: FewPages, deadline: int, fails: bool
) -> None:
    api.answers[f"{PODS}/web"] = unready(900, *owned_by("ReplicaSet", "web-1"))
    api.answers[f"{APPS}/replicasets/web-1"] = workload("web-1", *owned_by("Deployment", "web"))
    api.answers[f"{APPS}/deployments/web"] = workload("web", spec={"progressDeadlineSeconds": deadline})
    [answer] = explain("web", "-o", "json").answers
    assert (answer["verdict"] is not None) == fails
    if fails:
        assert answer["verdict"]["subcategory"] == "never-ready"
    else:
        assert answer["waiting"]["text"] == 'container "main" to become ready'


def test_a_pod_that_a_finalizer_keeps(explain: Explain, api: FewPages) -> None:
    kept = pods.pod(completed(), name="web", namespace="ml", deleted=ago(30))
    kept["metadata"]["finalizers"] = ["example.com/hold"]
    api.answers[f"{PODS}/web"] = kept
    assert explain("web").stdout.endswith('s: finalizer "example.com/hold"\n')
    kept["metadata"]["deletionTimestamp"] = ago(600)
    assert "platform/stuck-terminating" in explain("web").stdout


def test_a_deployment_without_progress_is_explained_only_if_none_of_its_pods_shows_a_failure(
    coroner: Coroner, recorded: Callable[[str], Path]
) -> None:
    alone = coroner("explain", "-o", "json", recorded("deployment-n2-deployment-no-progress"))
    assert [answer["verdict"]["subcategory"] for answer in alone.answers] == ["never-ready"]
    deployment: Json = json.loads(recorded("deployment-n2-deployment-no-progress").read_text())["items"][0]
    pulling: Json = json.loads(recorded("n2-deployment-no-progress").read_text())["items"][0]
    [above] = pulling["metadata"]["ownerReferences"]
    replica_set: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {}, "status": {}}
    owner = {key: deployment[key] for key in ("apiVersion", "kind")} | {"name": deployment["metadata"]["name"]}
    replica_set["metadata"] = {
        "name": above["name"],
        "namespace": "proof",
        "uid": above["uid"],
        "ownerReferences": [owner | {"uid": deployment["metadata"]["uid"], "controller": True}],
    }
    together = coroner("explain", "-o", "json", "-", stdin=json.dumps(list_of(deployment, replica_set, pulling)))
    assert [answer["object"]["kind"] for answer in together.answers] == ["Pod"]


def test_the_public_job_that_its_proxy_keeps_waits_as_far_as_the_file_shows(coroner: Coroner) -> None:
    """istio/istio#11045: a file does not say when it was written."""
    file = Path(__file__).parents[1] / "fixtures" / "public" / "job-done-but-istio-proxy-runs.json"
    ran = coroner("explain", "-o", "json", file)
    assert [answer["verdict"] for answer in ran.answers] == [None]
    assert ran.answers[0]["waiting"]["text"] == 'sidecar "istio-proxy" to end'


def test_the_container_that_an_eviction_names_is_the_container_of_the_verdict(coroner: Coroner) -> None:
    message = 'Container scratch exceeded its local ephemeral storage limit "10Mi". '
    evicted = pods.pod(
        pods.failed(137, name="main"),
        pods.failed(137, name="scratch"),
        phase="Failed",
        reason="Evicted",
        message=message,
    )
    [answer] = coroner("explain", "-o", "json", "-", stdin=json.dumps(evicted)).answers
    assert (answer["verdict"]["subcategory"], answer["verdict"]["container"]) == ("ephemeral-storage-limit", "scratch")
