"""``coroner explain --anonymize``: the same verdicts, and none of the input's names."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from coroner_operator.anonymize.vocabulary import is_plain
from coroner_operator.cli.explanations import Explanation, explain_objects
from coroner_operator.cli.explanations.anonymized import anonymized, first_difference
from coroner_operator.cli.inputs.input_bytes import InputBytes
from coroner_operator.cli.inputs.input_objects import InputObjects
from tests.cli.builders import list_of, pod, refused_to_create
from tests.cli.conftest import Coroner
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import Json

FIXTURES = Path(__file__).parents[1] / "fixtures"
FOLDERS = ("pods", "public", "public_second", "workloads", "healthy")

NAME_FIELDS = frozenset(
    ("name", "namespace", "nodeName", "uid", "image", "serviceAccountName", "host", "hostname", "containerID", "podIP")
)
ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
URL_HOST = re.compile(r"\w+://([\w.-]+\.\w+)")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def objects_of(data: bytes) -> InputObjects:
    objects = InputObjects()
    objects.add_input(InputBytes("test", data))
    return objects


def anonymous_text(*items: Json) -> str:
    copy = anonymized(objects_of(json.dumps(list_of(*items)).encode()), CATEGORIZER)
    return json.dumps(copy.document, ensure_ascii=False)


def anonymous_message(message: str, *others: Json) -> str:
    """What is left of the message of an event."""
    event = refused_to_create("Job", "train-llm-7", "uid-7") | {"message": message}
    found = json.loads(anonymous_text(*others, event))["items"][-1]["message"]
    assert isinstance(found, str)
    return found


def identities(value: Any, field: str = "") -> Iterator[str]:
    """Names, images and UIDs in their fields."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from identities(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from identities(item, field)
    elif isinstance(value, str) and field in NAME_FIELDS:
        yield value


def is_telling(name: str) -> bool:
    """Not a word of the default rules (``main``), a variable (``RANK``), or an address of the machine itself."""
    if name in ("localhost", "default", "RANK", "") or (is_plain(name) and not re.search(r"[0-9]", name)):
        return False
    try:
        return not (ipaddress.ip_address(name).is_loopback or ipaddress.ip_address(name).is_unspecified)
    except ValueError:
        return True


def occurs(name: str, text: str) -> bool:
    return name.lower() in text.lower() and _is_by_itself(name, text)


