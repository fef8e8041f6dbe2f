"""Random writes by several managers, done on both servers side by side: every answer must be the same.

This is what keeps the embedded server's field ownership honest: the table of ``test_apply.py`` shows the cases that
we thought of, this finds the others. A failure prints the writes that lead to it.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from embedded_apiserver import EmbeddedApiServer
from tests.apiserver_conformance.client import Answer, Api, MakeObject, connected

GADGETS = "/apis/tests.coroner.dev/v1/namespaces/default/gadgets"
WRITES = ("apply", "apply", "apply status", "apply status", "apply status", "merge", "merge status", "put status")


@pytest.fixture
async def twins(embedded: EmbeddedApiServer, real_kubeconfig: Path, tmp_path: Path) -> AsyncIterator[tuple[Api, Api]]:
    """The same client on both: (embedded, real)."""
    ours = embedded.kubeconfig(tmp_path / "embedded")
    async with connected(ours) as one, connected(real_kubeconfig) as other:
        yield one, other


def _maybe(rng: random.Random, likely: float, field: str, value: Any) -> dict[str, Any]:
    return {field: value} if rng.random() < likely else {}


def _some(rng: random.Random, letters: str, most: int) -> list[str]:
    return rng.sample(letters, rng.randint(0, most))


def _status(rng: random.Random) -> dict[str, Any]:
    conditions = [
        {"type": name, "status": rng.choice(["True", "False"]), **_maybe(rng, 0.3, "reason", "R")}
        for name in _some(rng, "ABCD", 3)
    ]
    counts = [{"category": c, "subcategory": "s", "count": rng.choice([1, 2])} for c in _some(rng, "ab", 2)]
    return {
        **_maybe(rng, 0.5, "state", rng.choice("xy")),
        **_maybe(rng, 0.3, "hint", rng.choice("xy")),
        **_maybe(rng, 0.3, "count", rng.choice([1, 2])),
        **_maybe(rng, 0.4, "history", [{"text": text} for text in _some(rng, "abc", 2)]),
        **_maybe(rng, 0.6, "conditions", conditions),
        **_maybe(rng, 0.4, "counts", counts),
    }


def _spec(rng: random.Random) -> dict[str, Any]:
    return {
        **_maybe(rng, 0.8, "size", rng.choice([1, 2])),
        **_maybe(rng, 0.3, "color", rng.choice(["red", "blue"])),
        **_maybe(rng, 0.4, "tags", _some(rng, "abcd", 3)),
        **_maybe(rng, 0.4, "env", {name: rng.choice("12") for name in _some(rng, "ABC", 2)}),
        **_maybe(rng, 0.3, "any", {"x": {name: rng.choice("12") for name in _some(rng, "ABC", 2)}, "l": [1]}),
    }


def _write(rng: random.Random, gadget: Any, name: str) -> dict[str, Any]:
    kind = rng.choice(WRITES)
    labels = {label: rng.choice("12") for label in _some(rng, "ab", 2)}
    side = {"status": _status(rng)} if kind.endswith("status") else {"spec": _spec(rng)}
    body = gadget(name, labels=labels if "status" not in kind else None, **side)
    return {"kind": kind, "manager": rng.choice(["m1", "m2", "m3"]), "force": rng.random() < 0.4, "body": body}


async def _done(api: Api, path: str, write: dict[str, Any]) -> Answer:
    kind, body, manager = write["kind"], write["body"], write["manager"]
    path = f"{path}/status" if kind.endswith("status") else path
    if kind.startswith("apply"):
        return await api.apply(path, body, manager, **({"force": "true"} if write["force"] else {}))
    if kind.startswith("merge"):
        return await api.merge(path, body, fieldManager=manager)
    live = await api.get(path)
    if live.status != 200:
        return live
    return await api.put(path, {**live.body, "status": body["status"]}, fieldManager=manager)


def _comparable(answer: Answer) -> Any:
    """The answer without what differs by nature: versions, times, the order among managers."""
    body = json.loads(json.dumps(answer.body))
    if body["kind"] != "Gadget":
        causes = sorted(body.get("details", {}).get("causes", []), key=str)
        # Of a 500 the tail shows a Go value.
        return answer.status, "" if answer.status == 500 else body["message"], causes
    for name in ("uid", "creationTimestamp", "resourceVersion"):
        del body["metadata"][name]
    entries = body["metadata"].pop("managedFields", [])
    for entry in entries:
        entry.pop("time", None)
    return answer.status, body, sorted(entries, key=lambda entry: json.dumps(entry, sort_keys=True))


@pytest.mark.parametrize("seed", range(40))
async def test_both_servers_answer_alike(twins: tuple[Api, Api], gadget: MakeObject, seed: int) -> None:
    rng = random.Random(seed)
    name = f"twin-{seed}"
    done: list[dict[str, Any]] = []
    try:
        for _ in range(rng.randint(4, 12)):
            done.append(_write(rng, gadget, name))
            ours, theirs = [_comparable(await _done(api, f"{GADGETS}/{name}", done[-1])) for api in twins]
            assert ours == theirs, "\n".join(json.dumps(write) for write in done)
    finally:
        await twins[1].delete(f"{GADGETS}/{name}")
