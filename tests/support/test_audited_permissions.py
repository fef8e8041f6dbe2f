"""What the audit logs show is compared with the roles in both directions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit import operator_calls
from tests.support.audited_permissions import asked_for, differences, main
from tests.support.permissions import Permission

GRANTED = {
    Permission("", "pods", "list"),
    Permission("", "pods", "watch"),
    Permission("coroner.dev", "failurereports", "patch"),
}


def line(verb: str, resource: str, group: str = "", *, agent: str = "coroner", **more: Any) -> str:
    subresource = resource.partition("/")[2]
    ref = {"resource": resource.partition("/")[0], "apiGroup": group, "subresource": subresource}
    call = {"verb": verb, "userAgent": agent, "objectRef": ref, "stage": "ResponseComplete"}
    return json.dumps({**call, "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z", **more})


WHOLE = [
    line("list", "pods"),
    line("watch", "pods", stage="ResponseStarted"),
    line("watch", "pods"),  # the end of the same
    line("patch", "failurereports", "coroner.dev"),
]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], []),
        ([line("get", "secrets")], ["asked for and not granted: get secrets"]),
        ([line("get", "secrets", agent="coroner-tests"), line("get", "secrets", agent="kubectl/v1.36")], []),
        ([line("get", "secrets", agent="kopf/1.45")], ["asked for and not granted: get secrets"]),
        (
            [line("patch", "failurereports", "coroner.dev", responseStatus={"code": 201})],
            ["asked for and not granted: create failurereports.coroner.dev"],
        ),
        ([line("get", "jobsets", "jobset.x-k8s.io"), line("patch", "jobsets/status", "jobset.x-k8s.io")], []),
        ([line("patch", "jobsets", "jobset.x-k8s.io")], ["asked for and not granted: patch jobsets.jobset.x-k8s.io"]),
        ([line("get", "", "")], []),
    ],
)  # fmt: skip
def test_what_is_asked_for_and_not_granted(tmp_path: Path, more: list[str], expected: list[str]) -> None:
    (tmp_path / "one.log").write_text("\n".join(WHOLE + more))
    assert differences(asked_for(operator_calls(tmp_path / "one.log")), GRANTED) == expected


def test_what_is_granted_and_never_asked_for(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text("\n".join(WHOLE[:1] + WHOLE[3:]))
    found = differences(asked_for(operator_calls(tmp_path / "one.log")), GRANTED)
    assert found == ["granted and never asked for: watch pods"]


def test_without_logs_nothing_is_checked_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REQUIRE_CLUSTER", raising=False)
    assert main(tmp_path) == 0
    assert "not checked" in capsys.readouterr().out
    monkeypatch.setenv("REQUIRE_CLUSTER", "1")
    assert main(tmp_path) == 1
