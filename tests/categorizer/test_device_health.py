"""A failing container that holds an unhealthy device."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.default_pack import CATEGORIZER
from tests.support.pods import completed, crash_looping, disrupted, event, failed, killing, pod, running

Json = dict[str, Any]

EVIDENCE = "status.containerStatuses[main].allocatedResourcesStatus"
VALUE_ERROR = 'Traceback (most recent call last):\n  File "t.py", line 3, in <module>\n    f()\nValueError: bad input\n'
CUDA_ERROR = VALUE_ERROR.replace("ValueError: bad input", "RuntimeError: CUDA error: unspecified launch failure")


def holding(container: Json, health: str = "Unhealthy", **device: str) -> Json:
    """A container that holds a healthy GPU and one of this health."""
    devices = [{"resourceID": "GPU-1", "health": "Healthy"}, {"resourceID": "GPU-2", "health": health} | device]
    return container | {"allocatedResourcesStatus": [{"name": "nvidia.com/gpu", "resources": devices}]}


# (rule, pod, events, category/subcategory or None, whether the evidence names the device)
CASES: list[tuple[str, Json, list[Json], str | None, bool]] = [
    ("a program that ended without a cause", pod(holding(failed(1))), [], "accelerator/device-unhealthy", True),
    ("a program that names no exception", pod(holding(failed(1, message="giving up"))), [], "accelerator/device-unhealthy", True),
    ("an exception that names the device", pod(holding(failed(1, message=CUDA_ERROR))), [], "accelerator/device-unhealthy", True),
    ("a kill that nothing else explains", pod(holding(failed(137))), [], "accelerator/device-unhealthy", True),
    ("a crash loop", pod(holding(crash_looping(139))), [], "accelerator/device-unhealthy", True),
    ("an exception of another kind stays the cause", pod(holding(failed(1, message=VALUE_ERROR))), [], "user-code/uncaught-exception", True),
    ("GPU memory that ran out stays the cause", pod(holding(failed(1, message="CUDA out of memory"))), [], "accelerator/device-oom", True),
    ("an OOM kill stays the cause", pod(holding(failed(137, "OOMKilled"))), [], "resources/oom-killed", True),
    ("a command that does not exist stays the cause", pod(holding(failed(127))), [], "user-config/bad-command", True),
    ("a program that was asked to stop has no device error", pod(holding(failed(143))), [], "disruption/terminated", True),
    ("a probe's kill stays the cause", pod(holding(failed(137))), [event("Unhealthy", "Liveness probe failed: HTTP 500", "main"), killing()], "user-code/liveness-probe", True),
    ("an eviction stays the cause", pod(holding(failed(137)), conditions=(disrupted("EvictionByEvictionAPI"),)), [], "disruption/api-eviction", False),
    ("a healthy device is no evidence", pod(holding(failed(1), "Healthy")), [], "user-code/error-exit", False),
    ("a device of unknown health is no evidence", pod(holding(failed(1), "Unknown")), [], "user-code/error-exit", False),
    ("another container's device is no evidence", pod(failed(1), holding(running("b"))), [], "user-code/error-exit", False),
    ("a program that still runs has not failed", pod(holding(running())), [], None, False),
    ("a program that completed has not failed", pod(holding(completed())), [], None, False),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "events", "expected", "named"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_unhealthy_device(subject: Json, events: list[Json], expected: str | None, named: bool) -> None:
    verdict = CATEGORIZER.classify(subject, events)
    assert (f"{verdict.category}/{verdict.subcategory}" if verdict else None) == expected
    assert any(e.source == EVIDENCE for e in (verdict.evidence if verdict else ())) == named


def test_the_device_is_named() -> None:
    verdict = CATEGORIZER.classify(pod(holding(failed(1), message="XID 79")))
    assert verdict is not None
    assert verdict.message == (
        'container "main" ended with exit code 1 while a device that it held on node node-1 was unhealthy '
        "(nvidia.com/gpu GPU-2 (XID 79))"
    )
    assert (verdict.confidence, verdict.retry) == ("Likely", "MayRecover")
