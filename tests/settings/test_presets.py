"""The presets: their data is consistent, and says of real objects how they have ended."""

from __future__ import annotations

from typing import Any

import pytest

from coroner_operator.config.presets import merged, owner_labels, preset_kind, presets
from coroner_operator.kube.paths import ResourcePath

REQUIRED = [
    "jobset",
    "trainer",
    "training-operator",
    "mpi",
    "ray",
    "argo",
    "tekton",
    "volcano",
    "spark",
    "flink",
    "lws",
    "knative",
    "kserve",
    "appwrapper",
    "kueue",
    "katib",
    "keda",
    "cnpg",
    "strimzi",
    "kruise",
    "arc",
    "dask",
    "crossplane",
    "prometheus",
]

KINDS = merged(presets())


def test_every_controller_has_its_preset() -> None:
    assert set(REQUIRED) <= set(presets())


def test_a_kind_is_the_same_in_every_preset() -> None:
    assert len({(kind.group, kind.kind) for kind in KINDS}) == len(KINDS)
    for preset in presets().values():
        for kind in preset.kinds:
            known = preset_kind(kind.group, kind.kind)
            assert known is not None
            assert (known.resource, known.scope, known.ends) == (kind.resource, kind.scope, kind.ends)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.kind}.{kind.group}")
def test_a_kind_can_be_requested_and_has_an_end_or_runs_on(kind: Any) -> None:
    ResourcePath(kind.group, "v1", kind.resource, "default", "name")
    assert "." in kind.group
    assert not (kind.walk and kind.write)
    assert bool(kind.ends) != kind.long_running
    assert all(end.failed or end.succeeded for end in kind.ends)


def test_labels_name_kinds_of_their_preset() -> None:
    for labels, kinds in owner_labels(presets()):
        assert kinds
        assert bool(labels.kind) != bool(labels.kind_label)


CONDITIONS = [{"type": "Created", "status": "True"}, {"type": "Failed", "status": "True"}]


@pytest.mark.parametrize(
    ("group", "kind", "status", "outcome"),
    [
        ("jobset.x-k8s.io", "JobSet", {"terminalState": "Failed"}, "failed"),
        ("jobset.x-k8s.io", "JobSet", {"terminalState": "Completed"}, "succeeded"),
        ("jobset.x-k8s.io", "JobSet", {"restarts": 1}, None),
        ("kubeflow.org", "PyTorchJob", {"conditions": CONDITIONS}, "failed"),
        ("kubeflow.org", "PyTorchJob", {"conditions": [{"type": "Failed", "status": "False"}]}, None),
        ("kubeflow.org", "PyTorchJob", {"conditions": [{"type": "Succeeded", "status": "True"}]}, "succeeded"),
        ("tekton.dev", "PipelineRun", {"conditions": [{"type": "Succeeded", "status": "False"}]}, "failed"),
        ("tekton.dev", "PipelineRun", {"conditions": [{"type": "Succeeded", "status": "Unknown"}]}, None),
        ("ray.io", "RayJob", {"jobDeploymentStatus": "Retrying"}, None),
        ("ray.io", "RayJob", {"jobDeploymentStatus": "Failed"}, "failed"),
        ("argoproj.io", "Workflow", {"phase": "Error"}, "failed"),
        ("batch.volcano.sh", "Job", {"state": {"phase": "Completed"}}, "succeeded"),
        ("sparkoperator.k8s.io", "SparkApplication", {"applicationState": {"state": "FAILED"}}, "failed"),
        ("kueue.x-k8s.io", "Workload", {"conditions": [{"type": "Finished", "reason": "Failed"}]}, "failed"),
        # hostile or odd: nothing of it is an end
        ("argoproj.io", "Workflow", {"phase": ["Failed"]}, None),
        ("batch.volcano.sh", "Job", {"state": "Failed"}, None),
        ("kubeflow.org", "PyTorchJob", {"conditions": {"type": "Failed", "status": "True"}}, None),
        ("kubeflow.org", "PyTorchJob", {"conditions": ["Failed", None, {"status": "True"}]}, None),
    ],
)
def test_how_an_object_has_ended(group: str, kind: str, status: dict[str, Any], outcome: str | None) -> None:
    known = preset_kind(group, kind)
    assert known is not None
    assert known.outcome({"status": status}) == outcome


def test_of_a_kind_that_is_in_no_preset_nothing_is_known() -> None:
    assert preset_kind("batch", "Job") is None
