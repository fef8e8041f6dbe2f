"""What attackers do, once for the attack tests and for the measurements: each function is one step that can be repeated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

from tests.attacks.arena import Object, Tenant, failed, idle_job, owner

LONG = 200_000  # characters; the core API takes events of up to 1.5 MB

SUPERLINEAR = {
    "quota": ("FailedCreate", "requested: a, used: b, "),
    "amounts": ("FailedCreate", "exceeded quota: q, requested: " + "a" * LONG + ", used: b, limited: "),
    "create prefix": ("FailedCreate", "create Pod "),
    "request URL": ("FailedCreate", "Error creating: https://"),
    "assignments": ("FailedCreate", "a=b"),
    "colons": ("FailedCreate", "a: "),
    "quotes": ("FailedCreate", '"' + "\\"),
    "blanks": ("FailedCreate", " \t"),
}
"""Name → reason, and what the message repeats until it is ``LONG``: beginnings that never come to their end."""

PATHS = (
    "?watch=true",
    "x?watch=true&timeoutSeconds=600",
    "../../../../../../api/v1/pods",
    "../../../../../../api/v1/secrets",
    "../../../../../../openapi/v2",
    "../../../../../../readyz",
    "..",
    "x/status",
    "x%2f..%2f..",
    "x\n",
    "x" * 5000,
    "",
    " ",
    "é",
)
"""Names of owners."""


def uid() -> str:
    return str(uuid4())


def repeated(part: str, length: int = LONG) -> str:
    return (part * (length // len(part) + 1))[:length]


async def post_long_event(attacker: Tenant, job: Object, attack: str) -> None:
    """F1: about this Job, with the text of ``SUPERLINEAR``."""
    reason, part = SUPERLINEAR[attack]
    await attacker.event(job_reference(job), reason, repeated(part))


async def existing_job(attacker: Tenant) -> Object:
    return await attacker.create("jobs", idle_job("target"), "/apis/batch/v1")


def job_reference(job: Object) -> Object:
    metadata = job["metadata"]
    return {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}


async def change_annotation(attacker: Tenant, pod: str, number: int) -> None:
    """F2: a change that says nothing new."""
    await _change(attacker, pod, {"annotations": {"n": str(number)}})


async def fail_to_create(attacker: Tenant, api_version: str, kind: str, name: str) -> None:
    """F5, F8: an Event about an object of which nobody asks whether it exists."""
    involved = {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid()}
    await attacker.event(involved, "FailedCreate", "Error creating: no")


async def post_large_events(attacker: Tenant, count: int, size: int = 1_300_000) -> None:
    """F6: about pods that do not exist, four at a time."""
    message = "a b " * (size // 4)

    async def post(numbers: range) -> None:
        for number in numbers:
            await attacker.event(
                {"apiVersion": "v1", "kind": "Pod", "name": f"none-{number}", "uid": uid()}, "FailedMount", message
            )

    await asyncio.gather(*(post(range(start, count, 4)) for start in range(4)))


async def owned_pod(attacker: Tenant, name: str, owner_name: str) -> None:
    """F8: one that has failed, of a kind that nobody can read."""
    await attacker.pod(name, failed("x"), owner("x.example/v1", "Foo", owner_name, uid()))


async def change_owner(attacker: Tenant, pod: str, number: int) -> None:
    """F8."""
    await _change(attacker, pod, {"ownerReferences": [owner("x.example/v1", "Foo", f"foo-{number}", uid())]})


@asynccontextmanager
async def half_open(url: str, count: int) -> AsyncIterator[None]:
    """F12: so many connections that have sent the beginning of a request and will never send its end."""
    port = urlsplit(url).port
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError, TimeoutError):
                _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 2)
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                writers.append(writer)
        yield
    finally:
        for writer in writers:
            writer.close()


async def _change(attacker: Tenant, pod: str, metadata: Object) -> None:
    path = f"/api/v1/namespaces/{attacker.namespace}/pods/{pod}"
    answer = await attacker.api.merge(path, {"metadata": metadata})
    assert answer.status == 200, answer.body