def _is_by_itself(name: str, text: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None


IN_A_PROGRAMS_WORDS = {"card", "kernel.shm_rmid_forced"}
"""Names of a DRA request and of a sysctl: in a message nothing tells them from other words."""


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recorded_case_gets_the_same_verdict_and_loses_its_names(folder: str) -> None:
    files = sorted((FIXTURES / folder).glob("*.json"))
    assert len(files) > 5
    different, left = {}, {}
    for file in files:
        data = file.read_bytes()
        objects = objects_of(data)
        before = explain_objects(objects, CATEGORIZER)
        copy = anonymized(objects, CATEGORIZER)
        if difference := first_difference(before, copy.explanations) or _other_details(before, copy.explanations):
            different[file.name] = difference
        raw, text = data.decode(), msgspec.json.encode(copy.document).decode()
        names = {*identities(json.loads(data)), *ADDRESS.findall(raw), *URL_HOST.findall(raw)}
        names |= {*EMAIL.findall(raw), *UUID.findall(raw)}
        found = {name for name in names if is_telling(name) and occurs(name, text)} - IN_A_PROGRAMS_WORDS
        if found:
            left[file.name] = found
    assert different == {}
    assert left == {}


def _other_details(before: Sequence[Explanation], after: Sequence[Explanation]) -> tuple[str, str] | None:
    """What else must stay: exit codes, categories, evidence, and who was first in a workload."""
    pairs = ((_details(one), _details(other)) for one, other in zip(before, after, strict=True))
    return next(((str(one), str(other)) for one, other in pairs if one != other), None)


def _details(explanation: Explanation) -> tuple[object, ...]:
    verdict, workload = explanation.verdict, explanation.workload
    return (
        explanation.restarts_by_rule,
        verdict and (verdict.categories, verdict.exit_code, verdict.reason, len(verdict.evidence)),
        workload and (workload.pods, workload.failing, workload.report.followers, workload.outcome),
        workload and workload.current and workload.current.verdict.rule,
    )


LABELS = st.from_regex(r"[a-z]{2,9}[0-9][a-z0-9]{1,6}(?:-[a-z0-9]{1,9}){0,2}", fullmatch=True)
HOSTS = LABELS.map(lambda label: f"{label}.acme-corp.internal")
MESSAGES = (
    'failed to pull image "{image}": dial tcp: lookup {host} on {address}:53: no such host',
    'Get "https://{host}:8443/healthz?user={account}": dial tcp {address}:8443: connection refused',
    "{account}@{host}: permission denied for {account}@{host} at [{address6}]:22",
    'secret "{label}" not found; pod {pod}_{namespace}({uid}) on {node}',
    "psql: could not connect to server at {host} ({address}), user={account}",
    'User "system:serviceaccount:{namespace}:{account}" cannot get pods in "{namespace}"',
    'Traceback (most recent call last):\n  File "/home/{account}/{label}/train.py", line 1, in <module>\nValueError: {pod}',
    "Successfully assigned {namespace}/{pod} to {node}",
)


@settings(max_examples=20, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("pod", "namespace", "node", "account", "label", "container"), LABELS),
            "host": HOSTS,
            "image": st.tuples(HOSTS, LABELS, LABELS).map(lambda parts: f"{parts[0]}:5000/{parts[1]}/{parts[2]}:v7"),
            "address": st.ip_addresses(v=4).filter(lambda found: not found.is_loopback and int(found)).map(str),
            "address6": st.ip_addresses(v=6).filter(lambda found: int(found) > 2**64).map(str),
            "uid": st.uuids().map(str),
        }
    ).filter(lambda names: len(set(names.values())) == len(names)),
    st.sampled_from(MESSAGES),
)
def test_no_name_host_image_address_or_account_is_left(names: dict[str, str], template: str) -> None:
    message = template.format(**names)
    subject = pod(names["pod"], names["uid"], exit_code=1)
    subject["metadata"] |= {
        "namespace": names["namespace"],
        "annotations": {"owner": names["account"]},
        "labels": {"team": names["label"], "batch.kubernetes.io/job-completion-index": "3"},
    }
    subject["spec"] |= {"nodeName": names["node"], "serviceAccountName": names["account"]}
    for field in (subject["spec"]["containers"][0], subject["status"]["containerStatuses"][0]):
        field |= {"name": names["container"], "image": names["image"]}
    subject["spec"]["containers"][0] |= {
        "env": [{"name": "OWNER", "value": names["account"]}, {"name": "RANK", "value": "2"}],
        "args": [names["host"]],
        "livenessProbe": {"httpGet": {"host": names["host"], "path": "/" + names["label"], "port": 80}},
    }
    subject["status"] |= {"podIP": names["address"], "message": message}
    subject["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = message
    event = refused_to_create("Pod", names["pod"], names["uid"], namespace=names["namespace"]) | {"message": message}
    text = anonymous_text(subject, event)
    assert {kind: name for kind, name in names.items() if occurs(name, text)} == {}


@pytest.mark.parametrize(
    "text",
    [
        "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }",
        'exec: "python": executable file not found in $PATH',
        "dial tcp 127.0.0.1:8080: connect: connection refused",
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 79.15 GiB total capacity)",
        "java.lang.OutOfMemoryError: Java heap space",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
        "at 2026-11-21T21:15:44Z, after 12:34:56: std::bad_alloc",
        "Insufficient nvidia.com/gpu",
    ],
)
def test_what_decides_is_kept(text: str) -> None:
    assert anonymous_message(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'pods "x-1" is forbidden: exceeded quota: team-a, requested: pods=1',
            "exceeded quota: quota-1, requested: pods=1",
        ),
        ("password=hunter2secret for bob@acme.com", "[redacted:"),
        ("at com.acme.train.Main.run(Main.java:3)", "at com.package-1.train.Main.run(Main.java:3)"),
        ('File "/srv/alice/acme/acmeloss.py", line 3', 'File "/srv/path-1/path-2/path-3.py", line 3'),
        ("see arn:aws:iam::123456789012:role/acme", "see arn:aws:iam::000000000000:resource-1"),
    ],
)
def test_what_names_somebody_is_replaced(text: str, expected: str) -> None:
    found = anonymous_message(text)
    assert expected in found
    assert not [name for name in ("team-a", "hunter2", "bob", "acme", "alice", "123456789012") if name in found]


