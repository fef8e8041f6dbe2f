"""Rules that change while the operator runs: failing pods are classified again, and an Event says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from coroner_operator.publish import publisher
from coroner_operator.publish.event_series import Regarding
from embedded_apiserver import EmbeddedApiServer
from tests.rules_reload.files import BROKEN, ConfigMapMount, rules
from tests.support.live_objects import changed, ended, event, failed_pod, live_pod, waiting, workload
from tests.support.operators import Operators
from tests.support.reports import Reports
from tests.support.waiting import until


@pytest.fixture
def mount(tmp_path: Path) -> ConfigMapMount:
    mount = ConfigMapMount(tmp_path / "rules")
    mount.hold(rules_yaml=rules("first"))
    return mount


async def test_failing_pods_are_classified_again_and_the_report_names_the_rules(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, mount: ConfigMapMount, tmp_path: Path
) -> None:
    engine = await operators.start(rules=tmp_path / "rules" / "rules.yaml")
    job = server.put(workload("Job", "train"))
    for number in range(3):
        server.put(failed_pod(f"train-{number}", message="boom", owner=job))
    web = server.put(workload("Deployment", "web", replicas=1))
    crashing = live_pod("web", owner=web, state=waiting("CrashLoopBackOff"), last=ended(message="boom"))
    server.put(crashing)
    await until(lambda: reports.failures("train") == 3)
    await until(lambda: reports.failures("web") == 1)
    await until(lambda: reports.status("train")["category"] == "first")
    old = reports.status("train")["rules"]
    assert reports.status("web")["rules"] == old

    mount.hold(rules_yaml=rules("another"))
    for name in ("train", "web"):
        await until(lambda: reports.status(name)["category"] == "another")  # noqa: B023
    status = reports.status("train")
    assert status["rules"] != old
    await until(lambda: [(c["category"], c["count"]) for c in reports.status("train")["counts"]] == [("another", 3)])
    assert {entry["category"] for entry in reports.status("train")["history"]} == {"another"}
    assert (reports.failures("train"), reports.failures("web")) == (3, 1)
    report = await until(lambda: reports.of("train"))
    await until(lambda: (reports.of("train") or report)["metadata"]["labels"]["coroner.dev/category"] == "another")
    assert f'rules="{status["rules"]}"'.encode() in engine.metrics.exposition()
    # … and what fails from now on is judged by them alone
    server.put(changed(crashing, state=waiting("CrashLoopBackOff"), last=ended(message="boom", number=2), restarts=1))
    await until(lambda: reports.failures("web") == 2)
    assert [(c["category"], c["count"]) for c in reports.status("web")["counts"]] == [("another", 2)]


async def test_broken_rules_are_reported_and_the_previous_rules_stay_in_use(
    server: EmbeddedApiServer,
    operators: Operators,
    reports: Reports,
    mount: ConfigMapMount,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "own_pod", lambda: Regarding("v1", "Pod", "default", "coroner-0"))
    engine = await operators.start(rules=tmp_path / "rules" / "rules.yaml")
    mount.hold(rules_yaml=BROKEN)
    refused = await until(lambda: [e for e in server.objects("Event") if e.get("reason") == "InvalidRules"])
    assert "operator" in str(refused[0])
    metrics = engine.metrics.exposition()
    assert b"coroner_rules_last_reload_success 0.0" in metrics
    assert b"coroner_rules_reload_failures_total 1.0" in metrics
    server.put(failed_pod("pod", message="boom"))
    await until(lambda: reports.status("pod").get("category") == "first")

    mount.hold(rules_yaml=rules("fixed"))
    await until(lambda: reports.status("pod")["category"] == "fixed")
    assert b"coroner_rules_last_reload_success 1.0" in engine.metrics.exposition()


async def test_a_restart_with_other_rules_classifies_failing_pods_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, mount: ConfigMapMount, tmp_path: Path
) -> None:
    first = await operators.start(rules=tmp_path / "rules" / "rules.yaml")
    job = server.put(workload("Job", "train"))
    for number in range(3):
        server.put(failed_pod(f"train-{number}", message="boom", owner=job))
    await until(lambda: reports.failures("train") == 3)
    await first.stop()
    mount.hold(rules_yaml=rules("another"))
    await operators.start(rules=tmp_path / "rules" / "rules.yaml")
    await until(lambda: [(c["category"], c["count"]) for c in reports.status("train")["counts"]] == [("another", 3)])
    assert reports.status("train")["category"] == "another"


async def test_an_answer_by_an_event_that_has_expired_outlives_a_restart_with_the_same_rules(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    first = await operators.start()
    web = server.put(workload("Deployment", "web", replicas=1))
    crashing = server.put(live_pod("web", owner=web, last=ended(137), restarts=1))
    probe = event(crashing, "Killing", "Container main failed liveness probe, will be restarted", "Normal")
    server.put(probe)
    server.put({**crashing, "metadata": {**crashing["metadata"], "labels": {"touched": "yes"}}})
    await until(lambda: reports.failures("web") == 1)
    reported = reports.status("web")["history"][0]["subcategory"]
    await first.stop()
    for old_event in server.objects("Event"):
        server.delete("Event", old_event["metadata"]["name"])
    before = reports.writes
    await operators.start()
    server.put(failed_pod("other"))
    await until(lambda: reports.of("other"))
    assert reports.status("web")["history"][0]["subcategory"] == reported
    assert reports.writes > before


async def test_pods_that_cannot_be_created_are_classified_again(
    server: EmbeddedApiServer, operators: Operators, reports: Reports, tmp_path: Path
) -> None:
    mount = ConfigMapMount(tmp_path / "rules")
    mount.hold(rules_yaml=for_creation("first"))
    await operators.start(rules=tmp_path / "rules" / "rules.yaml")
    job = server.put(workload("Job", "train"))
    server.put(event(job, "FailedCreate", 'pods "train-x" is forbidden: exceeded quota: small'))
    await until(lambda: reports.status("train").get("category") == "first")
    mount.hold(rules_yaml=for_creation("another"))
    await until(lambda: reports.status("train")["category"] == "another")
    assert reports.failures("train") == 1


def for_creation(category: str) -> str:
    return (
        "apiVersion: coroner.dev/v1alpha1\nkind: Categorizer\nextends: default\ncategories:\n"
        f"  - name: {category}\n    rules:\n"
        "      - onPodEvents: {regexp: quota, type: Warning}\n        subcategory: ours\n"
    )
