"""Kinds, names and UIDs of references are written by tenants: what no API server gives out is not followed (F13)."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coroner_categorizer.objects.event import parse_event
from coroner_categorizer.objects.pod import parse_pod
from coroner_operator.kube.owner_resolver import controller_of
from coroner_operator.model.workload_ref import WorkloadRef
from coroner_operator.telemetry.log_format import configure_logging

FORGED = "2026-01-01T00:00:00.000Z CRITICAL coroner.engine: all reports are lost"
ESCAPE = f"\x1b[2J\x1b[31m\n{FORGED}\n\u202e\x9b"
GOOD = {"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "u-1"}
HOSTILE = [
    {"kind": f"Job{ESCAPE}"},
    {"kind": "Job\n"},
    {"kind": "Job/x"},
    {"kind": "J" * 64},
    {"kind": "Jöb"},
    {"name": f"train{ESCAPE}"},
    {"name": "a b"},
    {"name": "a/b"},
    {"name": ".."},
    {"name": "x" * 254},
    {"name": "\ud800"},
    {"uid": f"u{ESCAPE}"},
    {"uid": "u 1"},
    {"uid": "u" * 129},
    {"apiVersion": f"batch/v1{ESCAPE}"},
    {"apiVersion": "batch/v1/x"},
    {"apiVersion": "batch/"},
    {"apiVersion": "v" * 400},
]


SHORT = [f"{key}-{ascii(value)[:12]}" for change in HOSTILE for key, value in change.items()]


@pytest.mark.parametrize("change", HOSTILE, ids=SHORT)
def test_an_owner_reference_that_names_nothing_possible_is_read_as_absent(change: dict[str, str]) -> None:
    owner = {**GOOD, **change, "controller": True}
    pod = parse_pod({"metadata": {"name": "p", "namespace": "ml", "uid": "u-0", "ownerReferences": [owner]}})
    assert controller_of(pod.metadata) is None


@pytest.mark.parametrize("change", HOSTILE, ids=SHORT)
@pytest.mark.parametrize("field", ["involvedObject", "regarding"])
def test_an_event_about_nothing_possible_is_about_nothing(change: dict[str, str], field: str) -> None:
    involved = parse_event({field: {"namespace": "ml", **GOOD, **change}}).involved
    assert (involved.kind, involved.name, involved.uid) == ("", "", "")


@pytest.mark.parametrize(
    "reference",
    [
        GOOD,
        {**GOOD, "apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "sweep.v2"},
        {**GOOD, "apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "node-1"},
        {**GOOD, "uid": "3f2a9c1b7d0e4a529b1c0f6f3d2e8a47"},  # a mirror pod's
        {**GOOD, "apiVersion": ""},  # events of some components
    ],
)
def test_references_as_the_cluster_makes_them_are_read_as_they_are(reference: dict[str, str]) -> None:
    owner = {**reference, "controller": True}
    (read,) = parse_pod({"metadata": {"ownerReferences": [owner]}}).metadata.ownerReferences
    about = parse_event({"involvedObject": reference}).involved
    for found in (read, about):
        assert {key: getattr(found, key) for key in reference} == reference


@given(st.text(), st.text(), st.text(), st.text())
def test_a_workload_never_holds_what_a_terminal_obeys(api_version: str, kind: str, name: str, uid: str) -> None:
    workload = WorkloadRef(api_version, kind, "ml", name, uid)
    assert all(text.isprintable() for text in (workload.api_version, workload.kind, workload.name, workload.uid))


def logged(form: Any, log: Any) -> str:
    stream = io.StringIO()
    configure_logging(form, "info", stream)
    log(logging.getLogger("coroner.test"))
    return stream.getvalue()


def test_a_message_is_one_line_of_the_text_log(root_logger: logging.Logger) -> None:
    text = logged("text", lambda log: log.warning("about %s\tof %s", f"a{ESCAPE}b", "c\r\nd\u2028e\x85f"))
    assert text.count("\n") == 1
    assert FORGED not in text.splitlines()
    assert text.rstrip("\n").isprintable()
    assert rf"about a\n{FORGED}\n\tof c\ndef" in text


def test_no_line_of_a_traceback_looks_like_a_record(root_logger: logging.Logger) -> None:
    def log(logger: logging.Logger) -> None:
        try:
            raise ValueError(f"in an exception: {ESCAPE}")
        except ValueError:
            logger.exception("failed")

    first, *rest = logged("text", log).splitlines()
    assert first.endswith("ERROR coroner.test: failed")
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in rest)
    assert f"  {FORGED}" in rest
    assert "\x1b" not in "".join(rest)
    record = json.loads(logged("json", log))
    assert FORGED in record["trace"]