def test_a_name_that_is_a_word_of_messages_does_not_change_other_words() -> None:
    """A container called ``memory``: the rules still read that memory is what is missing."""
    subject = pod("train-7", exit_code=1)
    for field in (subject["spec"]["containers"][0], subject["status"]["containerStatuses"][0]):
        field["name"] = "memory"
    message = anonymous_message('Insufficient memory; failed container memory in pod, "memory"', subject)
    assert message == 'Insufficient memory; failed container container-1 in pod, "container-1"'


def test_the_order_of_names_stays() -> None:
    """Who of several failed first may be decided by the order of their names."""
    pods = [pod(f"train-{letter}", exit_code=1) for letter in "cab"]
    items = json.loads(anonymous_text(*pods))["items"]
    assert [item["metadata"]["name"] for item in items] == ["pod-3", "pod-1", "pod-2"]


def test_a_workload_of_an_unknown_kind_keeps_no_group() -> None:
    subject = pod("train-7", exit_code=1)
    owner = {
        "apiVersion": "ml.acme.example/v1",
        "kind": "AcmeTraining",
        "name": "train",
        "uid": "u",
        "controller": True,
    }
    subject["metadata"]["ownerReferences"] = [owner]
    text = anonymous_text(subject)
    assert "acme" not in text.lower()
    assert '"kind": "Kind1"' in text


def test_how_a_custom_workload_has_ended_is_kept() -> None:
    metadata = {"name": "train-7", "namespace": "ml", "uid": "u"}
    jobset = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": metadata}
    [item] = json.loads(anonymous_text(jobset | {"status": {"terminalState": "Completed"}}))["items"]
    assert item["status"] == {"terminalState": "Completed"}


def test_the_copy_is_read_back_with_the_verdict_above_it(coroner: Coroner, recorded: Callable[[str], Path]) -> None:
    ran = coroner("explain", "--anonymize", recorded("b1-oom-main"))
    assert ran.exit_code == 1
    assert ran.stderr == ""
    comments = [line for line in ran.stdout.splitlines() if line.startswith("#")]
    assert "# Pod namespace-1/pod-1  resources/oom-killed" in comments
    assert [item["kind"] for item in yaml.safe_load(ran.stdout)["items"]][:2] == ["Pod", "Event"]
    again = coroner("explain", "-o", "json", "-", stdin=ran.stdout)
    assert [answer["verdict"]["subcategory"] for answer in again.answers] == ["oom-killed"]


def test_as_json_it_is_the_objects_only(coroner: Coroner, recorded: Callable[[str], Path]) -> None:
    ran = coroner("explain", "--anonymize", "-o", "json", recorded("b1-oom-main"))
    assert ran.answers["kind"] == "List"


def test_another_verdict_without_the_names_is_noted(coroner: Coroner, tmp_path: Path) -> None:
    """A site's own rule about a name cannot match any more."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\ncategories:\n"
        "- name: ours\n  rules:\n  - {name: x, onTerminationMessage: {pattern: acme-7}}\n"
    )
    subject = pod("train-7", exit_code=1)
    subject["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = "acme-7x is down: 'acme-7'"
    ran = coroner("explain", "--anonymize", "--rules", rules, "-", stdin=json.dumps(subject))
    assert "the anonymized objects get a different verdict" in ran.stderr


def test_a_page_for_a_browser_is_not_what_a_bug_report_needs(coroner: Coroner, recorded: Callable[[str], Path]) -> None:
    ran = coroner("explain", "--anonymize", "-o", "html", recorded("b1-oom-main"))
    assert ran.exit_code == 2
    assert "leave -o html out" in ran.stderr
