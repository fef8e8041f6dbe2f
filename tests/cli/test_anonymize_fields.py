"""What a field holds that a person or a site has named, and what Kubernetes has named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coroner_operator.anonymize.vocabulary import is_plain, is_plain_reason
from coroner_operator.cli.explanations.anonymized import anonymized
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.input_objects import InputObjects
from tests.cli.builders import list_of, pod, refused_to_create
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import Json


def anonymous(item: Json) -> Any:
    objects = InputObjects()
    objects.add_input(InputBytes("test", json.dumps(list_of(item)).encode()))
    [found] = anonymized(objects, CATEGORIZER).document["items"]
    return found


@pytest.mark.parametrize(
    "text", ["d069123", "/home/\u0438\u0432\u0430\u043d\u043e\u0432", "u123456", "m\u00fcller", "acme"]
)
def test_what_may_be_somebody_is_not_plain(text: str) -> None:
    assert not is_plain(text)


@pytest.mark.parametrize("text", ["python3.11", "site-packages", "cuda-12", "kube-scheduler", "\u201cerror\u201d"])
def test_what_is_nobody_is_plain(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize("reason", ["AcmepayFailed", "Acmepay", "Failed069123"])
def test_a_reason_with_an_unknown_word_is_not_plain(reason: str) -> None:
    assert not is_plain_reason(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "OOMKilled",
        "CrashLoopBackOff",
        "FailedScheduling",
        "DeletionByPodGC",
        "NodeNotReady",
        "False",
        "ScalingReplicaSet",
    ],
)
def test_a_reason_of_kubernetes_is_plain(reason: str) -> None:
    assert is_plain_reason(reason)


@pytest.mark.parametrize("field", ["reason", "type"])
def test_an_invented_reason_of_an_event_is_replaced(field: str) -> None:
    event = refused_to_create("Job", "train-7", "u") | {field: "AcmepayFailed"}
    assert anonymous(event)[field] == "Reason1"


def test_invented_phases_and_condition_types_are_replaced() -> None:
    subject = pod("train-7", exit_code=1)
    subject["status"]["conditions"] = [{"type": "AcmepayReady", "status": "False", "reason": "AcmepayLate"}]
    found = anonymous(subject)
    assert found["status"]["conditions"] == [{"type": "Reason2", "status": "False", "reason": "Reason1"}]


@pytest.mark.parametrize(
    ("api_version", "expected"),
    [
        ("acme.k8s.io/v1", "group-1.example/v1"),
        ("acmegroup/v1beta2", "group-1.example/v1beta2"),
        ("acmegroup", "v1"),
        ("batch/v1", "batch/v1"),
        ("jobset.x-k8s.io/v1alpha2", "jobset.x-k8s.io/v1alpha2"),
    ],
)
def test_only_a_known_group_of_an_api_is_kept(api_version: str, expected: str) -> None:
    event = refused_to_create("Job", "train-7", "u")
    event["involvedObject"]["apiVersion"] = api_version
    assert anonymous(event)["involvedObject"]["apiVersion"] == expected


def test_a_claim_of_a_device_is_replaced_and_an_extended_resource_of_a_vendor_is_not() -> None:
    subject = pod("train-7", exit_code=1)
    names = ("claim:acmeclaim/acmereq", "nvidia.com/gpu")
    subject["status"]["containerStatuses"][0]["allocatedResourcesStatus"] = [
        {"name": name, "resources": [{"resourceID": "a", "health": "Unhealthy"}]} for name in names
    ]
    found = anonymous(subject)["status"]["containerStatuses"][0]["allocatedResourcesStatus"]
    assert [resource["name"] for resource in found] == ["claim:claim-1/claim-2", "nvidia.com/gpu"]


def test_a_value_of_a_node_selector_and_a_component_with_a_number_are_replaced() -> None:
    subject = pod("train-7", exit_code=1)
    subject["spec"]["nodeSelector"] = {"team": "d069123", "kubernetes.io/os": "linux"}
    selector = anonymous(subject)["spec"]["nodeSelector"]
    assert "d069123" not in json.dumps(selector)
    assert selector["kubernetes.io/os"] == "linux"
    event = refused_to_create("Job", "train-7", "u") | {"source": {"component": "d069123"}}
    assert anonymous(event)["source"]["component"] == "component-1"
