"""Every name of the default pack has a rule that gives it, a case and a line in docs/verdicts.md; a new one a lookalike.

That every rule decides a case, and every name is shown by one, is in ``test_every_rule.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.categorizer.test_message_cases import classified
from tests.support.default_pack import CATEGORIZER

VERDICTS = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text()
NAMES = sorted({(rule.category, rule.subcategory) for rule in CATEGORIZER.rules})
SECTIONS = dict(re.findall(r"(?ms)^## ([a-z-]+): [^\n]*\n(.*?)(?=^## |\Z)", VERDICTS))
TRACE = 'Traceback (most recent call last):\n  File "app.py", line 3, in <module>\n    main()\n{}\n'

# name: where it is said, reason or exit code, what is said, and what it is instead
LOOKALIKES = [
    ("accelerator/device-oom", "ended", 1, TRACE.format("grpc._channel._InactiveRpcError: status = StatusCode.RESOURCE_EXHAUSTED, details = Received message larger than max (8 vs. 4)"), "user-code/uncaught-exception"),
    ("accelerator/device-error", "ended", 1, TRACE.format("FileNotFoundError: [Errno 2] No such file or directory: 'cuda/errors.json'"), "user-code/uncaught-exception"),
    ("accelerator/device-busy", "ended", 1, TRACE.format("OSError: [Errno 16] Device or resource busy: '/data/lock'"), "user-code/uncaught-exception"),
    ("accelerator/fabric-not-ready", "ended", 1, "RuntimeError: Error 803: system has unsupported display driver / cuda driver combination", "accelerator/device-error"),
    ("disruption/peer-lost", "ended", 1, TRACE.format("redis.exceptions.ConnectionError: Connection closed by server."), "user-code/uncaught-exception"),
    ("resources/memory-refused", "ended", 1, TRACE.format("BlockingIOError: [Errno 11] Resource temporarily unavailable"), "user-code/uncaught-exception"),
    ("resources/oom-by-framework", "ended", 1, TRACE.format("ray.exceptions.WorkerCrashedError: The worker died unexpectedly while executing this task."), "user-code/uncaught-exception"),
    ("resources/file-limit", "ended", 1, TRACE.format("psycopg2.OperationalError: FATAL:  sorry, too many clients already"), "user-code/uncaught-exception"),
    ("resources/process-limit", "ended", 1, TRACE.format("BlockingIOError: [Errno 11] Resource temporarily unavailable"), "user-code/uncaught-exception"),
    ("resources/disk-quota", "ended", 1, TRACE.format("googleapiclient.errors.HttpError: Quota exceeded for quota metric 'Queries'"), "user-code/uncaught-exception"),
    ("unknown/child-killed", "ended", 247, "Error: bad configuration in line 3", "user-code/error-exit"),
    ("user-config/missing-object", "stuck", "FailedMount", 'MountVolume.SetUp failed for volume "pvc-1" : csinodes.storage.k8s.io "node-1" not found', "platform/volume-mount"),
    ("user-config/access-denied", "ended", 1, TRACE.format("PermissionError: [Errno 13] Permission denied: '/data/x'"), "user-code/uncaught-exception"),
    ("user-config/image-policy", "uncreated", "", 'pods "w-1" is forbidden: the namespace policy denies it', "user-config/admission-denied"),
    ("user-config/image-format", "waiting", "ErrImagePull", "failed commit on ref: failed size validation: 100 != 200: failed precondition", "platform/registry-unavailable"),
    ("user-config/not-supported-on-node", "unscheduled", "Unschedulable", "0/2 nodes are available: 2 node(s) had untolerated taint {eks.amazonaws.com/compute-type: fargate}.", "user-config/toleration"),
    ("platform/service-rate-limited", "ended", 1, TRACE.format("ValueError: rate must be at most 100"), "user-code/uncaught-exception"),
    ("platform/name-resolution", "ended", 1, TRACE.format("ConnectionRefusedError: [Errno 111] Connection refused"), "user-code/uncaught-exception"),
    ("platform/pull-throttled", "waiting", "ErrImagePull", "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit", "platform/registry-rate-limited"),
    ("platform/node-setup", "ended", 128, 'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "devops-tool": executable file not found in $PATH: unknown', "user-config/bad-command"),
    ("platform/image-store", "waiting", "ErrImagePull", "failed to extract layer sha256:1f: archive/tar: invalid tar header: unknown", "user-config/image-format"),
    ("platform/api-server", "uncreated", "", 'pods "j-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1', "capacity/quota-exceeded"),
    ("platform/storage-access", "stuck", "FailedMount", 'MountVolume.MountDevice failed for volume "pvc-3" : rpc error: code = Aborted desc = an operation with the given Volume ID 0001 already exists', "platform/volume-mount"),
    ("capacity/volume-limit", "stuck", "FailedAttachVolume", 'AttachVolume.Attach failed for volume "pvc-5" : rpc error: code = NotFound desc = [ControllerPublishVolume] Volume v-1 not found', "platform/volume-attach"),
    ("capacity/gang-not-ready", "unscheduled", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.", "capacity/insufficient-cpu"),
]  # fmt: skip
# Their lookalikes are whole pods: another component's event, Kueue's other reasons (test_lookalikes.py, test_kueue.py).
WHOLE_PODS = {"disruption/evicted-by-controller", "disruption/queue-evicted"}


@pytest.mark.parametrize(("category", "subcategory"), NAMES)
def test_a_name_has_a_line_in_the_vocabulary(category: str, subcategory: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(subcategory)}(?![\w-])", SECTIONS[category])


def test_the_vocabulary_has_no_names_that_no_rule_gives() -> None:
    in_tables = {
        (category, name)
        for category, text in SECTIONS.items()
        for cell in re.findall(r"(?m)^\| ([a-z0-9, -]+) \|", text)
        for name in cell.split(", ")
    }
    assert len(in_tables) >= 60
    assert sorted(in_tables - set(NAMES) - {(category, "subcategory") for category in SECTIONS}) == []


@pytest.mark.parametrize(
    ("name", "where", "said_by", "message", "instead"), LOOKALIKES, ids=[case[0] for case in LOOKALIKES]
)
def test_what_only_looks_like_a_new_name_is_something_else(
    name: str, where: str, said_by: str | int, message: str, instead: str
) -> None:
    code = said_by if isinstance(said_by, int) else 0
    reason = said_by if isinstance(said_by, str) else "StartError" if code == 128 else "Error"
    verdict = classified(where, {"exitCode": code, "reason": reason, "message": message}, CATEGORIZER)
    assert verdict is not None
    assert f"{verdict.category}/{verdict.subcategory}" == instead != name


def test_every_new_name_has_a_lookalike() -> None:
    named = {name for name, *_ in LOOKALIKES} | WHOLE_PODS
    assert sorted(named - {f"{category}/{subcategory}" for category, subcategory in NAMES}) == []
    assert len(named) >= 26
